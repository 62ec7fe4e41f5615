"""Why a question has no answer: which of its limits would have to move, and how far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from planner.decision.choice import program
from planner.decision.choice.limits import (
    ApiBudget,
    ApiRate,
    BrokenLimit,
    Cause,
    Contradiction,
    ExistingNodes,
    Limit,
    SearchEnded,
    ServedRoute,
    TotalBudget,
    VcpuQuota,
)
from planner.decision.choice.linear import Linear
from planner.decision.choice.question import Question
from planner.decision.choice.search import SearchLimits, search

TOLERANCE = 1e-6
"""The solver's own tolerance: shares of a limit that are nearer are equal."""
BROKEN_USD = 1e7
"""Price of a broken limit in the elastic re-solves, USD a month: it is far above any plan."""
ROOM = 1.001
"""Factor on what a rate would have to be when it is told, so that it works when it is followed."""
CENTS_USD = 0.25
"""Dollars that a bill may be above the sum that the program sees, because each of its lines is rounded to a cent."""
ELASTIC_GAP = 1e-4
"""Gap of the elastic re-solves: a looser one would leave room for limits that need not be broken."""
TIERS = ((ServedRoute,), (TotalBudget, ApiBudget), (VcpuQuota, ExistingNodes, ApiRate))
"""Limits by how hard they are to move, the hardest first: a request finds a place, then money, then permissions."""


def causes(question: Question, limits: SearchLimits) -> tuple[Cause, ...]:
    """Return why no plan exists, sorted by limit.

    The program is solved again with limits that may be broken at a price, once for each tier of `TIERS`. Each of these
    solves asks how little of its tier must be broken if all later tiers may be broken for nothing, and grants that much
    to those that follow. A budget is thereby named only where no quota and no API limit helps. Two prices in one solve
    would mix tiers up: a limit that is far from what is needed would be dearer to break than a request is to leave
    without a place.

    Many rows can stand for one limit, one for each level of the week. The row that lacks most says what is needed.
    """
    elastic, slacks = _elastic(program.formulate(question))
    gap = min(limits.gap, ELASTIC_GAP)
    granted: dict[str, float] = {}
    broken_by = np.zeros(len(elastic.columns))
    for tier in TIERS:
        names = [name for name, slack in slacks.items() if isinstance(slack.limit, tier)]
        found = search(_priced(elastic, dict.fromkeys(names, BROKEN_USD), granted), gap, limits.nodes)
        if found.values is None:
            return (Contradiction(),) if found.infeasible else (SearchEnded(limits.nodes),)
        broken_by = found.values
        granted |= {name: max(0.0, float(broken_by[elastic.index[name]])) for name in names}
    worst: dict[Limit, tuple[float, _Slack]] = {}
    for column, slack in slacks.items():
        lacking = float(broken_by[elastic.index[column]])
        most, _ = worst.get(slack.limit, (0.0, slack))
        if lacking > most + TOLERANCE:
            worst[slack.limit] = (lacking, slack)
    broken = [_broken(slack, lacking) for lacking, slack in worst.values()]
    ordered = sorted(broken, key=lambda each: (type(each.limit).__name__, each.limit.about))
    return tuple(ordered) or (Contradiction(),)


@dataclass(frozen=True)
class _Slack:
    """A slack is a column by which a row may break its limit.

    limit: the limit of the row.
    allowed: what the limit admits, in its own unit.
    unit: what a slack of 1 adds to it, in the unit of the limit.
    """

    limit: Limit
    allowed: float
    unit: float


def _elastic(linear: Linear) -> tuple[Linear, dict[str, _Slack]]:
    """Return the program in which each row with a limit has a slack that costs nothing, and the slacks by column.

    A slack is a share of the limit, so that all limits can be broken at one price. Limits below 1 count as 1.
    """
    elastic = Linear(list(linear.columns), [], dict(linear.index))
    slacks: dict[str, _Slack] = {}
    for row in linear.rows:
        if row.limit is None:
            elastic.rows.append(row)
            continue
        terms = [(linear.columns[i].name, c) for i, c in row.terms]
        column = elastic.continuous(f"slack {row.name}")
        if isinstance(row.limit, ServedRoute):
            slacks[column] = _Slack(row.limit, 0.0, 1.0)
            elastic.equal(row.name, [*terms, (column, 1.0)], row.upper)
        else:
            slack = slacks[column] = _Slack(row.limit, row.upper, max(1.0, abs(row.upper)))
            elastic.at_most(row.name, [*terms, (column, -slack.unit)], row.upper)
    return elastic, slacks


def _priced(linear: Linear, usd: Mapping[str, float], most: Mapping[str, float] | None = None) -> Linear:
    """Return the program in which some columns, by name, have other costs (USD) and other upper bounds."""
    upper = most or {}
    priced = [replace(c, cost=usd.get(c.name, c.cost), upper=upper.get(c.name, c.upper)) for c in linear.columns]
    return Linear(priced, linear.rows, linear.index)


def _broken(slack: _Slack, lacking: float) -> BrokenLimit:
    """Return what the limit would have to be, in whole numbers; of a route, the share that finds no place."""
    needed = slack.allowed + lacking * slack.unit
    match slack.limit:
        case ServedRoute():
            pass
        case VcpuQuota() | ExistingNodes():
            needed = float(round(needed))  # whole machines, or their vCPUs, but for the solver's tolerance
        case TotalBudget() | ApiBudget():  # no more than the cheapest plan costs, in whole dollars
            needed = float(math.ceil(needed * (1 + TOLERANCE) + CENTS_USD))
        case _:
            needed = float(math.ceil(needed * ROOM - TOLERANCE))
    return BrokenLimit(slack.limit, slack.allowed, needed)
