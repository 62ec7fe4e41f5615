"""What an environment must say of the ways in which machines are bought, and what a plan must keep of it.

The first part works on the values as they were read, like `contradictions`, which asks it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal

from pydantic import TypeAdapter, ValidationError

from planner.documents.paid_rules import TOLERANCE
from planner.documents.schedule_rules import hours_a_month
from planner.domain.environment import Environment, Horizon
from planner.domain.environment_part import Day
from planner.domain.purchases import COMMITMENTS, Commitment
from planner.plan.fleet import NodeGroup
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem
from planner.words.numbers import figure
from planner.words.spans import Document, Path, mapping_at, value_at
from planner.words.units import HOURS_PER_MONTH

PURCHASE = ("purchase",)
_DAY: TypeAdapter[date] = TypeAdapter(Day)
TERMS = {f"reserved_{each.term}": each.months for each in COMMITMENTS}
"""Key of the environment -> months that its commitments bind."""


def purchase_problems(document: Document) -> Iterator[Problem]:
    """Yield ENV005 where a commitment outlasts the horizon, or machines are to be bought that nobody buys."""
    purchase = value_at(document.value, PURCHASE)
    if not isinstance(purchase, dict) or not purchase:
        return
    if value_at(document.value, ("platform", "cluster")) is not None and purchase.keys() - {"owned"}:
        message = "`purchase` says how machines are bought, and those of a cluster that is there already are not"
        hint = "leave out all but `owned`, or leave out `platform.cluster`"
        yield Problem("ENV005", message, document.key(PURCHASE), hint)
    yield from _owned(document)
    yield from _blocks(document)
    months = value_at(document.value, ("horizon", "months"))
    horizon = 12 if months is None else months
    for key, bound in TERMS.items():
        wanted = purchase.get(key)
        if wanted and isinstance(horizon, int) and not isinstance(horizon, bool) and horizon < bound:
            message = f"`purchase.{key}` binds for {bound} months, and the horizon ends after {horizon}"
            hint = f"write `horizon: {{months: {bound}}}`, or leave `{key}` out"
            yield Problem("ENV005", message, document.key((*PURCHASE, key)), hint)


def _owned(document: Document) -> Iterator[Problem]:
    """Refuse machines of one's own where the loss of a zone is planned for: they stand in none."""
    path = (*PURCHASE, "owned")
    if value_at(document.value, path) and value_at(document.value, ("reserve", "zone")) is True:
        message = "`reserve.zone`: machines of `purchase.owned` stand in no zone of AWS, and how they fail is not known"
        where = document.key(("reserve", "zone"))
        yield Problem("ENV005", message, where, "leave it out; `reserve.node` counts for them too")


def _blocks(document: Document) -> Iterator[Problem]:
    """Require blocks that end after they begin, within the horizon in part, and ids that stand once."""
    seen: set[str] = set()
    start, end = _horizon(document)
    for name in ("capacity_blocks", "reservations"):
        entries = value_at(document.value, (*PURCHASE, name))
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            path: Path = (*PURCHASE, name, index)
            key = str(value_at(entry, ("reservation",)))
            if key in seen:
                yield Problem("ENV005", f"`{key}` stands twice", document.at(path), "name each reservation once")
            seen.add(key)
            first, last = (_day(value_at(entry, (each,))) for each in ("start", "end"))
            if first is None or last is None:
                continue
            if last <= first:
                message, hint = f"`{key}` ends on {last}, before it begins", "`end` is the first day without it"
                yield Problem("ENV005", message, document.at((*path, "end")), hint)
            elif start is not None and end is not None and (last <= start or first >= end):
                message = f"`{key}` is there from {first} until {last}, outside the horizon of {start} to {end}"
                yield Problem("ENV005", message, document.at(path), "leave it out, or move the horizon")


def _horizon(document: Document) -> tuple[date | None, date | None]:
    try:
        horizon = Horizon.model_validate(dict(mapping_at(document.value, "horizon")))
    except ValidationError:
        return None, None  # the schema says what is wrong with it
    return horizon.start, horizon.end


def _day(value: object) -> date | None:
    try:
        return _DAY.validate_python(value)
    except ValidationError:
        return None


def purchases_held(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """Require that spot and commitments are allowed, lie within their bounds, and stand on the bill as they are."""
    allowed = {each.key: each for each in environment.purchase.commitments}
    for group in plan.node_groups:
        yield from _group(plan, group, allowed)
    most = environment.purchase.spot_share
    for gpu in sorted({group.gpu for group in plan.node_groups if not group.exclusive}):
        own = [group for group in plan.node_groups if group.gpu == gpu and not group.exclusive]
        spots = _gpus_by_hour(own, [group.spot_by_hour for group in own])
        every_one = _gpus_by_hour(own, [group.by_hour for group in own])
        spot, every = max(zip(spots, every_one, strict=True), key=lambda both: both[0] - most * both[1])
        if spot > most * every + 1e-9:
            yield Problem("CHK013", f"{spot} of {every} GPUs {gpu} are spot; `purchase.spot` allows {most:.0%}")


def _gpus_by_hour(groups: Sequence[NodeGroup], nodes: Iterable[Sequence[int]]) -> list[int]:
    """Return the GPUs on so many nodes of each group, in each hour of the week."""
    return [
        sum(count * group.gpus_per_node for count, group in zip(counts, groups, strict=True))
        for counts in zip(*nodes, strict=True)
    ]


def _group(plan: Plan, group: NodeGroup, allowed: dict[str, Commitment]) -> Iterator[Problem]:
    about = f"node group `{group.name}`"
    covered = group.paid + group.spot + sum(group.committed.values())
    if covered > max(group.max_nodes, group.paid):
        yield Problem("CHK013", f"{about} has {group.max_nodes} nodes, {covered} of them spot, committed or existing")
    if group.spot and group.exclusive:
        yield Problem("CHK013", f"{about} has spot nodes, and no API helps its pool when AWS takes them back")
    ways = {"spot": hours_a_month(group.spot_by_hour)}
    for key, count in group.committed.items():
        if key not in allowed:
            yield Problem("CHK013", f"{about} counts on `{key}`, which the environment does not allow")
        else:
            ways[allowed[key].words] = Decimal(count * HOURS_PER_MONTH)
    for words, wanted in ways.items():
        name = f"{group.instance_type} {words}"
        lines = [line for line in plan.cost.lines if line.component == group.name and line.name == name]
        hours = sum((line.quantity for line in lines), Decimal(0))
        if abs(hours - wanted) > TOLERANCE * max(hours, Decimal(1)):
            yield Problem(
                "CHK013",
                f"{about} has {figure(wanted / HOURS_PER_MONTH)} nodes {words}; {hours} hours of them are billed",
            )
