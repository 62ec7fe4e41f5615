"""What a stray costs, as far as the plan's bill says it; pure. What nobody knows is said to be unknown."""

from __future__ import annotations

from collections.abc import Mapping

from infra.billing import BILLED, FREE
from infra.node_group import SYSTEM
from planner.plan.cost import CostLine
from planner.plan.plan import Plan

HOURS = 730
NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
_MONTHLY: Mapping[str, int] = {"hour": HOURS, "month": 1}
"""Unit of a price -> how many of them one resource is billed for in a month."""


def usd_per_month(plan: Plan, token: str, name: str) -> float | None:
    """Return what a resource costs by the plan's bill, USD a month; None where the bill does not say it of one."""
    lines = _lines(plan, token, name)
    if token == NODE_GROUP:
        return float(sum(line.usd_per_month for line in lines)) if lines else None
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
        group = name.removeprefix("gpu-")
        return [line for line in plan.cost.lines if line.component == group]
    price = BILLED.get(token)
    return [line for line in plan.cost.lines if price is not None and line.price.rpartition("/")[2] == price]
