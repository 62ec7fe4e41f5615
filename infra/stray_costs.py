"""What a stray costs, as far as the plan's bill says it; pure. What nobody knows is said to be unknown."""

from __future__ import annotations

from collections.abc import Mapping

from infra.billing import BILLED, FREE
from infra.naming import own_name
from infra.node_group import SYSTEM
from infra.purchases import SPOT, shares
from planner.plan.cost import CostLine
from planner.plan.plan import Plan

HOURS = 730
HOUR = "hour"
NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
_MONTHLY: Mapping[str, int] = {"hour": HOURS, "month": 1}
"""Unit of a price -> how many of them one resource is billed for in a month."""


def usd_per_month(plan: Plan, token: str, name: str) -> float | None:
    """Return what a resource costs by the plan's bill, USD a month; None where the bill does not say it of one."""
    lines = _lines(plan, token, name)
    if token == NODE_GROUP:
        parts = [(line, 1.0) for line in lines] if name == SYSTEM else _of_group(plan, name)
        return sum(float(line.usd_per_month) * part for line, part in parts) if parts else None
    return next((float(line.unit_price) * _MONTHLY[line.unit] for line in lines if line.unit in _MONTHLY), None)


def told(plan: Plan, token: str, name: str) -> str:
    """Say what a resource costs: an amount, nothing and why, by use, or that nobody knows."""
    usd = usd_per_month(plan, token, name)
    if usd is not None:
        return f"it costs about ${usd:,.0f} a month" if usd >= 1 or usd == 0 else f"it costs about ${usd:.2f} a month"
    if token in FREE:
        return f"it costs nothing by itself ({FREE[token]})"
    by_use = _lines(plan, token, name)
    if by_use:
        return f"it is billed by use, ${by_use[0].unit_price} a {by_use[0].unit}"
    return "what it costs is not known: the plan's bill has no line for it"


def _lines(plan: Plan, token: str, name: str) -> list[CostLine]:
    if token == NODE_GROUP:
        if name == SYSTEM:
            return [line for line in plan.cost.lines if line.name.startswith("system node")]
        return [line for line, _ in _of_group(plan, name)]
    price = BILLED.get(token)
    return [line for line in plan.cost.lines if price is not None and line.price.rpartition("/")[2] == price]


def _of_group(plan: Plan, name: str) -> list[tuple[CostLine, float]]:
    """Return the lines of a node group of EKS, each with the part of it that is the group's.

    A machine's line is of one way of buying. What else is billed of the lock's group, its disks, is divided by nodes.
    """
    for group in plan.node_groups:
        for share in shares(group):
            if own_name(share.name) != name:
                continue
            lines = [line for line in plan.cost.lines if line.component == group.name]
            machines = [line for line in lines if line.unit == HOUR]
            own = [line for line in machines if line.price.endswith("/spot") == (share.capacity_type == SPOT)]
            if not own:
                return []
            part = share.nodes / group.max_nodes
            return [(line, 1.0) for line in own] + [(line, part) for line in lines if line.unit != HOUR]
    return []
