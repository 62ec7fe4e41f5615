"""What the plan promises, as values of the charts' monitors, rules and dashboard. The module is pure.

An alert compares what happens with what the lock says: latency by route, the share that spills, dollars of hosted APIs.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from planner.documents import routing
from planner.plan.plan import Plan
from planner.plan.traffic import PlannedRoute


def pool_values() -> dict[str, Any]:
    """Return the monitoring values of a pool's release."""
    return {"podMonitor": {"enabled": True}, "rules": {"enabled": True}}


def gateway_values(plan: Plan) -> dict[str, Any]:
    """Return the monitoring values of the gateway's release, with the plan's promises."""
    late = {route.name: seconds for route in plan.routes if (seconds := promised_ttft_seconds(route)) is not None}
    spilling = {route.name: float(route.spill_share) for route in plan.routes if route.fallback}
    usd = api_usd_per_month(plan)
    rules = {
        "enabled": True,
        "ttftSeconds": late,
        "spillShare": spilling,
        "canaries": {canary.name: pool for pool, canary in routing.canaries(plan).items()} or None,
        "apiUsdPerMonth": float(usd) if usd else None,
    }
    return {"podMonitor": {"enabled": True}, "rules": rules, "dashboards": {"enabled": True}}


def promised_ttft_seconds(route: PlannedRoute) -> float | None:
    """Return the p95 of the time to the first token that the route promises for its mean prompt, seconds."""
    slo = route.slo
    if slo.ttft_p95_base_ms is None:
        return None
    tokens = sum((band.share_of_requests * band.mean_input_tokens for band in route.bands), Decimal(0))
    ms = slo.ttft_p95_base_ms + (slo.ttft_p95_per_1k_input_ms or 0) * tokens / 1000
    return round(float(ms) / 1000, 2)


def api_usd_per_month(plan: Plan) -> Decimal:
    """Return what the plan spends on hosted APIs, USD a month."""
    return sum((line.usd_per_month for line in plan.cost.lines if line.price.startswith("api/")), Decimal(0))
