"""Machines that are paid for already, shared out: how many each node group stands on, and which are left unused.

Node groups take them in the order of their names, and entries in the order in which they are filled. All of them are on
the bill, used or not, each at its own price.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from planner.decision.candidates.existing import WORDS, PaidKind, PaidMachines
from planner.money.cost import line
from planner.plan.cost import CostLine
from planner.words.units import HOURS_PER_MONTH

UNUSED = "existing machines"
"""Component of the lines that no node group causes. It has a blank, which no route's name has."""


@dataclass(frozen=True)
class Machines:
    """Some machines of one entry of the environment."""

    entry: PaidMachines
    count: int

    @property
    def usd_per_hour(self) -> float:
        """Return what they cost together, USD an hour."""
        return float(self.entry.usd_per_month) * self.count / HOURS_PER_MONTH

    def bill_lines(self, component: str) -> Iterator[CostLine]:
        """Yield their cost lines."""
        for part in self.entry.parts:
            name = f"{self.entry.instance_type} {WORDS[self.entry.kind]}"
            name += f", {part.name}" if part.name else ""
            name += ", not used" if component == UNUSED else ""
            yield line(name, component, "fixed", part.quantity * self.count, part.price)


@dataclass(frozen=True)
class ExistingFleet:
    """The existing fleet is all machines that are paid for already.

    groups: those that carry nodes, by node group; a group without any is absent.
    unused: those that carry nothing, in the order in which they are filled.
    """

    groups: Mapping[str, tuple[Machines, ...]]
    unused: tuple[Machines, ...]

    def count(self, group: str, *kinds: PaidKind) -> int:
        """Return how many machines carry nodes of a group, of some kinds, or of all."""
        there = self.groups.get(group, ())
        return sum(machines.count for machines in there if not kinds or machines.entry.kind in kinds)

    def reserved(self, group: str, kind: PaidKind) -> dict[str, int]:
        """Return how many nodes of a group stand on each reservation of a kind, by its id."""
        counts: dict[str, int] = {}
        for machines in self.groups.get(group, ()):
            if machines.entry.kind == kind:
                counts[machines.entry.reservation] = counts.get(machines.entry.reservation, 0) + machines.count
        return dict(sorted(counts.items()))

    def unused_count(self, instance_type: str) -> int:
        """Return how many machines of a type carry nothing."""
        return sum(machines.count for machines in self.unused if machines.entry.instance_type == instance_type)

    def lines(self) -> Iterator[CostLine]:
        """Yield the cost lines of all machines."""
        for group, parts in self.groups.items():
            for machines in parts:
                yield from machines.bill_lines(group)
        for machines in self.unused:
            yield from machines.bill_lines(UNUSED)


def existing_fleet(entries: Iterable[PaidMachines], nodes: Mapping[str, tuple[str, int]]) -> ExistingFleet:
    """Share out the entries. `nodes` gives the instance type and the number of nodes of each group, sorted by name."""
    listed = list(entries)
    left = [entry.count for entry in listed]
    groups: dict[str, tuple[Machines, ...]] = {}
    for group, (instance_type, wanted) in nodes.items():
        parts = []
        for index, entry in enumerate(listed):
            taken = min(left[index], wanted) if entry.instance_type == instance_type else 0
            if taken:
                parts.append(Machines(entry, taken))
                left[index] -= taken
                wanted -= taken
        if parts:
            groups[group] = tuple(parts)
    unused = (Machines(entry, left[index]) for index, entry in enumerate(listed) if left[index])
    return ExistingFleet(groups, tuple(unused))
