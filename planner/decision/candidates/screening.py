"""Screening: from hundreds of classes to the few dozen that the program can be given.

Classes that are too dear come first: those whose smallest deployment costs more than a whole plan without them.

Dominance comes next. A class falls when another of the same model serves everything that it serves, at least as fast,
and takes no more money for a replica, no more money for a node, and no more vCPUs of the same quota for a replica.
Alone, a dominated class is never the better choice. Beside other classes it can be worth a little, which is given up:
it may fit on the idle GPUs of a node that is paid for, it may admit its band apart from others, and an API with tight
limits has less to take over when one of its nodes is lost. The few dollars of storing its checkpoint are not compared.

Then the classes are ranked for each route: by the money for a request at full use, for the route and for each of its
bands, and by the money for the smallest deployment. The best of each ranking stay, in turns, up to a limit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import le

from planner.decision.candidates.omissions import DearerThanPlan, Dominated, FarFromCheapest, Omission
from planner.decision.candidates.self_hosted import SelfHosted
from planner.decision.choice.pairs import least_usd
from planner.decision.choice.question import BandKey, Question, ReplicaClass

MOST_CLASSES = 28
"""Classes that the program is given at most: it is solved in seconds with so many."""
DEAR = 1.25
"""How much dearer than a whole plan a class may be before it falls: capacities are only screened by then."""


PreferredBands = Mapping[str, frozenset[BandKey]]
"""Bands that would rather use a class, by its name; a class that is absent is preferred by none."""


def without_dominated(
    classes: Sequence[SelfHosted], preferred: PreferredBands | None = None
) -> tuple[tuple[SelfHosted, ...], tuple[Omission, ...]]:
    """Return the classes that no other one dominates, in the same order, and an omission of each other class.

    A class that is `preferred` falls only to one that is preferred by the same bands.
    """
    rivals: dict[tuple[str, bool, str, str], list[SelfHosted]] = {}
    for candidate in classes:
        rivals.setdefault(_kind(candidate.replica_class), []).append(candidate)
    best, omissions, fans = [], [], preferred or {}
    costs = {id(c): _costs(c.replica_class) for c in classes}
    for candidate in classes:
        mine, own = fans.get(candidate.name, frozenset()), costs[id(candidate)]
        cheap = (o for o in rivals[_kind(candidate.replica_class)] if all(map(le, costs[id(o)], own)))
        better = next(
            (
                o
                for o in cheap
                if o is not candidate
                and mine <= fans.get(o.name, frozenset())
                and _dominates(o.replica_class, candidate.replica_class)
            ),
            None,
        )
        if better is None:
            best.append(candidate)
        else:
            omissions.append(Omission(candidate.identity, Dominated(better.identity)))
    return tuple(best), tuple(omissions)


def short_list(
    classes: Sequence[SelfHosted], shares: Mapping[BandKey, float], keep: Iterable[str] = (), most: int = MOST_CLASSES
) -> tuple[tuple[SelfHosted, ...], tuple[Omission, ...]]:
    """Return at most `most` classes, in the same order, and an omission of each other class.

    Those named in `keep` stay in any case; then the rankings give their best in turns. `shares` are the shares of
    their routes' requests that bands have.
    """
    chosen = {c.name for c in classes}.intersection(keep)
    rankings = _rankings([c.replica_class for c in classes], shares)
    for place in range(len(classes)):
        for ranking in rankings:
            if place < len(ranking) and len(chosen) < most:
                chosen.add(ranking[place])
    omissions = tuple(Omission(c.identity, FarFromCheapest()) for c in classes if c.name not in chosen)
    return tuple(c for c in classes if c.name in chosen), omissions


def affordable(
    classes: Sequence[SelfHosted], usd: float, question: Question, keep: Collection[str] = ()
) -> tuple[tuple[SelfHosted, ...], tuple[Omission, ...]]:
    """Return the classes whose smallest deployment costs no more than a whole plan that needs none of the others.

    usd: cost of that plan, USD a month; infinity where none is known. Those named in `keep` stay in any case, because a
    team may want a dearer one.
    """
    most = usd * DEAR
    fallen = {c.name for c in classes if c.name not in keep and least_usd(question, c.replica_class) > most}
    omissions = tuple(Omission(c.identity, DearerThanPlan(usd)) for c in classes if c.name in fallen)
    return tuple(c for c in classes if c.name not in fallen), omissions


def leaders(classes: Sequence[SelfHosted], shares: Mapping[BandKey, float]) -> frozenset[str]:
    """Return the names of the first class of every ranking, which an answer most likely names."""
    return frozenset(ranking[0] for ranking in _rankings([c.replica_class for c in classes], shares) if ranking)


def _kind(k: ReplicaClass) -> tuple[str, bool, str, str]:
    """Return what two classes must have in common so that one may take the other's place.

    A route uses one model: another one may be needed for its other bands. Spot is a share of the machines of a GPU.
    """
    return k.model, k.exclusive, k.quota_family, k.gpu if k.usd_per_spot_hour is not None else ""


def _costs(k: ReplicaClass) -> tuple[float, ...]:
    """Return the USD an hour of a replica, of a replica and of a node in each way of buying one, the vCPUs of a
    replica, and its zones, of which more are better."""
    share, ways = k.gpus_per_replica / k.gpus_per_node, k.purchases_usd_per_hour
    return _per_replica(k), *(usd * share for usd in ways), *ways, k.vcpus_per_node * share, -float(k.zones)


def _dominates(a: ReplicaClass, b: ReplicaClass) -> bool:
    """Say whether `a`, which is of the same kind and costs no more, can take the place of `b`.

    Of two equal classes the first by name dominates.
    """
    if any(a.capacity.get(key, 0.0) < rate for key, rate in b.capacity.items()):
        return False
    # Machines that are paid for already are few, so that a class on them does not make others needless. Of two classes
    # on one type, both stand on the same machines.
    if a.instance_type != b.instance_type:
        if not a.may_buy:
            return False
        share = b.gpus_per_replica / b.gpus_per_node
        least = min(a.purchases_usd_per_hour)
        if b.next_usd_per_node_hour * share < _costs(a)[0] or b.next_usd_per_node_hour < least:
            return False
    same = _costs(a) == _costs(b) and dict(a.capacity) == dict(b.capacity)
    return not same or a.name < b.name


def _rankings(classes: Sequence[ReplicaClass], shares: Mapping[BandKey, float]) -> list[list[str]]:
    """Return the rankings of all routes: names of classes, the best first, ties by name."""
    rankings = []
    for route in sorted({key[0] for key in shares}):
        bands = [key for key in shares if key[0] == route]
        able = [k for k in classes if any(key in k.capacity for key in bands)]
        rankings.append([k.name for k in sorted(able, key=lambda k: (_per_request(k, bands, shares), k.name))])
        rankings.append([k.name for k in sorted(able, key=lambda k: (_footprint(k), k.name))])
        for band in bands:
            fit = [k for k in able if band in k.capacity]
            rankings.append([k.name for k in sorted(fit, key=lambda k: (_per_replica(k) / k.capacity[band], k.name))])
    return rankings


def _per_replica(k: ReplicaClass) -> float:
    """Return the USD an hour of one replica, on a machine that is paid for already where one is there."""
    return k.next_usd_per_node_hour * k.gpus_per_replica / k.gpus_per_node


def _per_request(k: ReplicaClass, bands: Sequence[BandKey], shares: Mapping[BandKey, float]) -> float:
    """Return the USD an hour for one request/s of the route at full use.

    A band that the class cannot serve counts ten times as much as the one that it serves worst.
    """
    hardest = min(rate for key, rate in k.capacity.items() if key in bands)
    hours = sum(shares[key] / k.capacity.get(key, hardest / 10) for key in bands)
    return _per_replica(k) * hours


def _footprint(k: ReplicaClass) -> float:
    """Return the USD an hour of the smallest deployment."""
    nodes = 2 if k.exclusive else 1
    there = min(nodes, k.existing)
    return there * k.least_usd_per_existing_node_hour + (nodes - there) * min(k.purchases_usd_per_hour)
