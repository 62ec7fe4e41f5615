"""Erlang C against the definition, closed forms and published values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.performance.queueing import erlang_c


def by_definition(c: int, a: float) -> float:
    """The share that waits, from the definition of Erlang B: a^c/c! over the sum of a^n/n!."""
    terms = [math.exp(n * math.log(a) - math.lgamma(n + 1)) for n in range(c + 1)]
    blocking = terms[-1] / math.fsum(terms)
    return blocking / (1.0 - a / c * (1.0 - blocking))


@given(st.integers(1, 200), st.floats(0.01, 0.98))
def test_it_is_its_definition(c: int, share: float) -> None:
    assert float(erlang_c(c, c * share)) == pytest.approx(by_definition(c, c * share), rel=1e-6, abs=1e-9)


def test_a_published_value() -> None:
    assert float(erlang_c(10, 7.0)) == pytest.approx(0.2217, abs=1e-4)


@pytest.mark.parametrize("rho", [0.1, 0.5, 0.9, 0.99])
def test_one_server_is_m_m_1_and_two_are_m_m_2(rho: float) -> None:
    assert float(erlang_c(1, rho)) == pytest.approx(rho)
    assert float(erlang_c(2, 2 * rho)) == pytest.approx(2 * rho**2 / (1 + rho))


@pytest.mark.parametrize("load", [4.0, 4.5, 400.0])
def test_at_capacity_and_above_everybody_waits(load: float) -> None:
    assert float(erlang_c(4, load)) == 1.0


@given(st.floats(1.0, 400.0), st.floats(0.0, 800.0))
def test_a_probability_stays_one(c: float, a: float) -> None:
    assert 0.0 <= float(erlang_c(c, a)) <= 1.0


def test_it_is_smooth_between_integers() -> None:
    waiting = erlang_c(np.linspace(10.0, 12.0, 21), 8.0)
    assert np.all(np.diff(waiting) < 0)
    assert waiting[0] == pytest.approx(by_definition(10, 8.0))
    assert waiting[-1] == pytest.approx(by_definition(12, 8.0))
