"""The steady state: Little's law, limits, and tails that are tails."""

from __future__ import annotations

import numpy as np
import pytest

from planner.performance.lengths import Lengths, lengths_of
from planner.performance.steady_state import Load, SteadyState
from tests.planner.performance.classes import mix
from tests.planner.performance.clocks import CLOCK
from tests.planner.performance.engine import Engine, poisson

CHAT = lengths_of(mix("azure-conv-2023"))


def load(lengths: Lengths = CHAT, places: float = 256.0) -> Load:
    return Load.stack([CLOCK], [lengths], [places], [8192])


def at(concurrency: float, lengths: Lengths = CHAT, places: float = 256.0) -> SteadyState:
    return SteadyState(load(lengths, places), np.full((1, 1, 1), concurrency))


def number(value: np.ndarray) -> float:
    return float(value[0, 0, 0])


def ms(value: float) -> np.ndarray:
    return np.full((1, 1, 1), value)


@pytest.mark.parametrize("concurrency", [0.1, 1.0, 10.0, 100.0])
def test_littles_law(concurrency: float) -> None:
    state = at(concurrency)
    assert number(state.rate_per_ms) * CHAT.mean_decode_steps * number(state.tpot_ms) == pytest.approx(concurrency)


def test_an_idle_replica_decodes_at_the_clock() -> None:
    state = at(0.001)
    assert number(state.tpot_ms) == pytest.approx(CLOCK.step_ms(0, 0), rel=0.01)


def test_more_concurrency_is_more_rate_and_slower_tokens() -> None:
    states = [at(c) for c in (0.1, 1, 5, 20, 80, 200)]
    rates, tpots = [number(s.rate_per_ms) for s in states], [number(s.tpot_ms) for s in states]
    assert rates == sorted(rates)
    assert tpots == sorted(tpots)


def test_prompts_bound_the_rate() -> None:
    """However many decode, the engine cannot compute more prompt tokens than its arithmetic allows."""
    most = number(at(10000.0, places=10000.0).rate_per_ms) * CHAT.mean_input
    assert most < 1.0 / CLOCK.dense_compute_ms_per_token


@pytest.mark.parametrize("rate", [2.0, 6.0, 8.0])
def test_mean_tpot_is_the_engines(rate: float) -> None:
    """Token-weighted TPOT of the reference engine under Poisson arrivals."""
    cells = mix("azure-conv-2023")
    requests = poisson([(s, o) for s, o, _ in cells], rate, 4000, 5, [w for *_, w in cells])
    done = [r for r in Engine(CLOCK, 256, 1e7).run(requests)[400:] if r.output > 1]
    measured = sum(r.last_ms - r.first_ms for r in done) / sum(r.output - 1 for r in done)
    grid = np.geomspace(0.01, 250, 600).reshape(1, -1, 1)
    states = SteadyState(load(), grid)
    nearest = int(np.argmin(np.abs(states.rate_per_ms[0, :, 0] * 1e3 - rate)))
    assert states.tpot_ms[0, nearest, 0] == pytest.approx(measured, rel=0.1)


def test_tails_fall_from_one_to_nothing() -> None:
    state = at(20.0)
    for tail in (state.ttft_tail, state.tpot_tail, state.e2e_tail):
        shares = [number(tail(ms(value))) for value in (0.1, 30.0, 100.0, 1e3, 1e4, 1e6)]
        assert shares == sorted(shares, reverse=True)
        assert shares[0] == pytest.approx(1.0)
        assert shares[-1] == pytest.approx(0.0, abs=1e-6)
        assert number(tail(ms(np.inf))) == 0.0


def test_full_places_make_arrivals_wait() -> None:
    assert number(at(10.0, places=256.0).place_wait) < 1e-6
    assert number(at(30.0, places=32.0).place_wait) > 0.3
    assert number(at(32.0, places=32.0).place_wait) == pytest.approx(1.0)


def test_short_answers_suffer_from_one_long_prompt() -> None:
    """The same work in prompts, once even and once in rare long ones: only the latter breaks the tail of TPOT."""
    even = at(0.5, lengths_of([(1000, 10, 1.0)]))
    rare = at(0.5, lengths_of([(200, 10, 0.9), (8200, 10, 0.1)]))
    target = ms(CLOCK.step_ms(1, 1000) + 6.0)
    assert number(rare.tpot_tail(target)) > 1.5 * number(even.tpot_tail(target))
