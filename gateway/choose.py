"""The choice among local replicas: a weighted draw of the pool, then the less loaded of two random replicas.

This is the arithmetic of balance; it touches no socket and no clock. The weights are those of the route's band, over
the pools that may serve the request and have a free place. Two random choices keep the longest queue short without a
look at every replica (Mitzenmacher 2001). The caller gives the random source, so that a replay with the same seed draws
the same.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar


class Loaded(Protocol):
    """A candidate is anything that has a number of requests in flight."""

    @property
    def in_flight(self) -> int:
        """Return the number of requests that it holds now."""


L = TypeVar("L", bound=Loaded)


def weighted_draw(weights: Mapping[str, float], rng: random.Random) -> str:
    """Draw one name in proportion to its weight; all weights are above 0. Raises ValueError for an empty mapping."""
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
    """Draw two different candidates and return the less loaded one, or the first one drawn if both hold as much.

    A single candidate is returned without a draw.
    """
    if len(candidates) == 1:
        return candidates[0]
    first, second = rng.sample(candidates, 2)
    return second if second.in_flight < first.in_flight else first
