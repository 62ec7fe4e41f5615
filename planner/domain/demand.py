"""When requests come: the profile of a week, and its reduction to the few load levels on which a plan is solved.

A profile is 168 multipliers with mean 1, one for each hour of the week in UTC, from Monday 00:00 on. Profiles are given
in local hours. Their offset from UTC is that of one representative week, the first whole one of the horizon, and holds
for the whole horizon, whatever daylight saving does. The named shapes are assumptions and not measurements: public
traces last an hour or less.

The hours at which a route or the total peaks stay levels of their own. The other hours are merged by Ward's method on
their vectors of rates, so that the volume of every route is conserved. A level is planned at mean rate × burst ratio,
which is the 95th percentile of the rate over the scale-up window; and at one request in that window at least, because
a route that has a request a week needs room for one request. A trace is scaled to a rate by superposition, and
never by squeezing time. Its burst ratio stays as it is, which is cautious at higher rates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Literal

import numpy as np
import numpy.typing as npt

from planner.domain.traces import EXCERPT_S
from planner.words.units import HOURS_PER_MONTH, HOURS_PER_WEEK

ProfileName = Literal["flat", "office-hours", "global", "batch-nightly"]

LEAST_PLANNED_RPS = 1 / EXCERPT_S
"""The least rate for which a route with any load is planned, requests/s: one request in a scale-up window."""
_WEEKDAY = (8, 6, 5, 5, 6, 10, 20, 40, 70, 92, 100, 98, 85, 92, 98, 96, 88, 72, 50, 38, 30, 24, 17, 12)
"""`office-hours`: load by local hour of a working day, % of its peak. There are two humps around lunch, and some load
in the evening."""
_WEEKEND = 0.25
"""`office-hours`: load of a weekend hour ÷ load of the same hour of a working day."""
_NIGHT_HOURS = frozenset({22, 23, 0, 1, 2, 3, 4, 5})
"""`batch-nightly`: local hours in which all of the load runs, every night."""
_GLOBAL_OFFSETS = (-5, 1, 8)
"""`global`: hours from UTC of the Americas, Europe and East Asia, whose office hours count in equal parts."""


@dataclass(frozen=True)
class Level:
    """Hours of the month in which the load is much the same.

    name: `peak`, `trough` and the like; `levels` gives them.
    hours: number of hours; those of all levels sum to 730 exactly.
    rates: mean rate by route, requests/s.
    planned: rate by route that its capacity must carry, requests/s.
    """

    name: str
    hours: Decimal
    rates: Mapping[str, float]
    planned: Mapping[str, float]


def week_profile(profile: ProfileName | Sequence[float], zone: tzinfo, start: date) -> tuple[float, ...]:
    """Return 168 multipliers with mean 1, by UTC hour of the week from Monday 00:00.

    profile: a name, or 168 loads by *local* hour from Monday 00:00, in any unit.
    zone: of the local hours; `global` does not need it. A zone that is off by half an hour counts as the hour in which
    it is.
    start: first day of the horizon.
    Raises ValueError when there are not 168 numbers, when one is negative, and when all are zero.
    """
    local = _local_week(profile)
    if profile == "global":
        loads = [
            sum(local[(hour + offset) % HOURS_PER_WEEK] for offset in _GLOBAL_OFFSETS) for hour in range(HOURS_PER_WEEK)
        ]
    else:
        loads = [local[hour] for hour in local_hours(zone, start)]
    mean = sum(loads) / HOURS_PER_WEEK
    if mean <= 0:
        raise ValueError("a profile of zeros has no load to spread; write at least one number above zero")
    return tuple(load / mean for load in loads)


def local_hours(zone: tzinfo, start: date) -> tuple[int, ...]:
    """Return the local hour of the week that each UTC hour of the week is, both from Monday 00:00.

    zone: that of the local hours. start: first day of the horizon, whose first whole week decides.
    """
    monday = datetime.combine(start + timedelta(days=-start.weekday() % 7), time(), tzinfo=UTC)
    moments = ((monday + timedelta(hours=hour)).astimezone(zone) for hour in range(HOURS_PER_WEEK))
    return tuple(moment.weekday() * 24 + moment.hour for moment in moments)


def hourly_rates(mean_rps: float, profile: Sequence[float]) -> tuple[float, ...]:
    """Return the requests/s in each hour of the week, from their mean over the week."""
    return tuple(mean_rps * multiplier for multiplier in profile)


def levels(
    route_hourly: Mapping[str, Sequence[float]], count: int = 6, burst: Mapping[str, float] | None = None
) -> tuple[Level, ...]:
    """Reduce a week to load levels, the heaviest first.

    They are named `peak` (most requests), `peak-ROUTE`, `trough` (fewest requests), and `level-2` … in between.

    route_hourly: requests/s by route, in each of the 168 hours.
    count: number of levels that are wanted. There are fewer when the week has fewer different hours, and more when more
    peaks of routes must stay.
    burst: planned rate ÷ mean rate by route, at least 1 (`Burst.p95_300s`); a route that is missing has 1.
    Raises ValueError when a route has not 168 hours.
    """
    if not route_hourly:
        return ()
    week = _reduced(route_hourly, count)
    ratio = burst or {}
    reduced = []
    for name, mean, share in zip(week.names, week.means, _hours(week.hours), strict=True):
        rates = {route: float(rate) for route, rate in zip(sorted(route_hourly), mean, strict=True)}
        planned = {route: _planned(rate, ratio.get(route, 1.0)) for route, rate in rates.items()}
        reduced.append(Level(name, share, rates, planned))
    return tuple(reduced)


def level_of_each_hour(route_hourly: Mapping[str, Sequence[float]], count: int) -> tuple[str, ...]:
    """Return the name of the level that each of the 168 hours belongs to, when a week is reduced to so many levels.

    The arguments and errors are those of `levels`.
    """
    if not route_hourly:
        return ()
    week = _reduced(route_hourly, count)
    return tuple(week.names[place] for place in week.places)


@dataclass(frozen=True)
class _Reduced:
    """A week that is reduced to levels, the heaviest first.

    names: of the levels.
    hours: hours of the week in each level.
    means: rates of the routes, sorted by name, in each level.
    places: place of the level of each of the 168 hours.
    """

    names: tuple[str, ...]
    hours: tuple[int, ...]
    means: tuple[npt.NDArray[np.float64], ...]
    places: tuple[int, ...]


def _reduced(route_hourly: Mapping[str, Sequence[float]], count: int) -> _Reduced:
    routes = sorted(route_hourly)
    if wrong := [route for route in routes if len(route_hourly[route]) != HOURS_PER_WEEK]:
        raise ValueError(f"{', '.join(wrong)}: a week has {HOURS_PER_WEEK} hours")
    vectors = np.array([route_hourly[route] for route in routes]).T
    points, point_of, weights = np.unique(vectors, axis=0, return_inverse=True, return_counts=True)
    peaks_at = _peaks(points, routes)
    groups = _merge(points, weights.astype(float), frozenset(peaks_at), max(count, len(peaks_at) + 1))
    means = [np.average(points[group], axis=0, weights=weights[group]) for group in groups]
    order = sorted(range(len(groups)), key=lambda i: (-float(means[i].sum()), tuple(means[i])))
    peaks = {frozenset({point}): name for point, name in peaks_at.items()}
    names = []
    for place, i in enumerate(order):
        inner = "trough" if place == len(order) - 1 else f"level-{place + 1}"
        names.append(peaks.get(frozenset(groups[i]), inner))
    place_of = {point: place for place, i in enumerate(order) for point in groups[i]}
    return _Reduced(
        names=tuple(names),
        hours=tuple(int(weights[groups[i]].sum()) for i in order),
        means=tuple(means[i] for i in order),
        places=tuple(place_of[int(point)] for point in np.ravel(point_of)),
    )


def _planned(rate: float, burst: float) -> float:
    return max(rate * max(1.0, burst), LEAST_PLANNED_RPS) if rate else 0.0


def _local_week(profile: ProfileName | Sequence[float]) -> tuple[float, ...]:
    """Return 168 loads by local hour, in any unit."""
    if profile in ("office-hours", "global"):
        week = [_WEEKDAY[hour] * (_WEEKEND if day >= 5 else 1.0) for day in range(7) for hour in range(24)]
        return tuple(week)
    if profile == "flat":
        return (1.0,) * HOURS_PER_WEEK
    if profile == "batch-nightly":
        return tuple(1.0 if hour in _NIGHT_HOURS else 0.0 for _ in range(7) for hour in range(24))
    if isinstance(profile, str):
        raise ValueError(f"{profile!r} is no profile; write flat, office-hours, global, batch-nightly or 168 numbers")
    if len(profile) != HOURS_PER_WEEK:
        raise ValueError(
            f"a profile has {HOURS_PER_WEEK} numbers, one an hour from Monday 00:00; this one has {len(profile)}"
        )
    if negative := [hour for hour, load in enumerate(profile) if not load >= 0]:
        raise ValueError(f"hour {negative[0]} of the profile is {profile[negative[0]]}; loads are not negative")
    return tuple(profile)


def _peaks(points: npt.NDArray[np.float64], routes: Sequence[str]) -> dict[int, str]:
    """Return the points that stay levels of their own, with their names: the peak of the total and of each route.

    A route may peak at several points. The heaviest of them stays, so that the plan carries what comes with that peak.
    """
    totals = points.sum(axis=1)
    peaks = {int(np.argmax(totals)): "peak"}
    for column, route in enumerate(routes):
        highest = points[:, column] == points[:, column].max()
        if not any(highest[point] for point in peaks):
            peaks.setdefault(int(np.argmax(np.where(highest, totals, -1.0))), f"peak-{route}")
    return peaks


def _merge(
    points: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], fixed: frozenset[int], count: int
) -> list[list[int]]:
    """Merge weighted points to `count` groups by Ward's method, and return the points of each group.

    The points of `fixed` are never merged. The first of equally near pairs is merged first. Each route counts on its
    own scale: its column is divided by its maximum.
    """
    scale = points.max(axis=0)
    centres = points / np.where(scale > 0, scale, 1.0)
    mass = weights.copy()
    groups: list[list[int]] = [[point] for point in range(len(points))]
    alive = np.ones(len(points), dtype=bool)
    free = np.array([point not in fixed for point in range(len(points))])
    while alive.sum() > count and (alive & free).sum() > 1:
        index = np.flatnonzero(alive & free)
        gap = ((centres[index][:, None, :] - centres[index][None, :, :]) ** 2).sum(axis=2)
        cost = gap * np.outer(mass[index], mass[index]) / np.add.outer(mass[index], mass[index])
        cost[np.tril_indices(len(index))] = np.inf
        a, b = (int(index[k]) for k in np.unravel_index(int(np.argmin(cost)), cost.shape))
        centres[a] = (mass[a] * centres[a] + mass[b] * centres[b]) / (mass[a] + mass[b])
        mass[a] += mass[b]
        groups[a] = sorted(groups[a] + groups[b])
        alive[b] = False
    return [groups[point] for point in np.flatnonzero(alive)]


def _hours(week_hours: Sequence[int]) -> list[Decimal]:
    """Turn hours of the week into hours of the month with two decimals, which sum to 730 exactly.

    The largest remainders are rounded up.
    """
    cents = HOURS_PER_MONTH * 100
    exact = [cents * hours for hours in week_hours]
    shares = [value // HOURS_PER_WEEK for value in exact]
    spare = cents - sum(shares)
    for i in sorted(range(len(exact)), key=lambda i: (-(exact[i] % HOURS_PER_WEEK), i))[:spare]:
        shares[i] += 1
    return [Decimal(share) / 100 for share in shares]
