"""A table of closed loops gives each row what the simulator alone gives it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

import planner.performance.engine.closed_loops as module
from planner.performance.engine.closed_loops import closed_loops
from planner.performance.engine.compiled_step import clock_vector
from planner.performance.engine.scheduler import KvCache, SchedulerOptions
from planner.performance.engine.simulator import SimulatedRun
from tests.planner.performance.engine import GivenLoop, clock_of

CLOCKS = [
    clock_of(
        dense_read_ms=11.0,
        dense_compute_ms_per_token=0.0115,
        kv_read_ms_per_token=4e-5,
        attention_ms_per_token_pair=1e-6,
        overhead_ms=3.0,
        overhead_ms_per_sequence=0.02,
        comm_ms_per_token=0.003,
        comm_ms_per_step=1.0,
    ),
    clock_of(
        dense_read_ms=3.0,
        dense_compute_ms_per_token=0.004,
        expert_read_ms=20.0,
        expert_compute_ms_per_token=0.005,
        expert_hit_fraction=0.03,
        kv_read_ms_per_token=4e-5,
        attention_ms_per_token_pair=1e-6,
        overhead_ms=2.0,
        overhead_ms_per_sequence=0.01,
        comm_ms_per_token=0.001,
        comm_ms_per_step=0.2,
    ),
]
VECTORS = np.array([clock_vector(clock) for clock in CLOCKS])


def test_a_row_equals_the_simulator_on_the_same_lengths() -> None:
    places, batched, cache = [12, 30], [1024, 2048], [9000.0, 40_000.0]
    found = closed_loops(
        VECTORS,
        [700, 300],
        [120, 200],
        [20, 30],
        [90, 120],
        kv_tokens=cache,
        max_num_seqs=places,
        max_num_batched_tokens=batched,
        async_scheduling=[False, True],
    )
    for i, (prompt, output, clients, count) in enumerate([(700, 120, 20, 90), (300, 200, 30, 120)]):
        stream = GivenLoop(clients, np.full(count, prompt), np.full(count, output))
        options = SchedulerOptions(places[i], batched[i], async_scheduling=bool(i))
        run = SimulatedRun(CLOCKS[i], stream, options, KvCache(cache[i]))
        rows = np.concatenate(list(run))
        ttft, e2e = rows["first_ms"] - rows["arrival_ms"], rows["last_ms"] - rows["arrival_ms"]
        tpot = (rows["last_ms"] - rows["first_ms"]) / (rows["output"] - 1)
        for spread, values in ((found.ttft_ms, ttft), (found.tpot_ms, tpot), (found.e2e_ms, e2e)):
            expected = [values.mean(), *np.percentile(values, [50, 90, 95, 99])]
            told = [spread.mean[i], spread.p50[i], spread.p90[i], spread.p95[i], spread.p99[i]]
            assert told == pytest.approx(expected, rel=1e-12)
        seconds = run.totals().duration_ms / 1e3
        assert found.requests_per_s[i] == pytest.approx(count / seconds, rel=1e-12)
        assert found.output_tokens_per_s[i] == pytest.approx(count * output / seconds, rel=1e-12)
        assert found.preemptions[i] == run.totals().preemptions
        assert found.most_running[i] == places[i]
    assert found.preemptions[0] > 0


def test_a_row_does_not_depend_on_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(2)
    n = 60
    clocks = VECTORS[chance.integers(0, 2, n)]
    clients = chance.integers(1, 64, n)
    columns = [chance.integers(1, 3000, n), chance.integers(1, 400, n), clients, 3 * clients]

    def ttft(rows: np.ndarray) -> np.ndarray:
        found = closed_loops(clocks[rows], *(each[rows] for each in columns), low=0.6, kv_tokens=20_000.0)
        return np.stack([found.ttft_ms.p95, found.tpot_ms.mean, found.requests_per_s])

    whole = ttft(np.arange(n))
    order = chance.permutation(n)
    np.testing.assert_array_equal(ttft(order), whole[:, order])
    monkeypatch.setattr(module, "_BLOCK_REQUESTS", 100)
    np.testing.assert_array_equal(ttft(np.arange(n)), whole)


def test_spread_lengths_have_the_mean_of_their_range() -> None:
    """With one client, the time of a run is the sum of its parts, so the mean length shows in the rate."""
    given = {"inputs": 1000, "outputs": 200, "concurrency": 1, "requests": 30}
    even = closed_loops(VECTORS[:1], **given)
    spread = closed_loops(VECTORS[:1], **given, low=0.5, high=1.5)
    less = closed_loops(VECTORS[:1], **given, low=0.8, high=1.0)
    assert spread.e2e_ms.mean == pytest.approx(even.e2e_ms.mean, rel=0.01)
    assert less.e2e_ms.mean == pytest.approx(0.9 * even.e2e_ms.mean, rel=0.01)
    assert spread.e2e_ms.p99 > 1.4 * even.e2e_ms.p50
    assert even.e2e_ms.p99 == pytest.approx(even.e2e_ms.p50)


def test_rows_without_a_count_have_no_figure() -> None:
    """One-token answers have no TPOT; requests beyond the whole cache are refused and have no latency at all."""
    found = closed_loops(VECTORS, [100, 5000], [1, 100], 4, 8, kv_tokens=3000.0)
    assert np.isnan(found.tpot_ms.p50).tolist() == [True, True]
    assert np.isnan(found.ttft_ms.mean).tolist() == [False, True]
    assert np.isnan(found.output_tokens_per_s).tolist() == [False, True]
    assert found.refused.tolist() == [0, 8]


def test_no_rows_are_no_figures() -> None:
    found = closed_loops(np.zeros((0, 11)), [], [], [], [])
    assert found.ttft_ms.p50.shape == found.requests_per_s.shape == (0,)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"concurrency": 0}, "concurrency"),
        ({"outputs": -1}, "output"),
        ({"kv_tokens": np.nan}, "kv_tokens"),
        ({"max_num_batched_tokens": 3}, "largest batch"),
    ],
)
def test_impossible_rows_are_refused(change: dict[str, Any], reason: str) -> None:
    given = {"inputs": 100, "outputs": 10, "concurrency": 4, "requests": 8, **change}
    with pytest.raises(ValueError, match=reason):
        closed_loops(VECTORS, **given)


def test_five_thousand_published_rows_take_less_than_three_seconds() -> None:
    """The bound is ten times what an idle core takes, so that only a wrong algorithm breaks it."""
    chance = np.random.default_rng(0)
    n = 5000
    clients = chance.choice([1, 2, 4, 8, 16, 32, 64, 128, 256], n)
    lengths = chance.integers(100, 4000, n), chance.integers(100, 1000, n)
    closed_loops(VECTORS[:1], 100, 10, 1, 1)
    began = time.process_time()
    closed_loops(VECTORS[chance.integers(0, 2, n)], *lengths, clients, 3 * clients, low=0.8, kv_tokens=3e5)
    assert time.process_time() - began < 3.0
