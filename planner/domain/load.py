"""How many requests come: what a team says of its load, as a rate, and how that rate changes over the months.

A load may be stated in several ways. Each statement becomes requests/s, averaged over the week:

    requests a day or a month   N / 86,400 s, N / (730 h · 3,600 s)
    tokens a day or a month     the same ÷ the mean tokens of a request, input and output together
    busiest hour                peak ÷ the highest hour of the profile, whose mean is 1
    people who use the route    λ = N / (Z + R) in the busiest hour

The last is the interactive response-time law: each of N people sends a request, waits R for the answer, thinks for Z,
and sends the next one. R is the response that the SLO promises. The first statement decides, in this order: mean rate,
peak, requests, tokens, people. The others must agree with it (`documents.loads`).

What is stated is the load of the horizon's first month. Month k after it has (1 + growth)^k times that, times the
season of its calendar month. A plan holds for a quarter: machines are sized for the highest of its first three months,
and usage is billed at their mean.
"""

from __future__ import annotations

import math
from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from planner.domain.demand import week_profile
from planner.domain.environment import Environment, Horizon
from planner.domain.route import Route, Slo
from planner.domain.traffic import Traffic, Volume
from planner.domain.workload import Mix
from planner.words.units import HOURS_PER_MONTH, show_duration

MONTHS_HELD = 3
"""Months for which a plan is made. Then the load has grown, and the environment is planned again."""
AGREEMENT = 0.05
"""How far two statements of one load may differ: a month of 30 days and one of 730 hours differ by 1.4 %."""
_SECONDS = {"day": 86_400.0, "month": HOURS_PER_MONTH * 3600.0}
Key = tuple[str, ...]
"""Keys of a statement below `traffic`."""


@dataclass(frozen=True)
class Statement:
    """One statement of a load.

    key: its keys below `traffic`.
    words: what it says, as a reader would.
    mean: the rate that it stands for, averaged over the week, requests/s; None when it cannot be turned into one.
    """

    key: Key
    words: str
    mean: float | None


@dataclass(frozen=True)
class MonthOfLoad:
    """A month of the horizon. first: its first day. factor: its load ÷ what is stated."""

    first: date
    factor: float


@dataclass(frozen=True)
class Load:
    """The load of one route.

    statement: the statement that decides.
    agreeing: the other statements.
    mean: the stated rate, averaged over the week, requests/s.
    busiest: the stated rate in the busiest hour of the week, requests/s.
    months: the months of the horizon.
    """

    statement: Statement
    agreeing: tuple[Statement, ...]
    mean: float
    busiest: float
    months: tuple[MonthOfLoad, ...]

    @property
    def held(self) -> tuple[MonthOfLoad, ...]:
        """Return the months for which the plan is made."""
        return self.months[:MONTHS_HELD]

    @property
    def capacity_factor(self) -> float:
        """Return the load for which machines are sized ÷ the stated load: the highest month of the plan."""
        return max(month.factor for month in self.held)

    @property
    def usage_factor(self) -> float:
        """Return the load that is billed ÷ the stated load: the mean of the plan's months."""
        return sum(month.factor for month in self.held) / len(self.held)


def statements(route: Route, mix: Mix, week: Sequence[float]) -> tuple[Statement, ...]:
    """Return what a route says of its load, the statement that decides first.

    mix: lengths of its requests. week: its profile, 168 multipliers with mean 1.
    """
    traffic = route.traffic
    tokens = mix.mean_input + mix.mean_output
    stated: list[Statement] = []
    if (rate := traffic.requests_per_second) is not None:
        if rate.mean is not None:
            stated.append(Statement(("requests_per_second", "mean"), f"{rate.mean:,g} requests/s", rate.mean))
        if rate.peak is not None:
            words = f"{rate.peak:,g} requests/s in the busiest hour"
            stated.append(Statement(("requests_per_second", "peak"), words, rate.peak / max(week)))
    for unit, amount, per_second in _amounts(traffic.requests):
        stated.append(Statement(("requests", f"per_{unit}"), f"{amount:,} requests a {unit}", per_second))
    for unit, amount, per_second in _amounts(traffic.tokens):
        words = f"{amount:,} tokens a {unit} at {tokens:,.0f} a request"
        stated.append(Statement(("tokens", f"per_{unit}"), words, per_second / tokens))
    if traffic.users is not None:
        stated.append(_users(traffic, promised_ms(route.slo, mix), max(week)))
    return tuple(stated)


