"""Which share of a month's requests is served within capacity, when machines, zones, the region and APIs fail.

A state says how many machines of each kind are down. Machines fail independently of each other. A zone takes all its
machines with it, and the region takes all that is self-hosted. States are enumerated exactly, one after another by the
number of machines that are down, until what is left is less likely than `TAIL`; that rest counts as if nothing of one's
own were left, so that the answer is a lower bound. It lies less than `TAIL` below, but for fleets that have more than
`MOST_STATES` states.

In a state, a pool that has k replicas left and needs B for its planned rate serves min(1, k/B) of its requests. An API
takes the others where the route has one, within the account's rates, times the share of time in which it is there. A
level counts by its hours and its mean rate, and is held against its planned rate, the 95th percentile: the mean would
hide the bursts for which the pools are sized.

Fallbacks fail independently across providers only: all models of one provider are one account.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

TAIL = 1e-7
"""Probability of all states that are not looked at; they count as the loss of all that is self-hosted."""
MOST_STATES = 20_000
"""States that are looked at for one loss of a zone, whatever `TAIL` asks for."""
HAIR = 1e-9
"""How far a load may exceed what carries it without being an overflow, as a share."""
Cause = tuple[str, str]
"""What was lost: (`node`, group), (`zone`, ``), (`region`, ``), (`several`, ``) or (`api`, providers)."""


@dataclass(frozen=True)
class NodeKind:
    """Equal nodes of a group.

    group: name of the group.
    nodes: how many.
    replicas: replicas on each of them, by pool.
    zones: zones over which the nodes of the group are spread.
    down: share of time in which one of them is down, for itself alone.
    """

    group: str
    nodes: int
    replicas: Mapping[str, int]
    zones: tuple[str, ...]
    down: float


@dataclass(frozen=True)
class Account:
    """An account at an API provider.

    uptime: share of time in which it is there; None where nobody knows it.
    tokens_per_minute, requests_per_minute: its limits; None where they are not stated.
    """

    uptime: float | None
    tokens_per_minute: float | None = None
    requests_per_minute: float | None = None


@dataclass(frozen=True)
class Flow:
    """A flow is requests of one route that one pool serves, or of which an API serves all. Rates are by level.

    pool: the pool; empty where only an API serves it.
    capacity: requests/s of one replica of the pool; 1 without a pool.
    own_mean, own_planned: rates of the pool, requests/s.
    api_mean, api_planned: rates that go to the API as planned, requests/s.
    tokens: tokens of one request, input and output together.
    chain: providers in the order in which they are asked.
    """

    route: str
    pool: str
    capacity: float
    own_mean: tuple[float, ...]
    own_planned: tuple[float, ...]
    api_mean: tuple[float, ...]
    api_planned: tuple[float, ...]
    tokens: float
    chain: tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """A setting is everything of a plan that decides its availability.

    hours: length of each level, hours a month.
    zone_down, region_down: share of time in which a zone, and the region, is lost.
    accounts: accounts by provider.
    """

    hours: tuple[float, ...]
    kinds: tuple[NodeKind, ...]
    zone_down: float
    region_down: float
    accounts: Mapping[str, Account]
    flows: tuple[Flow, ...]


@dataclass(frozen=True)
class RouteAvailability:
    """The availability of a route is the expected share of its requests that are served within capacity.

    least: with accounts of unknown uptime counted as never there.
    most: with these accounts counted as always there; it equals `least` where none of them matters.
    losses: what each cause takes of `least`, the largest first.
    """

    least: float
    most: float
    losses: Mapping[Cause, float]


def availability(setting: Setting) -> dict[str, RouteAvailability]:
    """Return the availability of each route that has requests, by name."""
    loss = _Loss(setting)
    lost: dict[str, dict[Cause, float]] = {}
    saved: dict[str, float] = {}
    for route, (worst, best) in loss.of_apis().items():
        cause = ("api", loss.providers[route])
        lost.setdefault(route, {})[cause] = worst
        saved[route] = worst - best
    for chance, cause, left in _states(setting):
        for route, (worst, best) in loss.of_state(left).items():
            causes = lost.setdefault(route, {})
            causes[cause] = causes.get(cause, 0.0) + chance * worst
            saved[route] = saved.get(route, 0.0) + chance * (worst - best)
    answer = {}
    for route in sorted(loss.volume):
        causes = {cause: share for cause, share in lost.get(route, {}).items() if share > 0}
        ordered = dict(sorted(causes.items(), key=lambda item: (-item[1], item[0])))
        least = max(0.0, 1 - sum(ordered.values()))
        answer[route] = RouteAvailability(least, min(1.0, least + saved.get(route, 0.0)), ordered)
    return answer


def in_zone(first: int, nodes: int, zones: int, zone: int) -> int:
    """Return how many of `nodes` nodes stand in a zone, when node after node goes to zone after zone.

    first: nodes of the group that were placed before. zone: index of the zone.
    """
    return sum((first + i) % zones == zone for i in range(nodes % zones)) + nodes // zones


Left = tuple[tuple[str, int], ...]
"""Replicas that are left, by pool, sorted."""


def _states(setting: Setting) -> Iterator[tuple[float, Cause, Left]]:
    """Yield (probability, cause, replicas left) of all states but the one in which all is there."""
    kinds, region = setting.kinds, setting.region_down
    if not kinds:
        return
    pools = sorted({pool for kind in kinds for pool in kind.replicas})
    nothing: Left = tuple((pool, 0) for pool in pools)
    yield region, ("region", ""), nothing
    zones = sorted({zone for kind in kinds for zone in kind.zones})
    one_zone = setting.zone_down * (1 - setting.zone_down) ** max(0, len(zones) - 1) if zones else 0.0
    no_zone = (1 - setting.zone_down) ** len(zones)
    yield (1 - region) * max(0.0, 1 - no_zone - len(zones) * one_zone), ("several", ""), nothing
    for zone in ("", *zones):
        chance = (1 - region) * (one_zone if zone else no_zone)
        nodes = _nodes_left(kinds, zone) if zone else [kind.nodes for kind in kinds]
        covered = 0.0
        for likely, down in _failures(
            [kind.down for kind in kinds], nodes, TAIL / (len(zones) + 1) / max(chance, TAIL)
        ):
            covered += likely
            failed = [kind.group for kind, count in zip(kinds, down, strict=True) if count]
            if zone or failed:
                left = _replicas(kinds, [n - d for n, d in zip(nodes, down, strict=True)], pools)
                yield chance * likely, _cause(zone, failed), left
        yield chance * max(0.0, 1 - covered), ("several", ""), nothing


def _cause(zone: str, failed: Sequence[str]) -> Cause:
    if zone:
        return ("zone", "") if not failed else ("several", "")
    return ("node", failed[0]) if len(set(failed)) == 1 else ("several", "")


def _nodes_left(kinds: Sequence[NodeKind], zone: str) -> list[int]:
    """Return the nodes of each kind that are left without a zone. The nodes of a group are spread evenly over zones."""
    left = []
    placed: dict[str, int] = {}
    for kind in kinds:
        zones, first = sorted(kind.zones), placed.get(kind.group, 0)
        placed[kind.group] = first + kind.nodes
        lost = in_zone(first, kind.nodes, len(zones), zones.index(zone)) if zone in zones else 0
        left.append(kind.nodes - lost)
    return left


def _failures(down: Sequence[float], nodes: Sequence[int], tail: float) -> Iterator[tuple[float, tuple[int, ...]]]:
    """Yield (probability, failed nodes of each kind), those with fewer failures first, until `tail` is left."""
    covered, count = 0.0, 0
    for total in range(sum(nodes) + 1):
        for failed in _parts(total, nodes):
            chance = math.prod(
                math.comb(n, d) * p**d * (1 - p) ** (n - d) for n, d, p in zip(nodes, failed, down, strict=True)
            )
            covered += chance
            count += 1
            yield chance, failed
            if count >= MOST_STATES:
                return
        if 1 - covered <= tail:
            return


def _parts(total: int, most: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield all ways to share out a total, with at most so much for each."""
    if not most:
        if not total:
            yield ()
        return
    for first in range(max(0, total - sum(most[1:])), min(total, most[0]) + 1):
        yield from ((first, *rest) for rest in _parts(total - first, most[1:]))


