"""The solver: HiGHS runs on a program, and its answer is read back. No other module imports it.

The same question has the same answer on every processor, as far as the search proves its answer:

- The search uses one thread and a fixed seed, and it stops on a proof or on nodes, never on seconds.
- It first tries to prove the optimum, within `SearchLimits.proof_nodes`. Only where that fails, and the plan found is
  further than `SearchLimits.gap` from the bound, it searches again for a plan within that gap.
- Whole numbers are then fixed, and the shares are solved once more as a linear program. So the shares are those that
  the whole numbers imply, and not what the search left within its tolerance.

Replicas and nodes that the shares do not need are removed, and the cost is computed from the columns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import highspy
import numpy as np

from planner.decision.choice import program as columns
from planner.decision.choice.limits import (
    ApiBudget,
    ApiRate,
    BrokenLimit,
    Cause,
    Contradiction,
    Limit,
    NoCandidates,
    SearchEnded,
    ServedRoute,
    TotalBudget,
    VcpuQuota,
)
from planner.decision.choice.linear import INFINITY, Linear
from planner.decision.choice.question import Answer, BandKey, Infeasible, Question
from planner.words.arrays import Floats

THREADS, RANDOM_SEED = 1, 0
TOLERANCE = 1e-6
"""The solver's own tolerance: a value nearer to 0 is 0, and shares of a limit that are nearer are equal."""
BROKEN_USD = 1e7
"""Price of a broken limit in the elastic re-solves, USD a month: it is far above any plan."""
ROOM = 1.001
"""Factor on what a budget or a rate would have to be when it is told, so that it works when it is followed."""
ELASTIC_GAP = 1e-4
"""Gap of the elastic re-solves: a looser one would leave room for limits that need not be broken."""


TIERS = ((ServedRoute,), (TotalBudget, ApiBudget), (VcpuQuota, ApiRate))
"""Limits by how hard they are to move, the hardest first: a request finds a place, then money, then permissions."""


@dataclass(frozen=True)
class SearchLimits:
    """The limits say when the search stops.

    gap: distance from the bound that is accepted where the optimum is not proven, a fraction of the cost.
    nodes: most branch-and-bound nodes of the search for a plan within the gap.
    proof_nodes: most branch-and-bound nodes of the attempt at a proof of the optimum; 0 attempts none.
    """

    gap: float = 0.01
    nodes: int = 20_000
    proof_nodes: int = 4_000


DEFAULT_LIMITS = SearchLimits()


@dataclass(frozen=True)
class _Search:
    """A search is what one run of the solver left.

    values: value of each column; None when no plan was found.
    bound: cost below which there is no plan, USD a month.
    proven: whether the values are proven to be optimal.
    infeasible: whether it is proven that no plan exists.
    """

    values: Floats | None
    bound: float
    proven: bool
    infeasible: bool


def solve(question: Question, limits: SearchLimits = DEFAULT_LIMITS) -> Answer | Infeasible:
    """Return the cheapest plan, or what stands in the way of any.

    The plan is proven to be the cheapest, or lies within `limits.gap` of it, or is the best that was found.
    """
    if not question.classes and not question.apis:
        return Infeasible((NoCandidates(),))
    linear = columns.formulate(question)
    search = _search(linear, 0.0, limits.proof_nodes)
    if not _is_enough(search, linear, limits.gap):
        search = _search(linear, limits.gap, limits.nodes)
    if search.infeasible:
        return Infeasible(causes(question, limits))
    if search.values is None:
        return Infeasible((SearchEnded(limits.nodes),))
    return _answer(question, linear, _polished(linear, search.values), search)


def cheapest(linear: Linear) -> dict[str, float]:
    """Return the values of the columns, by name, of a linear program that has a solution. Its columns are real."""
    highs = _load(linear, {})
    highs.run()
    values = highs.getSolution().col_value
    return {c.name: 0.0 if abs(v) < TOLERANCE else float(v) for c, v in zip(linear.columns, values, strict=True)}


def solver_version() -> str:
    """Return the version of HiGHS, for the lock."""
    return str(highspy.Highs().version())


