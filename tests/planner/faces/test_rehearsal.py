"""The text of a rehearsal: it shows what failed, and never sells an invalid run as a result."""

from __future__ import annotations

import dataclasses
import json

from planner.documents.rehearsal import judge
from planner.faces.rehearsal import result_json, result_lines, script_lines
from tests.planner.documents.test_rehearsal import GOOD, LEDGER, row, small
from tests.system.stage import API


def test_the_script_says_what_is_staged() -> None:
    lines = list(script_lines(small(3, kill="pool-chat")))
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
    lines = list(result_lines(judge(small(3), rows, LEDGER, GOOD)))
    header, chat, extraction, *rest = [line.split() for line in lines]
    assert header[:3] == ["route", "phase", "requests"]
    assert chat[:6] == ["chat", "steady", "3", "66.7", "%", "200"]
    assert chat[-1] == "MISSED"
    assert extraction[2] == "0"
    assert "spill chat, steady: 33 %, planned 0 % (gate_full 1); not answered in full: no answer 1" in lines
    assert "restricted requests at the API: 0 (kept; 0 in all)" in lines
    assert lines[-1].startswith("the plan did not hold")
    assert len(rest) == 9


def test_a_leak_shouts() -> None:
    leaked = LEDGER | {"requests": 4, "classes": {"restricted": {"requests": 2}}}
    text = "\n".join(result_lines(judge(small(1), [row()], leaked, GOOD)))
    assert "restricted requests at the API: 2 (BROKEN; 4 in all)" in text


def test_an_invalid_run_gives_no_verdict() -> None:
    text = "\n".join(result_lines(judge(small(1), [row()], LEDGER, dataclasses.replace(GOOD, lag_p95_ms=900.0))))
    assert "INVALID: requests left 900 ms late" in text
    assert "the plan held" not in text


def test_what_was_not_measured_is_null_in_json() -> None:
    document = result_json(judge(small(1), [row()], LEDGER, GOOD))
    chat, extraction = json.loads(json.dumps(document, allow_nan=False))["routes"]
    assert (chat["requests"], chat["ttft_p95_ms"], chat["tpot_p95_ms"]) == (1, 200.0, 40.0)
    assert (extraction["requests"], extraction["ttft_p95_ms"], extraction["tpot_p95_ms"]) == (0, None, None)
