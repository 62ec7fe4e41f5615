"""The alarm on the bill: who is named hears of it, at the amount of the plan, and nobody else is asked."""

from __future__ import annotations

from decimal import Decimal

import pytest

from infra.cost_alarm import billed_by_amazon
from planner.documents import environment_file
from planner.plan.platform import PlannedAlerts
from planner.words.diagnostics import Problems
from tests.infra import locks
from tests.infra.conftest import Run

TOPIC = f"arn:aws:sns:us-east-1:{locks.ACCOUNT}:costs"


def watched_by(**changes: object) -> PlannedAlerts:
    return locks.ALERTS.model_copy(update=changes)


def test_without_a_name_there_is_no_alarm(run: Run) -> None:
    assert run().of(":Budget") == []


def test_the_alarm_is_at_the_amount_that_aws_bills(run: Run) -> None:
    plan = locks.plan()
    (api, *_) = plan.cost.lines
    hosted = api.model_copy(update={"price": "api/openai/gpt-6-luna/input", "usd_per_month": Decimal("99.50")})
    plan = plan.model_copy(update={"cost": plan.cost.model_copy(update={"lines": (*plan.cost.lines, hosted)})})
    assert billed_by_amazon(plan.cost) == locks.plan().cost.usd_per_month
    budget = run(locks.on_platform(locks.plan(), alerts=locks.ALERTS)).one(":Budget").inputs
    assert Decimal(budget["limitAmount"]) == locks.plan().cost.usd_per_month
    assert (budget["limitUnit"], budget["timeUnit"], budget["budgetType"]) == ("USD", "MONTHLY", "COST")


def test_everybody_who_is_named_hears_of_both_the_bill_and_the_forecast(run: Run) -> None:
    alerts = watched_by(emails=("b@acme.example", "a@acme.example"), sns=TOPIC)
    told = run(locks.on_platform(locks.plan(), alerts=alerts)).one(":Budget").inputs["notifications"]
    assert {item["notificationType"] for item in told} == {"ACTUAL", "FORECASTED"}
    for item in told:
        assert item["subscriberEmailAddresses"] == ["a@acme.example", "b@acme.example"]
        assert item["subscriberSnsTopicArns"] == [TOPIC]
        assert item["threshold"] == 100


def test_the_environment_is_counted_alone_only_where_its_tag_is_active(run: Run) -> None:
    account = run(locks.on_platform(locks.plan(), alerts=locks.ALERTS)).one(":Budget")
    assert "costFilters" not in account.inputs
    assert account.name == "spillway-prod-plan-whole-account"
    alone = run(locks.on_platform(locks.plan(), alerts=watched_by(tags_active=True))).one(":Budget")
    assert alone.inputs["costFilters"] == [{"name": "TagKeyValue", "values": ["user:spillway.dev/environment$prod"]}]
    assert alone.name == "spillway-prod-plan"


@pytest.mark.parametrize(
    "alerts",
    [
        "{emails: [nobody]}",
        "{sns: costs}",
        "{emails: [" + ", ".join(["a@b.example"] * 11) + "]}",
        "{mail: a@b.example}",
    ],
)
def test_an_address_that_aws_would_refuse_is_refused(alerts: str) -> None:
    text = locks.environment_text().replace("  nat: single", f"  nat: single\n  alerts: {alerts}")
    with pytest.raises(Problems):
        environment_file.parse(text, "prod.yaml")


def test_an_environment_without_the_new_keys_reads_as_before() -> None:
    parsed, _ = environment_file.parse(locks.environment_text(), "prod.yaml")
    canonical = environment_file.canonical(parsed)["platform"]
    assert "alerts" not in canonical
    assert "boundary" not in canonical["roles"]
    assert "alerts" not in locks.plan().platform.model_dump()
