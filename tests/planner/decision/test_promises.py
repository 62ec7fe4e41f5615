"""Promises on whole answers and on the rate of tokens: what they buy, and how the plan carries and tells them."""

from __future__ import annotations

import io
import math
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from planner.documents.staging import RehearsalSettings, script, sources
from planner.domain.route import Slo
from planner.edges.planning import Planned, plan
from planner.faces.terminal import plan_view
from planner.plan.traffic import PlannedRoute
from tests.planner import small

pytestmark = pytest.mark.usefixtures("alone")

SLO = "slo: {ttft_p95: {base: 1200ms, per_1k_input: 300ms}, tpot_p95: 60ms}"
HOSTED_ONLY = ("accept: [qwen3-8b, gpt-5.4-mini]", "accept: [qwen3-8b]")


@lru_cache(maxsize=8)
def planned(slo: str) -> Planned:
    """The small environment with another promise on chat, which only its own pools may serve."""
    text = small.text()
    for old, new in ((SLO, f"slo: {slo}"), HOSTED_ONLY):
        assert text.count(old) == 1
        text = text.replace(old, new)
    with tempfile.TemporaryDirectory() as folder:
        return plan(small.workspace(Path(folder), text), "small")


def chat(slo: str) -> PlannedRoute:
    return next(route for route in planned(slo).lock.plan.routes if route.name == "chat")


def shown(slo: str) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    for part in plan_view(planned(slo).lock):
        console.print(part)
    return console.export_text()


def test_whole_answers_alone_are_promise_enough() -> None:
    """The plan states the one limit that there is, and shows it; what is not promised is nowhere infinite, or zero."""
    route, text = chat("{e2e_p95: 12s}"), shown("{e2e_p95: 12s}")
    assert (route.slo.ttft_p95_base_ms, route.slo.ttft_p95_per_1k_input_ms, route.slo.tpot_p95_ms) == (None,) * 3
    assert route.slo.e2e_p95_ms == 12_000
    assert "E2E p95" in text
    assert "of 12.00 s" in text
    assert "no target" in text
    assert " inf" not in text
    assert "Infinity" not in planned("{e2e_p95: 12s}").lock.model_dump_json()


def test_the_time_of_whole_answers_is_within_the_target() -> None:
    for pool in planned("{e2e_p95: 12s}").lock.plan.pools:
        for capacity in pool.capacity:
            if capacity.route == "chat":
                assert capacity.e2e_p95_ms is not None
                assert 0 < capacity.e2e_p95_ms <= 12_000
            else:
                assert capacity.e2e_p95_ms is None


def test_the_gateway_waits_as_long_as_a_mean_answer_leaves() -> None:
    """Less than the whole promise, more than a tenth of it; and a long promise moves the deadline."""
    triggers = chat("{e2e_p95: 12s}").triggers
    assert 1_200 <= triggers.spill_after_ms < 12_000
    assert triggers.queue_ms == triggers.spill_after_ms  # no API may help
    assert triggers.deadline_ms == 120_000
    assert chat("{e2e_p95: 5min}").triggers.deadline_ms == 450_000


def test_a_promise_on_the_first_token_decides_the_triggers_where_it_stands() -> None:
    assert chat("{ttft_p95: 2s, e2e_p95: 12s}").triggers.spill_after_ms == 3_000


def test_a_further_promise_never_saves() -> None:
    usd = [
        planned(slo).lock.plan.cost.usd_per_month
        for slo in ("{ttft_p95: 3s}", "{ttft_p95: 3s, e2e_p95: 12s}", "{ttft_p95: 3s, e2e_p95: 12s, tpot_p95: 15ms}")
    ]
    assert usd == sorted(usd)


def test_a_rate_of_tokens_is_a_time_per_token() -> None:
    one, other = chat("{ttft_p95: 3s, tokens_per_second: 25}"), chat("{ttft_p95: 3s, tpot_p95: 40ms}")
    assert one.slo == other.slo
    assert one.slo.tpot_p95_ms == 40
    assert one.usd_per_month == other.usd_per_month
    assert not any("tokens_per_second" in reason for reason in one.reasons)


@pytest.mark.parametrize(("tpot", "holds", "ms"), [("60ms", "tokens_per_second", 40), ("30ms", "tpot_p95", 30)])
def test_of_two_statements_the_stricter_holds_and_that_is_said(tpot: str, holds: str, ms: int) -> None:
    route = chat(f"{{ttft_p95: 3s, tpot_p95: {tpot}, tokens_per_second: 25}}")
    assert route.slo.tpot_p95_ms == ms
    said = [reason for reason in route.reasons if "is stricter and holds" in reason]
    assert len(said) == 1
    assert f": {holds} is" in said[0]


def test_statements_that_agree_are_not_told_apart() -> None:
    slo = Slo.model_validate({"ttft_p95": "1s", "tpot_p95": "40ms", "tokens_per_second": 25})
    assert slo.token_ms == slo.reading_ms == 40
    assert Slo.model_validate({"ttft_p95": "1s"}).token_ms is None


def test_a_rehearsal_holds_requests_to_what_is_promised_alone() -> None:
    made = planned("{e2e_p95: 12s}")
    staged = script(made.lock, sources(made.wanted.environment, {}), RehearsalSettings(duration_s=30.0))
    promise = next(each for each in staged.routes if each.name == "chat")
    assert (promise.ttft_limit_ms(5000), promise.tpot_ms, promise.e2e_ms) == (math.inf, math.inf, 12_000)
    assert np.isfinite([each.tpot_ms for each in staged.routes if each.name == "extraction"]).all()
