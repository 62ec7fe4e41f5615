"""The staging of a rehearsal, from a lock: which load level, how much of the fleet, which requests, which pool dies.

A fleet seldom fits one machine, so that a share of it is staged, 1/k. Every pool has the whole number of replicas that
is nearest to 1/k of its own, and every route has the traffic that those replicas stand for. k is the smallest whole
number whose request rate the machine can push. Where even one replica a pool is too much, the replay runs slower than
asked. Fewer replicas share bursts less well, which makes a small stage the harder test. API limits are lowered with the
traffic.

Where replicas come and go (`reclaiming`, `daybreak`), a pool that changes has enough replicas on stage to show it, and
each part of the play has the traffic that the replicas of its plan stand for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from planner.documents import daybreak, reclaiming, routing
from planner.documents.lock import Lock
from planner.documents.outline import NoPlay, Outline, Part, largest_sizes
from planner.documents.rehearsal import PoolCast, RehearsalStage, RoutePromise, Script
from planner.documents.scenes import STEADY, Plot, Scene
from planner.documents.stage_size import Staged
from planner.domain.arrivals import Arrival, all_arrivals, arrivals
from planner.domain.environment import Environment
from planner.domain.traces import EXCERPT_S, Excerpt, TraceSummary
from planner.domain.workload import Mix, route_workload
from planner.plan.fleet import Pool
from planner.plan.plan import Plan
from planner.plan.traffic import FallbackApi, PlanLevel, PlannedRoute
from planner.words.units import HOURS_PER_MONTH

STREAM_INTERVAL = 32
"""Tokens in one event of a stream. At ten-fold speed, one core passes on about as many events as at real time with four
tokens each."""
API_TTFT_MS, API_TPOT_MS = 600.0, 12.0
"""Times of the API stand-in, ms. They are assumed, because the catalog has no measured latency of hosted models."""


@dataclass(frozen=True)
class RehearsalSettings:
    """The settings are what the person who rehearses may choose.

    level: name of the load level; None takes the one with the most requests.
    load: `planned` is the rate that a level's capacity must carry, `mean` the rate that it is billed at.
    duration_s: length of the traffic, seconds of real time.
    speed: how many times faster than real time the replay runs at most.
    play: `kill` plays one load level, in which a pool may die; `reclaim` takes spot nodes of one zone back; `morning`
        lets sizes follow the plan's clock.
    kill: name of the pool that dies; "auto" is the largest whose routes may all spill; None kills none.
    reclaim: name of the pool whose spot nodes are taken; "auto" is the one that loses most replicas.
    slow_down: factor on every engine step; 1 is as planned.
    requests_per_second: requests/s of wall time that the machine can push; they decide the share of the fleet.
    seed: number that every random choice starts from.
    """

    level: str | None = None
    load: Literal["planned", "mean"] = "planned"
    duration_s: float = 300.0
    speed: float = 10.0
    play: Literal["kill", "reclaim", "morning"] = "kill"
    kill: str | None = "auto"
    reclaim: str = "auto"
    slow_down: float = 1.0
    requests_per_second: float = 240.0
    seed: int = 1


def sources(environment: Environment, traces: Mapping[str, TraceSummary]) -> dict[str, Excerpt | Mix]:
    """Return where each route's requests come from: five minutes of its trace, or else its declared lengths.

    A trace without output tokens has no answers to replay.
    """
    by_route: dict[str, Excerpt | Mix] = {}
    for name, route in environment.routes.items():
        trace = traces[route.traffic.trace] if route.traffic.trace is not None else None
        if trace is not None and "no-outputs" not in trace.unknown:
            by_route[name] = trace.excerpt
        elif route.lengths is not None:
            by_route[name] = route_workload(route, None, 1.0).mix  # lengths are the same at any rate
    return by_route


def script(lock: Lock, sources: Mapping[str, Excerpt | Mix], settings: RehearsalSettings) -> Script:
    """Return what to stage for a lock. `sources` are each route's trace excerpt or declared lengths.

    Raises ValueError with the name of an unknown level or pool, or of a route without a source, and NoPlay where the
    plan has nothing of what the play is about.
    """
    plan = lock.plan
    if missing := sorted({route.name for route in plan.routes} - set(sources)):
        raise ValueError(f"no trace excerpt or lengths for the route {', '.join(missing)}")
    played = tuple(route for route in plan.routes if route.reaches_gateway)
    if not played:
        raise ValueError("no request of the plan reaches the gateway: all of them are sent as batches")
    outline = _outline(plan, settings)
    rates = {part.level: _rates(plan, part.level, settings) for part in outline.parts}
    heaviest = max(outline.parts, key=lambda part: sum(rates[part.level].values()))
    total = float(sum(rates[heaviest.level].values()))
    divisor = max(1, math.ceil(total * settings.speed / settings.requests_per_second))
    staged = Staged(plan, outline, divisor)
    names = {route.name for route in played}
    shares = [{name: share for name, share in staged.shares(part).items() if name in names} for part in outline.parts]
    parts = list(zip(outline.parts, shares, strict=True))
    staged_rate = max(_staged_rate(rates[part.level], share) for part, share in parts)
    # It is rounded down to a hundredth, because a lower speed is always safe.
    speed = max(1, math.floor(100 * min(settings.speed, settings.requests_per_second / max(staged_rate, 1e-9)))) / 100
    requests = all_arrivals([_traffic(sources, rates, parts, name, settings.seed) for name in sorted(shares[0])])
    smallest = min((share for each in shares for share in each.values()), default=1.0)
    main = shares[outline.parts.index(heaviest)]
    return Script(
        environment=lock.name,
        level=heaviest.level,
        speed=speed,
        duration_s=sum(part.lasts_s for part in outline.parts),
        pools=tuple(
            PoolCast(pool.name, routing.clock(pool), staged.casts[pool.name], pool.replicas.max) for pool in plan.pools
        ),
        routes=tuple(_promise(route, plan, heaviest.level, main[route.name]) for route in played),
        arrivals=_that_fit(requests, plan),
        policy=lambda stage: _policy(lock, stage, speed, smallest),
        offers=_offers(plan, smallest),
        key_names=tuple(sorted({api.api_key_env for api in plan.apis if api.api_key_env})),
        kill=_victim(plan, settings.kill) if settings.play == "kill" else None,
        slow_down=settings.slow_down,
        stream_interval=STREAM_INTERVAL,
        left_out=tuple(route.name for route in plan.routes if not route.reaches_gateway),
        fixed_usd_per_hour=plan.cost.fixed_usd_per_month / HOURS_PER_MONTH,
        api_usd_per_hour=_api_usd_per_hour(plan, heaviest.level, rates[heaviest.level]),
        plot=None if settings.play == "kill" else _plot(plan, outline, staged, shares),
    )


def _outline(plan: Plan, settings: RehearsalSettings) -> Outline:
    """Return the parts of the play; one load level with the whole fleet is a play of one part."""
    if settings.play == "morning":
        return daybreak.outline(plan)
    level = _level(plan, settings).name
    if settings.play == "reclaim":
        pools = reclaiming.pools_on_spot(plan)
        if settings.reclaim == "auto" and not pools:
            raise NoPlay("the plan has no spot nodes")
        return reclaiming.outline(plan, level, pools[0] if settings.reclaim == "auto" else settings.reclaim)
    whole = largest_sizes(plan)
    only = Part(
        phase=STEADY,
        lasts_s=settings.duration_s,
        level=level,
        promised=True,
        sizes=whole,
        planned_sizes=whole,
        nodes_usd_per_hour=None,
    )
    return Outline(story="", parts=(only,), warm_s={}, starting_usd=None)


def _rates(plan: Plan, level: str, settings: RehearsalSettings) -> dict[str, Decimal]:
    """Return the requests/s that the gateway gets of each route at a level."""
    found = next(each for each in plan.levels if each.name == level)
    rates = found.planned_requests_per_second if settings.load == "planned" else found.mean_requests_per_second
    played = (route for route in plan.routes if route.reaches_gateway)
    return {route.name: Decimal(rates[route.name]) * (1 - _in_batches(route, level)) for route in played}


def _staged_rate(rates: Mapping[str, Decimal], shares: Mapping[str, float]) -> float:
    return sum(float(rates[name]) * share for name, share in shares.items())


def _traffic(
    sources: Mapping[str, Excerpt | Mix],
    rates: Mapping[str, Mapping[str, Decimal]],
    parts: Sequence[tuple[Part, Mapping[str, float]]],
    route: str,
    seed: int,
) -> list[Arrival]:
    """Return the requests of a route in all parts. An excerpt that is shorter than a part is drawn again."""
    requests: list[Arrival] = []
    begins_s, draw = 0.0, seed
    for part, shares in parts:
        left_s = part.lasts_s
        while left_s > 0:
            lasts_s = min(left_s, EXCERPT_S)
            drawn = arrivals(sources[route], route, float(rates[part.level][route]) * shares[route], lasts_s, draw)
            requests += [each._replace(at_ms=each.at_ms + begins_s * 1000) for each in drawn]
            begins_s, left_s, draw = begins_s + lasts_s, left_s - lasts_s, draw + 1
    return requests


def _plot(plan: Plan, outline: Outline, staged: Staged, shares: Sequence[Mapping[str, float]]) -> Plot:
    scenes = []
    begins_s = 0.0
    for part, share in zip(outline.parts, shares, strict=True):
        scenes.append(
            Scene(
                phase=part.phase,
                begins_ms=begins_s * 1000,
                level=part.level,
                promised=part.promised,
                replicas={pool: staged.replicas(pool, count) for pool, count in part.sizes.items()},
                planned_replicas=part.sizes,
                shares=share,
                spill_shares={route.name: _spill_share(route, part.level) for route in plan.routes},
                nodes_usd_per_hour=part.nodes_usd_per_hour,
            )
        )
        begins_s += part.lasts_s
    return Plot(
        story=outline.story,
        scenes=tuple(scenes),
        warm_s=outline.warm_s,
        starting_usd=outline.starting_usd,
        notice_s=outline.notice_s,
    )


def _level(plan: Plan, settings: RehearsalSettings) -> PlanLevel:
    """Return the load level that is staged. Raises ValueError for an unknown name."""
    if settings.level is None:
        return max(plan.levels, key=lambda level: (sum(level.planned_requests_per_second.values()), level.name))
    for level in plan.levels:
        if level.name == settings.level:
            return level
    raise ValueError(f"no load level {settings.level}; known: {', '.join(level.name for level in plan.levels)}")


def _victim(plan: Plan, kill: str | None) -> str | None:
    """Return the pool that dies. "auto" is the one with most replicas among those whose routes may all spill.

    Raises ValueError for an unknown name.
    """
    names = {pool.name for pool in plan.pools}
    if kill is None or kill in names:
        return kill
    if kill != "auto":
        raise ValueError(f"no pool {kill}; known: {', '.join(sorted(names)) or 'none'}")
    candidates = [pool for pool in plan.pools if _may_spill(plan, pool)]
    return max(candidates, key=lambda pool: (pool.replicas.max, pool.name)).name if candidates else None


def _may_spill(plan: Plan, pool: Pool) -> bool:
    users = [route for route in plan.routes if any(pool.name in band.weights for band in route.bands)]
    return bool(users) and all(route.fallback for route in users)


def _that_fit(requests: tuple[Arrival, ...], plan: Plan) -> tuple[Arrival, ...]:
    """Return the requests that the plan serves: none that it refuses for their length.

    Answers are no longer than the plan's longest pool or API can hold, which refuses others.
    """
    over = {
        route.name: route.too_long.over_tokens
        for route in plan.routes
        if route.too_long is not None and any(band.is_refused for band in route.bands)
    }
    room = max(
        [pool.engine.max_model_len for pool in plan.pools] + [api.context_tokens for api in plan.apis], default=0
    )
    return tuple(
        request._replace(output_tokens=max(1, min(request.output_tokens, room - request.input_tokens - 1)))
        for request in requests
        if request.input_tokens <= over.get(request.route, request.input_tokens)
    )


def _promise(route: PlannedRoute, plan: Plan, level: str, share: float) -> RoutePromise:
    return RoutePromise(
        name=route.name,
        privacy=route.privacy,
        ttft_base_ms=_limit(route.slo.ttft_p95_base_ms),
        ttft_per_1k_input_ms=float(route.slo.ttft_p95_per_1k_input_ms or 0),
        tpot_ms=_limit(route.slo.tpot_p95_ms),
        e2e_ms=_limit(route.slo.e2e_p95_ms),
        bytes_per_token=float(route.bytes_per_token),
        share=share,
        spill_share=_spill_share(route, level),
        usd_per_mtok={
            routing.api_name(api.name): (api.usd_per_million_input_tokens, api.usd_per_million_output_tokens)
            for api in plan.apis
            if api.name in route.fallback
        },
    )


def _spilled(route: PlannedRoute, level: str) -> Decimal:
    """Return the share of a route's requests that is not served by pools at a level."""
    return sum((band.share_of_requests * band.spilled(level) for band in route.bands), Decimal(0))


