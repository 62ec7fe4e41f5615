"""Thresholds of alerts are the plan's promises, worked out here by hand for the example of production."""

from __future__ import annotations

import pytest

from infra import monitoring
from planner.documents.lock import load
from tests.examples import ENVIRONMENTS

PLAN = load((ENVIRONMENTS / "prod.lock.json").read_text(), "prod.lock.json").plan


def test_thresholds_are_the_promises_of_the_lock() -> None:
    rules = monitoring.gateway_values(PLAN)["rules"]
    routes = {route.name: route for route in PLAN.routes}
    assert rules["spillShare"] == {name: float(routes[name].spill_share) for name in ("chat", "code")}
    for name, route in routes.items():
        mean = sum(float(band.share_of_requests) * float(band.mean_input_tokens) for band in route.bands)
        base, slope = float(route.slo.ttft_p95_base_ms or 0), float(route.slo.ttft_p95_per_1k_input_ms or 0)
        assert rules["ttftSeconds"][name] == pytest.approx((base + slope * mean / 1000) / 1000, abs=0.005)


def test_api_dollars_are_those_of_the_bill() -> None:
    usd = monitoring.gateway_values(PLAN)["rules"]["apiUsdPerMonth"]
    machines = sum(float(line.usd_per_month) for line in PLAN.cost.lines if not line.price.startswith("api/"))
    assert usd + machines == pytest.approx(float(PLAN.cost.usd_per_month), abs=0.05)
    assert usd > 1000
