"""The hours behind a plan: what each of the 168 hours of the week asks of pools and APIs, and how full each pool is.

A lock holds its load as levels: hours that look alike. Which hours of the week they are follows from the week that the
environment states, and is told only where that week, reduced again, gives the very levels of the lock. A pool's load is
counted in its own replicas: a request of a band takes 1 ÷ (what one replica serves of that band a second) of a replica.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from planner.domain.demand import level_of_each_hour
from planner.plan.fleet import Pool
from planner.plan.plan import Plan
from planner.plan.schedule import Schedule, sizes_of_levels
from planner.plan.traffic import PlanLevel, PlannedRoute
from planner.words.units import HOURS_PER_MONTH, HOURS_PER_WEEK

NOTHING = Decimal(0)
NEAR = 1e-4
"""How far a rate that was computed again may lie from that of the lock, which keeps six digits; a share of it."""


@dataclass(frozen=True)
class HourOfRoute:
    """An hour of the week has a mean rate and says who takes it, all in requests/s.

    level: name of the level that the hour belongs to.
    own, api, refused: what pools serve, what APIs take, and what is refused as too long; they sum to the rate.
    """

    level: str
    requests_per_second: float
    own: float
    api: float
    refused: float


@dataclass(frozen=True)
class LevelOfPool:
    """A level says how many replicas of a pool its hours keep busy at the planned rate, bursts included.

    hours: its length, hours a month.
    wanted: replicas that all requests of the pool's bands would keep busy.
    served: replicas that those requests keep busy which are not planned for an API or refused.
    there: replicas that the pool has then.
    """

    name: str
    hours: float
    wanted: float
    served: float
    there: int


def hours_of_routes(plan: Plan, weeks: Mapping[str, Sequence[float]]) -> dict[str, tuple[HourOfRoute, ...]]:
    """Return the 168 hours of each route, in UTC from Monday 00:00; nothing where the weeks are not those of the plan.

    weeks: requests/s of each route in each hour of the week, as the plan bills them.
    """
    if set(weeks) != {route.name for route in plan.routes} or not plan.levels:
        return {}
    names = level_of_each_hour(weeks, len(plan.levels))
    levels = {level.name: level for level in plan.levels}
    at_once = {route.name: weeks[route.name] for route in plan.routes if route.deferred is None}
    if not _are_those_of(plan.levels, at_once, names):
        return {}
    return {
        route.name: tuple(
            _hour(route, levels[name], _done(route, levels[name], rate))
            for name, rate in zip(names, weeks[route.name], strict=True)
        )
        for route in plan.routes
    }


def levels_of_pool(plan: Plan, pool: Pool) -> tuple[LevelOfPool, ...]:
    """Return how many replicas each level keeps busy, the level that wants most first; nothing without capacities."""
    serves = {(each.route, each.band): each.requests_per_second for each in pool.capacity}
    levels = []
    for level in plan.levels:
        wanted = served = NOTHING
        for route in plan.routes:
            for index, band in enumerate(route.bands):
                weight = band.weights.get(pool.name, NOTHING)
                if not weight:
                    continue
                if not serves.get((route.name, index)):
                    return ()
                rate = level.planned_requests_per_second[route.name] * band.share_of_requests * weight
                busy = rate / serves[(route.name, index)]
                refused = band.refused(level.name)
                wanted += busy * (1 - refused)
                served += busy * (1 - refused - band.spilled(level.name))
        levels.append(LevelOfPool(level.name, float(level.hours), float(wanted), float(served), pool.replicas.max))
    if pool.replicas.week:
        levels = _by_the_clock(levels, pool.replicas.week)
    return tuple(sorted(levels, key=lambda level: (-level.wanted, level.name)))


def _done(route: PlannedRoute, level: PlanLevel, rate: float) -> float:
    """Return the rate at which a route is worked on: of what may wait it is the mean of the level."""
    return rate if route.deferred is None else float(level.mean_requests_per_second[route.name])


def _by_the_clock(levels: Sequence[LevelOfPool], sizes: Schedule) -> list[LevelOfPool]:
    """Return the levels of a pool whose size follows the clock, with the replicas that it has in each.

    The level that keeps most of them busy has the largest sizes.
    """
    order = sorted(levels, key=lambda each: (-each.served, each.name))
    there = sizes_of_levels(sizes.by_hour, (level.hours for level in order))
    return [replace(level, there=count) for level, count in zip(order, there, strict=True)]


def _hour(route: PlannedRoute, level: PlanLevel, rate: float) -> HourOfRoute:
    to_api = sum((b.share_of_requests * b.spilled(level.name) for b in route.bands), NOTHING)
    too_long = sum((b.share_of_requests * b.refused(level.name) for b in route.bands), NOTHING)
    api, refused = rate * float(to_api), rate * float(too_long)
    return HourOfRoute(level.name, rate, max(0.0, rate - api - refused), api, refused)


def _are_those_of(levels: Sequence[PlanLevel], weeks: Mapping[str, Sequence[float]], names: Sequence[str]) -> bool:
    """Say whether the levels of the hours are the lock's: the same names, hours and mean rates."""
    if set(names) != {level.name for level in levels}:
        return False
    for level in levels:
        hours = [hour for hour, name in enumerate(names) if name == level.name]
        if abs(len(hours) * HOURS_PER_MONTH / HOURS_PER_WEEK - float(level.hours)) > 0.02:
            return False
        for route, week in weeks.items():
            stated = float(level.mean_requests_per_second[route])
            if abs(sum(week[hour] for hour in hours) / len(hours) - stated) > NEAR * max(stated, NEAR):
                return False
    return True
