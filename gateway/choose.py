"""Choosing among local replicas: a weighted draw of the pool, then two random choices by least in flight.

It stands for the arithmetic of balance and touches no socket and no clock. Weights are those of the route's band over
the pools that may serve the request and have a free place; the power of two choices keeps the longest queue short
without looking at every replica (Mitzenmacher 2001). The caller gives the random source, so that a replay with a seed
draws the same.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar


class Loaded(Protocol):
    """Anything with a number of requests in flight."""

    @property
    def in_flight(self) -> int:
        """Requests that it holds now."""


L = TypeVar("L", bound=Loaded)


def weighted(weights: Mapping[str, float], rng: random.Random) -> str:
    """One name, drawn in proportion to its weight (all > 0). Raises ValueError for an empty mapping."""
    if not weights:
        raise ValueError("nothing to draw from")
    if len(weights) == 1:
        return next(iter(weights))
    point = rng.random() * sum(weights.values())
    for name, weight in weights.items():
        point -= weight
        if point < 0:
            return name
    return next(reversed(list(weights)))  # rounding left a crumb behind the last weight


def least_of_two(candidates: Sequence[L], rng: random.Random) -> L:
    """The less loaded of two different random candidates (the first drawn on a tie); the only one if there is one."""
    if len(candidates) == 1:
        return candidates[0]
    first, second = rng.sample(candidates, 2)
    return second if second.in_flight < first.in_flight else first
