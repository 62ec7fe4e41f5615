"""The cheapest plan of a tiny question with elastic classes by enumeration: every size at every level is tried.

The classes and the rules of one level are those of `brute_force`; what is new is written down here once more: hours of
a level, nodes that start, the most nodes against quotas, and that a class may be off.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from planner.decision.choice.question import BandKey, Question, ReplicaClass
from tests.planner.decision.choice import brute_force
from tests.planner.decision.choice.brute_force import MONTH_HOURS, TINY

Choice = dict[BandKey, ReplicaClass]
Sizes = dict[str, tuple[int, int]]
"""Nodes that are not spot, and spot nodes, by node group."""


def cheapest(question: Question) -> float | None:
    """USD a month of the cheapest plan; None when no plan keeps all rules."""
    costs = [cost for choice in brute_force._choices(question) for cost in _plans(question, choice)]
    return min(costs, default=None)


def _plans(question: Question, choice: Choice) -> Iterator[float]:
    used = sorted({k.name: k for k in choice.values()}.values(), key=lambda k: k.name)
    fixed, elastic = [k for k in used if not k.is_elastic], [k for k in used if k.is_elastic]
    assert not (question.spot_share and fixed), "spot is drawn for elastic classes alone"
    most = [brute_force._most(question, k, max(brute_force._loads(question, choice, k)) + TINY) for k in fixed]
    for replicas in itertools.product(*(range(count + 1) for count in most)):
        fleet = {k.name: (k, count) for k, count in zip(fixed, replicas, strict=True)}
        firm: Sizes = {group: (count, 0) for group, (_, count) in brute_force._nodes(fleet).items()}
        yield from _weeks(question, choice, elastic, fleet, firm)


@dataclass(frozen=True)
class _State:
    """What runs at a level, and what its spill costs, USD a month."""

    sizes: Sizes
    usd: float


def _weeks(
    question: Question,
    choice: Choice,
    elastic: list[ReplicaClass],
    fleet: dict[str, tuple[ReplicaClass, int]],
    firm: Sizes,
) -> Iterator[float]:
    classes = {k.node_group: k for k in (*elastic, *(k for k, _ in fleet.values()))}
    options = [list(_sizes(question, choice, k)) for k in elastic]
    states: list[list[_State]] = []
    for t, hours in enumerate(question.level_hours):
        found = []
        for combination in itertools.product(*options):
            sizes = firm | {k.node_group: size for k, size in zip(elastic, combination, strict=True)}
            usd = _spill(question, choice, elastic, fleet, classes, sizes, t)
            if usd is not None:
                found.append(_State(sizes, usd * hours * 3600))
        states.append(found)
    for week in itertools.product(*states):
        cost = _cost(question, choice, elastic, fleet, classes, week)
        if cost is not None:
            yield cost


def _sizes(question: Question, choice: Choice, k: ReplicaClass) -> Iterator[tuple[int, int]]:
    each = k.gpus_per_node // k.gpus_per_replica
    most = math.ceil(max(brute_force._loads(question, choice, k)) / each) + (1 if k.exclusive else 0)
    if k.exclusive and question.survives_a_zone:
        most = most * 2 + 2
    may_be_spot = question.spot_share and k.usd_per_spot_hour is not None
    if question.spot_share and not k.exclusive:
        most += 1
    for count in range(most + 1):
        for taken_back in range(count + 1 if may_be_spot else 1):
            if not (k.exclusive and count == 1):
                yield count - taken_back, taken_back


def _spill(
    question: Question,
    choice: Choice,
    elastic: list[ReplicaClass],
    fleet: dict[str, tuple[ReplicaClass, int]],
    classes: dict[str, ReplicaClass],
    sizes: Sizes,
    t: int,
) -> float | None:
    """USD a second of what the API takes at a level; None where a rule is broken."""
    nodes = {g: (classes[g], sum(size)) for g, size in sizes.items()}
    admitted = {}
    for k in (*elastic, *(k for k, _ in fleet.values())):
        each = k.gpus_per_node // k.gpus_per_replica
        count = nodes[k.node_group][1] * each if k.is_elastic else fleet[k.name][1]
        load, room = brute_force._loads(question, choice, k)[t], count - brute_force._lost(k)
        if k.exclusive and question.survives_a_zone:
            room = min(room, count - math.ceil(nodes[k.node_group][1] / k.zones) * each)
        if k.is_elastic and not count:
            room = 0
        if room < -TINY:
            return None
        admitted[k.name] = min(1.0, room / load) if load > 0 else 1.0
    share = {f.key: 1 - admitted[choice[f.key].name] if f.key in choice else 1.0 for f in question.flows}
    for f in question.flows:
        if f.key in choice and choice[f.key].is_elastic and not f.planned[t]:
            share[f.key] = 0.0
    gpus: dict[str, list[int]] = {}
    for g, (firm, taken_back) in sizes.items():
        if not classes[g].exclusive:
            both = gpus.setdefault(classes[g].gpu, [0, 0])
            both[0] += taken_back * classes[g].gpus_per_node
            both[1] += (firm + taken_back) * classes[g].gpus_per_node
    if any(mine > question.spot_share * every + TINY for mine, every in gpus.values()):
        return None
    able = [g for g, k in classes.items() if question.spot_share and k.usd_per_spot_hour is not None]
    return brute_force._spill_usd(question, choice, share, {g: sizes[g][1] for g in able}, nodes, t)


def _cost(
    question: Question,
    choice: Choice,
    elastic: list[ReplicaClass],
    fleet: dict[str, tuple[ReplicaClass, int]],
    classes: dict[str, ReplicaClass],
    week: tuple[_State, ...],
) -> float | None:
    spill = sum(state.usd for state in week)
    if question.api_budget_usd is not None and spill > question.api_budget_usd + 1e-6:
        return None
    machines = 0.0
    most = {g: [max(state.sizes[g][way] for state in week) for way in (0, 1)] for g in classes}
    for k in elastic:
        if question.spot_share and not k.exclusive and question.spot_share < 1 and _kind_may_be_spot(question, k):
            each = k.gpus_per_node // k.gpus_per_replica
            mine = [f for f in question.flows if choice.get(f.key) is k]
            if sum(most[k.node_group]) > sum(max(f.planned) / (k.capacity[f.key] * each) + 1 for f in mine) + TINY:
                return None
    for family, quota in question.quotas.items():
        way = 1 if family.endswith("-spot") else 0
        own = [g for g, k in classes.items() if k.quota_family == family.removesuffix("-spot")]
        if sum(most[g][way] * classes[g].vcpus_per_node for g in own) > quota:
            return None
    for machine in {k.instance_type: k for k in classes.values()}.values():
        firm = [
            sum(state.sizes[g][0] for g, k in classes.items() if k.instance_type == machine.instance_type)
            for state in week
        ]
        usd = _firm_usd(question, machine, firm)
        if usd is None:
            return None
        machines += usd
    for k in elastic:
        g, warm = k.node_group, k.warm_hours or 0.0
        for way, usd in ((0, k.usd_per_node_hour), (1, k.usd_per_spot_hour or 0.0)):
            for earlier, later, times in question.changes:
                grown = week[later].sizes[g][way] - week[earlier].sizes[g][way]
                machines += max(0, grown) * times * warm * usd
    for g, k in classes.items():
        for hours, state in zip(question.level_hours, week, strict=True):
            machines += state.sizes[g][1] * (k.usd_per_spot_hour or 0.0) * hours
    used = [*elastic, *(k for k, _ in fleet.values())]
    weights = {k.weights: k.weights_usd_per_month for k in used}
    platform = question.platform_usd if used else 0.0
    total = machines + spill + sum(weights.values()) + platform + question.existing_usd
    return None if question.budget_usd is not None and total > question.budget_usd + 1e-6 else total


def _kind_may_be_spot(question: Question, k: ReplicaClass) -> bool:
    return any(other.usd_per_spot_hour is not None for other in question.classes if other.gpu == k.gpu)


def _firm_usd(question: Question, machine: ReplicaClass, firm: list[int]) -> float | None:
    """USD a month of the nodes of a type that are not spot, by level, with the best number of commitments."""
    if not machine.may_buy and max(firm) > machine.existing:
        return None
    disk = machine.usd_per_existing_node_hour if machine.existing or machine.commitments else None
    best = math.inf
    committed = min((usd for _, usd in machine.commitments), default=0.0)
    for taken in range(max(0, max(firm) - machine.existing) + 1 if machine.commitments else 1):
        usd = taken * (committed - (disk or 0.0)) * MONTH_HOURS
        for hours, count in zip(question.level_hours, firm, strict=True):
            bought = max(0, count - machine.existing - taken)
            usd += hours * (bought * machine.usd_per_node_hour + (count - bought) * (disk or 0.0))
        best = min(best, usd)
    return best
