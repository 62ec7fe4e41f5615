"""What a plan must keep of machines that are paid for already: they are billed whole, and carry no more nodes.

They are machines of one's own, capacity blocks, capacity reservations, and what `hardware.existing` states.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal

from planner.domain.environment import Environment
from planner.domain.owning import OwnedMachines, stated_parts
from planner.domain.reserved_capacity import there_on
from planner.plan.cost import CostLine
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem
from planner.words.units import HOURS_PER_MONTH

TOLERANCE = Decimal("0.001")
"""Relative tolerance: six significant digits are written, and sums of dozens of them are compared."""


def paid_held(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """Require that machines which are paid for already are billed whole, and carry no more nodes than there are."""
    yield from _existing(plan, environment)
    yield from _owned(plan, environment)
    yield from _reserved(plan, environment)
    for group in plan.node_groups:
        for words, count in (
            ("existing", group.existing),
            ("owned, capital", group.owned),
            ("capacity block", sum(group.blocks.values())),
            ("reserved capacity", sum(group.reservations.values())),
        ):
            lines = [line for line in plan.cost.lines if line.component == group.name]
            hours = _quantity(line for line in lines if line.name.endswith(f" {words}"))
            if not close(hours, Decimal(count) * HOURS_PER_MONTH):
                told = words.partition(",")[0]
                message = f"node group `{group.name}` stands on {count} {told} machines"
                yield Problem("CHK007", f"{message}, which are not those on the bill")
        if environment.platform.cluster is not None and group.paid != group.max_nodes:
            message = f"node group `{group.name}` runs {group.max_nodes} nodes in a cluster that is there already"
            yield Problem("CHK007", f"{message}; {group.paid} of them are there")


def close(value: Decimal, expected: Decimal) -> bool:
    """Say whether a figure is the expected one, within the tolerance."""
    return abs(value - expected) <= expected * TOLERANCE


def _existing(plan: Plan, environment: Environment) -> Iterator[Problem]:
    stated: Counter[str] = Counter()
    for index, entry in enumerate(environment.hardware.existing):
        stated[entry.instance_type] += entry.count
        lines = _lines(plan, f"environment/hardware.existing[{index}]/{entry.instance_type}")
        whole = close(_quantity(lines), Decimal(entry.count) * HOURS_PER_MONTH)
        if not whole or any(line.unit_price != entry.usd_per_hour for line in lines):
            message = f"{entry.count} × {entry.instance_type} are paid for at ${entry.usd_per_hour} an hour"
            yield Problem("CHK007", f"{message}; {_quantity(lines)} hours of them are billed")
    used: Counter[str] = Counter()
    for group in plan.node_groups:
        used[group.instance_type] += group.existing
    for instance_type, count in sorted(used.items()):
        if count > stated[instance_type]:
            message = f"{count} nodes stand on existing {instance_type}; the environment states"
            yield Problem("CHK007", f"{message} {stated[instance_type]}")


def _owned(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """Require a line of each part, in whole machines, at the price that follows from what the environment states."""
    for index, entry in enumerate(environment.purchase.owned):
        about = f"{entry.count} × {entry.gpu} of `purchase.owned[{index}]`"
        lines = {name: _lines(plan, f"environment/purchase.owned[{index}]/{name}") for name in PARTS}
        machines = _quantity(lines["capital"]) / HOURS_PER_MONTH
        if machines < 1 or machines != int(machines) or entry.count % int(machines):
            yield Problem("CHK007", f"{about}: {machines} machines of them are billed")
            continue
        if (size := entry.gpus_per_machine) is not None and entry.count // size != machines:
            yield Problem("CHK007", f"{about}: {machines} machines of them are billed, not {entry.count // size}")
        yield from _parts(about, entry, int(machines), lines)
    stated = sum(each.count for each in environment.purchase.owned)
    used = sum(group.owned * group.gpus_per_node for group in plan.node_groups)
    if used > stated:
        yield Problem("CHK007", f"nodes stand on {used} GPUs of your own; the environment states {stated}")


PARTS = ("capital", "energy", "space", "staff")
"""Parts of what machines of one's own cost, each a line of the bill."""


def _parts(
    about: str, entry: OwnedMachines, machines: int, lines: dict[str, tuple[CostLine, ...]]
) -> Iterator[Problem]:
    known = stated_parts(entry, machines)
    for name, some in lines.items():
        quantity, usd = known[name]
        if not some or (quantity is not None and not close(_quantity(some), quantity * machines)):
            yield Problem("CHK007", f"{about}: their {name} is not on the bill as the environment states it")
        elif usd is not None and any(line.unit_price != usd for line in some):
            yield Problem("CHK007", f"{about}: their {name} costs ${usd} a {some[0].unit}; another price is billed")


def _reserved(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """Require blocks that are there on the first day and reservations to be billed whole, and no others to be used."""
    start, bought = environment.horizon.start, environment.purchase
    there = {block.reservation: block.count for block in there_on(start, bought.capacity_blocks)}
    for index, block in enumerate(bought.capacity_blocks):
        lines = _lines(plan, f"environment/purchase.capacity_blocks[{index}]/{block.instance_type}")
        hours = Decimal(there.get(block.reservation, 0)) * HOURS_PER_MONTH
        if not close(_quantity(lines), hours) or any(line.unit_price != block.usd_per_hour for line in lines):
            message = f"{block.reservation} is paid for at ${block.usd_per_hour} an hour of a machine"
            yield Problem("CHK007", f"{message}; {_quantity(lines)} hours of it are billed")
    reserved: Counter[str] = Counter()
    for each in bought.reservations:
        reserved[each.instance_type] += each.count
    for instance_type, count in sorted(reserved.items()):
        names = (f"{instance_type} reserved capacity", f"{instance_type} reserved capacity, not used")
        hours = _quantity(line for line in plan.cost.lines if line.name in names)
        if not close(hours, Decimal(count) * HOURS_PER_MONTH):
            message = f"{count} × {instance_type} are reserved, used or not; {hours} hours of them are billed"
            yield Problem("CHK007", message)
    stated = {**there, **{each.reservation: each.count for each in bought.reservations}}
    used: Counter[str] = Counter()
    for group in plan.node_groups:
        used.update({**group.reservations, **group.blocks})
    for name, count in sorted(used.items()):
        if count > stated.get(name, 0):
            yield Problem("CHK007", f"{count} nodes stand on {name}; the environment states {stated.get(name, 0)}")


def _lines(plan: Plan, key: str) -> tuple[CostLine, ...]:
    return tuple(line for line in plan.cost.lines if line.price == key)


def _quantity(lines: Iterable[CostLine]) -> Decimal:
    return sum((line.quantity for line in lines), Decimal(0))
