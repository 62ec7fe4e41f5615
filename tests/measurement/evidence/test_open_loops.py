"""Runs at a rate: Poisson arrivals on a step clock, against what queueing theory and the clock itself say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from measurement.evidence.open_loops import OpenLoopConditions, open_loop
from tests.planner.performance.engine import clock_of

STEP_MS = 10.0
ASKED = OpenLoopConditions(
    clock=clock_of(overhead_ms=STEP_MS),
    per_second=1.0,
    input_tokens=100.0,
    output_tokens=11.0,
    length_range=(1.0, 1.0),
    prompts=None,
    places=256,
    kv_tokens=1e9,
    step_tokens=8192,
)


def test_at_a_low_rate_a_request_waits_for_no_other() -> None:
    calm = open_loop(replace(ASKED, per_second=0.01))
    assert calm.time_ms("ttft", 0.5) == pytest.approx(STEP_MS)
    assert calm.time_ms("tpot", None) == pytest.approx(STEP_MS)
    assert calm.time_ms("e2e", 0.99) == pytest.approx(11 * STEP_MS, rel=0.1)
    assert calm.in_flight == pytest.approx(0.01 * 0.110, rel=0.1)


def test_the_requests_in_flight_are_those_of_littles_law() -> None:
    busy = open_loop(replace(ASKED, per_second=40.0))
    assert busy.in_flight == pytest.approx(40.0 * busy.time_ms("e2e", None) / 1e3, rel=0.05)  # 2,000 arrivals


def test_an_arrival_waits_for_half_a_step_on_average_and_no_more_than_a_whole_one() -> None:
    busy = open_loop(replace(ASKED, per_second=40.0))
    assert busy.time_ms("ttft", None) == pytest.approx(1.5 * STEP_MS, rel=0.05)
    assert busy.time_ms("ttft", 0.99) < 2.0 * STEP_MS + 1e-9


def test_beyond_capacity_the_wait_grows_with_the_number_of_prompts() -> None:
    short, long = (
        open_loop(replace(ASKED, per_second=200.0, places=4, prompts=count)).time_ms("ttft", 0.5)
        for count in (200, 2000)
    )
    assert long > 5 * short
    assert open_loop(ASKED) == open_loop(ASKED)


def test_lengths_are_drawn_from_their_range() -> None:
    wide = open_loop(replace(ASKED, per_second=0.01, output_tokens=100.0, length_range=(0.02, 1.98)))
    assert wide.time_ms("e2e", None) == pytest.approx(100 * STEP_MS, rel=0.05)
    assert wide.time_ms("e2e", 0.99) > 1.8 * wide.time_ms("e2e", 0.5)
