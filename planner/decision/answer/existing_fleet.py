"""Machines that are paid for already, shared out: how many each node group stands on, and which are left unused.

Node groups take them in the order of their names, and entries of the environment in the order of the file. All of them
are on the bill, used or not, each at the price that the environment states.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from planner.domain.environment import ExistingMachines
from planner.domain.prices import Price
from planner.money.cost import line
from planner.plan.cost import CostLine
from planner.words.units import HOURS_PER_MONTH

STATED = "environment/"
"""Beginning of the key of a price that the environment states, and no snapshot."""
SOURCE, DAY = "stated in the environment", "stated"
"""Source and day of a price that the environment states; the day is that of the file, which git knows."""
UNUSED = "existing machines"
"""Component of the lines that no node group causes. It has a blank, which no route's name has."""


@dataclass(frozen=True)
class Machines:
    """Some machines of one entry of the environment.

    index: place of the entry in the file.
    """

    index: int
    entry: ExistingMachines
    count: int

    @property
    def usd_per_hour(self) -> float:
        """Return what they cost together, USD an hour."""
        return float(self.entry.usd_per_hour * self.count)

    def bill_line(self, component: str) -> CostLine:
        """Return their cost line."""
        name = f"{self.entry.instance_type} existing" + (", not used" if component == UNUSED else "")
        key = f"{STATED}hardware.existing[{self.index}]/{self.entry.instance_type}"
        day = DAY if self.entry.as_of is None else self.entry.as_of.isoformat()
        price = Price(key, self.entry.usd_per_hour, "hour", self.entry.source or SOURCE, day)
        return line(name, component, "fixed", self.count * HOURS_PER_MONTH, price)


@dataclass(frozen=True)
class ExistingFleet:
    """The existing fleet is all machines that are paid for already.

    groups: those that carry nodes, by node group; a group without any is absent.
    unused: those that carry nothing, in the order of the file.
    """

    groups: Mapping[str, tuple[Machines, ...]]
    unused: tuple[Machines, ...]

    def count(self, group: str) -> int:
        """Return how many machines carry nodes of a group."""
        return sum(machines.count for machines in self.groups.get(group, ()))

    def unused_count(self, instance_type: str) -> int:
        """Return how many machines of a type carry nothing."""
        return sum(machines.count for machines in self.unused if machines.entry.instance_type == instance_type)

    def lines(self) -> Iterator[CostLine]:
        """Yield the cost lines of all machines."""
        for group, parts in self.groups.items():
            yield from (machines.bill_line(group) for machines in parts)
        yield from (machines.bill_line(UNUSED) for machines in self.unused)


def existing_fleet(entries: Iterable[ExistingMachines], nodes: Mapping[str, tuple[str, int]]) -> ExistingFleet:
    """Share out the entries. `nodes` gives the instance type and the number of nodes of each group, sorted by name."""
    listed = list(entries)
    left = [entry.count for entry in listed]
    groups: dict[str, tuple[Machines, ...]] = {}
    for group, (instance_type, wanted) in nodes.items():
        parts = []
        for index, entry in enumerate(listed):
            taken = min(left[index], wanted) if entry.instance_type == instance_type else 0
            if taken:
                parts.append(Machines(index, entry, taken))
                left[index] -= taken
                wanted -= taken
        if parts:
            groups[group] = tuple(parts)
    unused = (Machines(index, entry, left[index]) for index, entry in enumerate(listed) if left[index])
    return ExistingFleet(groups, tuple(unused))
