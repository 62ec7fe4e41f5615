"""The solver: HiGHS runs on a program, and leaves values of its columns. No other module imports it.

The same program has the same values on every processor, as far as the search proves them:

- The search uses one thread and a fixed seed, and it stops on a proof or on nodes, never on seconds.
- It first tries to prove the optimum, within `SearchLimits.proof_nodes`. Only where that fails, and the plan found is
  further than `SearchLimits.gap` from the bound, it searches again for a plan within that gap.
- Whole numbers are then fixed, and the shares are solved once more as a linear program. So the shares are those that
  the whole numbers imply, and not what the search left within its tolerance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np

from planner.decision.choice.linear import INFINITY, Linear
from planner.words.arrays import Floats

THREADS, RANDOM_SEED = 1, 0


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
class Search:
    """A search is what one run of the solver left.

    values: value of each column; None when no plan was found.
    usd: what the values cost, USD a month; infinite when there are none.
    bound: cost below which there is no plan, USD a month.
    proven: whether the values are proven to be optimal.
    infeasible: whether it is proven that no plan exists.
    """

    values: Floats | None
    usd: float
    bound: float
    proven: bool
    infeasible: bool


def cheapest(linear: Linear, limits: SearchLimits, start: Mapping[str, float] | None = None) -> Search:
    """Return the best values that the limits allow to find: proven, or within the gap, or as they are.

    start: values of a plan that is known already, by column; a column that is absent is 0. They shorten the search.
    """
    proof = search(linear, 0.0, limits.proof_nodes, start)
    if proof.proven or proof.infeasible or proof.usd - proof.bound <= limits.gap * proof.usd < INFINITY:
        return proof
    return search(linear, limits.gap, limits.nodes, start)


NOTHING = 1e-6
"""Value below which a share is none: the solver's own tolerance."""


def best_shares(linear: Linear) -> dict[str, float]:
    """Return the values of the columns, by name, of a linear program that has a solution. Its columns are real."""
    highs = _load(linear, {})
    highs.run()
    values = highs.getSolution().col_value
    return {c.name: 0.0 if abs(v) < NOTHING else float(v) for c, v in zip(linear.columns, values, strict=True)}


def solver_version() -> str:
    """Return the version of HiGHS, for the lock."""
    return str(highspy.Highs().version())


def search(linear: Linear, gap: float, nodes: int, start: Mapping[str, float] | None = None) -> Search:
    """Run the solver until the gap is reached or the nodes are used up. Without nodes, it is not run."""
    if not nodes:
        return Search(None, INFINITY, -INFINITY, False, False)
    highs = _load(linear, {"mip_rel_gap": gap, "mip_max_nodes": nodes})
    if start is not None:
        known = highspy.HighsSolution()
        known.col_value = [start.get(column.name, 0.0) for column in linear.columns]
        highs.setSolution(known)
    highs.run()
    status, info = highs.getModelStatus(), highs.getInfo()
    feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    values = np.asarray(highs.getSolution().col_value) if feasible else None
    optimal = status == highspy.HighsModelStatus.kOptimal
    infeasible = status == highspy.HighsModelStatus.kInfeasible
    usd = float(info.objective_function_value) if feasible else INFINITY
    return Search(values, usd, float(info.mip_dual_bound), optimal and gap == 0.0, infeasible)


def polished(linear: Linear, values: Floats) -> Floats | None:
    """Return the values with whole numbers made whole, and with the cheapest shares that these admit.

    None means that they admit none without the solver's tolerance.
    """
    fixed = {i: float(round(values[i])) for i, column in enumerate(linear.columns) if column.integer}
    highs = _load(linear, {"primal_feasibility_tolerance": 1e-9, "dual_feasibility_tolerance": 1e-9}, fixed)
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
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
        # To trust a branching after one trial finds the same in half of the iterations.
        "mip_pscost_minreliable": 1,
        # The programs are small, and these heuristics solve parts of them over and over to find what branching finds.
        "mip_heuristic_run_rins": False,
        "mip_heuristic_run_rens": False,
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