def causes(question: Question, limits: SearchLimits) -> tuple[Cause, ...]:
    """Return why no plan exists, sorted by limit.

    The program is solved again with limits that may be broken at a price, once for each tier of `TIERS`. Each of these
    solves asks how little of its tier must be broken if all later tiers may be broken for nothing, and grants that much
    to those that follow. A budget is thereby named only where no quota and no API limit helps. Two prices in one solve
    would mix tiers up: a limit that is far from what is needed would be dearer to break than a request is to leave
    without a place.

    Many rows can stand for one limit, one for each level of the week. The row that lacks most says what is needed.
    """
    elastic, slacks = _elastic(columns.formulate(question))
    gap = min(limits.gap, ELASTIC_GAP)
    granted: dict[str, float] = {}
    broken_by = np.zeros(len(elastic.columns))
    for tier in TIERS:
        names = [name for name, slack in slacks.items() if isinstance(slack.limit, tier)]
        search = _search(_priced(elastic, dict.fromkeys(names, BROKEN_USD), granted), gap, limits.nodes)
        if search.values is None:
            return (Contradiction(),) if search.infeasible else (SearchEnded(limits.nodes),)
        broken_by = search.values
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


def _is_enough(search: _Search, linear: Linear, gap: float) -> bool:
    """Say whether the attempt at a proof already ends the search."""
    if search.proven or search.infeasible:
        return True
    if search.values is None:
        return False
    cost = sum(c.cost * v for c, v in zip(linear.columns, search.values, strict=True))
    return bool(cost - search.bound <= gap * cost)


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
        case VcpuQuota():
            needed = float(round(needed))  # the vCPUs of whole machines, but for the solver's tolerance
        case _:
            needed = float(math.ceil(needed * ROOM - TOLERANCE))
    return BrokenLimit(slack.limit, slack.allowed, needed)


def _search(linear: Linear, gap: float, nodes: int) -> _Search:
    """Run the solver until the gap is reached or the nodes are used up. Without nodes, it is not run."""
    if not nodes:
        return _Search(None, -INFINITY, False, False)
    highs = _load(linear, {"mip_rel_gap": gap, "mip_max_nodes": nodes})
    highs.run()
    status, info = highs.getModelStatus(), highs.getInfo()
    feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    values = np.asarray(highs.getSolution().col_value) if feasible else None
    optimal = status == highspy.HighsModelStatus.kOptimal
    infeasible = status == highspy.HighsModelStatus.kInfeasible
    return _Search(values, float(info.mip_dual_bound), optimal and gap == 0.0, infeasible)


def _polished(linear: Linear, values: Floats) -> Floats:
    """Return the values with whole numbers made whole, and with the shares that they imply.

    Where the whole numbers admit no shares without the solver's tolerance, the values stay as they are.
    """
    fixed = {i: float(round(values[i])) for i, column in enumerate(linear.columns) if column.integer}
    highs = _load(linear, {"primal_feasibility_tolerance": 1e-9, "dual_feasibility_tolerance": 1e-9}, fixed)
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return values
    return np.asarray(highs.getSolution().col_value)


def _load(linear: Linear, options: Mapping[str, Any], fixed: Mapping[int, float] | None = None) -> highspy.Highs:
    """Return a solver that holds the program.

    `fixed` gives values to columns by index, which are no longer free then; what is left is a linear program.
    """
    highs = highspy.Highs()
    for option, value in {
        "output_flag": False,
        "threads": THREADS,
        "random_seed": RANDOM_SEED,
        # Presolving again at the root takes most of the time of these programs and moves no bound that matters.
        "mip_allow_restart": False,
        **options,
    }.items():
        highs.setOptionValue(option, value)
    lower, upper = np.zeros(len(linear.columns)), np.array([_bound(c.upper) for c in linear.columns])
    for index, value in (fixed or {}).items():
        lower[index] = upper[index] = value
    lp = highspy.HighsLp()  # it gives out copies of its arrays, so that each must be set at once and whole
    lp.num_col_, lp.num_row_ = len(linear.columns), len(linear.rows)
    lp.col_cost_ = np.array([c.cost for c in linear.columns])
    lp.col_lower_, lp.col_upper_ = lower, upper
    lp.row_lower_ = np.array([_bound(r.lower) for r in linear.rows])
    lp.row_upper_ = np.array([_bound(r.upper) for r in linear.rows])
    kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
    lp.integrality_ = [kinds[c.integer and fixed is None] for c in linear.columns]
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.cumsum([0, *(len(r.terms) for r in linear.rows)])
    lp.a_matrix_.index_ = np.array([i for r in linear.rows for i, _ in r.terms], dtype=np.int32)
    lp.a_matrix_.value_ = np.array([c for r in linear.rows for _, c in r.terms])
    highs.passModel(lp)
    return highs


