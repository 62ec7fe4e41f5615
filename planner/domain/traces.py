"""A request trace, summarised: joint lengths of the requests, the bursts, and five minutes of single requests.

A trace of any length becomes one `TraceSummary` of bounded size. Its totals are conserved exactly: the counts and the
token sums of the histogram add up to those of the trace. Lengths are binned at four bins an octave (1024, 1280, 1536,
1792, 2048, …), and each bin keeps its own token sums. An hour is not a week, so only a trace of a day or longer says
something about the time of day. How a trace is added up is the matter of `tally`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

EXCERPT_S = 300
"""Length of the excerpt, and of the window over which a plan's rate is a 95th percentile (scale-up window), seconds."""

LEAST_HOUR_S, LEAST_DAY_S, LEAST_WEEK_S = 3600, 23 * 3600, 167 * 3600
"""Shortest traces that tell something of an hour, a day and a week, seconds. A log of a day ends before midnight."""

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

MOST_EXCERPT = 20_000
"""Requests that an excerpt holds at most."""

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
    minutes: (requests, input tokens, output tokens) of each minute; of a trace over a week, of its busiest hour alone.
    cells: histogram of the joint lengths.
    excerpt: five minutes of single requests; very many of them are thinned to `MOST_EXCERPT`.
    within_hour: how far the rate departs from the mean of its hour, in busy hours, where a trace lasts an hour or more.
    Its `peak_60s` is the highest minute of 19 in 20 busy hours.
    within_week: the same beside the mean that its hour has in `week`, so that what differs between days counts.
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
    within_week: Burst | None = None
    week: tuple[float, ...] = ()
    prefix: PrefixReuse | None = None
    unknown: tuple[str, ...] = ()

    @property
    def has_own_week(self) -> bool:
        """Whether its hours of the week were seen, and not its day alone."""
        return bool(self.week) and "no-week" not in self.unknown


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