def _in_batches(route: PlannedRoute, level: str) -> Decimal:
    """Return the share of a route's requests at a level that clients send as batches, past the gateway."""
    if route.deferred is None or not route.deferred.batches:
        return Decimal(0)
    return _spilled(route, level) * route.deferred.in_batches / (route.deferred.in_batches + route.deferred.apis)


def _spill_share(route: PlannedRoute, level: str) -> float:
    """Return the share of a route's requests at the gateway that the plan sends to APIs at a level."""
    batches = _in_batches(route, level)
    return float((_spilled(route, level) - batches) / (1 - batches)) if batches < 1 else 0.0


def _limit(promised: Decimal | None) -> float:
    """Return a promised time, ms; it is infinite where none is promised."""
    return math.inf if promised is None else float(promised)


def _api_usd_per_hour(plan: Plan, level: str, rates: Mapping[str, Decimal]) -> Decimal:
    """Return the cost of the planned spill of an hour at this load, USD, at the prices of each route's first API."""
    apis = {api.name: api for api in plan.apis}
    total = Decimal(0)
    for route in plan.routes:
        if not route.fallback:
            continue
        api = apis[route.fallback[0]]
        for band in route.bands:
            spilled = rates.get(route.name, Decimal(0)) * band.share_of_requests * band.spilled(level) * 3600
            total += spilled * band.mean_input_tokens * api.usd_per_million_input_tokens / 1_000_000
            total += spilled * band.mean_output_tokens * api.usd_per_million_output_tokens / 1_000_000
    return total


