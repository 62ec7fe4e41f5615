"""What each route asks for: its lengths by input band, its week in levels, its targets.

The module joins the environment with the traces that it names. A level has two rates. Its mean is billed. Its planned
rate decides sizes: it is the 95th percentile of the rate over the scale-up window, as the trace's own windows show it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Literal
from zoneinfo import ZoneInfo

from planner.decision.choice.question import BandKey
from planner.domain.demand import Level, hourly_rates, levels, week_profile
from planner.domain.environment import Environment
from planner.domain.route import Route
from planner.domain.traces import Burst, TraceSummary
from planner.domain.workload import InputBand, Mix, Workload, mean_rate, route_workload
from planner.performance.capacity import LatencyTarget
from planner.performance.capacity_search import CYCLE_MINUTES
from planner.performance.lengths import Lengths, lengths_of

LEVELS = 6
"""Number of load levels that a week is reduced to; each of them adds columns to the program."""
TAIL = 0.999
"""Share of requests whose prompt and answer must fit the model's context; longer ones are refused or go to the API."""
LEAST_CONTEXT = 4096
"""Tokens of context that every pool has at least."""


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


@dataclass(frozen=True)
class RouteDemand:
    """The demand of one route is its workload and its targets.

    week: when its requests come.
    lengths: token lengths of all its requests, coarse enough to be screened thousands of times.
    band_lengths: the same of each input band.
    target: what its SLO promises.
    burst_ratio: rate of the highest minute ÷ planned rate; screened capacities are divided by it.
    minutes: rates of the trace's busiest five minutes ÷ their mean; capacities are simulated with them.
    band_context: tokens that the longest prompt of a band takes together with its answer, by band.
    """

    name: str
    route: Route
    week: RouteWeek
    workload: Workload
    lengths: Lengths
    band_lengths: tuple[Lengths, ...]
    target: LatencyTarget
    burst_ratio: float
    minutes: tuple[float, ...]
    band_context: tuple[int, ...]

    @property
    def max_model_len(self) -> int:
        """Return the tokens of context that a pool for the whole route needs: the next power of two."""
        return max(LEAST_CONTEXT, 1 << math.ceil(math.log2(max(self.band_context))))

    @property
    def bands(self) -> tuple[InputBand, ...]:
        """Return the input bands of the workload."""
        return self.workload.bands


@dataclass(frozen=True)
class Demand:
    """The demand is what all routes ask for together.

    routes: the routes, sorted by name.
    levels: the load levels, whose hours sum to a month.
    """

    routes: tuple[RouteDemand, ...]
    levels: tuple[Level, ...]

    @cached_property
    def shares(self) -> dict[BandKey, float]:
        """Return the share of its route's requests that each band has."""
        return {(route.name, i): band.share for route in self.routes for i, band in enumerate(route.bands)}


def demand(environment: Environment, traces: Mapping[str, TraceSummary]) -> Demand:
    """Return what an environment asks for. `traces` are those that it names.

    Raises ValueError when declared token lengths fit no distribution, or a profile is not a week.
    """
    start = environment.horizon.start
    routes = tuple(_route(name, environment.routes[name], traces, start) for name in sorted(environment.routes))
    weeks = {r.name: hourly_rates(mean_rate(r.route), r.week.profile) for r in routes}
    burst = {r.name: r.workload.burst.p95_300s for r in routes}
    return Demand(routes, levels(weeks, LEVELS, burst))


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


def _route(name: str, route: Route, traces: Mapping[str, TraceSummary], start: date) -> RouteDemand:
    trace = traces.get(route.traffic.trace or "")
    week = week_of(route, trace, start)
    workload = route_workload(route, trace, mean_rate(route))
    if week.burst is not None:
        workload = replace(workload, burst=week.burst)
    assert route.slo.ttft_p95 is not None
    assert route.slo.tpot_p95 is not None
    return RouteDemand(
        name=name,
        route=route,
        week=week,
        workload=workload,
        lengths=_lengths(workload.mix),
        band_lengths=tuple(_lengths(band.mix) for band in workload.bands),
        target=LatencyTarget(
            ttft_ms=route.slo.ttft_p95.base,
            ttft_ms_per_1k_input=route.slo.ttft_p95.per_1k_input,
            tpot_ms=route.slo.tpot_p95,
        ),
        burst_ratio=_burst_ratio(workload),
        minutes=_busiest_minutes(traces[route.traffic.trace]) if route.traffic.trace else (1.0,),
        band_context=tuple(_context(workload, band) for band in workload.bands),
    )


def _context(workload: Workload, band: InputBand) -> int:
    """Return the tokens of a band's longest prompt and the longest answer, over `TAIL` of the route's requests."""
    longest = workload.mix.input_quantile(TAIL)
    if band.below_tokens is not None:
        longest = min(longest, band.below_tokens - 1)
    return math.ceil(longest + workload.mix.output_quantile(TAIL))


def _lengths(mix: Mix) -> Lengths:
    return lengths_of(zip(mix.input_tokens, mix.output_tokens, mix.weights, strict=True))


def _burst_ratio(workload: Workload) -> float:
    """Return the highest minute's rate ÷ the planned rate (p95 of 300 s), which says what that rate does not hold."""
    return max(1.0, workload.burst.peak_60s / workload.burst.p95_300s)


def _busiest_minutes(trace: TraceSummary) -> tuple[float, ...]:
    """Return the rates of a trace's busiest five whole minutes ÷ their mean; a shorter trace gives all its minutes."""
    whole = [requests for requests, _, _ in trace.minutes][: max(1, int(trace.duration_s // 60))]
    width = min(CYCLE_MINUTES, len(whole))
    start = max(range(len(whole) - width + 1), key=lambda k: sum(whole[k : k + width]))
    window = whole[start : start + width]
    return tuple(requests * width / sum(window) for requests in window)
