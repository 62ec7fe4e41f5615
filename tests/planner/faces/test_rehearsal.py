"""The text of a rehearsal: it shows what failed, and never sells an invalid run as a result."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from planner.documents.rehearsed import Result, judge
from planner.faces.rehearsal import result_json, result_view, script_view
from tests.planner.documents.test_rehearsal import GOOD, LEDGER, row, small
from tests.planner.faces.shown import assert_folds, shown
from tests.planner.golden import assert_golden
from tests.system.stage import API, played

GOLDEN = Path(__file__).parent / "golden"


def lines_of(result: Result) -> list[str]:
    """What is said of a result on a terminal that folds nothing."""
    return shown(*result_view(result), width=1000).splitlines()


def test_the_script_says_what_is_staged() -> None:
    lines = shown(script_view(small(3, kill="pool-chat"))).splitlines()
    assert lines == [
        "Rehearsal of small, load level peak: 20 s of traffic at 5x, 3 requests",
        "  pool pool-chat: 1 of 1 planned replicas, step time x 1",
        "  pool pool-extraction: 1 of 1 planned replicas, step time x 1",
        "  route chat (internal): 100 % of its planned traffic",
        "  route extraction (restricted): 100 % of its planned traffic",
        "  pool pool-chat is killed 10 s into the traffic and stays dead",
    ]


def test_the_result_stands_against_the_plan() -> None:
    rows = [row(), row(served_by=f"api/{API}", spill_reason="gate_full"), row(ok=False, status=0, tokens=None)]
    lines = lines_of(judge(small(3), rows, LEDGER, GOOD))
    header, chat, extraction, *rest = [line.split() for line in lines]
    assert header[:3] == ["route", "phase", "requests"]
    assert chat[:6] == ["chat", "steady", "3", "66.7", "%", "200"]
    assert chat[-1] == "MISSED"
    assert extraction[2] == "0"
    assert "spill chat, steady: 33 %, planned 0 % (gate_full 1); not answered in full: no answer 1" in lines
    assert "restricted requests at the API: 0 (kept; 0 in all)" in lines
    assert lines[-1].startswith("the plan did not hold")
    assert extraction[-2:] == ["not", "tried"]
    assert lines[-2] == "not tried: no request of extraction comes at load level peak"
    assert len(rest) == 10


def killed() -> Result:
    """A pool is lost half-way: requests spill, and one answer is cut off."""
    rows = [
        row(),
        row(served_by=f"api/{API}", spill_reason="gate_full"),
        row(arrival_ms=15_000.0, served_by=f"api/{API}", spill_reason="connect"),
        row(arrival_ms=16_000.0, ok=False, status=200, tokens=None, served_by=f"api/{API}", spill_reason="reset"),
        row(route="extraction", served_by="pool/pool-extraction"),
    ]
    return judge(small(5, kill="pool-chat"), rows, LEDGER, GOOD)


def taken_back() -> Result:
    """Chat is gone for a while: requests spill, and one answer was longer than the drain."""
    rows = [
        row(),
        row(arrival_ms=25_000.0, ended_ms=26_000.0, served_by=f"api/{API}", spill_reason="no_replica"),
        row(arrival_ms=19_000.0, ended_ms=125_500.0, ok=False, tokens=None),
        row(arrival_ms=45_000.0, ended_ms=46_000.0),
        row(route="extraction", served_by="pool/pool-extraction"),
    ]
    staged = played((1, 0, 1), 20.0)
    return judge(dataclasses.replace(staged, arrivals=staged.arrivals[:5]), rows, LEDGER, GOOD)


def test_a_rehearsal_in_which_replicas_come_and_go() -> None:
    result = taken_back()
    assert_golden(
        GOLDEN / "rehearsal-coming-and-going.txt",
        shown(script_view(result.script), *result_view(result), width=160),
    )
    assert_folds(lambda: [script_view(taken_back().script), *result_view(taken_back())])


def test_scenes_in_json() -> None:
    document = json.loads(json.dumps(result_json(taken_back()), allow_nan=False))
    assert document["lost_requests"] == 0
    between = document["scenes"][1]
    assert (between["phase"], between["begins_s"], between["replicas"]) == (
        "between",
        20.0,
        {"pool-chat": 0, "pool-extraction": 1},
    )
    assert between["nodes_usd_per_hour"] == 0
    assert between["api_usd_of_the_whole_fleet"] == pytest.approx(0.000464)
    chat = next(each for each in document["routes"] if (each["route"], each["phase"]) == ("chat", "between"))
    assert (chat["spilled"], chat["cut_by_the_drain"]) == ({"no_replica": 1}, 1)
    assert "scenes" not in result_json(killed())


@pytest.mark.parametrize("width", [80, 160])
def test_a_rehearsal_in_which_a_pool_was_killed(width: int) -> None:
    result = killed()
    assert_golden(
        GOLDEN / f"rehearsal-{width}.txt", shown(script_view(result.script), *result_view(result), width=width)
    )


def test_on_every_terminal_lines_fit_and_names_are_whole() -> None:
    assert_folds(lambda: [script_view(killed().script), *result_view(killed())])


def test_a_leak_shouts() -> None:
    leaked = LEDGER | {"requests": 4, "classes": {"restricted": {"requests": 2}}}
    text = "\n".join(lines_of(judge(small(1), [row()], leaked, GOOD)))
    assert "restricted requests at the API: 2 (BROKEN; 4 in all)" in text


def test_an_invalid_run_gives_no_verdict() -> None:
    text = "\n".join(lines_of(judge(small(1), [row()], LEDGER, dataclasses.replace(GOOD, lag_p95_ms=900.0))))
    assert "INVALID: requests left 900 ms late" in text
    assert "the plan held" not in text


def test_what_was_not_measured_is_null_in_json() -> None:
    document = result_json(judge(small(1), [row()], LEDGER, GOOD))
    chat, extraction = json.loads(json.dumps(document, allow_nan=False))["routes"]
    assert (chat["requests"], chat["ttft_p95_ms"], chat["tpot_p95_ms"]) == (1, 200.0, 40.0)
    assert (extraction["requests"], extraction["ttft_p95_ms"], extraction["tpot_p95_ms"]) == (0, None, None)