def _policy(lock: Lock, stage: RehearsalStage, speed: float, share: float) -> dict[str, Any]:
    addresses = routing.Addresses(
        pools=stage.replicas,
        apis={api.name: f"{stage.api_base}/{_stand_in(api)}/v1" for api in lock.plan.apis},
    )
    document = routing.policy(routing.without_canaries(lock), addresses, speed)
    for api in document["apis"].values():
        api["limits"] = _thinned(api["limits"], share)
    return document


def _offers(plan: Plan, share: float) -> dict[str, Any]:
    providers: dict[str, Any] = {}
    for api in plan.apis:
        provider = providers.setdefault(_stand_in(api), {"models": {}})
        provider["models"][api.model] = {
            "usd_per_mtok": {
                "input": f"{api.usd_per_million_input_tokens:f}",
                "output": f"{api.usd_per_million_output_tokens:f}",
            },
            "context_tokens": api.context_tokens,
            "ttft_ms": API_TTFT_MS,
            "tpot_ms": API_TPOT_MS,
            "limits": _thinned({"rpm": api.requests_per_minute, "tpm": api.tokens_per_minute}, share),
        }
    # An API stand-in is always on stage: "nothing reached it" must be seen, not assumed.
    return {"version": "1.0", "providers": providers or {"none": {"models": {"none": _NOTHING}}}}


_NOTHING = {"usd_per_mtok": {"input": "0", "output": "0"}, "context_tokens": 1}


def _stand_in(api: FallbackApi) -> str:
    """Name what stands in for a provider's address, as a segment of a path. Each address has prices of its own."""
    provider, address = api.provider.lower().replace(" ", "-").replace("/", "."), api.name.partition("@")[2]
    return f"{provider}.{address}" if address else provider


def _thinned(limits: Mapping[str, int | None], share: float) -> dict[str, int | None]:
    """Return the limits of an account for a share of the traffic, each at least 1."""
    return {name: None if limit is None else max(1, round(limit * share)) for name, limit in limits.items()}
