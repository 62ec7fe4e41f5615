"""What if: each question to an environment that is planned is another environment, which can be planned just so.

A figure beside a plan (a baseline, a runner-up, a point of the break-even) is the cost of the plan of such an
environment, with its budgets, quotas, rate limits and reserve. The functions here state environments and plan nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from planner.domain.environment import Environment
from planner.domain.models import split_entry
from planner.domain.route import DeclaredTokens, Route


def without_apis(environment: Environment) -> Environment:
    """Return the environment without an account at any provider."""
    return environment.model_copy(update={"api": environment.api.model_copy(update={"providers": {}})})


def all_api(environment: Environment) -> Environment:
    """Return the environment in which no machine may serve a route that may use an API."""

    def without_machines(route: Route) -> Route:
        if not route.may_use_api:
            return route
        return route.model_copy(update={"hardware": route.hardware.model_copy(update={"only": ()})})

    return _each_route(environment, without_machines)


def without_instance_type(environment: Environment, instance_type: str) -> Environment:
    """Return the environment in which no machine may be of that type."""
    rules = environment.hardware
    excluded = rules.model_copy(update={"exclude": (*rules.exclude, instance_type)})
    return environment.model_copy(update={"hardware": excluded})


def without_model(environment: Environment, model: str, *adapters: str) -> Environment:
    """Return the environment in which no route accepts that model, in any precision, hosted by whomever.

    A route that accepts nothing else is left with an empty list, which no file could state: `accepts_nothing` names it.
    adapters: names of its adapters, which none accepts either.
    """
    names = {model, *adapters}

    def without(route: Route) -> Route:
        accept = tuple(entry for entry in route.quality.accept if split_entry(entry)[0] not in names)
        return route.model_copy(update={"quality": route.quality.model_copy(update={"accept": accept})})

    return _each_route(environment, without)


def accepts_nothing(environment: Environment) -> tuple[str, ...]:
    """Return the routes whose accept list is empty, sorted."""
    return tuple(sorted(name for name, route in environment.routes.items() if not route.quality.accept))


def longest_served(environment: Environment, names: Collection[str]) -> Environment:
    """Return the environment in which the named routes refuse and cut no request for its length."""

    def serving_all(name: str, route: Route) -> Route:
        if name not in names:
            return route
        return route.model_copy(update={"too_long": route.too_long.model_copy(update={"most": 0.0})})

    routes = {name: serving_all(name, route) for name, route in environment.routes.items()}
    return environment.model_copy(update={"routes": routes})


def without_margin(environment: Environment) -> Environment:
    """Return the environment that is planned with step times as the fit expects them."""
    return environment.model_copy(update={"planning": environment.planning.model_copy(update={"margin": "p50"})})


def without_speculation(environment: Environment) -> Environment:
    """Return the environment in which no route allows speculative decoding."""

    def without(route: Route) -> Route:
        return route.model_copy(update={"engine": route.engine.model_copy(update={"speculative": "never"})})

    return _each_route(environment, without)


def without_guessed_reuse(environment: Environment, names: Collection[str]) -> Environment:
    """Return the environment in which no session of the named routes sends a part of its prompts again."""
    routes = dict(environment.routes)
    for name in names:
        tokens = routes[name].tokens or DeclaredTokens()
        routes[name] = routes[name].model_copy(update={"tokens": tokens.model_copy(update={"session_hit": 0.0})})
    return environment.model_copy(update={"routes": routes})


def with_internal_data(environment: Environment, names: Collection[str]) -> Environment:
    """Return the environment in which the data of the named routes is internal, so that APIs and others' nodes may
    serve it.
    """
    routes = dict(environment.routes)
    for name in names:
        routes[name] = routes[name].model_copy(update={"data": "internal"})
    return environment.model_copy(update={"routes": routes})


def without_reserve(environment: Environment) -> Environment:
    """Return the environment that plans for the loss of no node, and of no zone."""
    lost = environment.reserve.model_copy(update={"node": False, "zone": False})
    return environment.model_copy(update={"reserve": lost})


def without_zone_reserve(environment: Environment) -> Environment:
    """Return the environment that plans for the loss of no zone."""
    return environment.model_copy(update={"reserve": environment.reserve.model_copy(update={"zone": False})})


def without_residency(environment: Environment) -> Environment:
    """Return the environment whose routes may be processed anywhere. Its own machines stay in its region."""
    return _each_route(environment, lambda route: route.model_copy(update={"residency": ()}))


def _each_route(environment: Environment, changed: Callable[[Route], Route]) -> Environment:
    routes = {name: changed(route) for name, route in environment.routes.items()}
    return environment.model_copy(update={"routes": routes})
