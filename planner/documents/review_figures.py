"""The figures of two plans side by side: the bill and what it buys, the routes with their promises, and the pools."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import cached_property

from pydantic import ValidationError

from planner.documents.diff import PartChange
from planner.documents.lock import Lock
from planner.documents.review import FigureUnit, PoolReview, Presence, Promise, ReviewFigure, RouteReview
from planner.documents.sentences import band_sentences, part_sentence, percent
from planner.domain.environment import Environment
from planner.plan.fleet import Pool, PoolCapacity
from planner.plan.plan import Plan
from planner.plan.traffic import PlannedRoute, RouteBand
from planner.words.numbers import dollars, figure

ZERO = Decimal(0)
SECONDS_PER_HOUR = 3600
MILLION = 1_000_000


class Side:
    """One side of a review: a lock, and what is summed over it."""

    def __init__(self, lock: Lock) -> None:
        self.plan: Plan = lock.plan
        self._lock = lock
        self.routes: Mapping[str, PlannedRoute] = {route.name: route for route in self.plan.routes}
        self.pools: Mapping[str, Pool] = {pool.name: pool for pool in self.plan.pools}

    @cached_property
    def environment(self) -> Environment | None:
        """The environment that the lock answers; None where this release cannot read it."""
        try:
            return self._lock.answered_environment()
        except ValidationError:
            return None

    @cached_property
    def requests(self) -> Mapping[str, Decimal]:
        """Requests of a month by route."""
        return {name: sum(map(self._at_level(name), self.plan.levels), ZERO) for name in self.routes}

    @staticmethod
    def _at_level(route: str) -> Callable[..., Decimal]:
        return lambda level: level.hours * SECONDS_PER_HOUR * level.mean_requests_per_second.get(route, ZERO)

    def tokens(self, route: PlannedRoute, band: RouteBand) -> tuple[Decimal, Decimal]:
        """Return the tokens of a band that own pools and APIs process in a month. What is refused is in neither."""
        of_one = band.share_of_requests * (band.mean_input_tokens + band.mean_output_tokens)
        own = api = ZERO
        for level in self.plan.levels:
            tokens = self._at_level(route.name)(level) * of_one
            spilled = band.spilled(level.name)
            api += tokens * spilled
            own += tokens * (1 - spilled - band.refused(level.name))
        return (own, api) if band.weights else (ZERO, api)

    def requests_of(self, capacity: PoolCapacity) -> Decimal:
        """Return the requests of a month of the band that a capacity is of."""
        route = self.routes[capacity.route]
        return self.requests[route.name] * route.bands[capacity.band].share_of_requests

    @cached_property
    def all_tokens(self) -> Decimal:
        """Tokens of a month that anything processes."""
        return sum((sum(self.tokens(route, band), ZERO) for route in self.plan.routes for band in route.bands), ZERO)

    @cached_property
    def tokens_of_pools(self) -> Mapping[str, Decimal]:
        """Tokens of a month by pool."""
        found = dict.fromkeys(self.pools, ZERO)
        for route in self.plan.routes:
            for band in route.bands:
                for pool, weight in band.weights.items():
                    found[pool] += self.tokens(route, band)[0] * weight
        return found

    def component_usd(self, component: str) -> Decimal:
        """Return the cost lines of a component, USD a month."""
        return sum((line.usd_per_month for line in self.plan.cost.lines if line.component == component), ZERO)


def review_figures(old: Side | None, new: Side) -> Iterable[ReviewFigure]:
    """Yield the figures that a reviewer compares, the bill first."""
    rows: tuple[tuple[str, FigureUnit, Callable[[Side], Decimal | None]], ...] = (
        ("expected", "USD a month", lambda side: side.plan.cost.usd_per_month),
        ("fixed", "USD a month", lambda side: side.plan.cost.fixed_usd_per_month),
        ("usage", "USD a month", lambda side: side.plan.cost.usage_usd_per_month),
        ("platform", "USD a month", lambda side: side.component_usd("platform")),
        ("mean of the horizon", "USD a month", _mean),
        ("low", "USD a month", lambda side: side.plan.cost.low_usd_per_month),
        ("high", "USD a month", lambda side: side.plan.cost.high_usd_per_month),
        ("per 1M tokens", "USD per 1M tokens", _per_million),
        ("API share", "share", _api_share),
        ("budget used", "share", _budget_used),
        ("API budget used", "share", _api_budget_used),
        ("GPU nodes", "count", lambda side: Decimal(sum(group.max_nodes for group in side.plan.node_groups))),
        ("replicas", "count", lambda side: Decimal(sum(pool.replicas.max for pool in side.plan.pools))),
    )
    for name, unit, read in rows:
        base, proposed = read(old) if old else None, read(new)
        if read is _mean and not any(side and side.plan.mean_usd_per_month for side in (old, new)):
            continue
        if base is None and proposed is None:
            continue
        rounded = dollars if unit == "USD a month" else figure
        yield ReviewFigure(
            name=name,
            unit=unit,
            base=None if base is None else rounded(base),
            proposed=None if proposed is None else rounded(proposed),
        )


def _mean(side: Side) -> Decimal:
    """Return the bill of a month over all phases of the horizon."""
    return side.plan.mean_usd_per_month or side.plan.cost.usd_per_month


def _per_million(side: Side) -> Decimal | None:
    return side.plan.cost.usd_per_month / side.all_tokens * MILLION if side.all_tokens else None


def _api_share(side: Side) -> Decimal | None:
    """Return the share of all requests that hosted APIs answer."""
    requests = sum(side.requests.values(), ZERO)
    sent = sum((side.requests[route.name] * route.spill_share for route in side.plan.routes), ZERO)
    return sent / requests if requests else None


def _budget_used(side: Side) -> Decimal | None:
    budget = side.environment.budget if side.environment else None
    return side.plan.cost.usd_per_month / budget.monthly if budget and budget.monthly else None


def _api_budget_used(side: Side) -> Decimal | None:
    budget = side.environment.api.monthly_budget if side.environment else None
    return side.plan.cost.usage_usd_per_month / budget if budget else None


def presence(old: object, new: object) -> Presence:
    """Return how a part stands that is on one side or on both."""
    return "added" if old is None else "removed" if new is None else "same" if old == new else "changed"


def route_reviews(old: Side | None, new: Side, parts: Iterable[PartChange]) -> Iterable[RouteReview]:
    """Yield the routes of both sides, by name. parts: what of the plan differs."""
    details = {part.name: part.details for part in parts if part.kind == "route"}
    before = old.routes if old else {}
    for name in sorted({*before, *new.routes}):
        was, will = before.get(name), new.routes.get(name)
        either = will or was
        assert either is not None
        changes: list[str] = []
        if was is not None and will is not None:
            changes += band_sentences(was, will)
            changes += [part_sentence(c) for c in details.get(name, ()) if not str(c.path[0]).startswith("band ")]
        promises = tuple(_promises(old, was, new, will))
        both = was is not None and will is not None
        yield RouteReview(
            name=name,
            presence="same" if both and not changes and _looks_the_same(was, will, promises) else presence(was, will),
            privacy=either.privacy,
            base_privacy=was.privacy if was else None,
            base_usd_per_month=was.usd_per_month if was else None,
            usd_per_month=will.usd_per_month if will else None,
            base_usd_per_million_tokens=was.usd_per_million_tokens if was else None,
            usd_per_million_tokens=will.usd_per_million_tokens if will else None,
            base_api_share=was.spill_share if was else None,
            api_share=will.spill_share if will else None,
            base_availability=_expected(was),
            availability=_expected(will),
            asked_availability=will.slo.availability if will else None,
            served=_served(new if will else old, either),
            promises=promises,
            changes=tuple(changes),
        )


def _expected(route: PlannedRoute | None) -> Decimal | None:
    """Return the expected availability of a route; None where it is not known or not computed."""
    return route.availability.share if route is not None and route.availability is not None else None


def _looks_the_same(was: PlannedRoute | None, will: PlannedRoute | None, promises: Iterable[Promise]) -> bool:
    """Say whether a reader sees no difference: neither in whole dollars, nor in shares, nor in latencies."""
    if was is None or will is None:
        return False
    told = [
        (round(r.usd_per_month), round(r.usd_per_million_tokens, 3), r.spill_share, r.privacy, r.fallback)
        for r in (was, will)
    ]
    moved = [p for p in promises if (p.base_target_ms, p.base_expected_ms) != (p.target_ms, p.expected_ms)]
    return told[0] == told[1] and not moved


def _served(side: Side | None, route: PlannedRoute) -> str:
    """Say how a route is served, like `2 × gpt-oss-120b on H100, 33% spills to google/…`."""
    assert side is not None
    names = sorted({name for band in route.bands for name in band.weights})
    own = [f"{side.pools[n].replicas.words} × {side.pools[n].model} on {side.pools[n].gpu}" for n in names]
    apis = " then ".join(route.hosted)
    if not own:
        return f"all at {apis}" if apis else "nothing serves it"
    if apis and route.spill_share:
        return f"{' + '.join(own)}, {percent(route.spill_share)} spills to {apis}"
    return f"{' + '.join(own)}, and {apis} when they are full or down" if apis else " + ".join(own)


def _promises(old: Side | None, was: PlannedRoute | None, new: Side, will: PlannedRoute | None) -> Iterable[Promise]:
    """Yield the latencies that some side promises or expects."""
    before, after = latencies(old, was), latencies(new, will)
    for metric in ("TTFT", "TPOT", "end to end"):
        base_target, base_expected = before.get(metric, (None, None))
        target, expected = after.get(metric, (None, None))
        if base_target is not None or target is not None or base_expected is not None or expected is not None:
            yield Promise(
                metric=metric,
                base_target_ms=base_target,
                target_ms=target,
                base_expected_ms=base_expected,
                expected_ms=expected,
            )


def latencies(side: Side | None, route: PlannedRoute | None) -> Mapping[str, tuple[Decimal | None, Decimal | None]]:
    """Return (target, expected) in ms of each latency of a route, of the band that comes nearest to its target.

    A target that grows with the prompt is that of the band's 95th-percentile prompt. It is None, as the time is, where
    nobody knows it.
    """
    if side is None or route is None:
        return {}
    slo, used = route.slo, _used(side.plan, route)
    return {
        "TTFT": _first_token(route, used),
        "TPOT": (slo.tpot_p95_ms, max((c.tpot_p95_ms for c in used), default=None)),
        "end to end": (slo.e2e_p95_ms, max((c.e2e_p95_ms for c in used if c.e2e_p95_ms is not None), default=None)),
    }


def _first_token(route: PlannedRoute, used: Iterable[PoolCapacity]) -> tuple[Decimal | None, Decimal | None]:
    base, slope = route.slo.ttft_p95_base_ms, route.slo.ttft_p95_per_1k_input_ms or ZERO
    times = [(c.ttft_p95_ms, c.p95_input_tokens) for c in used]
    if base is None or not times:
        return base, max((time for time, _ in times), default=None)
    known = [
        (time, base + slope * (tokens or ZERO) / 1000) for time, tokens in times if tokens is not None or not slope
    ]
    if not known:
        return base, None
    time, target = max(known, key=lambda each: each[0] / each[1])
    return figure(target), time


def _used(plan: Plan, route: PlannedRoute) -> list[PoolCapacity]:
    """Return the capacities of the bands that are sent to each pool."""
    sent = {(pool, band) for band, each in enumerate(route.bands) for pool, part in each.weights.items() if part}
    return [c for pool in plan.pools for c in pool.capacity if c.route == route.name and (pool.name, c.band) in sent]


def pool_reviews(old: Side | None, new: Side, replaced: Iterable[str]) -> Iterable[PoolReview]:
    """Yield the pools of both sides, by name. replaced: names of those that take each other's place."""
    before, exchanged = old.pools if old else {}, frozenset(replaced)
    for name in sorted({*before, *new.pools}):
        was, will = before.get(name), new.pools.get(name)
        side, pool = (new, will) if will else (old, was)
        assert side is not None
        assert pool is not None
        group = next(group for group in side.plan.node_groups if group.name == pool.node_group)
        largest = max(pool.capacity, key=side.requests_of, default=None)
        yield PoolReview(
            name=name,
            presence="replaced" if name in exchanged else presence(was, will),
            model=pool.model,
            instance_type=group.instance_type,
            purchase=group.ways,
            base_nodes=_nodes(old, was),
            nodes=_nodes(new, will),
            base_usd_per_month=old.component_usd(was.node_group) if old and was else None,
            usd_per_month=new.component_usd(will.node_group) if will else None,
            token_share=figure(side.tokens_of_pools[name] / side.all_tokens) if side.all_tokens else None,
            limited_by=largest.binding if largest else "",
        )


def _nodes(side: Side | None, pool: Pool | None) -> int:
    if side is None or pool is None:
        return 0
    return next(group.max_nodes for group in side.plan.node_groups if group.name == pool.node_group)