def _replicas(kinds: Sequence[NodeKind], nodes: Sequence[int], pools: Sequence[str]) -> Left:
    counts = dict.fromkeys(pools, 0)
    for kind, count in zip(kinds, nodes, strict=True):
        for pool, replicas in kind.replicas.items():
            counts[pool] += replicas * count
    return tuple(counts.items())


class _Loss:
    """What each route loses in a state, as a share of its requests: (at worst, at best), as in `RouteAvailability`.

    Equal states are computed once.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.volume: dict[str, float] = {}
        self.providers: dict[str, str] = {}
        self._busy: dict[str, list[float]] = {}
        self._known: dict[Left, dict[str, tuple[float, float]]] = {}
        levels = range(len(setting.hours))
        for flow in setting.flows:
            volume = sum(h * (own + api) for h, own, api in self._hours(flow))
            self.volume[flow.route] = self.volume.get(flow.route, 0.0) + volume
            if flow.pool:
                busy = self._busy.setdefault(flow.pool, [0.0 for _ in levels])
                for t in levels:
                    busy[t] += flow.own_planned[t] / flow.capacity
        self.volume = {route: volume for route, volume in self.volume.items() if volume > 0}
        self._headroom = {provider: [self._room(provider, t) for t in levels] for provider in setting.accounts}

    def _hours(self, flow: Flow) -> Iterator[tuple[float, float, float]]:
        return zip(self.setting.hours, flow.own_mean, flow.api_mean, strict=True)

    def _room(self, provider: str, t: int) -> tuple[float, float]:
        """Return the tokens and requests a minute that an account admits at a level beside what is planned for it."""
        account = self.setting.accounts[provider]
        asked = [flow for flow in self.setting.flows if flow.chain[:1] == (provider,)]
        tokens = sum(60 * flow.api_planned[t] * flow.tokens for flow in asked)
        requests = sum(60 * flow.api_planned[t] for flow in asked)
        tpm, rpm = account.tokens_per_minute, account.requests_per_minute
        return (
            math.inf if tpm is None else max(0.0, tpm - tokens),
            math.inf if rpm is None else max(0.0, rpm - requests),
        )

    def _chain(self, flow: Flow) -> tuple[float, float]:
        """Return the share of time in which some provider of a chain is there: (at least, at most)."""
        ups = [self.setting.accounts[provider].uptime for provider in dict.fromkeys(flow.chain)]
        least = 1 - math.prod(1 - (up or 0.0) for up in ups)
        return least, 1.0 if None in ups else least

    def of_apis(self) -> dict[str, tuple[float, float]]:
        """Return what each route loses of the requests that go to APIs as planned."""
        lost: dict[str, tuple[float, float]] = {}
        for flow in self.setting.flows:
            volume = sum(h * api for h, _, api in self._hours(flow))
            if volume > 0 and flow.route in self.volume:
                least, most = self._chain(flow)
                worst, best = lost.get(flow.route, (0.0, 0.0))
                share = volume / self.volume[flow.route]
                lost[flow.route] = worst + share * (1 - least), best + share * (1 - most)
                self.providers[flow.route] = ", ".join(dict.fromkeys(flow.chain))
        return lost

    def of_state(self, left: Left) -> dict[str, tuple[float, float]]:
        """Return what each route loses of the requests of its pools. left: replicas that are left, by pool."""
        if left not in self._known:
            self._known[left] = self._of_state(dict(left))
        return self._known[left]

    def _of_state(self, left: Mapping[str, int]) -> dict[str, tuple[float, float]]:
        lost: dict[str, tuple[float, float]] = {}
        for t, hours in enumerate(self.setting.hours):
            over: list[tuple[Flow, float]] = []
            for flow in self.setting.flows:
                busy = self._busy[flow.pool][t] if flow.pool else 0.0
                count = left.get(flow.pool, 0)
                if busy > count * (1 + HAIR) and flow.own_planned[t] > 0:
                    over.append((flow, 1 - count / busy))
            taken = self._taken(over, t)
            for flow, share in over:
                if flow.route not in self.volume:
                    continue
                part = share * hours * flow.own_mean[t] / self.volume[flow.route]
                least, most = self._chain(flow)
                admitted = taken.get(flow.chain[0], 0.0) if flow.chain else 0.0
                worst, best = lost.get(flow.route, (0.0, 0.0))
                lost[flow.route] = worst + part * (1 - admitted * least), best + part * (1 - admitted * most)
        return lost

    def _taken(self, over: Sequence[tuple[Flow, float]], t: int) -> dict[str, float]:
        """Return the share of an overflow that each account admits. It is counted at the API that is asked first."""
        tokens: dict[str, float] = {}
        requests: dict[str, float] = {}
        for flow, share in over:
            if flow.chain:
                rate = 60 * share * flow.own_planned[t]
                tokens[flow.chain[0]] = tokens.get(flow.chain[0], 0.0) + rate * flow.tokens
                requests[flow.chain[0]] = requests.get(flow.chain[0], 0.0) + rate
        return {
            provider: min(
                1.0,
                self._headroom[provider][t][0] / tokens[provider] if tokens[provider] else 1.0,
                self._headroom[provider][t][1] / requests[provider],
            )
            for provider in tokens
        }
