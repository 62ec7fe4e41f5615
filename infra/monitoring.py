"""What the plan promises, as values of the charts' monitors, rules and dashboard. The module is pure.

An alert compares what happens with what the lock says: the share that spills, dollars of hosted APIs. Which first
tokens are late, the gateway itself counts, as each prompt has its own promise.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from planner.documents import routing
from planner.plan.plan import Plan


def pool_values() -> dict[str, Any]:
    """Return the monitoring values of a pool's release."""
    return {"podMonitor": {"enabled": True}, "rules": {"enabled": True}}


def gateway_values(plan: Plan) -> dict[str, Any]:
    """Return the monitoring values of the gateway's release, with the plan's promises."""
    spilling = {route.name: float(route.spill_share) for route in plan.routes if route.fallback}
    usd = api_usd_per_month(plan)
    rules = {
        "enabled": True,
        "spillShare": spilling,
        "canaries": {canary.name: pool for pool, canary in routing.canaries(plan).items()} or None,
        "apiUsdPerMonth": float(usd) if usd else None,
    }
    return {"podMonitor": {"enabled": True}, "rules": rules, "dashboards": {"enabled": True}}


def api_usd_per_month(plan: Plan) -> Decimal:
    """Return what the plan spends on hosted APIs, USD a month."""
    return sum((line.usd_per_month for line in plan.cost.lines if line.price.startswith("api/")), Decimal(0))
