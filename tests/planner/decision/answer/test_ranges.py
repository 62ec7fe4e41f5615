"""The range of a bill: each cause moves what it should, and all of them together what Pythagoras says."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

import pytest

from planner.plan.cost import Cost, CostRange
from planner.plan.plan import Plan
from tests.planner import small
from tests.planner.small import planned_text

pytestmark = pytest.mark.usefixtures("alone")

BUSY = small.text().replace("{mean: 1}", "{mean: 6}")
"""Chat fills its machines, and what comes beyond them goes to the API."""


@lru_cache(maxsize=8)
def plan(old: str = "", new: str = "") -> Plan:
    """The plan of the busy environment with one text replaced."""
    assert old in BUSY
    return planned_text(BUSY.replace(old, new) if old else BUSY).lock.plan


def causes(cost: Cost) -> dict[str, CostRange]:
    return {each.cause: each for each in cost.ranges}


def test_the_api_part_moves_with_demand_and_prices() -> None:
    cost = plan().cost
    told = causes(cost)
    assert cost.usage_usd_per_month > 0
    moved = told["prices"].high_usd_per_month - cost.usd_per_month
    assert float(moved) == pytest.approx(0.3 * float(cost.usage_usd_per_month), abs=0.02)
    assert told["demand"].low_usd_per_month < cost.usd_per_month < told["demand"].high_usd_per_month
    assert "20%" in told["demand"].assumption


def test_the_stated_uncertainty_of_a_route_is_used() -> None:
    wide = causes(plan("{mean: 6}", "{mean: 6}\n      uncertainty: 50%").cost)["demand"]
    usual = causes(plan().cost)["demand"]
    assert wide.high_usd_per_month > usual.high_usd_per_month
    assert wide.assumption == "the load lower or higher: chat 50%, extraction 20%"


def test_the_ends_are_those_of_all_causes() -> None:
    cost = plan().cost
    above = sum(float(each.high_usd_per_month - cost.usd_per_month) ** 2 for each in cost.ranges) ** 0.5
    below = sum(float(cost.usd_per_month - each.low_usd_per_month) ** 2 for each in cost.ranges) ** 0.5
    assert float(cost.high_usd_per_month - cost.usd_per_month) == pytest.approx(above, abs=0.01)
    assert float(cost.usd_per_month - cost.low_usd_per_month) == pytest.approx(below, abs=0.01)


def test_a_plan_without_margin_can_become_dearer_by_its_speed() -> None:
    """With a margin of 90 % the slow end is planned for, and costs nothing more; without one it is not."""
    careful, plain = plan(), plan("quotas:", "planning: {margin: p50}\nquotas:")
    assert careful.cost.fixed_usd_per_month > 0
    assert plain.cost.fixed_usd_per_month > 0
    if "capacity" in causes(careful.cost):  # only where the fast end saves something
        assert causes(careful.cost)["capacity"].high_usd_per_month == careful.cost.usd_per_month
    slow = causes(plain.cost)["capacity"]
    assert slow.high_usd_per_month > plain.cost.usd_per_month or slow.unplaced


def test_the_risk_is_the_margins() -> None:
    """A pool that is full in its busiest hour has the margin's risk, one in ten; without a margin it is about even."""
    careful = {risk.route: risk for risk in plan().risks}
    plain = {risk.route: risk for risk in plan("quotas:", "planning: {margin: p50}\nquotas:").risks}
    for route in careful:
        assert Decimal("0.001") <= careful[route].chance <= Decimal("0.11")
        assert plain[route].chance >= careful[route].chance
    assert float(careful["chat"].chance) == pytest.approx(0.1, abs=0.005)
    # A restricted route has a machine more than it needs, for the loss of one.
    assert careful["extraction"].chance < Decimal("0.01")
