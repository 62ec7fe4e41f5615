"""A class that was weighed and lost is told with the price of the cheapest plan that has it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from planner.decision.answer.sentences import candidate_words
from planner.decision.candidates.candidate import Candidate
from planner.decision.candidates.omissions import Dominated
from planner.decision.choice.question import Answer, Question
from planner.decision.choice.solve import solve
from planner.decision.why_not import Refused, folded, lost_classes
from tests.planner import small
from tests.planner.cli.command import spillway
from tests.planner.decision.choice.instances import CHAT, EXACT, flow, replica_class


def test_a_required_class_serves_something() -> None:
    classes = (
        replica_class("cheap", "small", 1, {CHAT: 2.0}),
        replica_class("dear", "large", 4, {CHAT: 2.0}),
    )
    question = Question((730.0,), (flow(*CHAT, (1.0,), may_spill=False),), classes, (), 0.0)
    usual, forced = solve(question, EXACT), solve(replace(question, required=frozenset({"dear"})), EXACT)
    assert isinstance(usual, Answer)
    assert isinstance(forced, Answer)
    assert dict(usual.replicas) == {"cheap": 1}
    assert forced.replicas["dear"] == 1
    assert forced.usd_per_month == pytest.approx(3.3 * 730)


def test_lost_classes_cost_more_and_are_not_bought() -> None:
    decision = small.planned().outcome.decision
    lost = lost_classes(decision, ["qwen3-8b"])
    assert lost
    bought = {c.identity for c in decision.market.classes if c.name in decision.choice.answer.replicas}
    assert not bought & {each.candidate for each in lost}
    assert all(each.more_usd_per_month is None or each.more_usd_per_month >= 0 for each in lost)
    assert any(each.more_usd_per_month for each in lost)


def test_candidates_that_share_a_reason_are_one_with_the_cheapest_machine() -> None:
    def refused(instance_type: str, size: int, reason: str, route: str = "all") -> Refused:
        return Refused(Candidate(model="m", instance_type=instance_type, tensor_parallel_size=size), route, reason)

    rows = [
        refused("large", 1, "too dear"),
        refused("small", 2, "too dear"),
        refused("unpriced", 1, "too dear"),
        refused("small", 1, "too dear"),
        refused("small", 1, "too dear", "chat"),
        refused("large", 4, "too slow"),
    ]
    told = folded(rows, {"small": 1.0, "large": 9.0})
    assert told == (replace(rows[3], others=3), rows[4], rows[5])


def test_of_candidates_without_a_machine_the_first_by_name_is_told() -> None:
    rows = [Refused(Candidate(api=api), "chat", "has no account") for api in ("openai/o3", "google/b", "google/a")]
    assert folded(rows, {"small": 1.0}) == (replace(rows[2], others=2),)
    shapes = [Refused(Candidate(model=m, tensor_parallel_size=n), "chat", "too slow") for m, n in (("b", 1), ("a", 2))]
    assert folded(shapes, {}) == (replace(shapes[1], others=1),)


def test_no_candidate_is_dominated_by_its_own_name() -> None:
    for omission in small.planned().outcome.omissions:
        if isinstance(omission.cause, Dominated):
            assert candidate_words(omission.candidate) != candidate_words(omission.cause.by)


def test_it_is_answered_where_there_is_no_plan(tmp_path: Path) -> None:
    tight = small.text().replace("{G: 192, P: 384}", "{G: 4, P: 0}")
    small.workspace(tmp_path, tight)
    ended = spillway("explain", "small", "--why-not", "T4", "--environments", str(tmp_path), COLUMNS="160")
    assert ended.status == 0, ended.err
    assert "note: there is no plan" in ended.err
    assert "T4" in ended.out
