"""The latencies of many requests: exact while they are few, then a histogram of fixed size.

Up to `EXACT` values are stored as they are. Beyond that they are counted in bins of equal ratio, 0.4 % wide, from a
nanosecond to three years. A percentile is then the middle of its bin, which is at most 0.2 % off. The mean, the least
and the greatest value stay exact.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from planner.words.arrays import Floats

EXACT = 100_000
BIN_RATIO = 1.004
_LEAST_MS, _GREATEST_MS = 1e-6, 1e11
_LOG_RATIO = math.log(BIN_RATIO)
_BINS = math.ceil(math.log(_GREATEST_MS / _LEAST_MS) / _LOG_RATIO)


class Latencies:
    """A distribution of times in ms, which grows. Times are not negative. The figures of an empty one are nan.

    count: number of values.
    least, greatest: ms.
    """

    def __init__(self) -> None:
        self.count = 0
        self.least = math.inf
        self.greatest = -math.inf
        self._sum = 0.0
        self._exact: list[Floats] = []
        self._sorted: Floats | None = None
        self._bins: NDArray[np.int64] | None = None

    def add(self, times_ms: Floats) -> None:
        """Add more values."""
        if not len(times_ms):
            return
        self.count += len(times_ms)
        self.least, self.greatest = min(self.least, float(times_ms.min())), max(self.greatest, float(times_ms.max()))
        self._sum += float(times_ms.sum())
        self._sorted = None
        self._exact.append(times_ms)
        if self._bins is not None or self.count > EXACT:
            self._count_in_bins()

    @property
    def mean(self) -> float:
        """Mean of all values, ms."""
        return self._sum / self.count if self.count else math.nan

    def percentile(self, share: float) -> float:
        """Return the smallest time that `share` of the values do not exceed, ms. A share of 0.95 gives p95.

        Raises ValueError for a share that is not above 0 and at most 1.
        """
        if not 0.0 < share <= 1.0:
            raise ValueError(f"a percentile lies above 0 and at most at 1, not at {share}")
        if not self.count:
            return math.nan
        rank = max(0, math.ceil(share * self.count - 1e-9) - 1)
        if self._bins is None:
            return float(self._sorted_values()[rank])
        index = int(np.searchsorted(np.cumsum(self._bins), rank, side="right"))
        middle = _LEAST_MS * math.exp((index + 0.5) * _LOG_RATIO)
        return min(max(middle, self.least), self.greatest)

    def _sorted_values(self) -> Floats:
        if self._sorted is None:
            self._sorted = np.sort(np.concatenate(self._exact))
            self._exact = [self._sorted]
        return self._sorted

    def _count_in_bins(self) -> None:
        if self._bins is None:
            self._bins = np.zeros(_BINS, dtype=np.int64)
        for values in self._exact:
            index = (np.log(np.maximum(values, _LEAST_MS) / _LEAST_MS) / _LOG_RATIO).astype(np.int64)
            self._bins += np.bincount(np.minimum(index, _BINS - 1), minlength=_BINS)
        self._exact = []
