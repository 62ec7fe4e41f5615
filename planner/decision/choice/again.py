"""The answer to a question that was asked before in other words: the same, with lower capacities.

Classes are rated too high rather than too low before they are simulated. So a question that is asked again after a
simulation mostly admits fewer plans than before, and none is cheaper than the former answer. Where the same choice of
replicas still costs the same, it stays the answer, and nothing is searched.
"""

from __future__ import annotations

from dataclasses import replace

from planner.decision.choice.choice import Choice
from planner.decision.choice.question import Answer, Infeasible, Question
from planner.decision.choice.search import SearchLimits
from planner.decision.choice.solve import CENT, solve
from planner.decision.choice.team_limits import accounts_may_bind


def solve_again(question: Question, limits: SearchLimits, former: Choice) -> Answer | Infeasible:
    """Return the answer to a question, given the former one.

    Where the former is proven, the answer is as good as the one that a search finds. Where it is not, it stays within
    the former's gap.
    """
    likely = frozenset(former.answer.replicas)
    if admits_no_more(question, former.question):
        same = solve(question.with_classes(likely), limits)
        if isinstance(same, Answer) and _sizes(same) == _sizes(former.answer):
            bound_usd = former.answer.usd_per_month * (1 - former.answer.gap)
            if same.usd_per_month <= former.answer.usd_per_month + CENT / 2:
                gap = 0.0 if former.answer.proven else max(0.0, 1 - bound_usd / same.usd_per_month)
                return replace(same, proven=former.answer.proven, gap=gap)
    return solve(question, limits, likely)


def _sizes(answer: Answer) -> tuple[object, ...]:
    """Return what the same choice of replicas means: their numbers, and those by level."""
    return answer.replicas, answer.nodes_by_level


def admits_no_more(question: Question, other: Question) -> bool:
    """Say whether every plan of a question is a plan of the other one too, at the same cost.

    The two differ in their classes alone: some are absent, or serve fewer bands, or serve them at lower rates. A slower
    node leaves less to an API when it is lost, so that a limit of an account which could bind then must not be there.
    """
    if replace(question, classes=()) != replace(other, classes=()):
        return False
    before, after = {k.name: k for k in other.classes}, {k.name for k in question.classes}
    loses = question.survives_a_node or question.survives_a_zone
    if not question.required <= after or (loses and accounts_may_bind(question)):
        return False
    for k in question.classes:
        was = before.get(k.name)
        if was is None or replace(k, capacity={}) != replace(was, capacity={}):
            return False
        if any(rate > was.capacity.get(band, 0.0) for band, rate in k.capacity.items()):
            return False
    return True
