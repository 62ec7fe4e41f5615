"""What several decisions know together: what was simulated or screened before.

Decisions about environments that differ in one thing ask mostly the same. Each question is answered once. An answer
depends on its question alone, so that a decision is the same whatever is known before it. Two threads may ask the same
at once; both then find the same answer.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from itertools import count
from typing import Any

import numpy as np
from pydantic import BaseModel

from planner.decision.candidates.demand import RouteDemand, RouteLengths
from planner.decision.candidates.reach import Cuts
from planner.performance.capacity_search import CapacitiesByDigest

Answers = dict[Hashable, Any]


@dataclass(frozen=True)
class Known:
    """The answers of former questions. They are added to, and never changed.

    simulated: capacities from the step simulator, by digest.
    loading: why a shape does not load, None where it does.
    screened: the replicas of a shape with what the closed form says of them, and what they cannot serve.
    served: the routes of which an idle replica of a shape could serve a band.
    cuts: where the requests of a route are cut for the candidates that read them.
    lengths: the lengths of a route's requests, cut so.
    """

    simulated: CapacitiesByDigest = field(default_factory=dict)
    loading: Answers = field(default_factory=dict)
    screened: Answers = field(default_factory=dict)
    served: dict[Hashable, frozenset[str]] = field(default_factory=dict)
    cuts: dict[Hashable, Cuts] = field(default_factory=dict)
    lengths: dict[Hashable, RouteLengths] = field(default_factory=dict)
    _numbers: dict[Hashable, int] = field(default_factory=dict)
    _counter: Iterator[int] = field(default_factory=count)

    def numbers(self, routes: Iterable[RouteDemand]) -> dict[str, int]:
        """Return a number for all that each route asks of a replica, by its name: the same for equal demands.

        Rates, and how they burst, are left out: they say how many replicas there must be. So is the accept list.
        """
        return {route.name: self._numbers.setdefault(_asked(route), next(self._counter)) for route in routes}


_OF_RATES = frozenset({"route", "burst_ratio", "workload", "load", "week"})
"""Fields of a demand that say how many requests come and when, or that are looked at apart."""


def _asked(route: RouteDemand) -> Hashable:
    own = [each.name for each in fields(route) if each.name not in _OF_RATES]
    lengths = [each.name for each in fields(route.workload) if each.name != "burst"]
    return (
        route.route.model_dump_json(exclude={"traffic", "quality"}),
        *(_plain(getattr(route, name)) for name in own),
        *(_plain(getattr(route.workload, name)) for name in lengths),
    )


def _plain(value: Any) -> Hashable:
    """Return a value as what can be hashed and compared."""
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if is_dataclass(value):
        return tuple(_plain(getattr(value, each.name)) for each in fields(value))
    if isinstance(value, tuple) and value and not isinstance(value[0], int | float | str):
        return tuple(_plain(each) for each in value)
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    return value if isinstance(value, Hashable) else repr(value)
