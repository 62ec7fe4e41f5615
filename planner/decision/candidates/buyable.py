"""What is worth buying: the classes whose smallest deployment costs no more than a whole plan of cheaper ones.

To screen a shape takes time, and its price is known before. So the cheapest shapes are screened first. A plan of them
says which of the others can be in no plan that is worth its price, and those are never screened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from planner.decision.candidates.hosts import Host, Hosts
from planner.decision.candidates.omissions import Candidate, Omission
from planner.decision.candidates.screening import leaders
from planner.decision.candidates.self_hosted import SelfHosted
from planner.decision.candidates.shapes import Shape
from planner.decision.choice.linear import INFINITY
from planner.decision.choice.pairs import least_nodes
from planner.decision.choice.question import BandKey, Question, machines_usd
from planner.decision.choice.solve import usd_of_some_plan

FIRST = 4.0
"""The first classes cost this many times as much as the cheapest class of the route for which that is dearest."""
WIDER = 2.0
"""Where no plan was found, classes of so many times the money are screened in the next turn."""

Screen = Callable[[Sequence[Shape]], tuple[tuple[SelfHosted, ...], tuple[Omission, ...]]]
"""Returns the classes of shapes, and what they cannot serve."""


@dataclass(frozen=True)
class Buyable:
    """What is worth buying is what was screened.

    classes: the classes of the shapes that were screened.
    usd: cost of a good plan of some of them, USD a month; infinity where none was found.
    omissions: what they cannot serve.
    dear: the shapes that were not screened, because they cost more than `dear` × that plan.
    """

    classes: tuple[SelfHosted, ...]
    usd: float
    omissions: tuple[Omission, ...]
    dear: tuple[Shape, ...]


def buyable(
    shapes: Sequence[Shape],
    machines: Hosts,
    question: Question,
    shares: Mapping[BandKey, float],
    screen: Screen,
    dear: float,
) -> Buyable:
    """Return the classes that are worth buying, among all that these shapes make.

    question: what is asked, without classes. shares: the shares of their routes' requests that bands have.
    dear: how many times as much as a whole plan the smallest deployment of a class may cost.
    """
    every = {shape: least_usd(shape, machines, question) for shape in shapes}
    usd_of = {shape: usd for shape, usd in every.items() if usd < INFINITY}
    limit_usd, usd = 0.0, INFINITY
    while True:
        within = [shape for shape, least in usd_of.items() if least <= limit_usd]
        classes, omissions = screen(within)
        if usd == INFINITY:
            asked = replace(question, classes=tuple(c.replica_class for c in classes))
            usd = usd_of_some_plan(asked.with_classes(leaders(classes, shares)))
        if len(within) == len(usd_of) or usd * dear <= limit_usd:
            left_out = tuple(shape for shape, least in usd_of.items() if least > limit_usd)
            return Buyable(classes, usd, omissions, left_out)
        limit_usd = usd * dear if usd < INFINITY else WIDER * limit_usd or _first_usd(usd_of)


def least_usd(shape: Shape, machines: Hosts, question: Question) -> float:
    """Return the least that a plan costs in which a shape serves something, USD a month; infinity without a machine."""
    nodes = least_nodes(question, shape.tenancy != "shared")
    usd = (
        machines_usd(nodes, host.usd_per_hour, host.existing, host.usd_per_existing_hour) for host in machines.of(shape)
    )
    return min(usd, default=INFINITY) + question.platform_usd + question.existing_usd


def candidate(shape: Shape, host: Host) -> Candidate:
    """Return a shape as a candidate on one of its machines."""
    tenancy = "" if shape.tenancy == "shared" else shape.tenancy
    return replace(shape.identity, instance_type=host.offering.instance.key, tenancy=tenancy)


def _first_usd(usd_of: Mapping[Shape, float]) -> float:
    """Return the money with which some classes of each route can be bought, USD a month."""
    least: dict[str, float] = {}
    for shape, usd in usd_of.items():
        for route in shape.routes:
            least[route.name] = min(usd, least.get(route.name, usd))
    return FIRST * max(least.values(), default=0.0)
