"""Where queueing theory is exact, the simulator agrees with it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from planner.performance.engine.scheduler import KvCache, SchedulerOptions
from planner.performance.engine.simulator import SimulatedRun, simulate
from planner.performance.engine.streams import Poisson, RequestMix
from planner.performance.queueing import erlang_c
from tests.planner.performance.engine import clock_of

STEP_MS = 1.0
EVEN = clock_of(overhead_ms=STEP_MS)
"""A step lasts a millisecond, whatever the batch: a request of O tokens is served in O ms."""
MEAN = 400.0
GEOMETRIC = RequestMix.of(np.ones(12_000), np.arange(1, 12_001), np.exp(np.arange(12_000) * math.log1p(-1.0 / MEAN)))
"""Outputs whose remaining length has no memory; a step is 1/400 of the mean."""


def waits(servers: int, load: float, count: int) -> np.ndarray:
    """Waits for a place of Poisson arrivals that find `servers` places, `load` of which are busy on average."""
    stream = Poisson(GEOMETRIC, load / (MEAN * STEP_MS) * 1e3, count, seed=5)
    options = SchedulerOptions(servers, async_scheduling=False)
    rows = np.concatenate(list(SimulatedRun(EVEN, stream, options, KvCache.unlimited())))
    rows = rows[rows["number"] >= count // 20]
    return np.asarray(rows["first_ms"] - STEP_MS - rows["arrival_ms"])


@pytest.mark.parametrize(("servers", "load"), [(1, 0.7), (5, 4.0), (40, 36.0)])
def test_exponential_service_waits_as_erlang_says(servers: int, load: float) -> None:
    """M/M/c: mean wait within 4 %, share of late arrivals within 1.5 points; 400,000 requests are that noisy."""
    found = waits(servers, load, 400_000)
    waiting = float(erlang_c(servers, load))
    boundary = STEP_MS / 2.0 * (1.0 - math.exp(-load))  # an arrival in a step waits for its end, even with a free place
    assert found.mean() == pytest.approx(waiting * MEAN / (servers - load) + boundary, rel=0.04)
    for late_ms in (2.0 * STEP_MS, MEAN / servers, 3.0 * MEAN / servers):
        expected = waiting * math.exp(-(servers - load) * late_ms / MEAN)
        assert float((found > late_ms).mean()) == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.85])
def test_constant_service_waits_as_pollaczek_and_khinchine_say(load: float) -> None:
    """M/D/1, by 200 steps of one token: ρ·h/(2(1 − ρ)) within 3 %."""
    service_ms = 200.0 * STEP_MS
    stream = Poisson(RequestMix.of(1, 200), load / service_ms * 1e3, 300_000, seed=2)
    found = simulate(EVEN, stream, SchedulerOptions(1, async_scheduling=False), KvCache.unlimited(), warm_up=1000)
    assert found.ttft_ms.mean - STEP_MS == pytest.approx(load * service_ms / (2.0 * (1.0 - load)), rel=0.03)


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_prompts_that_fill_a_step_wait_as_pollaczek_and_khinchine_say(load: float) -> None:
    """M/D/1, by prompts of one whole step each and no answer beyond the first token."""
    clock = clock_of(
        dense_read_ms=3.0,
        dense_compute_ms_per_token=0.02,
        attention_ms_per_token_pair=1e-5,
        overhead_ms=2.0,
        comm_ms_per_token=0.001,
        comm_ms_per_step=0.5,
    )
    service_ms = clock.step_ms(0, 0, 512, 256)
    stream = Poisson(RequestMix.of(512, 1), load / service_ms * 1e3, 300_000, seed=3)
    options = SchedulerOptions(64, 512, async_scheduling=False)
    found = simulate(clock, stream, options, KvCache.unlimited(), warm_up=1000)
    assert found.ttft_ms.mean - service_ms == pytest.approx(load * service_ms / (2.0 * (1.0 - load)), rel=0.03)
    assert found.tpot_ms.count == 0


def test_littles_law_holds_on_the_simulations_own_counts() -> None:
    """L = λ·W, with L integrated over time by the engine and W from the requests' own times."""
    clock = clock_of(
        dense_read_ms=8.0,
        dense_compute_ms_per_token=0.02,
        expert_read_ms=3.0,
        expert_compute_ms_per_token=0.01,
        expert_hit_fraction=0.1,
        kv_read_ms_per_token=1e-4,
        attention_ms_per_token_pair=1e-6,
        overhead_ms=2.0,
        overhead_ms_per_sequence=0.02,
        comm_ms_per_token=0.002,
        comm_ms_per_step=0.5,
    )
    stream = Poisson(RequestMix.of([300, 2000], [200, 40]), 5.0, 20_000, seed=1)
    found = simulate(clock, stream, SchedulerOptions(24), KvCache(10_000.0))
    totals = found.totals
    assert totals.preemptions > 100
    assert totals.mean_queued > 1.0
    rate = totals.finished / totals.duration_ms
    assert totals.mean_present == pytest.approx(rate * found.e2e_ms.mean, rel=1e-9)
