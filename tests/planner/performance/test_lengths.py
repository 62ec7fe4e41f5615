"""Coarse lengths keep what a steady state needs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.performance.lengths import lengths_of

point = st.tuples(st.integers(1, 20000), st.integers(2, 4000), st.floats(0.01, 10.0))


@given(st.lists(point, min_size=1, max_size=300))
def test_means_are_exact_and_points_few(points: list[tuple[float, float, float]]) -> None:
    found = lengths_of(points)
    rows = np.array(points)
    weight = rows[:, 2] / rows[:, 2].sum()
    assert len(found.inputs) <= 16
    assert len(found.decode_steps) <= 16
    assert found.input_weights.sum() == pytest.approx(1.0)
    assert found.decode_weights.sum() == pytest.approx(1.0)
    assert found.input_weights @ found.inputs == pytest.approx(weight @ rows[:, 0])
    assert found.mean_output == pytest.approx(weight @ rows[:, 1])
    assert found.decode_weights @ (1 / found.decode_steps) == pytest.approx(weight @ (1 / (rows[:, 1] - 1)))


def test_context_is_weighted_by_how_long_it_is_held() -> None:
    found = lengths_of([(100, 11, 1), (1000, 1001, 1)])
    assert found.mean_context == pytest.approx((10 * 105.5 + 1000 * 1500.5) / 1010)
    assert found.mean_residence == pytest.approx((11 * 111 + 1001 * 2001) / 1012)


def test_the_longest_prompts_keep_their_own_point() -> None:
    found = lengths_of([(100.0 + i, 50, 1.0) for i in range(1000)] + [(30000.0, 50, 5.0)])
    assert found.inputs.max() == pytest.approx(30000.0)


def test_one_token_answers_have_no_decode_steps() -> None:
    found = lengths_of([(100, 1, 1), (300, 1, 1)])
    assert found.mean_decode_steps == 0
    assert found.mean_context == 200


@pytest.mark.parametrize("points", [[], [(1, 1, 0)], [(-1, 1, 1)]])
def test_nonsense_is_refused(points: list[tuple[float, float, float]]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        lengths_of(points)
