"""A greedy planner beside ours: one GPU type, and as many replicas as the peak load asks for.

    python -m benchmarks.greedy_planner [--only TEXT]

The rule is that of llm-d-planner (github.com/llm-d-incubation/llm-d-planner, `recommendation/config_finder.py`): for
each model and GPU type that meets the SLO it takes ceil(load ÷ what a replica serves) replicas, and prices their GPUs.
Here it gets the best of all that it leaves open:

- the same demand, models, targets, quotas, prices on demand and simulated capacities as ours, and no 20 % on top of the
  load, which llm-d-planner adds;
- for each route the cheapest model of its accept list and the cheapest class that serve all of it, and of all GPU types
  the one with which all routes together cost least;
- routes share a pool, and pools a machine, where ours could.

It knows no API, so that each route stands the loss of a node by machines of its own where the environment asks for
that, by our rule for routes that no API may help. Machines are whole, the cluster and the stored weights are on both
bills.

Ten environments: the worked ones and the starting ones, and some of them at half and at twice the load. Exit code 1
where ours costs more, or where ours has no plan and the greedy one has.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from planner.decision.candidates.known import Known
from planner.decision.candidates.market import ask, survey
from planner.decision.candidates.rating import Rating
from planner.decision.choice.pairs import turned_away
from planner.decision.choice.question import Flow, Question, ReplicaClass
from planner.decision.decide import Refusal, decide
from planner.decision.inputs import Inputs
from planner.decision.what_ifs import without_apis
from planner.domain.scaling import scaled
from planner.edges.capacity_cache import KeptCapacities
from planner.edges.performance_files import load_coefficients
from planner.edges.workspace import Workspace
from planner.words.units import HOURS_PER_MONTH

ROOT = Path(__file__).resolve().parents[1]
WORKED, STARTING = "examples/environments", "environments"
CASES = (
    *((folder, name, 1.0) for folder in (WORKED, STARTING) for name in ("dev", "staging", "prod")),
    *((WORKED, name, factor) for name in ("staging", "prod") for factor in (0.5, 2.0)),
)
"""Folder, name of the environment, and the multiple of its load."""
CENT = 0.01
WHOLE = 1e-6
"""Part of a replica that rounding may leave over."""


@dataclass(frozen=True)
class Greedy:
    """A greedy plan. gpu: its GPU type. usd: USD a month of everything. replicas: number by class."""

    gpu: str
    usd: float
    replicas: dict[str, int]


@dataclass(frozen=True)
class Line:
    """An environment: what ours costs, USD a month, None without a plan, and the greedy plan, None without one."""

    name: str
    ours_usd: float | None
    greedy: Greedy | None

    @property
    def dearer(self) -> float | None:
        """By what part of ours the greedy plan is dearer; None where one of both has no plan."""
        if self.ours_usd is None or self.greedy is None:
            return None
        return self.greedy.usd / self.ours_usd - 1.0

    @property
    def misses(self) -> bool:
        """Whether ours costs more, or has no plan where the greedy one has."""
        if self.greedy is None:
            return False
        return self.ours_usd is None or self.ours_usd > self.greedy.usd + CENT


def greedy(question: Question, gpu: str) -> Greedy | None:
    """The greedy plan on one GPU type; None where it cannot host some route, or where a quota does not hold it."""
    classes = [k for k in question.classes if k.gpu == gpu]
    may_go = {f.key for f in turned_away(replace(question, apis=()))}
    chosen: dict[str, list[Flow]] = {}
    for route in sorted({f.route for f in question.flows}):
        flows = [f for f in question.flows if f.route == route]
        able = [k for k in classes if _serves(k, flows, may_go)]
        if not able:
            return None
        best = min(able, key=lambda k: (_usd(question, k, flows), k.name))
        chosen.setdefault(best.name, []).extend(flows)
    replicas, gpus, least = dict[str, int](), dict[str, int](), dict[str, int]()
    stands_on: dict[str, ReplicaClass] = {}
    for k in classes:
        if k.name in chosen:
            replicas[k.name] = _replicas(question, k, chosen[k.name])
            gpus[k.node_group] = gpus.get(k.node_group, 0) + replicas[k.name] * k.gpus_per_replica
            least[k.node_group] = 2 if k.exclusive else 1
            stands_on[k.node_group] = k
    nodes = {group: max(least[group], math.ceil(gpus[group] / k.gpus_per_node)) for group, k in stands_on.items()}
    vcpus: dict[str, float] = {}
    for group, k in stands_on.items():
        vcpus[k.quota_family] = vcpus.get(k.quota_family, 0.0) + nodes[group] * k.vcpus_per_node
    if any(count > question.quotas.get(family, math.inf) for family, count in vcpus.items()):
        return None
    weights = {k.weights: k.weights_usd_per_month for k in classes if k.name in chosen}
    usd = sum(nodes[group] * k.usd_per_node_hour * HOURS_PER_MONTH for group, k in stands_on.items())
    return Greedy(gpu, usd + sum(weights.values()) + question.platform_usd, replicas)


def _serves(k: ReplicaClass, flows: Sequence[Flow], may_go: Iterable[tuple[str, int]]) -> bool:
    """Say whether a class serves a route: all of it, but for bands that it cannot read and that may be turned away."""
    served = [f.key in k.capacity for f in flows]
    left = (f for f, does in zip(flows, served, strict=True) if not does)
    return any(served) and all(f.key in may_go and f.key not in k.reads for f in left)


def _replicas(question: Question, k: ReplicaClass, flows: Sequence[Flow]) -> int:
    """ceil(load ÷ what a replica serves) at the busiest level, and those of one node more where one may be lost."""
    levels = range(len(question.level_hours))
    load = max(sum(f.planned[t] / k.capacity[f.key] for f in flows if f.key in k.capacity) for t in levels)
    spare = k.replicas_per_node if k.exclusive and question.survives_a_node else 0
    return max(1, math.ceil(load - WHOLE)) + spare


def _usd(question: Question, k: ReplicaClass, flows: Sequence[Flow]) -> float:
    """What the machines of a class cost that serve one route alone, USD an hour."""
    nodes = math.ceil(_replicas(question, k, flows) * k.gpus_per_replica / k.gpus_per_node)
    return max(nodes, 2 if k.exclusive else 1) * k.usd_per_node_hour


def greedy_plan(inputs: Inputs, known: Known) -> Greedy | None:
    """The cheapest greedy plan of all GPU types; each rests on simulated capacities alone."""
    environment = without_apis(inputs.environment)
    gpus = sorted({row.gpu.key for row in inputs.catalog.offered_in(environment.platform.region)})
    plans = (_on(replace(inputs, environment=environment), known, gpu) for gpu in gpus)
    return min((plan for plan in plans if plan), key=lambda plan: (plan.usd, plan.gpu), default=None)


def _on(inputs: Inputs, known: Known, gpu: str) -> Greedy | None:
    """The greedy plan on one GPU type. What it takes is simulated, and it chooses anew, until all is."""
    hardware = inputs.environment.hardware.model_copy(update={"only": (gpu,)})
    alone = replace(inputs, environment=inputs.environment.model_copy(update={"hardware": hardware}))
    market = survey(alone, known)
    rating, names = Rating(market.classes, market.ruler, known.simulated), frozenset[str]()
    while market.classes:
        rated = rating.simulate(names)
        plan = greedy(ask(alone.environment, replace(market, classes=rated.classes)), gpu)
        if plan is None or rated.simulated.issuperset(plan.replicas):
            return plan
        names = frozenset(plan.replicas)
    return None


def inputs_of(folder: str, name: str, factor: float) -> Inputs:
    """What a first plan of an environment depends on, at a multiple of its load, and without a budget for the whole."""
    inputs = inputs_in(Workspace(ROOT / folder), name)
    return replace(inputs, environment=scaled(inputs.environment, factor).model_copy(update={"budget": None}))


def inputs_in(workspace: Workspace, name: str) -> Inputs:
    """What a first plan of an environment depends on."""
    wanted = workspace.wanted(name)
    return Inputs(
        environment=wanted.environment,
        catalog=workspace.catalog().priced_on(wanted.environment.horizon.start),
        coefficients=load_coefficients(),
        traces=wanted.traces,
        name=name,
    )


def compare(name: str, inputs: Inputs, known: Known) -> Line:
    """Both plans of an environment."""
    decision = decide(inputs, known)
    ours = None if isinstance(decision, Refusal) else decision.choice.answer.usd_per_month
    return Line(name, ours, greedy_plan(inputs, known))


def row(line: Line) -> str:
    """An environment as a line of the table."""
    ours = "no plan" if line.ours_usd is None else f"${line.ours_usd:,.0f}"
    if line.greedy is None:
        return f"{line.name:32} {ours:>10}   no GPU type serves all routes within the quotas"
    pools = ", ".join(f"{count} × {name}" for name, count in sorted(line.greedy.replicas.items()))
    more = "" if line.dearer is None else f"{line.dearer:+.0%}"
    return f"{line.name:32} {ours:>10} {f'${line.greedy.usd:,.0f}':>10} {more:>8}   {pools}"


def summary(lines: Sequence[Line]) -> str:
    """How much dearer the greedy plans are, where both have one."""
    more = [line.dearer for line in lines if line.dearer is not None]
    none = sum(line.greedy is None for line in lines)
    figures = (
        f"median {statistics.median(more):+.0%}, most {max(more):+.0%}, least {min(more):+.0%}" if more else "none"
    )
    return f"the greedy plan against ours: {figures}, in {len(more)} environments; it has no plan in {none}"


def main() -> int:
    parser = argparse.ArgumentParser(description="One GPU type and ceil(load) beside our plan, USD a month.")
    parser.add_argument("--only", default="", help="environments whose name has this")
    only = parser.parse_args().only
    known, lines = Known(KeptCapacities()), list[Line]()
    print(f"{'environment':32} {'ours':>10} {'greedy':>10} {'dearer':>8}   its pools", flush=True)
    for folder, name, factor in CASES:
        told = f"{folder}/{name}" + ("" if factor == 1 else f" × {factor:g}")
        if only in told:
            lines.append(compare(told, inputs_of(folder, name, factor), known))
            print(row(lines[-1]), flush=True)
    print(summary(lines), flush=True)
    return int(any(line.misses for line in lines))


if __name__ == "__main__":
    sys.exit(main())
