"""The cheapest plan of a tiny question by enumeration, sharing no code with the program or the solver.

Every choice of one class or none a band is tried with every number of replicas. What is left needs no optimiser: local
capacity is already paid, and more of it in use costs less at the API and loads its limits less, so each pool admits as
much as it can, of all its bands alike.

Also here: whether an answer keeps every rule, read off its own numbers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

from planner.decision.choice.question import Answer, BandKey, Flow, Question, ReplicaClass

TINY = 1e-9
MONTH_HOURS = 730


def cheapest(question: Question) -> float | None:
    """USD a month of the cheapest plan; None when no plan keeps all rules."""
    costs = [cost for choice in _choices(question) for cost in _plans(question, choice)]
    return min(costs, default=None)


def _choices(question: Question) -> Iterator[dict[BandKey, ReplicaClass]]:
    """Bands and the class that serves each; a route uses one model."""
    options = [[None, *(k for k in question.classes if f.key in k.capacity)] for f in question.flows]
    for combination in itertools.product(*options):
        choice = {f.key: k for f, k in zip(question.flows, combination, strict=True) if k is not None}
        models = {(key[0], k.model) for key, k in choice.items()}
        if len(models) == len({route for route, _ in models}):
            yield choice


def _plans(question: Question, choice: dict[BandKey, ReplicaClass]) -> Iterator[float]:
    used = sorted({k.name: k for k in choice.values()}.values(), key=lambda k: k.name)
    ranges = [range(_most(question, k, max(_loads(question, choice, k)) + TINY) + 1) for k in used]
    for replicas in itertools.product(*ranges):
        fleet = {k.name: (k, count) for k, count in zip(used, replicas, strict=True)}
        for nodes in _spread(question, fleet):
            for spot in _spots(question, nodes):
                cost = _cost(question, choice, fleet, nodes, spot)
                if cost is not None:
                    yield cost


Nodes = dict[str, tuple[ReplicaClass, int]]
"""A class of each node group, and the number of its nodes."""


def _spread(question: Question, fleet: dict[str, tuple[ReplicaClass, int]]) -> Iterator[Nodes]:
    """The nodes that replicas need; where a share of spot may rest on them, also more, each with a replica."""
    least = _nodes(fleet)
    able = (
        {k.gpu for k in question.classes if k.usd_per_spot_hour is not None} if 0 < question.spot_share < 1 else set()
    )
    ranges = []
    for group, (k, count) in least.items():
        replicas = sum(c for other, c in fleet.values() if other.node_group == group)
        ranges.append(range(count, (replicas if k.gpu in able and not k.exclusive else count) + 1))
    for counts in itertools.product(*ranges):
        yield {group: (k, count) for (group, (k, _)), count in zip(least.items(), counts, strict=True)}


def _spots(question: Question, nodes: Nodes) -> Iterator[dict[str, int]]:
    """Every number of spot nodes by node group that the share of spot admits."""
    able = [g for g, (k, _) in nodes.items() if question.spot_share and k.usd_per_spot_hour is not None]
    for counts in itertools.product(*(range(nodes[g][1] + 1) for g in able)):
        spot = dict(zip(able, counts, strict=True))
        gpus: dict[str, list[int]] = {}
        for g, (k, count) in nodes.items():
            if not k.exclusive:
                both = gpus.setdefault(k.gpu, [0, 0])
                both[0] += spot.get(g, 0) * k.gpus_per_node
                both[1] += count * k.gpus_per_node
        if all(mine <= question.spot_share * every + TINY for mine, every in gpus.values()):
            yield spot


def _nodes(fleet: dict[str, tuple[ReplicaClass, int]]) -> dict[str, tuple[ReplicaClass, int]]:
    """A class and the number of nodes of each node group."""
    gpus: dict[str, tuple[ReplicaClass, int]] = {}
    for k, count in fleet.values():
        gpus[k.node_group] = (k, gpus.get(k.node_group, (k, 0))[1] + count * k.gpus_per_replica)
    return {
        g: (k, max(math.ceil(wanted / k.gpus_per_node), 2 if k.exclusive else 0)) for g, (k, wanted) in gpus.items()
    }


def _most(question: Question, k: ReplicaClass, load: float) -> int:
    """The most replicas that a class can need: also after losing a node, or the nodes of a zone."""
    if not (question.survives_a_zone and k.exclusive and k.zones > 1):
        return _lost(k) + math.ceil(load)
    return math.ceil(load) * 2 + 2 * (k.gpus_per_node // k.gpus_per_replica)


def _lost(k: ReplicaClass) -> int:
    return k.gpus_per_node // k.gpus_per_replica if k.exclusive else 0


def _loads(question: Question, choice: dict[BandKey, ReplicaClass], k: ReplicaClass) -> list[float]:
    """Busy replicas of a class at each level if it served all of its bands."""
    mine = [f for f in question.flows if choice.get(f.key) is k]
    return [sum(f.planned[t] / k.capacity[f.key] for f in mine) for t in range(len(question.level_hours))]


def _cost(
    question: Question,
    choice: dict[BandKey, ReplicaClass],
    fleet: dict[str, tuple[ReplicaClass, int]],
    nodes: Nodes,
    spot: dict[str, int],
) -> float | None:
    machines = _machines(question, nodes, spot)
    if machines is None:
        return None
    spill = 0.0
    for t, hours in enumerate(question.level_hours):
        admitted = {}
        for name, (k, count) in fleet.items():
            load, room = _loads(question, choice, k)[t], count - _lost(k)
            if k.exclusive and question.survives_a_zone:
                there = math.ceil(nodes[k.node_group][1] / k.zones)
                room = min(room, count - there * (k.gpus_per_node // k.gpus_per_replica))
            if room < -TINY:
                return None
            admitted[name] = min(1.0, room / load) if load > 0 else 1.0
        share = {f.key: 1 - admitted[choice[f.key].name] if f.key in choice else 1.0 for f in question.flows}
        usd = _spill_usd(question, choice, share, spot, nodes, t)
        if usd is None:
            return None
        spill += usd * hours * 3600
    if question.api_budget_usd is not None and spill > question.api_budget_usd + 1e-6:
        return None
    weights = {k.weights: k.weights_usd_per_month for k, _ in fleet.values()}
    total = machines + spill + sum(weights.values()) + (question.platform_usd if fleet else 0.0) + question.existing_usd
    return None if question.budget_usd is not None and total > question.budget_usd + 1e-6 else total


def _machines(question: Question, nodes: Nodes, spot: dict[str, int]) -> float | None:
    """USD a month of the nodes, or None when they are more than a quota admits."""
    usd, vcpus, there = (
        0.0,
        dict.fromkeys(question.quotas, 0.0),
        {k.instance_type: k.existing for k in question.classes},
    )
    own = {k.instance_type: k.owned for k in question.classes}
    blocks = {k.instance_type: k.blocks for k in question.classes}
    for group, (k, count) in nodes.items():
        taken_back = spot.get(group, 0)
        firm = count - taken_back
        usd += taken_back * (k.usd_per_spot_hour or 0.0) * MONTH_HOURS
        if f"{k.quota_family}-spot" in vcpus:
            vcpus[f"{k.quota_family}-spot"] += taken_back * k.vcpus_per_node
        for _ in range(firm):
            is_there = there[k.instance_type] > 0
            there[k.instance_type] -= is_there
            if not is_there and not k.may_buy:
                return None
            bought = min(k.usd_per_node_hour, *(each for _, each in k.commitments), math.inf)
            is_own = own[k.instance_type] > 0
            own[k.instance_type] -= is_own
            is_block = not is_own and blocks[k.instance_type] > 0
            blocks[k.instance_type] -= is_block
            usd += (0.0 if is_own else k.usd_per_existing_node_hour if is_there else bought) * MONTH_HOURS
            if k.quota_family in vcpus and not is_own and not is_block:
                vcpus[k.quota_family] += k.vcpus_per_node
    return None if any(vcpus[family] > question.quotas[family] for family in vcpus) else usd


def _spill_usd(
    question: Question,
    choice: dict[BandKey, ReplicaClass],
    share: dict[BandKey, float],
    spot: dict[str, int],
    nodes: Nodes,
    t: int,
) -> float | None:
    """USD a second for what is not served locally; None when it has no place or exceeds the API's limits."""
    spilling = [f for f in question.flows if share[f.key] > TINY]
    reachable = [
        f for f in question.flows if f.may_spill and question.apis and f.key in question.apis[0].usd_per_request
    ]
    if any(f not in reachable for f in spilling):
        return None
    if not question.apis:
        return 0.0
    api = question.apis[0]
    limits: list[tuple[float | None, Callable[[Flow], float]]] = [
        (api.tokens_per_minute, lambda f: api.tokens_per_request[f.key]),
        (api.requests_per_minute, lambda f: 1.0),
    ]
    for limit, weight in limits:
        if limit is None:
            continue
        used = sum(60 * f.planned[t] * share[f.key] * weight(f) for f in spilling)
        lost: dict[str, float] = {}
        for f in reachable:
            if _reserved(f, choice):
                k = choice[f.key]
                lost[k.node_group] = lost.get(k.node_group, 0.0) + 60 * _taken(f, k, t, 1 - share[f.key]) * weight(f)
        for group, count in spot.items():
            zones = nodes[group][0].zones
            lost[f"spot of {group}"] = _of_a_node(question, group, reachable, weight, t) * math.ceil(count / zones)
        if question.survives_a_zone:
            lost["zone"] = sum(
                _of_a_node(question, group, reachable, weight, t) * math.ceil(count / some.zones)
                for group, (some, count) in nodes.items()
            )
        if used + max(lost.values(), default=0.0) > limit * (1 + 1e-9):
            return None
    return sum(f.mean[t] * share[f.key] * api.usd_per_request[f.key] for f in spilling)


