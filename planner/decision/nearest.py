"""The nearest plans where there is none: each drops one limit, and says what it costs.

A relaxation can cost a whole search. So those that the refusal itself points to are tried first, and the others only
where none of these has a plan.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from planner.decision.answer.alternatives import machines_words
from planner.decision.answer.spend import usd_of
from planner.decision.candidates.known import Known
from planner.decision.choice.search import SearchLimits
from planner.decision.decide import Decision, Refusal, decide
from planner.decision.inputs import Inputs
from planner.decision.relaxations import Relaxation, relaxations
from planner.words.diagnostics import Problem

MOST_TOLD = 3
"""Nearest plans that are told at most, the cheapest first."""


@dataclass(frozen=True)
class NearPlan:
    """A near plan is the plan of an environment with one limit less.

    relaxation: the limit that it drops.
    usd_per_month: what it costs, USD a month.
    machines: what it buys, in words.
    """

    relaxation: Relaxation
    usd_per_month: Decimal
    machines: str


def with_nearest(inputs: Inputs, refusal: Refusal, known: Known, limits: SearchLimits) -> Refusal:
    """Return the refusal with the nearest plans in its last hint; as it is where no single limit helps."""
    if refusal.undecided or not refusal.problems:
        return refusal
    near = nearest_plans(inputs, refusal, known, limits)
    *others, last = refusal.problems
    words = near_words(near) if near else "no plan exists with any single limit less either"
    hint = f"{last.hint}; {words}" if last.hint else words
    return replace(refusal, problems=(*others, replace(last, hint=hint)))


def nearest_plans(inputs: Inputs, refusal: Refusal, known: Known, limits: SearchLimits) -> tuple[NearPlan, ...]:
    """Return the plans with one limit less, the cheapest first, ties by key."""
    every = tuple(relaxations(inputs.environment, inputs.catalog))
    named = tuple(each for each in every if _is_named(each, refusal.problems))
    found = _planned(inputs, named, known, limits)
    if not found:
        found = _planned(inputs, tuple(each for each in every if each not in named), known, limits)
    ordered = sorted(found, key=lambda each: (each.usd_per_month, each.relaxation.key, each.relaxation.change))
    return tuple(ordered[:MOST_TOLD])


def near_words(near: Sequence[NearPlan]) -> str:
    """Tell the nearest plans, like `nearest plan: $1,051 a month without this quota (quotas.G), with 1 × g6.xlarge`.

    Dollars are rounded up, so that a budget of the figure that is told holds the plan.
    """
    told = (
        f"${math.ceil(each.usd_per_month):,} a month {each.relaxation.change} (`{'.'.join(each.relaxation.key)}`), "
        f"with {each.machines}"
        for each in near
    )
    return f"nearest plan{'' if len(near) == 1 else 's'}: {'; '.join(told)}"


def _planned(inputs: Inputs, tried: Sequence[Relaxation], known: Known, limits: SearchLimits) -> list[NearPlan]:
    found = []
    for each in tried:
        answer = decide(replace(inputs, environment=each.environment, prior=None), known, limits)
        if isinstance(answer, Decision):
            found.append(NearPlan(each, usd_of(answer.solved), machines_words(answer.choice)))
    return found


def _is_named(relaxation: Relaxation, problems: Sequence[Problem]) -> bool:
    """Say whether some problem is about the limit, or about something that contains it or is contained in it."""
    return any(
        problem.about and all(a == b for a, b in zip(problem.about, relaxation.key, strict=False))
        for problem in problems
    )
