"""Adding up a trace: any cut into batches gives the same summary, and what lies inside the hour is no day."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.domain import tally as module
from planner.domain.tally import Tally, bins_of
from planner.domain.trace_rates import Clock
from planner.domain.traces import Excerpt, TraceSummary, bin_of
from tests.planner.arrivals_by_rate import poisson_arrivals

DAY_S = 86_400
MONDAY_US = 1_794_787_200_000_000  # 2026-11-16 00:00 UTC
ROWS = st.lists(
    st.tuples(st.integers(0, 400_000_000), st.integers(1, 300_000), st.integers(0, 90_000)), min_size=2, max_size=80
)


def _summary(rows: Sequence[tuple[int, int, int]], cuts: Sequence[int] = ()) -> TraceSummary:
    """The summary of (gap in microseconds, input, output), added in batches that end at these rows."""
    table = np.array(rows, dtype=np.int64)
    at = np.cumsum(table[:, 0]) - table[0, 0]
    found = Tally()
    for part in np.split(np.arange(len(rows)), sorted(cuts)):
        found.add_rows(at[part], table[part, 1], table[part, 2])
    return found.summary("t", "s", "", Excerpt(found.excerpt_start_s(), ()), Clock(MONDAY_US))


def _plain_bursts(at_us: npt.NDArray[np.int64]) -> tuple[float, float, float, float]:
    """Peak minute, p95 of five minutes, peak ten seconds and CV, window by window."""
    seconds = np.bincount(at_us // 1_000_000)
    mean = len(at_us) / max(at_us[-1] / 1e6, 1.0)

    def rates(width: int) -> list[float]:
        width = min(width, len(seconds))
        return [seconds[k : k + width].sum() / width for k in range(len(seconds) - width + 1)]

    gaps = np.diff(at_us)
    windows = sorted(rates(300))
    peak = max(max(rates(60)) / mean, 1.0)
    p95 = windows[math.ceil(0.95 * len(windows)) - 1] / mean if at_us[-1] >= 600_000_000 else peak
    return peak, max(p95, 1.0), max(rates(10)), float(gaps.std() / gaps.mean())


@given(ROWS, st.lists(st.integers(0, 80), max_size=4))
@settings(deadline=None, max_examples=60)
def test_batches_of_any_size_give_the_same_summary(rows: list[tuple[int, int, int]], cuts: list[int]) -> None:
    rows = [(gap + 1_000_000, i, o) for gap, i, o in rows]
    whole = _summary(rows)
    assert _summary(rows, [min(cut, len(rows)) for cut in cuts]) == whole
    singly, at = Tally(), -rows[0][0]
    for gap, input_tokens, output_tokens in rows:
        at += gap
        singly.add(at, input_tokens, output_tokens)
    assert singly.summary("t", "s", "", Excerpt(singly.excerpt_start_s(), ()), Clock(MONDAY_US)) == whole
    assert whole.requests == len(rows) == sum(cell.requests for cell in whole.cells)
    assert whole.input_tokens == sum(row[1] for row in rows) == sum(cell.input_tokens for cell in whole.cells)
    assert whole.output_tokens == sum(row[2] for row in rows) == sum(minute[2] for minute in whole.minutes)
    assert whole.input_quantiles["p50"] == sorted(row[1] for row in rows)[math.ceil(len(rows) / 2) - 1]


@given(ROWS)
@settings(deadline=None, max_examples=30)
def test_bursts_are_those_of_every_window(rows: list[tuple[int, int, int]]) -> None:
    rows = [(gap // 40 + 1_000_000, i, o) for gap, i, o in rows]
    found = _summary(rows, [len(rows) // 2]).burst
    at = np.cumsum([row[0] for row in rows]) - rows[0][0]
    told = (found.peak_60s, found.p95_300s, found.peak_10s_rps, found.interarrival_cv)
    assert told == pytest.approx(_plain_bursts(at), abs=2e-4)


def test_seconds_are_forgotten_and_windows_are_not() -> None:
    at = poisson_arrivals(np.full(6 * DAY_S, 0.08), seed=3)
    at -= at[0]
    found = Tally()
    for part in np.array_split(at, 7):
        found.add_rows(part, np.full(len(part), 10), np.full(len(part), 1))
    burst = found.summary("t", "s", "", Excerpt(0, ())).burst
    seconds = np.concatenate(([0], np.cumsum(np.bincount(at // 1_000_000))))
    windows = np.sort(seconds[300:] - seconds[:-300])
    mean = len(at) / (at[-1] / 1e6)
    assert burst.p95_300s == pytest.approx(windows[math.ceil(0.95 * len(windows)) - 1] / 300 / mean, abs=1e-4)
    assert burst.peak_60s == pytest.approx((seconds[60:] - seconds[:-60]).max() / 60 / mean, abs=1e-4)
    assert len(found._rates._held) < 2**18 + 2**16


@given(st.lists(st.integers(0, 100_000_000), min_size=1, max_size=200))
def test_bins_of_many_are_those_of_one(tokens: list[int]) -> None:
    assert bins_of(np.array(tokens, dtype=np.int64)).tolist() == [bin_of(length) for length in tokens]


def test_very_many_long_lengths_are_counted_to_a_256th_of_their_octave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_LONG", 20)
    lengths = np.arange(100_000, 164_000, 7, dtype=np.int64)
    found = Tally()
    for part in np.array_split(lengths, 5):
        found.add_rows(np.arange(len(part)) + found.last_us, part, np.ones(len(part), dtype=np.int64))
    told = found.summary("t", "s", "", Excerpt(0, ())).input_quantiles
    exact = int(lengths[math.ceil(len(lengths) / 2) - 1])
    assert exact - exact / 256 <= told["p50"] <= exact
    assert told["max"] == int(lengths[-1])
    assert len(found._inputs._long) < 300


def _of(at_us: npt.NDArray[np.int64], begin_us: int = MONDAY_US, weekdays: bool = True) -> TraceSummary:
    found = Tally()
    found.add_rows(at_us - at_us[0], np.full(len(at_us), 500), np.full(len(at_us), 100))
    clock = Clock(begin_us + int(at_us[0]), weekdays=weekdays)
    return found.summary("t", "s", "", Excerpt(0, ()), clock)


def _busiest_hour_p95(at_us: npt.NDArray[np.int64], hours: int) -> float:
    """95th percentile of the rate over five minutes within the busiest clock hour."""
    seconds = np.bincount(at_us // 1_000_000, minlength=hours * 3600)
    busiest = int(seconds.reshape(hours, 3600).sum(axis=1).argmax()) * 3600
    total = np.concatenate(([0], np.cumsum(seconds[busiest : busiest + 3600])))
    windows = np.sort(total[300:] - total[:-300]) / 300
    return float(windows[math.ceil(0.95 * len(windows)) - 1])


@pytest.mark.parametrize("mean", [1.5, 8.0])
@pytest.mark.parametrize("depth", [0.3, 0.9])
def test_a_day_counts_once(mean: float, depth: float) -> None:
    """Hour × bursts within it is what the busiest hour needs; the bursts of the whole day hold the day already."""
    hours = np.arange(DAY_S) / 3600
    at = poisson_arrivals(mean * (1 + depth * np.sin(2 * np.pi * (hours - 9) / 24)), seed=7)
    trace = _of(at)
    needed = _busiest_hour_p95(at, 24)
    assert trace.within_week is not None
    assert trace.burst.mean_rps * max(trace.week) * trace.within_week.p95_300s == pytest.approx(needed, rel=0.04)
    twice = trace.burst.mean_rps * max(trace.week) * trace.burst.p95_300s
    assert twice / needed > 1 + 0.5 * depth
    assert trace.week[:24] * 7 == trace.week
    assert math.fsum(trace.week) / 168 == pytest.approx(1, abs=1e-5)
    assert trace.week.index(max(trace.week)) in (13, 14, 15, 16)


@pytest.mark.parametrize("begin", [0, 1800])
def test_a_nightly_batch_counts_once(begin: int) -> None:
    seconds = np.arange(DAY_S)
    running = ((seconds - begin) // 3600) % 24 < 8
    at = poisson_arrivals(np.where(running, 10.0, 0.1), seed=2)
    trace = _of(at)
    assert trace.within_week is not None
    needed = _busiest_hour_p95(at, 24)
    assert trace.burst.mean_rps * max(trace.week) * trace.within_week.p95_300s == pytest.approx(needed, rel=0.04)


def test_a_week_has_its_days_and_a_shorter_trace_repeats_its_day() -> None:
    hours = np.arange(7 * DAY_S) / 3600
    rates = np.where(hours < 5 * 24, 1.0, 0.2) * (1 + 0.5 * np.sin(2 * np.pi * hours / 24))
    week = _of(poisson_arrivals(rates, seed=1))
    assert max(week.week[5 * 24 :]) < 0.5 < max(week.week[: 5 * 24])
    assert week.within_hour is not None
    two_days = _of(poisson_arrivals(rates[4 * DAY_S : 6 * DAY_S], seed=1), MONDAY_US + 4 * DAY_S * 1_000_000)
    assert two_days.week[:24] * 7 == two_days.week
    # Friday has five times the load of Saturday: beside the mean of both days, Friday itself is a burst.
    assert two_days.within_week is not None
    assert two_days.within_hour is not None
    assert two_days.within_week.p95_300s > 1.5 > two_days.within_hour.p95_300s
    assert (
        _of(poisson_arrivals(rates, seed=1), weekdays=False).week[:24]
        == _of(poisson_arrivals(rates, seed=1), weekdays=False).week[24:48]
    )


def test_under_an_hour_nothing_is_said_of_hours() -> None:
    trace = _of(poisson_arrivals(np.full(3000, 2.0), seed=1))
    assert (trace.within_hour, trace.within_week, trace.week) == (None, None, ())


def test_time_that_is_left_out_leaves_the_hours_in_their_places() -> None:
    at = poisson_arrivals(np.full(2 * 3600, 3.0), seed=5)
    hours = Clock(MONDAY_US, ((60, 10 * 1440 + 30),)).hours_of_week(120)
    assert hours[:60].tolist() == [0] * 60
    assert hours[60] == (10 * 24 + 1) % 168
    assert len(at)


def test_the_highest_minute_of_a_long_trace_is_that_of_a_busy_hour() -> None:
    """The highest minute of all would grow with every day that a log is longer."""
    peaks = []
    for days in (1, 6):
        trace = _of(poisson_arrivals(np.full(days * DAY_S, 1.0), seed=9))
        assert trace.within_hour is not None
        peaks.append(trace.within_hour.peak_60s)
    assert peaks[1] == pytest.approx(peaks[0], rel=0.06)
    assert peaks[1] < trace.burst.peak_60s
