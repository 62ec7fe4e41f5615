"""What the plan promises, as values of the charts' monitors, rules and dashboard. The module is pure.

An alert compares what happens with what the lock says: the share that spills, dollars of hosted APIs. Which first
tokens are late, the gateway itself counts, as each prompt has its own promise.

The lock's shares and dollars are means over a week. Pools that follow the clock spill more at night than by day as the
plan says, so that what hangs on them is held against whole weeks. Whether such a pool should have a replica, its
Deployment says: its number is KEDA's wish.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from infra.replica_hours import alert_values
from planner.documents import routing
from planner.plan.plan import Plan
from planner.plan.traffic import PlannedRoute


def pool_values() -> dict[str, Any]:
    """Return the monitoring values of a pool's release."""
    return {"podMonitor": {"enabled": True}, "rules": {"enabled": True}}


def gateway_values(plan: Plan) -> dict[str, Any]:
    """Return the monitoring values of the gateway's release, with the plan's promises."""
    spilling = {route.name: float(route.spill_share) for route in plan.routes if route.fallback}
    usd = api_usd_per_month(plan)
    by_the_clock = _by_the_clock(plan)
    weekly = [route.name for route in plan.routes if route.fallback and _pools_of(route) & by_the_clock.keys()]
    rules = {
        "enabled": True,
        "spillShare": spilling,
        "canaries": {canary.name: pool for pool, canary in routing.canaries(plan).items()} or None,
        "apiUsdPerMonth": float(usd) if usd else None,
        "byTheClock": by_the_clock or None,
        "weekly": sorted(weekly) or None,
    }
    return {"podMonitor": {"enabled": True}, "rules": rules, "dashboards": {"enabled": True}}


def _by_the_clock(plan: Plan) -> dict[str, dict[str, Any]]:
    groups = {group.name: group for group in plan.node_groups}
    found = {pool.name: alert_values(pool, groups[pool.node_group]) for pool in plan.pools}
    return {name: values for name, values in sorted(found.items()) if values is not None}


def _pools_of(route: PlannedRoute) -> set[str]:
    return {name for band in route.bands for name in band.weights}


def api_usd_per_month(plan: Plan) -> Decimal:
    """Return what the plan spends on hosted APIs, USD a month."""
    return sum((line.usd_per_month for line in plan.cost.lines if line.price.startswith("api/")), Decimal(0))
