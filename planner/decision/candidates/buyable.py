"""What is worth buying: the classes whose smallest deployment costs no more than a whole plan of cheaper ones.

To screen a shape takes time, and its price is known before. So the cheapest shapes are screened first. A rough plan of
them says which of the others are far too dear for any plan, and those are not screened. Three kinds are screened
whatever they cost: the shapes of locked pools, all shapes where some hardware is preferred, and those of a model that
could serve some route with none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from planner.decision.candidates.candidate import Candidate
from planner.decision.candidates.hosts import Host, Hosts
from planner.decision.candidates.omissions import NoMachine, Omission
from planner.decision.candidates.screening import DEAR, leaders
from planner.decision.candidates.self_hosted import SelfHosted
from planner.decision.candidates.shapes import OWN_NODES, Shape
from planner.decision.choice.linear import INFINITY
from planner.decision.choice.pairs import least_plan_usd
from planner.decision.choice.question import BandKey, Question
from planner.decision.choice.solve import usd_of_some_plan

AFTER_APIS = 4.0
"""Where APIs alone make no plan, the next classes cost at most this many times as much as the cheapest one of the route
for which that is dearest."""
WIDER = 2.0
"""Where these make none either, the next ones cost at most this many times as much."""

Screen = Callable[[Sequence[Shape]], tuple[tuple[SelfHosted, ...], tuple[Omission, ...]]]
"""Returns the classes of shapes, and what they cannot serve."""
Hopes = Callable[[Sequence[Shape]], list[frozenset[str]]]
"""Returns the routes that an idle replica of each shape could serve."""


@dataclass(frozen=True)
class Buyable:
    """What is worth buying is what was screened.

    classes: the classes of the shapes that were screened, sorted by name.
    usd: cost of a plan with which the others are compared, USD a month; infinity where none was found.
    omissions: what the classes cannot serve, and shapes without a machine.
    unscreened: the shapes that cost far more than that plan, with the routes that an idle replica could serve.
    """

    classes: tuple[SelfHosted, ...]
    usd: float
    omissions: tuple[Omission, ...]
    unscreened: Mapping[Shape, frozenset[str]]

    @property
    def dear_usd(self) -> float:
        """Return the money from which a class was too dear, USD a month."""
        return DEAR * self.usd

    @property
    def models(self) -> frozenset[tuple[str, str]]:
        """Return each route with each model that some class serves it with."""
        return frozenset((route, c.shape.model.key) for c in self.classes for route, _ in c.replica.rates)


def buyable(
    shapes: Sequence[Shape],
    machines: Hosts,
    question: Question,
    shares: Mapping[BandKey, float],
    screen: Screen,
    hopes: Hopes,
    keep: Collection[Shape] = (),
    known_usd: float = 0.0,
) -> Buyable:
    """Return the classes that are worth buying, among all that these shapes make.

    question: what is asked, without classes. shares: the shares of their routes' requests that bands have.
    keep: shapes that are screened whatever they cost.
    known_usd: what the plan is known to cost at least, USD a month: what costs less is screened.
    """
    every = {shape: least_usd(shape, machines, question) for shape in shapes}
    usd_of = {shape: usd for shape, usd in every.items() if usd < INFINITY}
    without = (shape for shape in shapes if shape not in usd_of)
    homeless = tuple(Omission(shape.identity, NoMachine(shape.gpus)) for shape in without)
    limit_usd, usd = (INFINITY if known_usd == INFINITY else 0.0), INFINITY
    while True:
        within = [shape for shape, least in usd_of.items() if least <= limit_usd]
        if usd == INFINITY:
            classes, _ = screen(within)
            asked = replace(question, classes=tuple(c.replica_class for c in classes))
            usd = max(known_usd, usd_of_some_plan(asked.with_classes(leaders(classes, shares))))
        if len(within) == len(usd_of) or DEAR * usd <= limit_usd:
            break
        limit_usd = DEAR * usd if usd < INFINITY else WIDER * limit_usd or _after_apis_usd(usd_of)
    # What is kept moves no plan with which the others are compared, so that a plan is the same beside its own lock.
    chosen = {shape: least <= limit_usd or shape in keep for shape, least in usd_of.items()}
    classes, omissions = screen([shape for shape, is_chosen in chosen.items() if is_chosen])
    unscreened = {shape: frozenset[str]() for shape, is_chosen in chosen.items() if not is_chosen}
    return _with_hopeless(Buyable(classes, usd, (*homeless, *omissions), unscreened), hopes, screen)


def least_usd(shape: Shape, machines: Hosts, question: Question) -> float:
    """Return the least that a plan costs in which a shape serves something, USD a month; infinity without a machine."""
    exclusive = shape.tenancy in OWN_NODES
    prices = (
        (host.least_usd_per_hour(exclusive), host.existing, host.least_usd_per_existing_hour)
        for host in machines.of(shape)
    )
    return min((least_plan_usd(question, exclusive, *price) for price in prices), default=INFINITY)


def candidate(shape: Shape, host: Host) -> Candidate:
    """Return a shape as a candidate on one of its machines."""
    return replace(shape.identity, instance_type=host.offering.instance.key, tenancy=shape.own_nodes)


def _with_hopeless(found: Buyable, hopes: Hopes, screen: Screen) -> Buyable:
    """Return the same with the shapes of each model that no shape of it could serve some route with.

    They are screened for their reasons: otherwise a model that meets no SLO would pass for one that is too dear.
    """
    hoped = dict(zip(found.unscreened, hopes([*found.unscreened]), strict=True))
    served = found.models | {(route, shape.model.key) for shape, routes in hoped.items() for route in routes}
    hopeless = {s: None for s in hoped if any((route.name, s.model.key) not in served for route in s.routes)}
    classes, omissions = screen([*hopeless])
    return Buyable(
        classes=tuple(sorted((*found.classes, *classes), key=lambda c: c.name)),
        usd=found.usd,
        omissions=(*found.omissions, *omissions),
        unscreened={shape: routes for shape, routes in hoped.items() if shape not in hopeless},
    )


def _after_apis_usd(usd_of: Mapping[Shape, float]) -> float:
    """Return the money with which some classes of each route can be bought, USD a month."""
    least: dict[str, float] = {}
    for shape, usd in usd_of.items():
        for route in shape.routes:
            least[route.name] = min(usd, least.get(route.name, usd))
    return AFTER_APIS * max(least.values(), default=0.0)
