"""Thresholds of alerts are the plan's promises, worked out here by hand for the example of production."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.document import parse_policy
from infra import monitoring
from planner.documents import routing
from planner.documents.lock import load
from planner.plan.plan import Plan
from tests.examples import ENVIRONMENTS
from tests.infra import clocks, locks

PLAN = load((ENVIRONMENTS / "prod.lock.json").read_text(), "prod.lock.json").plan


def test_thresholds_are_the_promises_of_the_lock() -> None:
    rules = monitoring.gateway_values(PLAN)["rules"]
    routes = {route.name: route for route in PLAN.routes}
    assert rules["spillShare"] == {name: float(routes[name].spill_share) for name in ("chat", "code")}


def test_pools_that_follow_the_clock_are_held_against_their_wish_and_against_weeks() -> None:
    """A node serves 17.1 minutes after it is asked for; replicas are asked for within it, and late by five minutes."""
    assert "byTheClock" not in {key for key, value in rules_of(locks.plan()).items() if value is not None}
    rules = rules_of(clocks.elastic())
    assert rules["byTheClock"] == {
        "chat-1xl40s": {"deployment": "vllm-chat-1xl40s", "startSeconds": 12 * 60 + 300},
        "code-2xl40s": {"deployment": "vllm-code-2xl40s", "startSeconds": 12 * 60 + 300},
    }
    assert rules["weekly"] == ["chat"]


def rules_of(plan: Plan) -> dict[str, Any]:
    rules: dict[str, Any] = monitoring.gateway_values(plan)["rules"]
    return rules


def test_the_gateway_is_told_each_promise_of_a_first_token() -> None:
    lock = load((ENVIRONMENTS / "prod.lock.json").read_text(), "prod.lock.json")
    told = parse_policy(json.dumps(routing.policy(lock)).encode()).policy.routes
    for route in lock.plan.routes:
        base, slope = float(route.slo.ttft_p95_base_ms or 0), float(route.slo.ttft_p95_per_1k_input_ms or 0)
        promise = told[route.name].first_token
        assert promise is not None
        assert promise.seconds(4000) == pytest.approx((base + slope * 4) / 1000)
    fast = routing.policy(lock, speed=10)["routes"]
    chat = told["chat"].first_token
    assert chat is not None
    assert fast["chat"]["first_token"]["base_ms"] * 10 == pytest.approx(chat.base_ms)


def test_api_dollars_are_those_of_the_bill() -> None:
    usd = monitoring.gateway_values(PLAN)["rules"]["apiUsdPerMonth"]
    machines = sum(float(line.usd_per_month) for line in PLAN.cost.lines if not line.price.startswith("api/"))
    assert usd + machines == pytest.approx(float(PLAN.cost.usd_per_month), abs=0.05)
    assert usd > 1000
