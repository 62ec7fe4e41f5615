"""From hundreds of classes to the few dozen that the program can be given, without losing more than a little.

First dominance: a class falls when another of the same model serves everything that it serves, at least as fast, for no
more money per replica, per node and per vCPU of the same quota. By itself such a class is never better. Beside others
it can be worth a little, which is given up: on idle GPUs of a node that is paid for, as a pool that admits its band
apart, as a smaller loss for an API with tight limits to take over. Then a ranking for each route, by money per request
at full use and by the smallest footprint that can serve at all; the best of both stay, in turns, until the limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from planner.decision.candidates.omissions import Dominated, FarFromCheapest, Omission
from planner.decision.candidates.self_hosted import SelfHosted
from planner.decision.choice.question import BandKey, ReplicaClass

MOST_CLASSES = 40


def without_dominated(classes: Sequence[SelfHosted]) -> tuple[tuple[SelfHosted, ...], tuple[Omission, ...]]:
    """Classes that no other one dominates, in the same order. Of two equal ones the first by name stays."""
    kept, omitted = [], []
    for candidate in classes:
        better = next(
            (o for o in classes if o is not candidate and _dominates(o.replica_class, candidate.replica_class)), None
        )
        if better is None:
            kept.append(candidate)
        else:
            omitted.append(Omission(candidate.identity, Dominated(better.identity)))
    return tuple(kept), tuple(omitted)


def short_list(
    classes: Sequence[SelfHosted], shares: Mapping[BandKey, float], keep: Iterable[str] = (), most: int = MOST_CLASSES
) -> tuple[tuple[SelfHosted, ...], tuple[Omission, ...]]:
    """At most `most` classes: those named in `keep` (a former plan's), then each route's best in turns.

    shares: of a route's requests by band.
    """
    wanted = set(keep)
    chosen = {c.name for c in classes if c.name in wanted}
    rankings = _rankings([c.replica_class for c in classes], shares)
    for place in range(len(classes)):
        for ranking in rankings:
            if place < len(ranking) and len(chosen) < most:
                chosen.add(ranking[place])
    kept = tuple(c for c in classes if c.name in chosen)
    omitted = tuple(Omission(c.identity, FarFromCheapest()) for c in classes if c.name not in chosen)
    return kept, omitted


def leaders(classes: Sequence[SelfHosted], shares: Mapping[BandKey, float]) -> set[str]:
    """The first class of every ranking: those that an answer most likely names."""
    return {ranking[0] for ranking in _rankings([c.replica_class for c in classes], shares) if ranking}


def _dominates(a: ReplicaClass, b: ReplicaClass) -> bool:
    """Whether `a` can stand wherever `b` does for no more money; equal classes fall to the first by name."""
    if a.exclusive != b.exclusive or a.quota_family != b.quota_family:
        return False
    if a.model != b.model:  # a route uses one model: another one may be needed for its other bands
        return False
    if any(a.capacity.get(key, 0.0) < rate for key, rate in b.capacity.items()):
        return False
    costs = [
        (_per_replica(k), k.usd_per_node_hour, k.vcpus_per_node * k.tensor_parallel_size / k.gpus_per_node)
        for k in (a, b)
    ]
    if any(mine > theirs for mine, theirs in zip(*costs, strict=True)):
        return False
    same = costs[0] == costs[1] and dict(a.capacity) == dict(b.capacity)
    return not same or a.name < b.name


def _rankings(classes: Sequence[ReplicaClass], shares: Mapping[BandKey, float]) -> list[list[str]]:
    """By route: names by money per request at full use, and by the money of the smallest deployment."""
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
    return k.usd_per_node_hour * k.tensor_parallel_size / k.gpus_per_node


def _per_request(k: ReplicaClass, bands: Sequence[BandKey], shares: Mapping[BandKey, float]) -> float:
    """USD an hour for each request/s of the route; a band that the class cannot serve counts ten times its worst."""
    hardest = min(rate for key, rate in k.capacity.items() if key in bands)
    hours = sum(shares[key] / k.capacity.get(key, hardest / 10) for key in bands)
    return _per_replica(k) * hours


def _footprint(k: ReplicaClass) -> float:
    return k.usd_per_node_hour * (2 if k.exclusive else 1)