def _bound(value: float) -> float:
    if value == INFINITY:
        return float(highspy.kHighsInf)
    return -float(highspy.kHighsInf) if value == -INFINITY else value


def _answer(question: Question, linear: Linear, values: Floats, search: _Search) -> Answer:
    """Return the answer that the values of the columns mean."""
    value = {c.name: 0.0 if abs(v) < TOLERANCE else float(v) for c, v in zip(linear.columns, values, strict=True)}
    levels = range(len(question.level_hours))
    served = {
        (f.key, k.name): tuple(min(1.0, value[columns.x(f, k, t)]) for t in levels)
        for f, k in columns.local_pairs(question)
    }
    spilled = {
        (f.key, a.name): tuple(min(1.0, value[columns.s(f, a, t)]) for t in levels)
        for f, a in columns.api_pairs(question)
    }
    turned_away = {
        f.key: tuple(min(1.0, value[columns.away(f, t)]) for t in levels) for f in columns.turned_away(question)
    }
    value |= _trimmed(question, value, served)
    cost = float(sum(c.cost * value[c.name] for c in linear.columns if c.cost > columns.TIE_BREAK_USD))
    return Answer(
        usd_per_month=cost,
        proven=search.proven,
        gap=0.0 if search.proven or cost <= 0 else max(0.0, (cost - search.bound) / cost),
        replicas={k.name: int(count) for k in question.classes if (count := value[columns.y(k)])},
        nodes={g: int(count) for g in columns.groups(question) if (count := value[columns.n(g)])},
        served={key: shares for key, shares in served.items() if any(shares)},
        spilled={key: shares for key, shares in spilled.items() if any(shares)},
        turned_away={key: shares for key, shares in turned_away.items() if any(shares)},
    )


def _trimmed(
    question: Question, value: Mapping[str, float], served: Mapping[tuple[BandKey, str], tuple[float, ...]]
) -> dict[str, float]:
    """Return the whole numbers of the answer without replicas and nodes that the shares do not need.

    Within its gap the search may buy idle ones.
    """
    lean: dict[str, float] = {}
    for group, classes in columns.groups(question).items():
        gpus = least = 0
        for k in classes:
            bands = [f for f in question.flows if any(served.get((f.key, k.name), ()))]
            loads = (
                sum(f.planned[t] * served[(f.key, k.name)][t] / k.capacity[f.key] for f in bands)
                for t in range(len(question.level_hours))
            )
            need = math.ceil(max(loads) - 1e-5) + (k.replicas_per_node if k.exclusive else 0) if bands else 0
            replicas = min(round(value[columns.y(k)]), need)
            lean[columns.y(k)] = replicas
            gpus += replicas * k.tensor_parallel_size
            least = max(least, 2 if k.exclusive and replicas else 0)
        lean[columns.n(group)] = min(
            round(value[columns.n(group)]), max(math.ceil(gpus / classes[0].gpus_per_node), least)
        )
    lean["z"] = float(any(lean.values()))
    for instance_type, k in columns.existing_types(question).items():
        groups = (g for g, classes in columns.groups(question).items() if classes[0].instance_type == instance_type)
        lean[columns.b(instance_type)] = max(0.0, sum(lean[columns.n(g)] for g in groups) - k.existing)
    lean |= {columns.c(k): 0.0 for k in question.classes}
    lean |= {columns.c(k): 1.0 for k in question.classes if lean[columns.y(k)]}
    return lean
