"""The promises of an environment that cost something, each as the inputs without it.

Nothing is recommended: a promise is often law. The functions state environments and plan nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from planner.decision import what_ifs
from planner.decision.decide import Decision
from planner.decision.inputs import Changed
from planner.domain.environment import Environment


@dataclass(frozen=True)
class Promise:
    """A promise is what the environment asks for beside being served.

    name: of the promise.
    without: the inputs without it.
    """

    name: str
    without: Changed


def promises(plan: Decision) -> Iterator[Promise | str]:
    """Yield each promise of the plan's environment; a sentence for one that it does not make."""
    for promise in PROMISES:
        found = promise(plan.inputs.environment)
        if isinstance(found, str):
            yield from (found,) if found else ()
        else:
            name, change, environment = found
            yield Promise(name, plan.inputs.changed(change, environment))


def _privacy(environment: Environment) -> tuple[str, str, Environment] | str:
    names = sorted(name for name, route in environment.routes.items() if not route.may_use_api)
    if not names:
        return "privacy costs nothing: no route is restricted"
    return "privacy", f"data of {', '.join(names)} internal", what_ifs.with_internal_data(environment, names)


def _reserve(environment: Environment) -> tuple[str, str, Environment] | str:
    if not environment.reserve.node and not environment.reserve.zone:
        return "a reserve costs nothing: none is asked for"
    return "reserve", "the loss of no node planned for", what_ifs.without_reserve(environment)


def _zone(environment: Environment) -> tuple[str, str, Environment] | str:
    if not environment.reserve.zone:
        return ""
    return "loss of a zone", "the loss of no zone planned for", what_ifs.without_zone_reserve(environment)


def _both(environment: Environment) -> tuple[str, str, Environment] | str:
    """Return both together. Either of them keeps two nodes, so that each alone may cost nothing beside the other."""
    privacy, reserve = _privacy(environment), _reserve(environment)
    if isinstance(privacy, str) or isinstance(reserve, str):
        return ""
    return "privacy and reserve", f"{privacy[1]}, {reserve[1]}", what_ifs.without_reserve(privacy[2])


def _certainty(environment: Environment) -> tuple[str, str, Environment] | str:
    if environment.planning.margin == "p50":
        return "uncertainty costs nothing: `planning.margin` is p50"
    return "uncertainty", "step times as predicted (p50)", what_ifs.without_margin(environment)


def _residency(environment: Environment) -> tuple[str, str, Environment] | str:
    names = sorted(name for name, route in environment.routes.items() if route.residency)
    if not names:
        return "residency costs nothing: no route states one"
    return "residency", f"{', '.join(names)} processed anywhere", what_ifs.without_residency(environment)


PROMISES: tuple[Callable[[Environment], tuple[str, str, Environment] | str], ...] = (
    _privacy,
    _reserve,
    _zone,
    _both,
    _certainty,
    _residency,
)
"""Every promise that is priced, in the order in which they are told."""
