"""Who may serve what in a question: the pairs of a band and what may take it, and the groups of classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from planner.decision.choice.linear import INFINITY
from planner.decision.choice.question import ApiOption, Flow, Question, ReplicaClass
from planner.words.units import HOURS_PER_MONTH


def local_pairs(question: Question) -> Iterator[tuple[Flow, ReplicaClass]]:
    """Return the bands with each class that may serve them."""
    return ((f, k) for f in question.flows for k in question.classes if f.key in k.capacity)


def api_pairs(question: Question) -> Iterator[tuple[Flow, ApiOption]]:
    """Return the bands with each API that may take them. Restricted data has none, as its flows may not spill."""
    return ((f, a) for f in question.flows if f.may_spill for a in question.apis if f.key in a.usd_per_request)


def turned_away(question: Question) -> tuple[Flow, ...]:
    """Return the bands that may be turned away for their length: not those that go elsewhere and that an API takes."""
    taken = {f.key for f, _ in api_pairs(question)}
    return tuple(f for f in question.flows if f.may_turn_away and not (f.elsewhere and f.key in taken))


def refusable(question: Question) -> tuple[Flow, ...]:
    """Return the bands that may be turned away although an API reads them."""
    taken = {f.key for f, _ in api_pairs(question)}
    return tuple(f for f in turned_away(question) if f.key in taken)


def groups(question: Question) -> dict[str, list[ReplicaClass]]:
    """Return the node groups with the classes that may stand on each."""
    classes: dict[str, list[ReplicaClass]] = {}
    for k in question.classes:
        classes.setdefault(k.node_group, []).append(k)
    return classes


def levels_of(question: Question, classes: Iterable[ReplicaClass]) -> tuple[int | None, ...]:
    """Return the levels at which the nodes of classes are counted; None alone where they run the whole month."""
    return tuple(range(len(question.level_hours))) if any(k.is_elastic for k in classes) else (None,)


def at(k: ReplicaClass, t: int | None) -> int | None:
    """Return the level at which the nodes of a class are counted: None where they run the whole month."""
    return t if k.is_elastic else None


def elastic_classes(question: Question) -> tuple[ReplicaClass, ...]:
    """Return the classes whose nodes may be given back."""
    return tuple(k for k in question.classes if k.is_elastic)


def covered_types(question: Question) -> dict[str, ReplicaClass]:
    """Return a class of each instance type of which machines may be paid for otherwise than on demand, by its name.

    They are paid for already, or a commitment may cover them.
    """
    return {k.instance_type: k for k in question.classes if k.existing or k.commitments}


def outside_quota(question: Question) -> dict[str, ReplicaClass]:
    """Return a class of each instance type of which some machines use no quota, by its name."""
    return {k.instance_type: k for k in question.classes if k.owned or k.blocks}


def spot_groups(question: Question) -> dict[str, list[ReplicaClass]]:
    """Return the node groups that may have spot nodes, with the classes that may stand on each: all of these may."""
    if not question.spot_share:
        return {}
    return {g: some for g, some in groups(question).items() if all(k.usd_per_spot_hour is not None for k in some)}


def least_usd(question: Question, k: ReplicaClass) -> float:
    """Return the least that any plan costs in which class k serves something, USD a month."""
    on_demand, spot, committed = k.purchases_usd_per_hour
    hours = least_hours(question, k)
    part = hours / HOURS_PER_MONTH
    # What a commitment costs is paid for the whole month, and a class that has none has the price on demand there.
    usd_per_hour = min(min(on_demand, spot) * part, committed if k.commitments else INFINITY)
    disk_usd = k.least_usd_per_existing_node_hour * part
    return least_plan_usd(question, k.exclusive, usd_per_hour, k.existing, disk_usd)


def least_hours(question: Question, k: ReplicaClass) -> float:
    """Return the least hours a month that a node of class k runs in any plan in which the class serves something.

    An elastic class that serves a band runs whenever requests of it come, but for hours in which an API takes them or
    they are turned away; then it runs at one level at least.
    """
    if not k.is_elastic:
        return float(HOURS_PER_MONTH)
    elsewhere = {f.key for f, _ in api_pairs(question)} | {f.key for f in turned_away(question)}
    least = float(HOURS_PER_MONTH)
    for f in question.flows:
        hours = [hours for hours, rate in zip(question.level_hours, f.planned, strict=True) if rate]
        if f.key in k.capacity:
            at_any_time = f.key in elsewhere or f.waits
            least = min(least, min(hours, default=0.0) if at_any_time else sum(hours))
    return least


def least_plan_usd(
    question: Question, exclusive: bool, usd_per_hour: float, existing: int, usd_per_existing_hour: float
) -> float:
    """Return the least that any plan costs in which such machines serve something, USD a month.

    Machines that are paid for already are part of every plan, and are taken first. Exclusive ones are two where a plan
    must stand the loss of a node.
    """
    nodes = 2 if exclusive and question.survives_a_node else 1
    bought = max(0, nodes - existing) * usd_per_hour + min(nodes, existing) * usd_per_existing_hour
    return bought * HOURS_PER_MONTH + question.platform_usd + question.existing_usd


def prompt(question: Question) -> tuple[Flow, ...]:
    """Return the bands whose requests are answered as they come: somebody waits for them."""
    return tuple(f for f in question.flows if not f.waits)


def deferred(question: Question) -> tuple[Flow, ...]:
    """Return the bands whose requests may wait, and whose hours are open."""
    return tuple(f for f in question.flows if f.route in question.deferrals)