def load_of(route: Route, mix: Mix, week: Sequence[float], horizon: Horizon) -> Load:
    """Return the load of a route.

    mix: lengths of its requests. week: its profile, 168 multipliers with mean 1.
    Raises ValueError when the route says nothing that can be turned into a rate.
    """
    stated = statements(route, mix, week)
    first = next((statement for statement in stated if statement.mean is not None), None)
    if first is None or first.mean is None:
        raise ValueError("the route says nothing of its load that can be turned into a rate")
    mean = first.mean
    others = tuple(statement for statement in stated if statement is not first)
    return Load(first, others, mean, mean * max(week), months(route.traffic, horizon))


def months(traffic: Traffic, horizon: Horizon) -> tuple[MonthOfLoad, ...]:
    """Return the months of the horizon with their loads ÷ the stated load."""
    growth = 1 + (traffic.growth_per_month or 0.0)
    answer = []
    for k in range(horizon.months):
        first = months_later(horizon.start, k)
        answer.append(MonthOfLoad(first, growth**k * traffic.seasons.get(first.month, 1.0)))
    return tuple(answer)


def months_later(day: date, count: int) -> date:
    """Return the same day `count` months later, or the last day of a month that is too short for it."""
    year, month = divmod(day.month - 1 + count, 12)
    year, month = day.year + year, month + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def promised_ms(slo: Slo, mix: Mix) -> float | None:
    """Return the response that an SLO promises at the route's mean lengths, ms; None when it promises none.

    It is the time to the first token and that of the others, or the end-to-end target where that is shorter.
    """
    promised = [] if slo.e2e_p95 is None else [slo.e2e_p95]
    tpot = slo.token_ms
    if slo.ttft_p95 is not None and (tpot is not None or mix.mean_output <= 1):
        ttft = slo.ttft_p95.base + slo.ttft_p95.per_1k_input * mix.mean_input / 1000
        promised.append(ttft + max(0.0, mix.mean_output - 1) * (tpot or 0.0))
    return min(promised, default=None)


def route_week(route: Route, horizon: Horizon) -> tuple[float, ...]:
    """Return the profile of a route's week in UTC, 168 multipliers with mean 1.

    Raises ValueError when its profile is not a week or there is no such time zone.
    """
    return week_profile(route.traffic.profile, ZoneInfo(route.traffic.timezone), horizon.start)


def uncertainty(environment: Environment, route: str) -> float:
    """Return how far the load of a route may lie from what is stated, up and down, as a share of it."""
    stated = environment.routes[route].traffic.uncertainty
    return environment.planning.demand_uncertainty if stated is None else stated


def _amounts(volume: Volume | None) -> Iterator[tuple[str, int, float]]:
    """Yield (unit of time, amount in it, amount a second) of what a volume states."""
    if volume is None:
        return
    for unit, amount in (("day", volume.per_day), ("month", volume.per_month)):
        if amount is not None:
            yield unit, amount, amount / _SECONDS[unit]


def _users(traffic: Traffic, response_ms: float | None, highest: float) -> Statement:
    assert traffic.users is not None
    users = traffic.users
    words = f"{users.concurrent:,} people at once, who think for {show_duration(users.think_time)}"
    if response_ms is None:
        return Statement(("users",), words, None)
    words += f" and wait {response_ms / 1000:,.3g} s for an answer"
    cycle_ms = users.think_time + response_ms
    return Statement(("users",), words, users.concurrent / cycle_ms * 1000 / highest if cycle_ms else math.inf)
