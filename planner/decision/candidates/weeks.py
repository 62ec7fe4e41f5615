"""When the requests of a route come: in the hours that its environment states, or in those of its trace.

Nothing that rises and falls with the day counts twice: where the hours are those of a profile, the bursts of a trace
are taken beside the mean of their hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal
from zoneinfo import ZoneInfo

from planner.domain.demand import week_profile
from planner.domain.route import Route
from planner.domain.traces import Burst, TraceSummary

WeekOrigin = Literal["stated", "week of the trace", "day of the trace"]
_DAILY = ("flat", "batch-nightly")
"""Profiles whose days are all alike: their period is a day."""


@dataclass(frozen=True)
class RouteWeek:
    """When the requests of a route come.

    origin: whose hours they are: those that the environment states, or those of its trace.
    profile: 168 multipliers with mean 1, by UTC hour from Monday 00:00.
    burst: how far the rate departs from the mean of its hour; None where no trace tells.
    """

    origin: WeekOrigin
    profile: tuple[float, ...]
    burst: Burst | None


def week_of(route: Route, trace: TraceSummary | None, start: date) -> RouteWeek:
    """Return when a route's requests come: nothing that rises and falls with the day counts twice.

    A trace that covers the period of the profile is the profile: one of a week or longer instead of a named one, one of
    a day or longer instead of one whose days are alike. Any other trace of an hour or longer gives its bursts within
    the hour alone. A shorter one knows no better than its whole time. start: first day of the horizon.
    """
    profile, zone = route.traffic.profile, ZoneInfo(route.traffic.timezone)
    stated = week_profile(profile, zone, start)
    if trace is None or trace.within_hour is None:
        return RouteWeek("stated", stated, trace.burst if trace else None)
    own: WeekOrigin = "stated"
    if isinstance(profile, str) and trace.has_own_week:
        own = "week of the trace"
    elif profile in _DAILY and trace.week:
        own = "day of the trace"
    if own == "stated":
        return RouteWeek(own, stated, trace.within_hour)
    hours = week_profile(trace.week, zone, start) if "no-zone" in trace.unknown else trace.week
    return RouteWeek(own, hours, trace.within_week or trace.within_hour)
