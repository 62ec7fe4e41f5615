"""The outline of a play: which parts it has, before anybody knows how much of the fleet fits on the stage.

All numbers are those of the whole fleet. What machines cost an hour is read from the lock's own bill.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from planner.documents.scenes import Phase
from planner.plan.cost import CostLine
from planner.plan.plan import Plan


class NoPlay(ValueError):
    """The plan has nothing of what the play is about. The message says what is missing."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part becomes a scene.

    lasts_s: its length, seconds.
    level: name of its load level.
    promised: whether latencies are promised while it lasts.
    sizes: replicas that are there, by pool.
    planned_sizes: replicas that the plan has for this load, by pool; the traffic on stage is measured by them.
    nodes_usd_per_hour: what its GPU nodes cost, USD an hour; None where the lock does not tell it.
    """

    phase: Phase
    lasts_s: float
    level: str
    promised: bool
    sizes: Mapping[str, int]
    planned_sizes: Mapping[str, int]
    nodes_usd_per_hour: Decimal | None


@dataclass(frozen=True, kw_only=True)
class Outline:
    """An outline is the parts of a play; the other fields are those of a `Plot`."""

    story: str
    parts: tuple[Part, ...]
    warm_s: Mapping[str, float]
    starting_usd: Decimal | None
    notice_s: float = 0.0


def largest_sizes(plan: Plan) -> dict[str, int]:
    """Return the most replicas of each pool."""
    return {pool.name: pool.replicas.max for pool in plan.pools}


def nodes_usd_per_hour(plan: Plan, nodes: Mapping[str, int]) -> Decimal | None:
    """Return what so many nodes of each group cost, USD an hour; None where the lock does not tell it.

    A group that is bought in several ways counts with the mean price of its bill.
    """
    total = Decimal(0)
    for group, count in nodes.items():
        price = mean_usd_per_hour(line for line in plan.cost.lines if line.component == group)
        if count and price is None:
            return None
        total += count * (price or 0)
    return total


def mean_usd_per_hour(lines: Iterable[CostLine]) -> Decimal | None:
    """Return the mean price of an hour on these lines, USD; None where none of them counts hours."""
    hourly = [line for line in lines if line.unit == "hour" and line.quantity]
    hours = sum((line.quantity for line in hourly), Decimal(0))
    return sum((line.usd_per_month for line in hourly), Decimal(0)) / hours if hours else None
