"""Runs HiGHS on a program and reads the answer back. The only module that imports the solver.

Deterministic: one thread, fixed seed, stop on gap or nodes and never on seconds. After the solve the shares are cleaned
of the solver's tolerance, integers are rounded and trimmed to what the shares need, and the cost is recomputed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import highspy
import numpy as np

from planner.decision.choice import program as columns
from planner.decision.choice.linear import INFINITY, Linear, Row
from planner.decision.choice.question import Answer, BandKey, Infeasible, Question

TOLERANCE = 1e-6
BROKEN_USD = 1e7
UNSERVED_USD = 1e9
"""Prices of broken limits in the elastic re-solve: far above any plan, an unserved request far above a broken limit."""
ROUNDED_UP = 1.001
"""What a budget or a rate would have to be is told with this much room, so that it works when it is followed."""
ELASTIC_GAP = 1e-4


@dataclass(frozen=True)
class SearchLimits:
    """When the search stops: relative gap (a fraction), or branch-and-bound nodes."""

    gap: float = 0.01
    nodes: int = 20_000


DEFAULT_LIMITS = SearchLimits()


def solve(question: Question, limits: SearchLimits = DEFAULT_LIMITS) -> Answer | Infeasible:
    """The cheapest plan within `limits.gap`, or why there is none."""
    if not question.classes and not question.apis:
        return Infeasible(("no model and no API may serve any route",))
    linear = columns.formulate(question)
    highs = _load(linear, limits)
    highs.run()
    status = highs.getModelStatus()
    found = highs.getInfo().primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    if status == highspy.HighsModelStatus.kInfeasible:
        return Infeasible(blocking(question, limits))
    if not found:
        return Infeasible(
            (f"no plan was found within {limits.nodes} nodes of the search, and none is ruled out",), True
        )
    values = np.asarray(highs.getSolution().col_value)
    bound = float(highs.getInfo().mip_dual_bound)
    return _answer(question, linear, values, bound, _status(status))


def solver_version() -> str:
    """Version of HiGHS, for the lock."""
    return str(highspy.Highs().version())


SOFT = ("serve", "quota", "tpm", "rpm", "tpm-after-loss", "rpm-after-loss", "budget", "api-budget")
"""Families of rows that a team can do something about; the others are how the world is."""


def blocking(question: Question, limits: SearchLimits) -> tuple[str, ...]:
    """Why no plan exists, by an elastic re-solve: soft limits may be broken at a price; the broken ones are named."""
    elastic, slack = _elastic(columns.formulate(question))
    # A loose gap of an unserved request's price would leave room for limits that need not be broken.
    highs = _load(elastic, replace(limits, gap=min(limits.gap, ELASTIC_GAP)))
    highs.run()
    values = np.asarray(highs.getSolution().col_value)
    worst: dict[str, tuple[float, float]] = {}
    for column, row in slack.items():
        if (value := float(values[elastic.index[column]])) > 1e-4:
            subject = _subject(row.name)
            worst[subject] = max(worst.get(subject, (0.0, 0.0)), (value, row.upper))
    return tuple(_told(subject, *worst[subject]) for subject in sorted(worst)) or ("the limits contradict each other",)


def _elastic(linear: Linear) -> tuple[Linear, dict[str, Row]]:
    """The program with a priced slack on each soft row, and the row of each slack."""
    elastic = Linear(list(linear.columns), [], dict(linear.index))
    slack: dict[str, Row] = {}
    for row in linear.rows:
        if row.name.split("[", 1)[0] not in SOFT:
            elastic.rows.append(row)
            continue
        terms = [(linear.columns[i].name, c) for i, c in row.terms]
        unserved = row.lower == row.upper
        column = elastic.continuous(f"slack {row.name}", UNSERVED_USD if unserved else BROKEN_USD)
        slack[column] = row
        if unserved:
            elastic.equal(row.name, [*terms, (column, 1.0)], row.upper)
        else:
            elastic.at_most(row.name, [*terms, (column, -max(1.0, abs(row.upper)))], row.upper)
    return elastic, slack


def _subject(row: str) -> str:
    """`serve[chat,0,3]` → `serve chat`, `quota[G]` → `quota G`, `tpm-after-loss[openai/x,chat,…]` → `tpm openai/x`."""
    family, _, rest = row.partition("[")
    return f"{family.removesuffix('-after-loss')} {rest.rstrip(']').split(',')[0]}".strip()


def _told(subject: str, value: float, limit: float) -> str:
    """`value`: the unserved share of a band, or what a limit lacks in units of the limit (of 1 where it is 0)."""
    family, _, name = subject.partition(" ")
    if family == "serve":
        return f"{value:.0%} of route {name} finds no place"
    words = {"quota": f"the vCPU quota of family {name}", "tpm": f"the tokens a minute of {name}"}
    words |= {"rpm": f"the requests a minute of {name}", "budget": "the budget", "api-budget": "the API budget"}
    needed = (limit + value * max(1.0, abs(limit))) * (1.0 if family == "quota" else ROUNDED_UP)
    sign = "$" if family in ("budget", "api-budget") else ""
    return f"{words[family]} would have to be {sign}{math.ceil(needed - 1e-6):,}, not {sign}{limit:,.0f}"


def _load(linear: Linear, limits: SearchLimits) -> highspy.Highs:
    highs = highspy.Highs()
    for option, value in (
        ("output_flag", False),
        ("threads", 1),
        ("random_seed", 0),
        ("mip_rel_gap", limits.gap),
        ("mip_max_nodes", limits.nodes),
        # Presolving again at the root takes most of the time of these programs and moves no bound that matters.
        ("mip_allow_restart", False),
    ):
        highs.setOptionValue(option, value)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(linear.columns), len(linear.rows)
    lp.col_cost_ = np.array([c.cost for c in linear.columns])
    lp.col_lower_ = np.zeros(len(linear.columns))
    lp.col_upper_ = np.array([_bound(c.upper) for c in linear.columns])
    lp.row_lower_ = np.array([_bound(r.lower) for r in linear.rows])
    lp.row_upper_ = np.array([_bound(r.upper) for r in linear.rows])
    kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
    lp.integrality_ = [kinds[c.integer] for c in linear.columns]
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


def _status(status: highspy.HighsModelStatus) -> str:
    names = {highspy.HighsModelStatus.kOptimal: "optimal within the gap"}
    return names.get(status, "best found at the node limit")


def _answer(question: Question, linear: Linear, values: np.ndarray, bound: float, status: str) -> Answer:
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
    value |= _trimmed(question, value, served)
    cost = float(sum(c.cost * value[c.name] for c in linear.columns if c.cost > columns.TIE_BREAK_USD))
    return Answer(
        usd_per_month=cost,
        bound_usd=min(bound, cost),
        gap=max(0.0, (cost - bound) / cost) if cost > 0 else 0.0,
        status=status,
        replicas={k.name: int(count) for k in question.classes if (count := value[columns.y(k)])},
        nodes={g: int(count) for g in columns.groups(question) if (count := value[columns.n(g)])},
        served={key: shares for key, shares in served.items() if any(shares)},
        spilled={key: shares for key, shares in spilled.items() if any(shares)},
    )


def _trimmed(
    question: Question, value: Mapping[str, float], served: Mapping[tuple[BandKey, str], tuple[float, ...]]
) -> dict[str, float]:
    """Whole replicas and nodes, and none beyond what the shares need: within its gap the search may buy idle ones."""
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
    return lean
