"""Requests on their way to a replica, in chunks: they arrive by themselves, or clients send them (a closed loop).

Chance comes from a counter: the i-th request of a seed is always the same, however the stream is cut and whatever its
rate is. So two streams of different rates differ by the scale of time alone. This keeps a search for the highest rate
monotone, and the comparison of two classes fair.
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
    """A source of requests."""

    @property
    def clients(self) -> int | None:
        """Number of clients of a closed loop; None where requests arrive by themselves, at `arrival_ms`."""
        ...

    def chunks(self, size: int) -> Iterator[NDArray[Any]]:
        """Yield records of `engine.state.REQUEST` in order of arrival, at most `size` at once."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class RequestMix:
    """Joint lengths, of which requests are drawn independently. Arrays have shape (n,).

    prompts, outputs: tokens of each kind of request; at least 1.
    shares: share of the requests up to each kind; the last is 1.
    """

    prompts: Counts
    outputs: Counts
    shares: Floats

    @classmethod
    def of(cls, prompts: ArrayLike, outputs: ArrayLike, weights: ArrayLike | None = None) -> RequestMix:
        """Return a mix of these lengths, which are rounded and at least 1.

        weights: how frequent each kind is, in any unit; all kinds are equally frequent without them.
        Raises ValueError when there is no length, when the arrays differ in length, when a weight is negative, and when
        all weights are 0.
        """
        asked, answered = (np.maximum(np.rint(np.atleast_1d(each)), 1).astype(np.int64) for each in (prompts, outputs))
        given = np.ones(len(asked)) if weights is None else np.atleast_1d(np.asarray(weights, dtype=np.float64))
        if not len(asked) or not len(asked) == len(answered) == len(given):
            raise ValueError("a mix needs as many outputs and weights as prompts, and one at least")
        if given.min() < 0.0 or not 0.0 < given.sum() < np.inf:
            raise ValueError("weights are not negative, and one at least is above 0")
        return cls(asked, answered, np.cumsum(given) / given.sum())

    def draw(self, chance: Floats) -> tuple[Counts, Counts]:
        """Return (prompts, outputs) of one request for each number, which is uniform in [0, 1)."""
        kind = self.kinds(chance)
        return self.prompts[kind], self.outputs[kind]

    def kinds(self, chance: Floats) -> Counts:
        """Return the index of the kind that `draw` draws for each number."""
        return np.minimum(np.searchsorted(self.shares, chance, side="right"), len(self.shares) - 1)


@dataclass(frozen=True, slots=True)
class Poisson:
    """Independent arrivals at a mean rate.

    mix: their lengths.
    per_second: the rate, requests/s.
    count: number of requests.
    seed: which random numbers are drawn.
    """

    mix: RequestMix
    per_second: float
    count: int
    seed: int = 0
    clients: None = None

    def chunks(self, size: int) -> Iterator[NDArray[Any]]:
        """Yield requests whose gaps are −ln(1 − u)/rate, with u uniform in [0, 1)."""
        now = 0.0
        for start in range(0, self.count, size):
            number = np.arange(start, min(start + size, self.count), dtype=np.uint64)
            chunk = _requests(self.mix, self.seed, number)
            gaps = -np.log1p(-uniform(self.seed, 1, number)) * (1e3 / self.per_second)
            chunk["arrival_ms"] = np.cumsum(np.append(now, gaps))[1:]
            now = float(chunk["arrival_ms"][-1])
            yield chunk


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """Given arrivals, for instance those of a real trace. Arrays have shape (n,).

    arrival_ms: times in ascending order, ms.
    prompts, outputs: tokens; at least 1.
    cached: tokens at the start of each prompt that the cache has already; None: none of any prompt. The engine rounds
    them down to whole blocks, and computes one token at least.
    """

    arrival_ms: Floats
    prompts: Counts
    outputs: Counts
    cached: Counts | None = None
    clients: None = None

    def __post_init__(self) -> None:
        _require_lengths(self.prompts, self.outputs)
        if len(self.arrival_ms) != len(self.prompts):
            raise ValueError("there must be as many arrivals as prompts")
        if len(self.arrival_ms) and (self.arrival_ms[0] < 0.0 or np.any(np.diff(self.arrival_ms) < 0.0)):
            raise ValueError("arrivals are not negative, and in order")
        if self.cached is not None and (len(self.cached) != len(self.prompts) or np.any(self.cached < 0)):
            raise ValueError("there must be as many cached lengths as prompts, and none of them negative")

    def chunks(self, size: int) -> Iterator[NDArray[Any]]:
        """Yield the requests in slices."""
        for start in range(0, len(self.prompts), size):
            chunk = _chunk(self.prompts[start : start + size], self.outputs[start : start + size])
            chunk["arrival_ms"] = self.arrival_ms[start : start + size]
            if self.cached is not None:
                chunk["cached"] = self.cached[start : start + size]
            yield chunk


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """Clients that all start at time 0; each sends its next request at the moment when one ends.

    mix: lengths of the requests.
    clients: number of clients.
    count: number of requests in all.
    seed: which random numbers are drawn.
    """

    mix: RequestMix
    clients: int
    count: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.clients < 1:
            raise ValueError("a closed loop needs a client")

    def chunks(self, size: int) -> Iterator[NDArray[Any]]:
        """Yield requests with lengths alone; the engine decides when they arrive."""
        for start in range(0, self.count, size):
            yield _requests(self.mix, self.seed, np.arange(start, min(start + size, self.count), dtype=np.uint64))


def uniform(seed: int, lane: int, number: NDArray[np.uint64]) -> Floats:
    """Return numbers in [0, 1), by splitmix64 of a counter.

    The same (seed, lane, number) gives the same number everywhere.
    """
    state = np.uint64(_splitmix64(_splitmix64(seed) + lane)) + (number + np.uint64(1)) * np.uint64(_GOLDEN)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state = state ^ (state >> np.uint64(31))
    return np.asarray((state >> np.uint64(11)) * 2.0**-53, dtype=np.float64)


_GOLDEN = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1


def _splitmix64(value: int) -> int:
    """Return the number that splitmix64 makes of another, both of 64 bit."""
    state = (value + _GOLDEN) & _WORD
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _WORD
    return state ^ (state >> 31)


def _requests(mix: RequestMix, seed: int, number: NDArray[np.uint64]) -> NDArray[Any]:
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
