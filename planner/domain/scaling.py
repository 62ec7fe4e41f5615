"""The same environment at a multiple of its load: every statement of how many requests come is multiplied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from planner.domain.environment import Environment
from planner.domain.route import Route
from planner.domain.traffic import Rate, Users, Volume

_Load = TypeVar("_Load", Rate, Volume, Users)


def scaled(environment: Environment, factor: float) -> Environment:
    """Return the environment with all its loads multiplied by `factor`; lengths and the shape of the week stay.

    Numbers of requests and users are not rounded to whole ones, so that small loads stay in proportion.
    """
    return scaled_each(environment, dict.fromkeys(environment.routes, factor))


def scaled_each(environment: Environment, factors: Mapping[str, float]) -> Environment:
    """Return the environment with the load of each route multiplied by a factor of its own, by its name."""
    if all(factor == 1.0 for factor in factors.values()):
        return environment
    routes = {name: _route(route, factors[name]) for name, route in environment.routes.items()}
    return environment.model_copy(update={"routes": routes})


def _route(route: Route, factor: float) -> Route:
    traffic = route.traffic
    loads = {
        "requests_per_second": _times(traffic.requests_per_second, ("mean", "peak"), factor),
        "requests": _times(traffic.requests, ("per_day", "per_month"), factor),
        "tokens": _times(traffic.tokens, ("per_day", "per_month"), factor),
        "users": _times(traffic.users, ("concurrent",), factor),
    }
    return route.model_copy(update={"traffic": traffic.model_copy(update=loads)})


def _times(load: _Load | None, names: tuple[str, ...], factor: float) -> _Load | None:
    if load is None:
        return None
    stated = {name: value * factor for name in names if (value := getattr(load, name)) is not None}
    return load.model_copy(update=stated)
