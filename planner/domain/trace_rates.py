"""The rate of a trace as it streams by: its windows, its minutes, the gaps between requests, its hours of the week.

Requests are counted by the second, and a second is forgotten when no window needs it any more. What stays is a count a
minute and a table of how often each count of a window was seen, so that memory does not grow with the requests.

A rate that rises and falls with the day is no burst. So each window is also compared with the mean of its hour: of the
very hour, and of that hour in the trace's own week or day, which differ where days do. Only the busiest hours count:
these decide how large a plan must be, and at night a handful of requests would look like a burst.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from planner.domain.traces import EXCERPT_S, LEAST_DAY_S, LEAST_HOUR_S, LEAST_WEEK_S, Burst
from planner.words.arrays import Floats, Ints
from planner.words.units import HOURS_PER_WEEK

_SLICE_S = 1 << 18
"""Seconds that are looked at together; a long silence is walked in such steps."""
_EPOCH_HOUR = 72
"""Hour of the week at which 1970 began: a Thursday, counted from Monday 00:00."""
_BUSY, _BUSIEST = 0.9, 0.98
"""Mean of an hour ÷ that of the busiest ones, from which on it counts for the bursts beside it; and which quantile of
the minutes the busiest ones are, so that one odd hour of a week does not stand alone."""
_SEEN_MINUTES = 30
"""Minutes of an hour of the day or week that a trace must have seen to say something of it."""
MINUTE_US, SECOND_US = 60_000_000, 1_000_000


@dataclass(frozen=True)
class Clock:
    """When a trace began, and where time was left out of it.

    origin_us: moment of the first request, microseconds since 1970; None when times count from an unknown moment.
    cuts: (minute of the trace, whole minutes that are left out before it), ascending.
    weekdays: whether the day of the week is known, and not the time of day alone.
    """

    origin_us: int | None = None
    cuts: tuple[tuple[int, int], ...] = ()
    weekdays: bool = True

    def hours(self, minutes: int) -> Ints:
        """Return the hour of each of the first minutes, counted from 1970 or from the first request."""
        index = np.arange(minutes, dtype=np.int64) + (self.origin_us or 0) // MINUTE_US
        for at, left_out in self.cuts:
            index[at:] += left_out
        return index // 60

    def hours_of_week(self, minutes: int) -> Ints:
        """Return the hour of the week of each of the first minutes, from Monday 00:00."""
        return (self.hours(minutes) + _EPOCH_HOUR) % HOURS_PER_WEEK


class RateTally:
    """Counts requests by the second as they stream by."""

    def __init__(self) -> None:
        self.requests = 0
        self.last_us = 0
        self._base = 0  # the first second that is still held
        self._held = np.zeros(0, dtype=np.int64)  # counts of the seconds from there on; the last one may still grow
        self._peaks = np.zeros(64, dtype=np.int64)  # highest window of 60 s that begins in each minute
        self._windows: Counter[int] = Counter()  # how many windows of 300 s had each count
        self._peak_10s = self._peak_60s = 0
        self._gap_squares = 0

    def add(self, arrivals_us: Ints) -> None:
        """Add requests in the order of time, none of them before those that were added."""
        if not len(arrivals_us):
            return
        gaps = np.diff(arrivals_us, prepend=self.last_us if self.requests else arrivals_us[0])
        high, low = gaps >> 20, gaps & 0xFFFFF  # a square of microseconds is larger than a word
        self._gap_squares += (int((high * high).sum()) << 40) + (int((high * low).sum()) << 21) + int((low * low).sum())
        self.requests += len(arrivals_us)
        self.last_us = int(arrivals_us[-1])
        seconds = arrivals_us // SECOND_US
        place = 0
        while place < len(seconds):
            upto = min(int(seconds[-1]), self._base + len(self._held) + _SLICE_S)
            end = int(np.searchsorted(seconds, upto, side="right"))
            counts = np.bincount(seconds[place:end] - self._base, minlength=upto + 1 - self._base)
            counts[: len(self._held)] += self._held
            self._held = counts
            self._forget(len(counts) - 1)
            place = end

    def burst(self) -> Burst:
        """Return the bursts of the whole trace."""
        windows, peak_60s, peak_10s = self._last_windows()
        mean = self.requests / max(self.last_us / 1e6, 1.0)
        seconds = self.last_us // SECOND_US + 1
        minute_peak = max(peak_60s / min(seconds, 60) / mean, 1.0)
        # A trace shorter than two windows says nothing about a percentile of windows: the peak minute counts.
        long_enough = self.last_us >= 2 * EXCERPT_S * SECOND_US
        p95 = _nearest_rank(windows, 0.95) / min(seconds, EXCERPT_S) / mean if long_enough else minute_peak
        return Burst(
            mean_rps=round(mean, 6),
            peak_60s=round(minute_peak, 4),
            p95_300s=round(max(p95, 1.0), 4),
            peak_10s_rps=round(peak_10s / min(seconds, 10), 4),
            interarrival_cv=round(self._interarrival_cv(), 4),
        )

    def within_hour(self, minutes: Floats, clock: Clock) -> Burst | None:
        """Return the bursts beside the mean of their own hour; None of a trace under an hour.

        minutes: requests of each whole minute.
        """
        if self.last_us < LEAST_HOUR_S * SECOND_US:
            return None
        hours = clock.hours(len(minutes))
        hours = hours - hours[0]
        seen = np.bincount(hours)
        # An hour of which little was seen counts with the one before it, the first with the one after it.
        place = np.maximum.accumulate(np.where(seen >= _SEEN_MINUTES, np.arange(len(seen)), 0))
        place = np.where(seen[place] >= _SEEN_MINUTES, place, int(np.argmax(seen >= _SEEN_MINUTES)))
        return self._beside(minutes, place[hours])

    def within_week(self, minutes: Floats, clock: Clock) -> Burst | None:
        """Return the bursts beside the mean of that hour in the trace's own week or day; None where it has neither."""
        period = self.period_h(minutes, clock)
        return self._beside(minutes, clock.hours_of_week(len(minutes)) % period) if period else None

    def week(self, minutes: Floats, clock: Clock) -> tuple[float, ...]:
        """Return 168 multipliers with mean 1 by hour of the week; empty when the trace does not cover a day.

        A trace of less than a week repeats its day. minutes: requests of each whole minute.
        """
        period = self.period_h(minutes, clock)
        if not period:
            return ()
        hours = clock.hours_of_week(len(minutes)) % period
        rates = np.bincount(hours, weights=minutes, minlength=period) / np.bincount(hours, minlength=period)
        week = np.tile(rates / rates.mean(), HOURS_PER_WEEK // period)
        return tuple(round(float(load), 6) for load in week)

    def period_h(self, minutes: Floats, clock: Clock) -> int:
        """Return the hours of the longest period of which the trace has seen every hour: a week, a day, or none (0)."""
        if clock.origin_us is None:
            return 0
        hours = clock.hours_of_week(len(minutes))
        for period, least_s in ((HOURS_PER_WEEK, LEAST_WEEK_S), (24, LEAST_DAY_S)):
            if period == HOURS_PER_WEEK and not clock.weekdays:
                continue
            seen = np.bincount(hours % period, minlength=period)
            if self.last_us >= least_s * SECOND_US and (seen >= _SEEN_MINUTES).all():
                return period
        return 0

    def _beside(self, minutes: Floats, hours: Ints) -> Burst:
        """Return the bursts beside the means of hours. hours: number of the hour of each minute."""
        self._last_windows()
        peaks = np.maximum(grown(self._peaks, len(minutes))[: len(minutes)].astype(float), minutes)
        mean = (np.bincount(hours, weights=minutes) / np.maximum(np.bincount(hours), 1))[hours]
        busy = mean >= _BUSY * np.quantile(mean, _BUSIEST)
        width = EXCERPT_S // 60
        windows = np.convolve(minutes, np.ones(width), mode="valid")
        middle = slice(width // 2, width // 2 + len(windows))
        ratios = np.sort((windows / width)[busy[middle]] / mean[middle][busy[middle]])
        p95 = float(ratios[math.ceil(0.95 * len(ratios)) - 1])
        # The highest minute of a year lies far above that of an hour: what counts is that of 19 in 20 busy hours.
        hourly = np.zeros(len(minutes) // 60 + 1)
        np.maximum.at(hourly, np.flatnonzero(busy) // 60, peaks[busy] / mean[busy])
        highest = np.sort(hourly[hourly > 0])
        peak = float(highest[math.ceil(0.95 * len(highest)) - 1])
        whole = self.burst()
        return replace(whole, peak_60s=round(max(peak, 1.0), 4), p95_300s=round(max(p95, 1.0), 4))

    def _forget(self, final: int) -> None:
        """Count the windows that end within the first `final` seconds held, and drop the seconds that none needs."""
        keep_from = max(0, final - EXCERPT_S + 1)
        if keep_from >= _SLICE_S // 8 or final > _SLICE_S:
            done = self._held[:final]
            self._count(done, self._windows)
            self._base += keep_from
            self._held = self._held[keep_from:]

    def _count(self, seconds: Ints, windows: Counter[int]) -> None:
        """Count the windows of these seconds, which begin at `_base`. The last 299 seconds begin no window of 300 s.

        Windows of 10 and of 60 s that begin in the last 299 seconds are counted again with what follows, which changes
        no maximum.
        """
        total = np.concatenate(([0], np.cumsum(seconds)))
        for width in (10, 60, EXCERPT_S):
            if len(seconds) < width:
                continue
            sums = total[width:] - total[:-width]
            if width == 10:
                self._peak_10s = max(self._peak_10s, int(sums.max()))
            elif width == 60:
                self._peak_60s = max(self._peak_60s, int(sums.max()))
                first = self._base // 60
                starts = np.arange(first, (self._base + len(sums) - 1) // 60 + 1) * 60 - self._base
                self._peaks = grown(self._peaks, first + len(starts))
                found = np.maximum.reduceat(sums, np.maximum(starts, 0))
                np.maximum(
                    self._peaks[first : first + len(starts)], found, out=self._peaks[first : first + len(starts)]
                )
            else:
                for count, times in zip(*np.unique(sums, return_counts=True), strict=True):
                    windows[int(count)] += int(times)

    def _last_windows(self) -> tuple[Counter[int], int, int]:
        """Return the windows of 300 s by their count and the highest of 60 and of 10 s, the seconds held included."""
        windows = self._windows.copy()
        self._count(self._held, windows)
        everything = int(self._held.sum())
        short = self.last_us // SECOND_US + 1
        return (
            windows if short >= EXCERPT_S else Counter({everything: 1}),
            self._peak_60s if short >= 60 else everything,
            self._peak_10s if short >= 10 else everything,
        )

    def _interarrival_cv(self) -> float:
        """Return the standard deviation ÷ mean of the gaps, from their exact sums."""
        gaps = self.requests - 1
        if gaps < 1 or not self.last_us:
            return 0.0
        return math.sqrt(max(0, gaps * self._gap_squares - self.last_us**2)) / self.last_us


def _nearest_rank(counts: Counter[int], share: float) -> int:
    """Return the count that `share` of the windows do not exceed."""
    rank, seen = math.ceil(share * sum(counts.values())), 0
    for count, times in sorted(counts.items()):
        seen += times
        if seen >= rank:
            return count
    raise ValueError("there are no windows")


def grown(values: Ints, length: int) -> Ints:
    """Return the array with room for `length` values, doubled so that growing costs little."""
    if length <= len(values):
        return values
    more = max(length, 2 * len(values)) - len(values)
    return np.concatenate((values, np.zeros((more, *values.shape[1:]), dtype=values.dtype)))
