"""Locks whose sizes follow the clock: working days have twice the nodes of nights and weekends."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from planner.documents.schedule_rules import (
    hours_a_month,
    node_hours,
    starts_a_month,
)
from planner.money.cost import STARTING
from planner.plan.cost import CostLine
from planner.plan.fleet import Replicas
from planner.plan.plan import Plan
from planner.plan.schedule import Schedule, schedule
from planner.words.numbers import dollars, figure
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
    firm = max(every - part for every, part in zip(nodes, spot, strict=True))
    changes: dict[str, Any] = {
        "min_nodes": min(nodes),
        "max_nodes": firm + max(spot),
        "schedule": hours(*nodes) if by_day != by_night else None,
        "spot": max(spot),
        "spot_schedule": hours(*spot) if spot[0] != spot[1] else None,
        "warm_seconds": WARM_SECONDS,
    }
    made = locks.replaced(
        plan or locks.plan(shared_nodes=firm + max(spot), spot=max(spot)), "node_groups", "shared", **changes
    )
    for name, each in (("chat-1xl40s", 2), ("code-2xl40s", 1)):
        few, many = (each * size for size in sorted(nodes))
        replicas = Replicas(min=few, max=many, week=hours(each * by_day, each * by_night))
        made = locks.replaced(made, "pools", name, replicas=replicas)
    return billed(made, "shared")


def asleep(plan: Plan | None = None) -> Plan:
    """The plan, whose group `vault` and its restricted pool have nothing by night."""
    changes: dict[str, Any] = {"min_nodes": 0, "schedule": hours(2, 0), "warm_seconds": WARM_SECONDS}
    made = locks.replaced(plan or locks.plan(), "node_groups", "vault", **changes)
    replicas = Replicas(min=0, max=2, week=hours(2, 0))
    return billed(locks.replaced(made, "pools", "extraction-1xl40s", replicas=replicas), "vault")


def billed(plan: Plan, name: str) -> Plan:
    """The plan whose bill has the hours that the nodes of a group run and start."""
    group = locks.group(plan, name)
    started = {"on-demand": starts_a_month(group.firm_by_hour), "spot": starts_a_month(group.spot_by_hour)}
    hours = {"on-demand": hours_a_month(group.firm_by_hour), "spot": hours_a_month(group.spot_by_hour)}
    lines = []
    for line in plan.cost.lines:
        if line.component != name:
            lines.append(line)
        elif STARTING in line.name:
            continue
        elif line.unit == "hour":
            way = "spot" if line.name.endswith(" spot") else "on-demand"
            told = f"{group.instance_type} {way}"
            lines.append(_of(line, told, hours[way]))
            if started[way]:
                warm = started[way] * group.warm_seconds / 3600
                lines.append(_of(line, f"{told}{STARTING}{started[way]:.0f} a month", warm))
        else:
            lines.append(_of(line, line.name, group.disk_gb * node_hours(group) / locks.HOURS))
    fixed = sum((line.usd_per_month for line in lines if line.kind == "fixed"), Decimal(0))
    usage = sum((line.usd_per_month for line in lines if line.kind == "usage"), Decimal(0))
    whole = {"usd_per_month": fixed + usage, "low_usd_per_month": fixed + usage, "high_usd_per_month": fixed + usage}
    parts = {"lines": tuple(lines), "fixed_usd_per_month": fixed, "usage_usd_per_month": usage, **whole}
    made = plan.model_copy(update={"cost": plan.cost.model_copy(update=parts)})
    return Plan.model_validate(made.model_dump(mode="json"))  # as a lock is read


def _of(line: CostLine, name: str, quantity: Decimal) -> CostLine:
    told = figure(quantity)
    return line.model_copy(update={"name": name, "quantity": told, "usd_per_month": dollars(told * line.unit_price)})
