"""Streams: the lengths and times that were asked for, the same however they are cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from planner.performance.engine.streams import (
    Arrivals,
    ClosedLoop,
    Poisson,
    RequestMix,
    Stream,
    _splitmix64,
    uniform,
)

MIX = RequestMix.of([100, 2000, 7], [50, 5, 900], [0.5, 0.2, 0.3])


def drawn(stream: Stream, size: int = 1000) -> np.ndarray:
    chunks = list(stream.chunks(size))
    assert all(len(chunk) <= size for chunk in chunks)
    return np.concatenate(chunks)


def test_a_mix_is_drawn_by_its_weights_and_jointly() -> None:
    found = drawn(Poisson(MIX, 10.0, 100_000))
    pairs, counts = np.unique(np.stack([found["prompt"], found["output"]]), axis=1, return_counts=True)
    assert pairs.T.tolist() == [[7, 900], [100, 50], [2000, 5]]
    assert counts / len(found) == pytest.approx([0.3, 0.5, 0.2], abs=0.006)


def test_poisson_arrivals_have_their_rate_and_no_memory() -> None:
    gaps = np.diff(drawn(Poisson(MIX, 8.0, 200_000, seed=3))["arrival_ms"])
    assert gaps.mean() == pytest.approx(125.0, rel=0.01)
    assert gaps.std() == pytest.approx(125.0, rel=0.01)
    assert abs(np.corrcoef(gaps[1:], gaps[:-1])[0, 1]) < 0.01
    assert gaps.min() > 0.0


@pytest.mark.parametrize("stream", [Poisson(MIX, 3.0, 1003, 5), ClosedLoop(MIX, 4, 1003, 5)])
def test_chunks_of_any_size_make_the_same_stream(stream: Stream) -> None:
    whole, cut = drawn(stream, 5000), drawn(stream, 17)
    assert len(whole) == len(cut) == 1003
    assert np.array_equal(whole[["prompt", "output"]], cut[["prompt", "output"]])
    assert np.array_equal(whole["arrival_ms"], cut["arrival_ms"])


def test_another_rate_scales_time_and_nothing_else() -> None:
    slow = Poisson(MIX, 2.0, 500, seed=8)
    at, twice = drawn(slow), drawn(replace(slow, per_second=4.0))
    np.testing.assert_allclose(at["arrival_ms"], 2.0 * twice["arrival_ms"], rtol=1e-12)
    assert np.array_equal(at["prompt"], twice["prompt"])


def test_chance_is_uniform_and_differs_by_seed_and_lane() -> None:
    number = np.arange(100_000, dtype=np.uint64)
    lanes = [uniform(seed, lane, number) for seed in (0, 1) for lane in (0, 1)]
    for lane in lanes:
        assert (lane.min() >= 0.0, lane.max() < 1.0) == (True, True)
        assert np.histogram(lane, 10, (0, 1))[0] / len(number) == pytest.approx(np.full(10, 0.1), abs=0.005)
    assert np.abs(np.corrcoef(lanes) - np.eye(4)).max() < 0.015


def test_chance_is_splitmix64() -> None:
    """Its published first output for the state 0, and our numbers, which stored results depend on."""
    assert _splitmix64(0) == 0xE220A8397B1DCDAF
    assert uniform(7, 1, np.arange(2, dtype=np.uint64)).tolist() == [0.98355711333702, 0.6419655614185507]


def test_given_arrays_pass_unchanged() -> None:
    at, prompts, outputs = np.array([0.0, 1.0, 1.0]), np.array([5, 6, 7]), np.array([1, 2, 3])
    assert drawn(Arrivals(at, prompts, outputs), 2).tolist() == [(0.0, 5, 1, 0), (1.0, 6, 2, 0), (1.0, 7, 3, 0)]
    found = Arrivals(at, prompts, outputs, np.array([0, 4, 2]))
    assert drawn(found, 2)["cached"].tolist() == [0, 4, 2]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: RequestMix.of([], []), "one at least"),
        (lambda: RequestMix.of([1, 2], [1]), "as many"),
        (lambda: RequestMix.of([1], [1], [0.0]), "above 0"),
        (lambda: Arrivals(np.array([1.0, 0.5]), np.array([1, 1]), np.array([1, 1])), "in order"),
        (lambda: Arrivals(np.array([1.0]), np.array([1, 1]), np.array([1, 1])), "as many"),
        (lambda: Arrivals(np.array([1.0]), np.array([0]), np.array([1])), "one prompt token"),
        (lambda: ClosedLoop(MIX, 0, 5), "client"),
        (lambda: Arrivals(np.array([1.0]), np.array([1]), np.array([1, 1])), "as many outputs"),
        (lambda: Arrivals(np.array([1.0]), np.array([1]), np.array([1]), np.array([1, 1])), "as many cached"),
        (lambda: Arrivals(np.array([1.0]), np.array([1]), np.array([1]), np.array([-1])), "negative"),
    ],
)
def test_impossible_streams_are_refused(make: Callable[[], object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        make()
