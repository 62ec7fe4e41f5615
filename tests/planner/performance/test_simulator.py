"""The simulator keeps what is conserved, gives the same twice, and stays small."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import planner.performance.engine.simulator as simulator
from planner.performance.engine.scheduler import KvCache, SchedulerOptions
from planner.performance.engine.simulator import SimulatedRun, simulate
from planner.performance.engine.streams import Arrivals, ClosedLoop, Poisson, RequestMix
from tests.planner.performance.engine import clock_of

CLOCK = clock_of(
    dense_read_ms=9.0,
    dense_compute_ms_per_token=0.01,
    kv_read_ms_per_token=3e-5,
    attention_ms_per_token_pair=1e-6,
    overhead_ms=1.5,
    overhead_ms_per_sequence=0.02,
    comm_ms_per_token=0.002,
    comm_ms_per_step=0.3,
)
CHAT = RequestMix.of([1155, 400, 3000], [211, 90, 500], [0.5, 0.3, 0.2])


@st.composite
def loads(draw: st.DrawFn) -> tuple[Poisson | ClosedLoop, SchedulerOptions, KvCache]:
    mix = RequestMix.of(draw(st.lists(st.integers(1, 900), min_size=3, max_size=3)), [1, 60, 300])
    seed, count = draw(st.integers(0, 1000)), draw(st.integers(1, 300))
    stream: Poisson | ClosedLoop = Poisson(mix, draw(st.sampled_from([1.0, 10.0, 500.0])), count, seed)
    if draw(st.booleans()):
        stream = ClosedLoop(mix, draw(st.integers(1, 80)), count, seed)
    options = SchedulerOptions(
        draw(st.integers(1, 64)),
        draw(st.integers(64, 2048)),
        async_scheduling=draw(st.booleans()),
        scheduler_reserve_full_isl=draw(st.booleans()),
        max_num_queued_reqs=draw(st.sampled_from([None, 1, 20])),
        max_num_queued_tokens=draw(st.sampled_from([None, 2000])),
    )
    return stream, options, draw(st.sampled_from([KvCache(1100.0), KvCache(9000.0, 1.0, 2.0, 128, 9.0)]))


@settings(max_examples=150, deadline=None)
@given(loads())
def test_requests_tokens_places_and_cache_are_conserved(
    case: tuple[Poisson | ClosedLoop, SchedulerOptions, KvCache],
) -> None:
    stream, options, cache = case
    run = SimulatedRun(CLOCK, stream, options, cache)
    rows = np.concatenate(list(run))
    totals = run.totals()
    assert totals.arrived == stream.count
    assert totals.arrived == totals.finished + totals.refused_full + totals.refused_long
    assert len(np.unique(rows["number"])) == len(rows) == totals.finished
    # Every token is computed once, but the answer's last, which is only sampled; and again what a preemption took.
    once = int((rows["prompt"] + rows["output"] - 1).sum())
    assert totals.prefill_tokens + totals.decode_tokens == once + totals.recomputed_tokens
    assert int(rows["preemptions"].sum()) == totals.preemptions
    assert totals.most_running <= options.max_num_seqs
    assert totals.most_cache_bytes <= cache.budget_bytes
    assert np.all(rows["arrival_ms"] < rows["first_ms"])
    assert np.all((rows["first_ms"] < rows["last_ms"]) == (rows["output"] > 1))
    assert totals.busy_ms <= totals.duration_ms * (1 + 1e-9)
    if stream.clients is not None:
        assert totals.mean_present <= stream.clients + 1e-9


def test_the_same_stream_gives_the_same_bytes_however_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    def finished() -> bytes:
        stream = Poisson(CHAT, 20.0, 5000, seed=4)
        return np.concatenate(list(SimulatedRun(CLOCK, stream, SchedulerOptions(64), KvCache(60_000.0)))).tobytes()

    first = finished()
    assert finished() == first
    monkeypatch.setattr(simulator, "CHUNK", 113)
    assert finished() == first


def test_another_seed_gives_another_run() -> None:
    def mean(seed: int) -> float:
        return simulate(CLOCK, Poisson(CHAT, 5.0, 2000, seed), SchedulerOptions(64), KvCache.unlimited()).ttft_ms.mean

    assert mean(1) != mean(2)
    assert mean(1) == pytest.approx(mean(2), rel=0.1)


def test_latencies_grow_with_the_rate() -> None:
    stream = Poisson(CHAT, 1.0, 30_000, seed=9)
    found = [
        simulate(CLOCK, replace(stream, per_second=rate), SchedulerOptions(128), KvCache(2e5), warm_up=1000)
        for rate in (1.0, 2.0, 4.0, 8.0, 12.0, 14.0)
    ]
    for figures in ([f.ttft_ms.percentile(0.95) for f in found], [f.tpot_ms.percentile(0.95) for f in found]):
        assert figures == sorted(figures)


def test_every_latency_of_a_lone_request_is_its_own_steps() -> None:
    cache, options = KvCache.unlimited(), SchedulerOptions(4, 512)
    found = simulate(CLOCK, Arrivals(np.array([5.0]), np.array([700]), np.array([3])), options, cache)
    chunks = CLOCK.step_ms(0, 0, 512, 256), CLOCK.step_ms(0, 0, 188, 512 + 94)
    decoded = CLOCK.step_ms(1, 700) + CLOCK.step_ms(1, 701)
    assert found.ttft_ms.mean == pytest.approx(sum(chunks), rel=1e-12)
    assert found.tpot_ms.mean == pytest.approx(decoded / 2, rel=1e-12)
    assert found.totals.duration_ms == pytest.approx(5.0 + sum(chunks) + decoded, rel=1e-12)
    assert found.output_tokens_per_s == pytest.approx(3e3 / found.totals.duration_ms)


def test_asynchronous_scheduling_costs_an_arrival_the_rest_of_a_step_and_one_more() -> None:
    """A request that comes while another decodes enters the step after the next one."""
    arrivals = Arrivals(np.array([0.0, 30.0]), np.array([10, 10]), np.array([50, 2]))

    def second_ttft(options: SchedulerOptions) -> float:
        rows = np.concatenate(list(SimulatedRun(CLOCK, arrivals, options, KvCache.unlimited())))
        return float((rows["first_ms"] - rows["arrival_ms"])[rows["number"] == 1][0])

    later = second_ttft(SchedulerOptions(4)) - second_ttft(SchedulerOptions(4, async_scheduling=False))
    assert later == pytest.approx(CLOCK.step_ms(1, 12), rel=1e-3)


def test_an_empty_stream_has_no_latencies() -> None:
    none = np.array([], dtype=np.int64)
    found = simulate(CLOCK, Arrivals(none.astype(float), none, none), SchedulerOptions(4), KvCache.unlimited())
    assert found.totals.arrived == found.ttft_ms.count == 0
    assert np.isnan(found.ttft_ms.percentile(0.95))


def test_memory_is_flat_over_a_million_requests() -> None:
    """A million requests need no more than two hundred thousand do; takes two seconds."""

    def peak(count: int) -> int:
        stream = Poisson(RequestMix.of([50, 200], [20, 5]), 150.0, count)
        tracemalloc.start()
        try:
            found = simulate(CLOCK, stream, SchedulerOptions(256), KvCache(1e6))
            assert found.totals.finished == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small = peak(200_000)
    assert peak(1_000_000) < 1.1 * small < 40e6
