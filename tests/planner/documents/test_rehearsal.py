"""Judging a rehearsal: attainment, phases, dollars and the doubts that make a run worthless."""

from __future__ import annotations

import dataclasses
import math
from decimal import Decimal
from typing import Any

import pytest

from planner.documents.machine import Machine
from planner.documents.rehearsal import Script
from planner.documents.rehearsed import ReplayedRequest, judge, percentile
from tests.system.stage import API, played, script

GOOD = Machine(
    lag_p95_ms=10.0,
    timer_lag_p95_ms=10.0,
    probe_p95_ms=10.0,
    processor_share=0.3,
    busiest_program="gateway-1",
    busiest_share=0.3,
    cores=2,
    wall_s=6.0,
    requests_per_wall_second=40.0,
)
LEDGER: dict[str, Any] = {"requests": 0, "usd": "0", "classes": {"restricted": {"requests": 0}}}


def row(**changes: Any) -> ReplayedRequest:
    """A request that meets every target: 40 tokens in 1,240 ms after 200."""
    values: dict[str, Any] = {
        "route": "chat",
        "arrival_ms": 1000.0,
        "status": 200,
        "ok": True,
        "ttft_ms": 200.0,
        "e2e_ms": 1760.0,
        "ended_ms": 2760.0,
        "input_tokens": 1000,
        "tokens": 40,
        "served_by": "pool/pool-chat",
        "spill_reason": "",
    }
    return ReplayedRequest(**(values | changes))


def small(count: int, **changes: Any) -> Script:
    staged = script(duration_s=20.0)
    return dataclasses.replace(staged, arrivals=staged.arrivals[:count], **changes)


def test_each_request_is_held_to_its_own_limit() -> None:
    """800 ms and 200 ms for each 1,000 tokens of input."""
    rows = [
        row(ttft_ms=999.0, e2e_ms=2500.0),
        row(ttft_ms=1001.0, e2e_ms=2500.0),
        row(ttft_ms=1399.0, e2e_ms=2500.0, input_tokens=3000),
        row(ttft_ms=200.0, e2e_ms=200.0 + 39 * 51),
    ]
    outcome = judge(small(4), rows, LEDGER, GOOD).outcome("chat")
    assert (outcome.ttft_attained, outcome.tpot_attained) == (0.75, 0.75)
    assert not outcome.slo_met


def test_whole_answers_are_held_to_their_own_limit() -> None:
    """Where it is the only promise, no other one can be missed; and without it, it cannot be missed."""
    staged = small(4)
    promise = dataclasses.replace(staged.routes[0], ttft_base_ms=math.inf, tpot_ms=math.inf, e2e_ms=2000.0)
    staged = dataclasses.replace(staged, routes=(promise,))
    rows = [row(e2e_ms=1999.0), row(e2e_ms=2001.0), row(ttft_ms=1900.0, e2e_ms=2000.0), row(ok=False, e2e_ms=None)]
    outcome = judge(staged, rows, LEDGER, GOOD).outcome("chat")
    assert (outcome.e2e_attained, outcome.ttft_attained, outcome.tpot_attained) == (0.5, 0.75, 0.75)
    assert outcome.e2e_p95_ms == 2001.0
    slow = judge(small(1), [row(e2e_ms=9e9, tokens=None)], LEDGER, GOOD).outcome("chat")
    assert slow.e2e_attained == 1.0


def test_what_was_not_answered_has_missed() -> None:
    rows = [row()] * 18 + [row(ok=False, status=503, ttft_ms=1.0, e2e_ms=1.0, tokens=None), row(ok=False, status=0)]
    outcome = judge(small(20), rows, LEDGER, GOOD).outcome("chat")
    assert outcome.ttft_attained == pytest.approx(0.9)
    assert outcome.problems == {"0": 1, "503": 1}
    assert outcome.ttft_p95_ms == 200.0  # percentiles are of answers


def test_one_token_has_no_tpot_to_miss() -> None:
    outcome = judge(small(1), [row(tokens=1, e2e_ms=200.0)], LEDGER, GOOD).outcome("chat")
    assert outcome.tpot_attained == 1.0
    assert math.isnan(outcome.tpot_p95_ms)


def test_what_the_kill_cut_or_moved_is_the_kills() -> None:
    rows = [
        row(arrival_ms=9000.0, ended_ms=9900.0, ok=False, status=502),
        row(arrival_ms=9000.0, ended_ms=10050.0, ok=False),
        row(arrival_ms=9000.0, ended_ms=10800.0),
        row(arrival_ms=9500.0, ended_ms=10900.0, served_by=f"api/{API}", spill_reason="reset"),
        row(arrival_ms=10001.0, ended_ms=11000.0),
    ]
    result = judge(small(5, kill="pool-chat"), rows, LEDGER, GOOD)
    steady, after = result.outcome("chat"), result.outcome("chat", "after the kill")
    assert (steady.requests, steady.ok, steady.spill_share) == (2, 1, 0)
    assert (after.requests, after.ok) == (3, 2)


def moved(*sizes: int, count: int) -> Script:
    """Scenes of 20 s in which chat comes and goes, with so many requests."""
    staged = played(sizes, 20.0)
    return dataclasses.replace(staged, arrivals=staged.arrivals[:count])


