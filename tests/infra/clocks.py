"""Locks whose sizes follow the clock: working days have twice the nodes of nights and weekends."""

from __future__ import annotations

from typing import Any

from planner.plan.fleet import Replicas
from planner.plan.plan import Plan
from planner.plan.schedule import Schedule, schedule
from tests.infra import locks

ZONE = "Europe/Berlin"
WARM_SECONDS = 1021
"""Node, image and the 90.4 s that replicas of `locks` load."""
WORKING = tuple(hour // 24 < 5 and 8 <= hour % 24 < 20 for hour in range(168))
"""Whether an hour of the week is one of a working day."""


def hours(by_day: int, by_night: int) -> Schedule:
    """So many from 08:00 to 20:00 of working days, and the others at all other times."""
    found = schedule(ZONE, tuple(by_day if working else by_night for working in WORKING))
    assert found is not None
    return found


def elastic(plan: Plan | None = None, nodes: tuple[int, int] = (4, 2), spot: tuple[int, int] = (0, 0)) -> Plan:
    """The plan, whose group `shared` has the first number of nodes by day and the second by night; `chat` has two
    replicas a node, and `code` one.

    spot: nodes of them that are spot, by day and by night.
    """
    by_day, by_night = nodes
    changes: dict[str, Any] = {
        "min_nodes": min(nodes),
        "max_nodes": max(nodes),
        "schedule": hours(*nodes) if by_day != by_night else None,
        "spot": max(spot),
        "spot_schedule": hours(*spot) if spot[0] != spot[1] else None,
        "warm_seconds": WARM_SECONDS,
    }
    made = locks.replaced(
        plan or locks.plan(shared_nodes=max(nodes), spot=max(spot)), "node_groups", "shared", **changes
    )
    for name, each in (("chat-1xl40s", 2), ("code-2xl40s", 1)):
        few, many = (each * size for size in sorted(nodes))
        replicas = Replicas(min=few, max=many, week=hours(each * by_day, each * by_night))
        made = locks.replaced(made, "pools", name, replicas=replicas)
    return made


def asleep(plan: Plan | None = None) -> Plan:
    """The plan, whose group `vault` and its restricted pool have nothing by night."""
    changes: dict[str, Any] = {"min_nodes": 0, "schedule": hours(2, 0), "warm_seconds": WARM_SECONDS}
    made = locks.replaced(plan or locks.plan(), "node_groups", "vault", **changes)
    replicas = Replicas(min=0, max=2, week=hours(2, 0))
    return locks.replaced(made, "pools", "extraction-1xl40s", replicas=replicas)
