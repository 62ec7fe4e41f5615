"""Alternatives as values: the machines of a choice in words."""

from __future__ import annotations

from dataclasses import replace

from planner.decision.answer.alternatives import machines_words
from planner.decision.choice.choice import Choice
from planner.decision.choice.question import Answer
from planner.decision.choice.solve import solve
from tests.planner.decision.choice.instances import EXACT, PAPER, replica_class


def test_machines_are_counted_by_type() -> None:
    answer = solve(PAPER, EXACT)
    assert isinstance(answer, Answer)
    assert machines_words(Choice(PAPER, answer)) == "3 × small"
    wide = replace(PAPER, classes=(*PAPER.classes, replica_class("wide", "large", 4, {("chat", 0): 9.0})))
    more = replace(answer, nodes={**answer.nodes, "large": 2})
    assert machines_words(Choice(wide, more)) == "2 × large + 3 × small"
    assert machines_words(Choice(PAPER, replace(answer, nodes={}))) == "no machines"
