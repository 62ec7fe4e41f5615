"""A request trace, summarised: the tokens that went in and came out together, the bursts, and five minutes of it.

A trace of any length becomes one `TraceSummary` of bounded size, and its totals are conserved exactly: the histogram's
counts and token sums add up to the trace's. Lengths are binned at four bins an octave (1024, 1280, 1536, 1792, 2048,
…), each bin keeping its own token sums. An hour is not a week: the summary says nothing about the time of day.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

EXCERPT_S = 300
"""Length of the excerpt, and of the window over which a plan's rate is a 95th percentile (the scale-up window)."""

QUANTILES: Mapping[str, float] = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "max": 1.0}


@dataclass(frozen=True)
class Cell:
    """Requests whose input and output lengths fall in the same two bins, with their token sums."""

    input_bin: int
    output_bin: int
    requests: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class Burst:
    """How far the rate departs from its mean, over windows that slide by a second.

    mean_rps: requests/s. peak_60s, p95_300s: highest 60 s and 95th percentile of 300 s windows, over the mean.
    peak_10s_rps: requests/s. interarrival_cv: standard deviation over mean of the gaps between requests (Poisson: 1).
    measured: False when no trace stands behind the figures.
    """

    mean_rps: float
    peak_60s: float
    p95_300s: float
    peak_10s_rps: float
    interarrival_cv: float
    measured: bool = True


@dataclass(frozen=True)
class Excerpt:
    """Five minutes of the trace: requests as (arrival ms after `start_s`, input tokens, output tokens)."""

    start_s: int
    requests: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class TraceSummary:
    """All that a plan reads of a trace.

    duration_s: from the first request to the last. minutes: (requests, input tokens, output tokens) of each minute.
    input_quantiles, output_quantiles: exact token lengths at `QUANTILES` (nearest rank).
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


def bin_of(tokens: int) -> int:
    """The bin of a length: 0–7 have a bin each, above that four bins an octave."""
    if tokens < 4:
        return tokens
    octave = tokens.bit_length() - 3
    return 4 * octave + (tokens >> octave)


def bin_start(index: int) -> int:
    """The smallest length in a bin; the inverse of `bin_of`."""
    if index < 4:
        return index
    octave, quarter = divmod(index - 4, 4)
    return (4 + quarter) << octave


class Tally:
    """Adds up a trace as it streams by. Memory grows with its seconds and its distinct lengths, never with its rows."""

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
        """Requests seen."""
        return sum(self._seconds)

    def add(self, arrival_us: int, input_tokens: int, output_tokens: int) -> None:
        """One request; `arrival_us` is microseconds after the first one and never goes back."""
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
        """Start of the five whole minutes whose rate and token rates are nearest to the trace's own; ties: the first.

        A trace of less than five minutes is its own excerpt.
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
        """The summary of all that was added; needs at least a second of them."""
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
        """Welford's running mean and variance of the gaps between requests."""
        self._gaps += 1
        delta = gap_us - self._gap_mean
        self._gap_mean += delta / self._gaps
        self._gap_squares += delta * (gap_us - self._gap_mean)

    def _burst(self) -> Burst:
        mean = self.requests / max(self._last_us / 1e6, 1.0)
        minute_peak = max(max(_windows(self._seconds, 60)) / mean, 1.0)
        windows = sorted(_windows(self._seconds, EXCERPT_S))
        # Fewer than two windows' worth of trace say nothing about a percentile of windows: take the minute's peak.
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
    """Requests/s in every window of `width` seconds, sliding by one; a shorter trace is one window."""
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
    """Exact quantiles of counted lengths, nearest rank."""
    ordered = sorted(lengths.items())
    total = sum(lengths.values())
    found = {}
    for name, share in QUANTILES.items():
        rank, seen = max(1, math.ceil(share * total)), 0
        for tokens, count in ordered:
            seen += count
            if seen >= rank:
                found[name] = tokens
                break
    return found
