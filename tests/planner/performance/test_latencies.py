"""Percentiles: exact while values are kept, within half a bin afterwards."""

from __future__ import annotations

import math

import numpy as np
import pytest

from planner.performance.engine.latencies import BIN_RATIO, EXACT, Latencies


def filled(values: np.ndarray, parts: int = 7) -> Latencies:
    found = Latencies()
    for part in np.array_split(values, parts):
        found.add(part)
    return found


def test_few_values_have_exact_percentiles() -> None:
    found = filled(np.array([3.0, 1.0, 2.0, 4.0, 10.0]))
    assert [found.percentile(share) for share in (0.01, 0.2, 0.21, 0.5, 0.8, 0.81, 1.0)] == [1, 1, 2, 3, 4, 10, 10]
    assert found.mean == 4.0


@pytest.mark.parametrize("share", [0.001, 0.5, 0.9, 0.95, 0.99, 0.9999, 1.0])
def test_many_values_are_within_half_a_bin(share: float) -> None:
    values = np.random.default_rng(1).lognormal(4.0, 1.5, 3 * EXACT)
    found = filled(values)
    exact = np.sort(values)[math.ceil(share * len(values)) - 1]
    assert BIN_RATIO < 1.005
    assert found.percentile(share) == pytest.approx(exact, rel=math.sqrt(BIN_RATIO) - 1 + 1e-6)
    assert found.mean == pytest.approx(values.mean(), rel=1e-9)


def test_extremes_of_many_values_are_exact_and_zero_is_a_time() -> None:
    found = filled(np.concatenate([np.zeros(EXACT), np.full(EXACT, 7.0)]))
    assert found.percentile(0.4) == pytest.approx(0.0, abs=2e-6)
    assert (found.percentile(1.0), found.least) == (7.0, 0.0)
    assert found.percentile(0.6) == pytest.approx(7.0, rel=2e-3)


def test_nothing_has_no_percentile() -> None:
    found = Latencies()
    assert math.isnan(found.percentile(0.5))
    assert math.isnan(found.mean)
    with pytest.raises(ValueError, match="percentile"):
        found.percentile(95)
