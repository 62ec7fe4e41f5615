"""Queues against closed forms and a simulation-free check of the recursion."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.performance.queueing import erlang_b, erlang_c, erlang_c_table, mean_wait, wait_percentile

servers = st.integers(1, 400)
loads = st.floats(0.0, 800.0)


def blocking_by_sum(c: int, a: float) -> float:
    """The definition: a^c/c! over the sum of a^n/n!."""
    terms = [math.exp(n * math.log(a) - math.lgamma(n + 1)) for n in range(c + 1)]
    return terms[-1] / math.fsum(terms)


@pytest.mark.parametrize(("c", "a"), [(1, 0.5), (2, 1.0), (5, 3.0), (10, 12.0), (40, 35.0), (100, 90.0)])
def test_erlang_b_is_its_definition(c: int, a: float) -> None:
    assert erlang_b(c, a) == pytest.approx(blocking_by_sum(c, a), rel=1e-12)


def test_published_values() -> None:
    assert erlang_b(10, 5.0) == pytest.approx(0.018385, abs=1e-6)
    assert erlang_c(10, 7.0) == pytest.approx(0.2217, abs=1e-4)


@pytest.mark.parametrize("rho", [0.1, 0.5, 0.9, 0.99])
def test_one_server_is_m_m_1(rho: float) -> None:
    assert erlang_c(1, rho) == pytest.approx(rho)
    assert mean_wait(1, rho, 2.0) == pytest.approx(2.0 * rho / (1 - rho))
    assert wait_percentile(1, rho, 1.0, 0.5) == pytest.approx(max(0.0, math.log(rho / 0.5) / (1 - rho)))


def test_two_servers_are_m_m_2() -> None:
    rho = 0.75
    assert erlang_c(2, 2 * rho) == pytest.approx(2 * rho**2 / (1 + rho))


def test_at_capacity_the_wait_has_no_end() -> None:
    assert erlang_c(4, 4.0) == 1.0
    assert mean_wait(4, 4.5, 1.0) == math.inf
    assert wait_percentile(4, 4.0, 1.0, 0.95) == math.inf


def test_the_percentile_inverts_the_tail() -> None:
    c, a, hold = 20, 17.0, 3.0
    wait = wait_percentile(c, a, hold, 0.95)
    assert wait > 0
    assert erlang_c(c, a) * math.exp(-(c - a) * wait / hold) == pytest.approx(0.05)
    assert wait_percentile(c, 2.0, hold, 0.95) == 0.0


@given(servers, loads)
def test_probabilities_stay_probabilities(c: int, a: float) -> None:
    assert 0.0 <= erlang_b(c, a) <= erlang_c(c, a) <= 1.0


@given(st.integers(1, 200), st.floats(0.01, 0.98))
def test_the_table_agrees_with_the_recursion(c: int, share: float) -> None:
    assert float(erlang_c_table(c, c * share)) == pytest.approx(erlang_c(c, c * share), rel=1e-6, abs=1e-9)


def test_the_table_is_smooth_between_integers() -> None:
    waiting = erlang_c_table(np.linspace(10.0, 12.0, 21), 8.0)
    assert np.all(np.diff(waiting) < 0)
    assert waiting[0] == pytest.approx(erlang_c(10, 8.0))
    assert waiting[-1] == pytest.approx(erlang_c(12, 8.0))


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one server"):
        erlang_b(0, 1.0)
    with pytest.raises(ValueError, match="load of 0 or more"):
        erlang_b(1, -1.0)
    with pytest.raises(ValueError, match="percentile"):
        wait_percentile(1, 0.5, 1.0, 1.5)
