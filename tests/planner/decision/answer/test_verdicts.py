"""Budgets as checks: what is used of what is allowed, for the whole bill and for APIs alone."""

from __future__ import annotations

import pytest

from planner.decision.answer.verdicts import gap_verdicts
from planner.domain.gaps import Gap
from planner.plan.review import Verdict
from tests.planner import small

pytestmark = pytest.mark.usefixtures("alone")


def budgets(text: str) -> dict[str, Verdict]:
    plan = small.planned_text(text).lock.plan
    return {verdict.name: verdict for verdict in plan.verdicts if verdict.name.startswith("budget")}


def test_the_bill_and_the_apis_are_held_against_their_budgets() -> None:
    cost = small.planned().lock.plan.cost
    told = {verdict.name: verdict for verdict in small.planned().lock.plan.verdicts}
    assert (told["budget"].state, told["budget API"].state) == ("pass", "pass")
    assert told["budget"].message == f"${cost.usd_per_month:,} of $20,000 a month"
    assert told["budget API"].message == f"${cost.usage_usd_per_month:,} of $2,000 a month"


def test_without_a_budget_for_apis_there_is_no_check_of_it() -> None:
    text = small.text().replace("  monthly_budget: $2000\n", "").replace("budget: {monthly: $20000}\n", "")
    told = budgets(text)
    assert list(told) == ["budget"]
    assert (told["budget"].state, told["budget"].message) == ("warn", "no budget is set")


def test_what_no_plan_is_without_is_one_line_and_no_warning() -> None:
    told = {verdict.name: verdict for verdict in small.planned().lock.plan.verdicts}
    assert told["assumptions"].state == "pass"
    assert "the TTFT of " in told["assumptions"].message
    assert "no revision of " in told["assumptions"].message
    assert not {"gap latency", "gap revision", "gap end", "gap model"} & set(told)


def test_gaps_are_folded_by_their_kind() -> None:
    latency = [
        Gap("latency", name, f"the TTFT of {name} has not been measured") for name in ("groq", "google", "openai")
    ]
    pinned = [Gap("revision", "qwen3-8b", "no revision is pinned for Qwen/Qwen3-8B")]
    known = [Gap("provider", "xai", "xAI: where it processes requests is not verified")]
    (warned, assumed) = gap_verdicts([*latency, *pinned, *known, *latency])
    assert (warned.name, warned.state) == ("gap provider", "warn")
    assert (assumed.name, assumed.state) == ("assumptions", "pass")
    assert assumed.message == (
        "the TTFT of google, groq and openai has not been measured (`api.providers.NAME.latency`); "
        "no revision of qwen3-8b is pinned"
    )
    assert gap_verdicts([]) == []


WAY_IN = """
  ingress: {hostname: llm.example.com, load_balancer: {cidrs: [10.0.0.0/8], hosted_zone: Z1}}
  pool_tls: {authority: pool-ca}"""


def test_a_way_in_is_planned_and_billed_with_the_cluster() -> None:
    planned = small.planned_text(small.text().replace("\n  region:", f"{WAY_IN}\n  region:")).lock.plan
    assert planned.platform.ingress is not None
    assert planned.platform.ingress.hostname == "llm.example.com"
    assert planned.platform.pool_tls is not None
    assert planned.platform.cluster is not None
    assert planned.platform.cluster.load_balancer is not None
    added = planned.cost.usd_per_month - small.planned().lock.plan.cost.usd_per_month
    billed = {line.name: line.usd_per_month for line in planned.cost.lines if "load balancer" in line.name}
    assert sorted(billed) == ["capacity of the load balancer", "load balancer"]
    assert added == sum(billed.values())
    assert "way in" not in {verdict.name for verdict in planned.verdicts}
