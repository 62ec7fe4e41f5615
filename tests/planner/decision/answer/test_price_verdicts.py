"""Ages of prices: one line of every plan, and a warning or a refusal only where the team asks for it."""

from __future__ import annotations

import re
from datetime import date

import pytest

from planner.edges.catalog_files import load_catalog
from planner.plan.review import Verdict
from tests.planner import small

pytestmark = pytest.mark.usefixtures("alone")

CATALOG = load_catalog()
HORIZON = date(2026, 12, 1)


def told(policy: str = "") -> dict[str, Verdict]:
    """Return the verdicts of the small environment with that policy, by name."""
    plan = (small.planned_text(f"{small.text()}\n{policy}\n") if policy else small.planned()).lock.plan
    return {verdict.name: verdict for verdict in plan.verdicts}


def oldest(kind: str) -> int:
    """Return the age of the oldest price of a kind in the bill on the first day of the horizon, days."""
    prices = [CATALOG.prices.rows[line.price] for line in small.planned().lock.plan.cost.lines]
    return max(price.age_days(HORIZON) for price in prices if price.kind == kind)


def test_ages_are_one_line_and_no_warning() -> None:
    verdicts = told()
    line = verdicts["prices"]
    assert line.state == "pass"
    assert line.message.startswith("days old on 2026-12-01: ")
    ages = dict(re.findall(r"(api|ec2|platform) (?:\d+ to )?(\d+) \(", line.message))
    assert {kind: int(days) for kind, days in ages.items()} == {kind: oldest(kind) for kind in ages}
    assert ages.keys() == {CATALOG.prices.rows[line.price].kind for line in small.planned().lock.plan.cost.lines}
    assert not [verdict for verdict in verdicts.values() if "days old" in verdict.message and verdict.state != "pass"]


@pytest.mark.parametrize(
    ("more", "state"),
    [(0, None), (-1, "warn")],
    ids=["exactly as old as allowed", "a day older"],
)
def test_a_limit_of_the_team_warns_of_what_is_older(more: int, state: str | None) -> None:
    verdict = told(f"policy: {{price_age: {{ec2: {{warn: {oldest('ec2') + more}d}}}}}}").get("price age ec2")
    assert (verdict and verdict.state) == state


def test_what_is_older_than_the_second_limit_denies_the_plan_and_names_the_oldest_price() -> None:
    verdict = told("policy: {price_age: {ec2: {warn: 1d, deny: 30d}, api: {deny: 9000d}}}")
    assert verdict["price age ec2"].state == "deny"
    assert "older than 30 days" in verdict["price age ec2"].message
    assert f"with {oldest('ec2')}:" in verdict["price age ec2"].message
    assert "`spillway catalog refresh --only ec2 --region us-east-1`" in verdict["price age ec2"].message
    assert "price age api" not in verdict
