"""Plans of another kind: on other GPUs, or with a route served in another mode.

A plan that differs in the size of a machine or in the number of replicas is of the same kind. The environments here
forbid what a plan has, one thing each, so that the cheapest plan of each is another; `kind_of` tells its kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from planner.decision import what_ifs
from planner.decision.choice.choice import Mode
from planner.decision.decide import Decision
from planner.decision.inputs import Changed
from planner.domain.route import HardwareRules

Kind = Mapping[str, tuple[Mode, frozenset[str]]]
"""The mode of each route, and the GPUs of the machines that serve it."""


def kind_of(decision: Decision) -> Kind:
    """Return the kind of a plan."""
    gpus = {pool.name: pool.shape.gpu.key for pool in decision.solved.pools}
    choice = decision.choice
    return {
        route: (choice.mode(route), frozenset(gpus[name] for key, name in choice.answer.served if key[0] == route))
        for route in choice.routes
    }


def other_kinds(plan: Decision) -> Iterator[Changed]:
    """Yield inputs that forbid each GPU of the plan, own machines to each route that may use an API, and all APIs."""
    environment, kind = plan.inputs.environment, kind_of(plan)
    for gpu in sorted(frozenset[str]().union(*(gpus for _, gpus in kind.values()))):
        yield plan.inputs.changed(f"without {gpu}", what_ifs.without_instance_type(environment, gpu))
    for route, (mode, _) in sorted(kind.items()):
        if mode != "api" and environment.routes[route].may_use_api:
            rules = HardwareRules(only=())
            yield plan.inputs.changed(f"{route} at APIs alone", environment.with_route(route, hardware=rules))
    if any(mode != "self-host" for mode, _ in kind.values()):
        yield plan.inputs.changed("without any API", what_ifs.without_apis(environment))
