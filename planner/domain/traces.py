"""A request trace, summarised: joint lengths of the requests, the bursts, and five minutes of single requests.

A trace of any length becomes one `TraceSummary` of bounded size. Its totals are conserved exactly: the counts and the
token sums of the histogram add up to those of the trace. Lengths are binned at four bins an octave (1024, 1280, 1536,
1792, 2048, …), and each bin keeps its own token sums. An hour is not a week, so the summary says nothing about the time
of day.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

EXCERPT_S = 300
"""Length of the excerpt, and of the window over which a plan's rate is a 95th percentile (scale-up window), seconds."""

LEAST_HOUR_S, LEAST_DAY_S, LEAST_WEEK_S = 3600, 23 * 3600, 167 * 3600
"""Shortest traces that say something of an hour, of a day and of a week, seconds. A log of a day ends before midnight."""

UNKNOWN: Mapping[str, str] = {
    "no-outputs": "output tokens: no row has any, so declare `tokens` of the route",
    "no-prefix": "prefix reuse: the rows have neither hashes nor sessions",
    "no-hashes": "the shared prefix: sessions alone give an estimate of their own history",
    "no-date": "the time of day: times count from an unknown moment",
    "no-day": "the day: the trace is shorter, so it gives no profile",
    "no-week": "the week: the trace is shorter, so every day is like its day",
    "no-zone": "the time zone: hours count as local ones of `traffic.timezone`",
    "holes": "what happened in holes of over an hour: they count as time without requests",
    "cut": "what happened in holes of over four days: they are left out",
}
"""What a trace could not tell, by its code, for people."""

QUANTILES: Mapping[str, float] = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "max": 1.0}
"""Name of each quantile of a length → the share of the requests that do not exceed it."""


@dataclass(frozen=True)
class Cell:
    """The requests whose input and output lengths fall in the same two bins.

    input_bin, output_bin: the bins, as `bin_of` numbers them.
    requests: how many there are.
    input_tokens, output_tokens: sums of their tokens.
    """

    input_bin: int
    output_bin: int
    requests: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class Burst:
    """How far the rate departs from its mean. Windows slide by a second.

    mean_rps: mean rate, requests/s.
    peak_60s: highest rate in a window of 60 s ÷ the mean.
    p95_300s: 95th percentile of the rate in windows of 300 s ÷ the mean.
    peak_10s_rps: highest rate in a window of 10 s, requests/s.
    interarrival_cv: standard deviation ÷ mean of the gaps between requests; 1 for Poisson.
    measured: whether the figures come from a trace.
    """

    mean_rps: float
    peak_60s: float
    p95_300s: float
    peak_10s_rps: float
    interarrival_cv: float
    measured: bool = True


@dataclass(frozen=True)
class Excerpt:
    """Five minutes of the trace.

    start_s: time of their start after the first request, seconds.
    requests: (arrival after `start_s` in ms, input tokens, output tokens) of each request.
    """

    start_s: int
    requests: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class PrefixReuse:
    """How much of a trace's prompts had been sent before. A cache without bounds would find all of it.

    shared_tokens: tokens of the prefix that nearly all requests have in common; None when only sessions are known.
    session_share: share of the other prompt tokens that had been sent before.
    measured: `hashes` of the prompts' blocks, or `sessions`, whose growing prompts give an estimate.
    curve: (tokens of one cache that serves the whole trace and forgets what it used longest ago, share of the other
    prompt tokens that it finds); empty when only sessions are known. At k times the rate a cache needs k times the
    tokens for the same share.
    """

    shared_tokens: float | None
    session_share: float
    measured: Literal["hashes", "sessions"]
    curve: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class TraceSummary:
    """All that a plan reads of a trace.

    name: by which environments name it.
    source, licence: where it was published, and its licence; a team's own trace has no licence.
    requests, input_tokens, output_tokens: totals.
    duration_s: time from the first request to the last, seconds.
    input_quantiles, output_quantiles: exact lengths at `QUANTILES` (nearest rank), tokens.
    burst: how far the rate departs from its mean.
    minutes: (requests, input tokens, output tokens) of each minute.
    cells: histogram of the joint lengths.
    excerpt: five minutes of single requests.
    within_hour: how far the rate departs from the mean of the hour around it, where a trace lasts an hour or longer.
    week: 168 multipliers with mean 1 by hour of the week from Monday 00:00, where a trace lasts a day or longer. A
    trace of less than a week repeats its day. The hours are UTC, unless `unknown` says `no-zone`.
    prefix: how much of its prompts had been sent before, where it tells.
    unknown: what it could not tell, as codes (`UNKNOWN`).
    """

    name: str
    source: str
    licence: str
    requests: int
    input_tokens: int
    output_tokens: int
    duration_s: float
    input_quantiles: Mapping[str, int]
    output_quantiles: Mapping[str, int]
    burst: Burst
    minutes: tuple[tuple[int, int, int], ...]
    cells: tuple[Cell, ...]
    excerpt: Excerpt
    within_hour: Burst | None = None
    week: tuple[float, ...] = ()
    prefix: PrefixReuse | None = None
    unknown: tuple[str, ...] = ()

    @property
    def has_own_week(self) -> bool:
        """Whether its hours of the week were seen, and not its day alone."""
        return bool(self.week) and self.duration_s >= LEAST_WEEK_S


def bin_of(tokens: int) -> int:
    """Return the bin of a length. Each of 0–7 tokens has its own bin; above that an octave has four bins."""
    if tokens < 4:
        return tokens
    octave = tokens.bit_length() - 3
    return 4 * octave + (tokens >> octave)