def test_each_scene_has_its_own_outcomes() -> None:
    spilled = row(arrival_ms=25_000.0, ended_ms=26_000.0, served_by=f"api/{API}", spill_reason="no_replica")
    rows = [row(), row(arrival_ms=21_000.0, ended_ms=22_000.0), spilled, row(arrival_ms=45_000.0, ended_ms=46_000.0)]
    result = judge(moved(1, 0, 1, count=4), rows, LEDGER, GOOD)
    assert [result.outcome("chat", phase).requests for phase in ("before", "between", "after")] == [1, 2, 1]
    assert result.outcome("chat", "between").spilled == {"no_replica": 1}
    assert (result.lost, result.held) == (0, True)
    # 1,000 tokens in and 40 out, at the whole traffic of the fleet
    assert result.whole_api_usd("between") == (1000 * Decimal("0.40") + 40 * Decimal("1.60")) / 1_000_000


def test_a_spill_is_brought_to_the_whole_fleet_by_the_share_of_its_scene() -> None:
    staged = moved(1, 0, count=1)
    assert staged.plot is not None
    scenes = [dataclasses.replace(scene, shares={"chat": 0.25, "extraction": 0.5}) for scene in staged.plot.scenes]
    staged = dataclasses.replace(staged, plot=dataclasses.replace(staged.plot, scenes=tuple(scenes)))
    spilled = row(arrival_ms=25_000.0, ended_ms=41_000.0, served_by=f"api/{API}", spill_reason="no_replica")
    result = judge(staged, [spilled], LEDGER, GOOD)
    assert result.whole_api_usd("between") == result.outcome("chat", "between").api_usd * 4 > 0
    assert result.whole_api_usd("before") == 0


def test_a_lost_request_breaks_a_play_and_is_that_of_the_change() -> None:
    cut = row(arrival_ms=19_000.0, ended_ms=20_500.0, ok=False, tokens=None)
    rows = [*[row()] * 60, cut]
    result = judge(moved(2, 1, count=61), rows, LEDGER, GOOD)
    assert (result.outcome("chat", "before").lost, result.outcome("chat", "between").lost) == (0, 1)
    assert not result.held
    late = [row(arrival_ms=25_000.0)] * 60  # whatever the share: one is too many
    assert not judge(moved(2, 1, count=121), [*rows, *late], LEDGER, GOOD).held
    assert judge(moved(2, 1, count=120), [*rows[:60], *late], LEDGER, GOOD).held


def test_what_is_longer_than_the_drain_is_counted_and_not_lost() -> None:
    long_one = row(arrival_ms=19_000.0, ended_ms=20_000.0 + 105_200.0, ok=False, tokens=None)
    rows = [*[row()] * 60, *[row(arrival_ms=25_000.0)] * 60, long_one]
    result = judge(moved(2, 1, count=121), rows, LEDGER, GOOD)
    assert (result.outcome("chat", "between").cut, result.lost, result.held) == (1, 0, True)
    refused = long_one._replace(status=503, served_by="")
    assert judge(moved(2, 1, count=121), [*rows[:-1], refused], LEDGER, GOOD).lost == 1


def test_latencies_count_only_in_scenes_that_promise_them() -> None:
    slow = row(arrival_ms=25_000.0, ttft_ms=9000.0, e2e_ms=9500.0)
    staged = moved(2, 1, count=2)
    assert not judge(staged, [row(), slow], LEDGER, GOOD).held
    assert staged.plot is not None
    first, second = staged.plot.scenes
    plot = dataclasses.replace(staged.plot, scenes=(first, dataclasses.replace(second, promised=False)))
    assert judge(dataclasses.replace(staged, plot=plot), [row(), slow], LEDGER, GOOD).held


def test_spill_and_dollars() -> None:
    spilled = row(served_by=f"api/{API}", spill_reason="gate_full", input_tokens=1_000_000, tokens=500_000, ttft_ms=9.0)
    staged = small(4)
    half = tuple(dataclasses.replace(promise, share=0.5) for promise in staged.routes)
    result = judge(dataclasses.replace(staged, routes=half), [row(), row(), row(), spilled], LEDGER, GOOD)
    chat = result.outcome("chat")
    assert chat.spill_share == 0.25
    assert chat.spilled == {"gate_full": 1}
    assert chat.api_usd == Decimal("1.2")  # $0.40 + half of $1.60
    assert result.api_usd_per_hour == pytest.approx(Decimal("1.2") * 2 * 180)  # half the fleet, 20 s


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lag_p95_ms": 151.0}, "requests left 151 ms late"),
        ({"timer_lag_p95_ms": 200.0}, "engine twins woke 200 ms late"),
        ({"probe_p95_ms": 900.0}, "the gateway answered a knock 900 ms late"),
        ({"probe_p95_ms": math.nan}, "the gateway answered a knock nan ms late"),
        ({"busiest_share": 0.9}, "gateway-1 used 90% of a core"),
    ],
)
def test_a_slow_machine_makes_the_run_invalid(change: dict[str, Any], words: str) -> None:
    result = judge(small(1), [row()], LEDGER, dataclasses.replace(GOOD, **change))
    assert [doubt for doubt in result.doubts if words in doubt]
    assert not result.held


def test_lost_rows_and_leaked_bodies_are_no_success() -> None:
    assert judge(small(1), [row()], LEDGER, GOOD).held
    assert not judge(small(2), [row()], LEDGER, GOOD).held
    leaked = LEDGER | {"classes": {"restricted": {"requests": 1}}}
    assert not judge(small(1), [row()], leaked, GOOD).held


def test_percentiles_are_nearest_rank() -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.0
    assert percentile(list(map(float, range(1, 101))), 0.95) == 95.0
    assert math.isnan(percentile([], 0.5))
