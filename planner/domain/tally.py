"""Adds up a trace as it streams by, in batches of any size: the same rows give the same summary, however they are cut.

Memory grows with the minutes of the trace and with its distinct lengths, and both are bounded: lengths up to 65,536
tokens are counted exactly, and so are longer ones until there are very many of them; from then on those are counted to
a 256th of their octave. Totals, histogram and the longest length stay exact.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from planner.domain.trace_rates import MINUTE_US, Clock, RateTally, grown
from planner.domain.traces import EXCERPT_S, QUANTILES, Cell, Excerpt, PrefixReuse, TraceSummary
from planner.words.arrays import Floats, Ints
from planner.words.units import HOURS_PER_WEEK

_CELLS = 128
"""More bins than any length that is read has."""
_SHORT = 1 << 16
"""Lengths below this one are counted in an array, tokens."""
_MOST_LONG = 50_000
"""Distinct longer lengths that are counted exactly."""
_WAITING = 4096
"""Single rows that wait until they are added together."""


class Tally:
    """Adds up requests that come in the order of time."""

    def __init__(self) -> None:
        self._rates = RateTally()
        self._minutes = np.zeros((64, 3), dtype=np.int64)
        self._cells = np.zeros((3, _CELLS * _CELLS), dtype=np.int64)
        self._inputs, self._outputs = _Lengths(), _Lengths()
        self._waiting: list[tuple[int, int, int]] = []

    @property
    def requests(self) -> int:
        """Number of requests that were added."""
        self._flush()
        return self._rates.requests

    @property
    def last_us(self) -> int:
        """Time of the last request after the first one, microseconds."""
        self._flush()
        return self._rates.last_us

    def add(self, arrival_us: int, input_tokens: int, output_tokens: int) -> None:
        """Add one request. arrival_us: time after the first request, microseconds; it never goes back."""
        self._waiting.append((arrival_us, input_tokens, output_tokens))
        if len(self._waiting) >= _WAITING:
            self._flush()

    def add_rows(self, arrivals_us: Ints, inputs: Ints, outputs: Ints) -> None:
        """Add requests, all arrays of shape (requests,), in the order of time."""
        if self._waiting:
            self._flush()
        if not len(arrivals_us):
            return
        self._rates.add(arrivals_us)
        minutes = arrivals_us // MINUTE_US
        first = int(minutes[0])
        columns = (None, inputs, outputs)
        sums = np.stack([_sums(minutes - first, column) for column in columns], axis=1)
        self._minutes = grown(self._minutes, first + len(sums))
        self._minutes[first : first + len(sums)] += sums
        cells = bins_of(inputs) * _CELLS + bins_of(outputs)
        for row, column in enumerate(columns):
            self._cells[row] += _sums(cells, column, _CELLS * _CELLS)
        self._inputs.add(inputs)
        self._outputs.add(outputs)

    def period_h(self, clock: Clock) -> int:
        """Return the hours of the longest period that the trace covers: a week, a day, or none (0)."""
        return self._rates.period_h(self._whole_minutes(), clock)

    def excerpt_start_s(self) -> int:
        """Return the start of the five whole minutes whose rates are nearest to those of the whole trace, seconds.

        The rates are those of requests, input tokens and output tokens. The first of equally near windows counts. A
        trace of less than five minutes is its own excerpt.
        """
        width = EXCERPT_S // 60
        whole = self.last_us // MINUTE_US
        if whole < width:
            return 0
        totals = self._minutes.sum(axis=0)
        mean = totals / max(self.last_us / 6e7, 1e-9) * width
        running = np.concatenate((np.zeros((1, 3), dtype=np.int64), np.cumsum(self._minutes[:whole], axis=0)))
        windows = running[width:] - running[:-width]
        distance = np.zeros(len(windows))
        for column in range(3):
            if mean[column]:
                distance += (windows[:, column] / mean[column] - 1) ** 2
        return 60 * int(np.argmin(distance))

    def summary(
        self,
        name: str,
        source: str,
        licence: str,
        excerpt: Excerpt,
        clock: Clock | None = None,
        prefix: PrefixReuse | None = None,
        unknown: Sequence[str] = (),
    ) -> TraceSummary:
        """Return the summary of all requests that were added. They must span a second at least.

        clock: when the trace began; without one it says nothing of the time of day.
        """
        self._flush()
        whole, clock = self._whole_minutes(), clock or Clock()
        return TraceSummary(
            name=name,
            source=source,
            licence=licence,
            requests=self.requests,
            input_tokens=int(self._cells[1].sum()),
            output_tokens=int(self._cells[2].sum()),
            duration_s=round(self.last_us / 1e6, 3),
            input_quantiles=self._inputs.quantiles(),
            output_quantiles=self._outputs.quantiles(),
            burst=self._rates.burst(),
            minutes=self._told_minutes(),
            cells=tuple(
                Cell(int(index) // _CELLS, int(index) % _CELLS, *(int(count) for count in self._cells[:, index]))
                for index in np.flatnonzero(self._cells[0])
            ),
            excerpt=excerpt,
            within_hour=self._rates.within_hour(whole, clock),
            within_week=self._rates.within_week(whole, clock),
            week=self._rates.week(whole, clock),
            prefix=prefix,
            unknown=tuple(unknown),
        )

    def _whole_minutes(self) -> Floats:
        """Return the requests of each whole minute."""
        return self._minutes[: self.last_us // MINUTE_US, 0].astype(float)

    def _told_minutes(self) -> tuple[tuple[int, int, int], ...]:
        """Return all minutes, or those of the busiest hour where a trace lasts over a week."""
        minutes = self._minutes[: self.last_us // MINUTE_US + 1]
        if len(minutes) > HOURS_PER_WEEK * 60 + 60:
            running = np.concatenate(([0], np.cumsum(minutes[:, 0])))
            start = int(np.argmax(running[60:] - running[:-60]))
            minutes = minutes[start : start + 60]
        return tuple((int(m[0]), int(m[1]), int(m[2])) for m in minutes)

    def _flush(self) -> None:
        """Add the single rows that wait."""
        if self._waiting:
            rows, self._waiting = np.array(self._waiting, dtype=np.int64), []
            self.add_rows(rows[:, 0], rows[:, 1], rows[:, 2])


def bins_of(tokens: Ints) -> Ints:
    """Return the bin of each length, as `traces.bin_of` does for one."""
    octave = np.maximum(np.frexp(tokens.astype(float))[1].astype(np.int64) - 3, 0)
    return np.where(tokens < 4, tokens, 4 * octave + (tokens >> octave))


class _Lengths:
    """How often each length was seen."""

    def __init__(self) -> None:
        self._short = np.zeros(_SHORT, dtype=np.int64)
        self._long: Counter[int] = Counter()
        self._most = 0
        self._exact = True

    def add(self, tokens: Ints) -> None:
        """Add the lengths of a batch."""
        self._most = max(self._most, int(tokens.max()))
        if self._most < _SHORT:
            self._short += np.bincount(tokens, minlength=_SHORT)
            return
        short = tokens < _SHORT
        self._short += np.bincount(tokens[short], minlength=_SHORT)
        for length, count in zip(*np.unique(tokens[~short], return_counts=True), strict=True):
            self._long[int(length) if self._exact else _rounded(int(length))] += int(count)
        if self._exact and len(self._long) > _MOST_LONG:
            self._exact, exact, self._long = False, self._long, Counter()
            for tokens_, count in exact.items():
                self._long[_rounded(tokens_)] += count

    def quantiles(self) -> dict[str, int]:
        """Return the lengths at `QUANTILES`, by nearest rank; the longest is exact."""
        lengths = [*np.flatnonzero(self._short).tolist(), *sorted(self._long)]
        counts = [*self._short[self._short > 0].tolist(), *(self._long[length] for length in sorted(self._long))]
        seen = np.cumsum(counts)
        ranks = {name: max(1, math.ceil(share * int(seen[-1]))) for name, share in QUANTILES.items()}
        found = {name: int(lengths[int(np.searchsorted(seen, rank))]) for name, rank in ranks.items()}
        return {**found, "max": self._most}


def _rounded(length: int) -> int:
    """Round a length down to a 256th of its octave."""
    shift = length.bit_length() - 9
    return length >> shift << shift


def _sums(places: Ints, values: Ints | None, length: int = 0) -> Ints:
    """Return the sum of the values at each place, or how many there are. They are exact: below 2⁵³ a float is whole."""
    return np.bincount(places, weights=values, minlength=length).astype(np.int64)