def bin_start(index: int) -> int:
    """Return the smallest length in a bin, tokens."""
    if index < 4:
        return index
    octave, quarter = divmod(index - 4, 4)
    return (4 + quarter) << octave


class Tally:
    """Adds up a trace as it streams by. Memory grows with its seconds and its distinct lengths, not with its rows."""

    def __init__(self) -> None:
        self._seconds = array("L")
        self._minutes: list[list[int]] = []
        self._cells: dict[tuple[int, int], list[int]] = {}
        self._inputs: Counter[int] = Counter()
        self._outputs: Counter[int] = Counter()
        self._last_us = 0
        self._gaps = self._gap_mean = self._gap_squares = 0.0

    @property
    def requests(self) -> int:
        """Number of requests that were added."""
        return sum(self._seconds)

    def add(self, arrival_us: int, input_tokens: int, output_tokens: int) -> None:
        """Add one request. arrival_us: time after the first request, microseconds; it never goes back."""
        if self._inputs:
            self._observe_gap(arrival_us - self._last_us)
        self._last_us = arrival_us
        second = arrival_us // 1_000_000
        if len(self._seconds) <= second:
            self._seconds.extend([0] * (second + 1 - len(self._seconds)))
        self._seconds[second] += 1
        while len(self._minutes) <= second // 60:
            self._minutes.append([0, 0, 0])
        _grow(self._minutes[second // 60], input_tokens, output_tokens)
        cell = self._cells.setdefault((bin_of(input_tokens), bin_of(output_tokens)), [0, 0, 0])
        _grow(cell, input_tokens, output_tokens)
        self._inputs[input_tokens] += 1
        self._outputs[output_tokens] += 1

    def excerpt_start_s(self) -> int:
        """Return the start of the five whole minutes whose rates are nearest to those of the whole trace, seconds.

        The rates are those of requests, input tokens and output tokens. The first of equally near windows counts. A
        trace of less than five minutes is its own excerpt.
        """
        width = EXCERPT_S // 60
        whole = self._last_us // 60_000_000
        if whole < width:
            return 0
        totals = [sum(minute[k] for minute in self._minutes) for k in range(3)]
        mean = [total / max(self._last_us / 6e7, 1e-9) * width for total in totals]

        def distance(start: int) -> float:
            window = self._minutes[start : start + width]
            return sum((sum(m[k] for m in window) / mean[k] - 1) ** 2 for k in range(3) if mean[k])

        return 60 * min(range(whole - width + 1), key=distance)

    def summary(self, name: str, source: str, licence: str, excerpt: Excerpt) -> TraceSummary:
        """Return the summary of all requests that were added. They must span a second at least."""
        return TraceSummary(
            name=name,
            source=source,
            licence=licence,
            requests=self.requests,
            input_tokens=sum(tokens * count for tokens, count in self._inputs.items()),
            output_tokens=sum(tokens * count for tokens, count in self._outputs.items()),
            duration_s=round(self._last_us / 1e6, 3),
            input_quantiles=_quantiles(self._inputs),
            output_quantiles=_quantiles(self._outputs),
            burst=self._burst(),
            minutes=tuple((m[0], m[1], m[2]) for m in self._minutes),
            cells=tuple(Cell(*key, *sums) for key, sums in sorted(self._cells.items())),
            excerpt=excerpt,
        )

    def _observe_gap(self, gap_us: int) -> None:
        """Update Welford's running mean and variance of the gaps between requests."""
        self._gaps += 1
        delta = gap_us - self._gap_mean
        self._gap_mean += delta / self._gaps
        self._gap_squares += delta * (gap_us - self._gap_mean)

    def _burst(self) -> Burst:
        mean = self.requests / max(self._last_us / 1e6, 1.0)
        minute_peak = max(max(_windows(self._seconds, 60)) / mean, 1.0)
        windows = sorted(_windows(self._seconds, EXCERPT_S))
        # A trace shorter than two windows says nothing about a percentile of windows: the peak minute counts.
        long_enough = self._last_us >= 2 * EXCERPT_S * 1_000_000
        p95 = windows[math.ceil(0.95 * len(windows)) - 1] / mean if long_enough else minute_peak
        return Burst(
            mean_rps=round(mean, 6),
            peak_60s=round(minute_peak, 4),
            p95_300s=round(max(p95, 1.0), 4),
            peak_10s_rps=round(max(_windows(self._seconds, 10)), 4),
            interarrival_cv=round(math.sqrt(self._gap_squares / self._gaps) / self._gap_mean, 4),
        )


def _grow(sums: list[int], input_tokens: int, output_tokens: int) -> None:
    sums[0] += 1
    sums[1] += input_tokens
    sums[2] += output_tokens


def _windows(seconds: Iterable[int], width: int) -> list[float]:
    """Return the requests/s in every window of `width` seconds; a shorter trace is one window."""
    counts = list(seconds)
    if len(counts) <= width:
        return [sum(counts) / len(counts)]
    total = sum(counts[:width])
    rates = [total / width]
    for gone, come in zip(counts, counts[width:], strict=False):
        total += come - gone
        rates.append(total / width)
    return rates


def _quantiles(lengths: Counter[int]) -> dict[str, int]:
    """Return the exact quantiles of counted lengths, by nearest rank."""
    ordered = sorted(lengths.items())
    total = sum(lengths.values())
    quantiles = {}
    for name, share in QUANTILES.items():
        rank, seen = max(1, math.ceil(share * total)), 0
        for tokens, count in ordered:
            seen += count
            if seen >= rank:
                quantiles[name] = tokens
                break
    return quantiles
