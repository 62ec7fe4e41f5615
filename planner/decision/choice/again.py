"""The answer to a question that was asked before in other words: the same, with lower capacities.

Classes are rated too high rather than too low before they are simulated. So a question that is asked again after a
simulation mostly admits fewer plans than before, and none is cheaper than the former answer. Where the former choice of
classes still costs the same, it stays the answer, and nothing is searched.
"""

from __future__ import annotations

from dataclasses import replace

from planner.decision.choice.choice import Choice
from planner.decision.choice.question import Answer, Infeasible, Question
from planner.decision.choice.search import SearchLimits
from planner.decision.choice.solve import CENT, solve


def solve_again(question: Question, limits: SearchLimits, former: Choice) -> Answer | Infeasible:
    """Return the answer to a question, given the former one. What it is does not depend on that."""
    likely = frozenset(former.answer.replicas)
    if admits_no_more(question, former.question):
        same = solve(question.with_classes(likely), limits)
        if isinstance(same, Answer) and same.usd_per_month <= former.answer.usd_per_month + CENT / 2:
            return replace(same, proven=former.answer.proven, gap=former.answer.gap)
    return solve(question, limits, likely)


def admits_no_more(question: Question, other: Question) -> bool:
    """Say whether every plan of a question is a plan of the other one too, at the same cost.

    The two differ in their classes alone: some are absent, or serve fewer bands, or serve them at lower rates.
    """
    if replace(question, classes=()) != replace(other, classes=()):
        return False
    before = {k.name: k for k in other.classes}
    for k in question.classes:
        was = before.get(k.name)
        if was is None or replace(k, capacity={}) != replace(was, capacity={}):
            return False
        if any(rate > was.capacity.get(band, 0.0) for band, rate in k.capacity.items()):
            return False
    return True