def _of_a_node(question: Question, group: str, reachable: list[Flow], weight: Callable[[Flow], float], t: int) -> float:
    """The most that one node of a group serves a minute: what it can of its heaviest band, and what there is at all."""
    own = [k for k in question.classes if k.node_group == group and not k.exclusive]
    bands = [(f, k) for k in own for f in reachable if f.key in k.capacity]
    full = [k.capacity[f.key] * (k.gpus_per_node // k.gpus_per_replica) * 60 * weight(f) for f, k in bands]
    there = {f.key: f.planned[t] * 60 * weight(f) for f, _ in bands}
    return min(max(full, default=0.0), sum(there.values()))


def _reserved(f: Flow, choice: dict[BandKey, ReplicaClass]) -> bool:
    """Whether the API is what stands in when a node of the band's pool is lost."""
    return f.key in choice and not choice[f.key].exclusive


def _taken(f: Flow, k: ReplicaClass, t: int, served: float) -> float:
    """Requests/s of a band that one node at most serves; `served` is the band's share that stays local."""
    node = k.capacity[f.key] * (k.gpus_per_node // k.gpus_per_replica)
    return f.planned[t] * served if f.planned[t] <= node else node


def broken_rules(question: Question, answer: Answer, tolerance: float = 1e-5) -> list[str]:
    """Every rule that an answer breaks, by name; empty when it keeps them all."""
    found = []
    classes = {k.name: k for k in question.classes}
    for f in question.flows:
        local = {name: shares for (key, name), shares in answer.served.items() if key == f.key}
        away = [shares for (key, _), shares in answer.spilled.items() if key == f.key]
        if away and not f.may_spill:
            found.append(f"{f.key} may not spill")
        if len(local) > 1:
            found.append(f"{f.key} uses {len(local)} classes")
        if any(f.key not in classes[name].capacity for name in local):
            found.append(f"{f.key} is served without capacity")
        for t in range(len(question.level_hours)):
            total = sum(shares[t] for shares in (*local.values(), *away))
            if abs(total - 1) > tolerance:
                found.append(f"{f.key} is served {total} times at level {t}")
    for route in {f.route for f in question.flows}:
        models = {classes[name].model for (key, name) in answer.served if key[0] == route}
        if len(models) > 1:
            found.append(f"{route} uses {sorted(models)}")
    for k in question.classes:
        used = {key: shares for (key, name), shares in answer.served.items() if name == k.name}
        for t in range(len(question.level_hours)):
            load = sum(
                next(f for f in question.flows if f.key == key).planned[t] * s[t] / k.capacity[key]
                for key, s in used.items()
            )
            if used and load > answer.replicas.get(k.name, 0) - _lost(k) + tolerance * 10:
                found.append(f"{k.name} carries {load} of {answer.replicas.get(k.name, 0)}")
            if used and max(s[t] for s in used.values()) - min(s[t] for s in used.values()) > tolerance:
                found.append(f"{k.name} admits its bands differently at level {t}")
        if k.exclusive and used and answer.nodes.get(k.node_group, 0) < 2:
            found.append(f"{k.name} has no second node")
    for group in {k.node_group for k in question.classes}:
        members = [k for k in question.classes if k.node_group == group]
        wanted = sum(k.gpus_per_replica * answer.replicas.get(k.name, 0) for k in members)
        if wanted > members[0].gpus_per_node * answer.nodes.get(group, 0):
            found.append(f"{group} holds {wanted} GPUs")
        least = max(math.ceil(wanted / members[0].gpus_per_node), 2 if members[0].exclusive and wanted else 0)
        replicas = sum(answer.replicas.get(k.name, 0) for k in members)
        rests = any(answer.spot.get(k.node_group) for k in question.classes if k.gpu == members[0].gpu)
        if answer.nodes.get(group, 0) > (max(least, replicas) if rests and not members[0].exclusive else least):
            found.append(f"{group} has an idle node")
    for gpu in {k.gpu for k in question.classes}:
        own = {k.node_group: k.gpus_per_node for k in question.classes if k.gpu == gpu and not k.exclusive}
        spot, every = (sum(n * counts.get(g, 0) for g, n in own.items()) for counts in (answer.spot, answer.nodes))
        if spot > question.spot_share * every + tolerance:
            found.append(f"{spot} of {every} GPUs {gpu} are spot")
    for family, quota in question.quotas.items():
        vcpus = 0.0
        for k in {k.instance_type: k for k in question.classes if k.quota_family == family}.values():
            machines_of = {each.node_group for each in question.classes if each.instance_type == k.instance_type}
            running = sum(answer.nodes.get(g, 0) - answer.spot.get(g, 0) for g in machines_of)
            vcpus += k.vcpus_per_node * max(0, running - k.owned - k.blocks)
        if vcpus > quota:
            found.append(f"quota {family}")
    found += [f"{unit} of {a.name}" for a in question.apis for unit in _exceeded(question, answer, a.name)]
    for machine in {k.instance_type: k for k in question.classes if not k.may_buy}.values():
        types = {k.node_group: k.instance_type for k in question.classes}
        there = (g for g in answer.nodes if types[g] == machine.instance_type)
        if sum(answer.nodes[g] - answer.spot.get(g, 0) for g in there) > machine.existing:
            found.append(f"{machine.instance_type} is bought")
    if question.budget_usd is not None and answer.usd_per_month > question.budget_usd + 0.01:
        found.append("budget")
    return found


def _exceeded(question: Question, answer: Answer, name: str) -> Iterator[str]:
    option = next(a for a in question.apis if a.name == name)
    for t in range(len(question.level_hours)):
        rates = {
            f.key: 60 * f.planned[t] * answer.spilled[(f.key, name)][t]
            for f in question.flows
            if (f.key, name) in answer.spilled
        }
        if option.requests_per_minute and sum(rates.values()) > option.requests_per_minute * 1.0001:
            yield "rpm"
        tokens = sum(rate * option.tokens_per_request[key] for key, rate in rates.items())
        if option.tokens_per_minute and tokens > option.tokens_per_minute * 1.0001:
            yield "tpm"
