"""Requests on their way to a replica, in chunks: with arrival times (open), or from clients that wait (closed loop).

Chance comes from a counter: the i-th request of a seed is always the same, however the stream is cut and whatever its
rate. Streams of two rates thus differ by the scale of time alone, which keeps a search for the highest rate monotone
and a comparison of two classes fair.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.performance.engine.state import REQUEST
from planner.words.arrays import Floats

Counts = NDArray[np.int64]


class Stream(Protocol):
    """A source of requests. `clients` is None where requests come by themselves, at `arrival_ms`."""

    @property
    def clients(self) -> int | None: ...

    def chunks(self, size: int) -> Iterator[NDArray[Any]]:
        """Records of `engine.state.REQUEST`, at most `size` at once, in order of arrival."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class RequestMix:
    """Joint lengths, drawn independently by weight. Arrays of shape (n,): tokens ≥ 1, weights ≥ 0."""

    prompts: Counts
    outputs: Counts
    shares: Floats
    """Cumulative weights ÷ their sum."""

    @classmethod
    def of(cls, prompts: ArrayLike, outputs: ArrayLike, weights: ArrayLike | None = None) -> RequestMix:
        """Lengths are rounded, at least to 1. Raises ValueError for no length, no weight, or arrays of unequal length.

        weights: relative, of any sum; equal when left out.
        """
        asked, answered = (np.maximum(np.rint(np.atleast_1d(each)), 1).astype(np.int64) for each in (prompts, outputs))
        given = np.ones(len(asked)) if weights is None else np.atleast_1d(np.asarray(weights, dtype=np.float64))
        if not len(asked) or not len(asked) == len(answered) == len(given):
            raise ValueError("a mix needs as many outputs and weights as prompts, and one at least")
        if given.min() < 0.0 or not 0.0 < given.sum() < np.inf:
            raise ValueError("weights are not negative, and one at least is above 0")
        return cls(asked, answered, np.cumsum(given) / given.sum())

    def draw(self, chance: Floats) -> tuple[Counts, Counts]:
        """The lengths at uniform numbers in [0, 1)."""
        at = np.minimum(np.searchsorted(self.shares, chance, side="right"), len(self.shares) - 1)
        return self.prompts[at], self.outputs[at]


@dataclass(frozen=True, slots=True)
class Poisson:
    """`count` independent arrivals at a mean rate."""

    mix: RequestMix
    per_second: float
    count: int
    seed: int = 0
    clients: None = None

    def chunks(self, size: int) -> Iterator[NDArray[Any]]:
        """Inter-arrival times −ln(1 − u)/rate."""
        now = 0.0
        for start in range(0, self.count, size):
            number = np.arange(start, min(start + size, self.count), dtype=np.uint64)
            chunk = _drawn(self.mix, self.seed, number)
            gaps = -np.log1p(-uniform(self.seed, 1, number)) * (1e3 / self.per_second)
            chunk["arrival_ms"] = np.cumsum(np.append(now, gaps))[1:]
            now = float(chunk["arrival_ms"][-1])
            yield chunk


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """Given arrivals, a real trace's for one: arrays of shape (n,), times in ms and in order, tokens ≥ 1."""

    arrival_ms: Floats
    prompts: Counts
    outputs: Counts
    clients: None = None

    def __post_init__(self) -> None:
        _require_lengths(self.prompts, self.outputs)
        if len(self.arrival_ms) != len(self.prompts):
            raise ValueError("there must be as many arrivals as prompts")
        if len(self.arrival_ms) and (self.arrival_ms[0] < 0.0 or np.any(np.diff(self.arrival_ms) < 0.0)):
            raise ValueError("arrivals are not negative, and in order")

    def chunks(self, size: int) -> Iterator[NDArray[Any]]:
        """The arrays in slices."""
        for start in range(0, len(self.prompts), size):
            chunk = _chunk(self.prompts[start : start + size], self.outputs[start : start + size])
            chunk["arrival_ms"] = self.arrival_ms[start : start + size]
            yield chunk


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """`clients` that start at once at time 0, and each send their next request the moment one ends; `count` in all."""

    mix: RequestMix
    clients: int
    count: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.clients < 1:
            raise ValueError("a closed loop needs a client")

    def chunks(self, size: int) -> Iterator[NDArray[Any]]:
        """Lengths alone: times are the engine's."""
        for start in range(0, self.count, size):
            yield _drawn(self.mix, self.seed, np.arange(start, min(start + size, self.count), dtype=np.uint64))


@dataclass(frozen=True, slots=True, eq=False)
class ClosedLoopOf:
    """The same with given lengths, sent in this order."""

    clients: int
    prompts: Counts
    outputs: Counts

    def __post_init__(self) -> None:
        _require_lengths(self.prompts, self.outputs)
        if self.clients < 1:
            raise ValueError("a closed loop needs a client")

    def chunks(self, size: int) -> Iterator[NDArray[Any]]:
        """The arrays in slices."""
        for start in range(0, len(self.prompts), size):
            yield _chunk(self.prompts[start : start + size], self.outputs[start : start + size])


def uniform(seed: int, lane: int, number: NDArray[np.uint64]) -> Floats:
    """Numbers in [0, 1) by splitmix64 of a counter: the same for the same (seed, lane, number) everywhere."""
    state = np.uint64(_mixed(_mixed(seed) + lane)) + (number + np.uint64(1)) * np.uint64(_GOLDEN)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state = state ^ (state >> np.uint64(31))
    return np.asarray((state >> np.uint64(11)) * 2.0**-53, dtype=np.float64)


_GOLDEN = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1


def _mixed(value: int) -> int:
    """splitmix64 of one number."""
    state = (value + _GOLDEN) & _WORD
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _WORD
    return state ^ (state >> 31)


def _drawn(mix: RequestMix, seed: int, number: NDArray[np.uint64]) -> NDArray[Any]:
    return _chunk(*mix.draw(uniform(seed, 0, number)))


def _chunk(prompts: Counts, outputs: Counts) -> NDArray[Any]:
    chunk = np.zeros(len(prompts), REQUEST)
    chunk["prompt"], chunk["output"] = prompts, outputs
    return chunk


def _require_lengths(prompts: Counts, outputs: Counts) -> None:
    if len(prompts) != len(outputs):
        raise ValueError("there must be as many outputs as prompts")
    if len(prompts) and min(prompts.min(), outputs.min()) < 1:
        raise ValueError("a request has one prompt token and one output token at least")
