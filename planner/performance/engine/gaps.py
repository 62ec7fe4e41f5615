"""The times between two tokens of a request (ITL), counted in bins while steps run.

Every sequence that decodes in a step waits one step for its next token. Bins have equal ratio, 2 % wide, from 10
microseconds to nine minutes. A percentile is the middle of its bin, which is at most 1 % off.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from planner.performance.engine.compiling import compiled_part
from planner.words.arrays import Floats

BINS = 900
_LEAST_MS = 0.01
_LOG_RATIO = math.log(1.02)


def no_gaps(rows: int) -> Floats:
    """Return empty counts of some runs, shape (rows, BINS)."""
    return np.zeros((rows, BINS))


@compiled_part
def count_gaps(gaps: Any, ms: float, tokens: float) -> None:
    """Count the gap before each of some tokens, ms. gaps: the counts of one run, shape (BINS,)."""
    place = int(math.log(max(ms, _LEAST_MS) / _LEAST_MS) / _LOG_RATIO)
    gaps[min(place, BINS - 1)] += tokens


def gap_percentiles(gaps: Floats, shares: Floats) -> Floats:
    """Return the gaps, ms, that a share of the tokens of each run does not exceed; nan where nothing was counted.

    gaps: shape (rows, BINS). shares: shape (k,). The answer has the shape (k, rows).
    """
    reached = np.cumsum(gaps, axis=1)
    total = reached[:, -1:]
    place = np.stack([(reached < share * total).sum(axis=1) for share in shares])
    middle = _LEAST_MS * np.exp((place + 0.5) * _LOG_RATIO)
    return np.where(total[:, 0] > 0, middle, np.nan)


def mean_gap(gaps: Floats) -> Floats:
    """Return the mean gap of each run, ms; nan where nothing was counted. gaps: shape (rows, BINS)."""
    middles = _LEAST_MS * np.exp((np.arange(BINS) + 0.5) * _LOG_RATIO)
    total = gaps.sum(axis=1)
    return np.where(total > 0, gaps @ middles / np.maximum(total, 1.0), np.nan)
