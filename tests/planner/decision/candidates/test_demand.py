"""When requests come: an own trace that covers the profile's period is the profile, and nothing counts twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date

import numpy as np
import pytest

from planner.decision.candidates.demand import demand
from planner.decision.candidates.weeks import week_of
from planner.documents.environment_file import environment_of
from planner.domain.demand import week_profile
from planner.domain.environment import Environment
from planner.domain.route import Route
from planner.domain.tally import Tally
from planner.domain.trace_rates import Clock
from planner.domain.traces import Excerpt, TraceSummary
from planner.edges.trace_files import shipped_trace
from planner.words.spans import read
from tests.planner import small
from tests.planner.arrivals_by_rate import poisson_arrivals

MONDAY_US = 1_794_787_200_000_000  # 2026-11-16 00:00 UTC
START = date(2026, 12, 1)
MEAN = 2.64


def _trace(days: float, depth: float = 0.6, mean: float = MEAN) -> TraceSummary:
    """Independent arrivals whose rate rises and falls with the day, highest at 15:00."""
    hours = np.arange(round(days * 86_400)) / 3600
    at = poisson_arrivals(mean * (1 + depth * np.sin(2 * np.pi * (hours - 9) / 24)), seed=11)
    tally = Tally()
    tally.add_rows(at - at[0], np.full(len(at), 700), np.full(len(at), 90))
    unknown = () if days >= 7 else ("no-week",)
    return tally.summary("own", "", "", Excerpt(0, ()), Clock(MONDAY_US + int(at[0])), unknown=unknown)


def _environment(traffic: str) -> Environment:
    """The small environment with this traffic of its first route, `chat`."""
    text = small.text()
    begin = text.index("    traffic:")
    end = text.index("    tokens:", begin)
    return environment_of(read(f"{text[:begin]}    traffic: {traffic}\n{text[end:]}", "x.yaml"))


def _route(traffic: str) -> Route:
    return _environment(traffic).routes["chat"]


def _planned_peak(traffic: str, trace: TraceSummary) -> float:
    """The rate that the busiest level must carry."""
    found = demand(_environment(traffic), {"own.csv": trace})
    return max(level.planned["chat"] for level in found.levels)


def test_a_day_long_trace_is_the_day() -> None:
    """Its busiest hour has 1.6 × the mean, and its windows lie 5 % above that: 4.4 requests/s and not 6.9."""
    traffic = f"{{trace: own.csv, requests_per_second: {{mean: {MEAN}}}}}"
    needed = MEAN * 1.6 * 0.99 * (1 + 1.645 / np.sqrt(300 * MEAN * 1.6))
    assert _planned_peak(traffic, _trace(1)) == pytest.approx(needed, rel=0.04)


def test_a_stated_week_takes_the_bursts_of_the_trace_alone() -> None:
    traffic = f"{{trace: own.csv, profile: office-hours, requests_per_second: {{mean: {MEAN}}}}}"
    route, trace = _route(traffic), _trace(1)
    found = week_of(route, trace, START)
    stated = week_profile("office-hours", UTC, START)
    assert (found.origin, found.profile, found.burst) == ("stated", stated, trace.within_hour)
    assert trace.within_hour is not None
    assert 1.02 < trace.within_hour.p95_300s < 1.08 < 1.5 < trace.burst.p95_300s
    assert _planned_peak(traffic, trace) == pytest.approx(MEAN * max(stated) * trace.within_hour.p95_300s, rel=1e-6)


@pytest.mark.parametrize(
    ("days", "profile", "origin"),
    [
        (0.5, "flat", "stated"),
        (1, "flat", "day of the trace"),
        (1, "batch-nightly", "day of the trace"),
        (1, "office-hours", "stated"),
        (1, "global", "stated"),
        (2.5, "office-hours", "stated"),
        (7, "flat", "week of the trace"),
        (7, "office-hours", "week of the trace"),
        (7, str([1] * 168), "stated"),
    ],
)
def test_which_week_counts(days: float, profile: str, origin: str) -> None:
    trace = _trace(days, mean=0.4)
    found = week_of(_route(f"{{trace: own.csv, profile: {profile}, requests_per_second: {{mean: 2}}}}"), trace, START)
    assert found.origin == origin
    assert found.burst == (trace.within_hour if origin == "stated" else trace.within_week)
    if origin != "stated":
        assert found.profile == trace.week


def test_under_an_hour_all_is_as_it_was() -> None:
    shipped = shipped_trace("azure-conv-2023")
    route = _route("{trace: own.csv, profile: office-hours, requests_per_second: {mean: 2}}")
    assert week_of(route, shipped, START).burst == shipped.burst
    assert week_of(route, None, START).burst is None


def test_hours_without_a_zone_are_local() -> None:
    route = _route("{trace: own.csv, timezone: Asia/Tokyo, requests_per_second: {mean: 2}}")
    trace = _trace(1, mean=1.0)
    peak = trace.week.index(max(trace.week[:24]))
    local = week_of(route, replace(trace, unknown=("no-week", "no-zone")), START).profile
    assert local.index(max(local)) == (peak - 9) % 24
    assert week_of(route, trace, START).profile == trace.week
