"""The engine's limit of waiting tokens, with and without a prefix that is never computed."""

from __future__ import annotations

import pytest

from planner.performance.admission import queued_tokens
from planner.performance.capacity import LatencyTarget
from planner.performance.lengths import lengths_of
from tests.planner.performance.engine import clock_of

CLOCK = clock_of(dense_read_ms=10.0, dense_compute_ms_per_token=0.1)
LENGTHS, TARGET = [lengths_of([(2000.0, 100.0, 1.0)])], [LatencyTarget(5000.0)]


def test_more_whole_prompts_may_wait_when_a_part_of_them_is_not_computed() -> None:
    plain = queued_tokens(CLOCK, LENGTHS, TARGET, 2048)
    assert plain == queued_tokens(CLOCK, LENGTHS, TARGET, 2048, [0.0])
    assert queued_tokens(CLOCK, LENGTHS, TARGET, 2048, [1000.0]) == pytest.approx(2 * plain, rel=1e-3)


def test_the_longest_prompt_may_always_wait() -> None:
    assert queued_tokens(CLOCK, LENGTHS, [LatencyTarget(1.0)], 2048, [1000.0]) == 2000
