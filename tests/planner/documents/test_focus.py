"""Rows of FOCUS 1.2: they sum to the bill, have its mandatory columns, and are null where a plan cannot know."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest

from infra.providers import default_tags
from planner.documents.finance import finance_of
from planner.documents.focus import focus_rows, tags_of
from planner.domain.currency import Currency
from planner.edges.workspace import Workspace
from planner.words.numbers import dollars
from tests.examples import ENVIRONMENTS
from tests.planner.documents.test_finance import BILL, phased
from tests.planner.plans import bent, lock, plan

MANDATORY = (
    "BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd BillingPeriodStart "
    "ChargeCategory ChargeClass ChargeDescription ChargePeriodEnd ChargePeriodStart ContractedCost EffectiveCost "
    "InvoiceIssuerName ListCost PricingQuantity PricingUnit ProviderName PublisherName ServiceCategory ServiceName"
)
"""Columns that FOCUS 1.2 wants in every dataset."""
EURO = Currency("EUR", Decimal("0.92"), "ECB reference rate", "2026-11-01")


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_rows_sum_to_the_bill_of_every_month_to_the_cent(name: str) -> None:
    worked = Workspace(ENVIRONMENTS).existing_lock(name)
    finance = finance_of(worked)
    rows = focus_rows(finance)
    months = {row["BillingPeriodStart"] for row in rows}
    assert len(months) == worked.answered_environment().horizon.months
    for month in months:
        billed = [row["BilledCost"] for row in rows if row["BillingPeriodStart"] == month]
        assert sum(usd for usd in billed if isinstance(usd, Decimal)) == worked.plan.cost.usd_per_month
    assert sum(row["BilledCost"] for row in rows if isinstance(row["BilledCost"], Decimal)) == finance.usd


def test_columns_are_those_of_focus_in_one_order_and_own_ones_stand_last() -> None:
    rows = focus_rows(finance_of(lock()), EURO)
    (columns,) = {tuple(row) for row in rows}
    assert set(MANDATORY.split()) <= set(columns)
    own = [column.startswith("x_") for column in columns]
    assert own == sorted(own)
    of_focus = [column for column in columns if not column.startswith("x_")]
    assert of_focus == sorted(of_focus)
    assert tuple(focus_rows(phased((date(2027, 2, 1), "5.00")), EURO)[-1]) == columns, "a phase has the same columns"


def test_a_line_of_a_machine() -> None:
    row = next(
        row for row in focus_rows(finance_of(lock())) if str(row["SkuId"]).startswith("ec2/") and row["ResourceName"]
    )
    assert (row["ProviderName"], row["ServiceName"]) == ("AWS", "Amazon Elastic Compute Cloud")
    assert (row["ServiceCategory"], row["RegionId"], row["PricingUnit"]) == ("Compute", "us-east-1", "Hours")
    assert row["BillingAccountId"] == row["SubAccountId"] == "123456789012"
    assert (row["ChargeCategory"], row["ChargeClass"], row["PricingCategory"]) == ("Usage", None, "Standard")
    assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == ("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z")
    assert isinstance(row["PricingQuantity"], Decimal)
    assert isinstance(row["ListUnitPrice"], Decimal)
    assert row["ListUnitPrice"] == row["ContractedUnitPrice"]
    assert dollars(row["PricingQuantity"] * row["ListUnitPrice"]) == row["ListCost"] == row["BilledCost"]
    assert json.loads(str(row["Tags"])) == default_tags("prod")


def test_a_line_of_an_api_has_no_account_no_region_and_no_tags() -> None:
    row = next(row for row in focus_rows(finance_of(lock())) if str(row["SkuId"]).startswith("api/"))
    assert (row["ProviderName"], row["ServiceName"]) == ("openai", "openai")
    assert (row["ServiceCategory"], row["PricingUnit"]) == ("AI and Machine Learning", "1000000 Tokens")
    for column in ("BillingAccountId", "SubAccountId", "RegionId", "ResourceName", "Tags"):
        assert row[column] is None, column
    assert row["x_Component"] == "chat"


def test_tags_are_those_that_resources_bear() -> None:
    assert tags_of("staging") == default_tags("staging")


@pytest.mark.parametrize(
    ("source", "listed", "cost"),
    [
        ("own catalog: 12 % off $10 (EDP 2026); list: AWS", Decimal(10), "7300.00"),
        ("own catalog: contract 4711", None, None),
    ],
    ids=["discount", "own"],
)
def test_the_list_price_is_that_behind_a_discount_and_null_behind_an_own_price(
    source: str, listed: Decimal | None, cost: str | None
) -> None:
    changes = {"unit_price": "8.8", "quantity": "730", "usd_per_month": "6424.00", "source": source}
    bent_plan = bent(plan(), {f"cost/lines/0/{key}": value for key, value in changes.items()})
    row = focus_rows(finance_of(lock(bent_plan)))[0]
    assert (row["ListUnitPrice"], row["ListCost"]) == (listed, None if cost is None else Decimal(cost))
    assert (row["ContractedUnitPrice"], row["BilledCost"]) == (Decimal("8.8"), Decimal("6424.00"))


@pytest.mark.parametrize(
    ("price", "category", "listed"),
    [
        ("environment/hardware.existing[0]/p5.48xlarge", "Committed", False),
        ("ec2/us-east-1/g6e.12xlarge/spot", "Dynamic", True),
    ],
)
def test_how_a_machine_is_priced(price: str, category: str, listed: bool) -> None:
    row = focus_rows(finance_of(lock(bent(plan(), {"cost/lines/0/price": price}))))[0]
    assert row["PricingCategory"] == category
    assert (row["ListUnitPrice"] is not None) is listed
    assert row["ServiceName"] == "Amazon Elastic Compute Cloud"


def test_an_item_of_the_platform_that_nobody_has_named_has_no_service() -> None:
    row = focus_rows(finance_of(lock(bent(plan(), {"cost/lines/0/price": "platform/us-east-1/quantum-link"}))))[0]
    assert (row["ServiceName"], row["ServiceCategory"]) == (None, "Other")


def test_every_item_of_a_cluster_has_its_service() -> None:
    rows = focus_rows(finance_of(Workspace(ENVIRONMENTS).existing_lock("prod")))
    assert all(row["ServiceName"] and row["PricingUnit"] for row in rows)
    assert {row["PricingUnit"] for row in rows} == {"Hours", "Months", "GB", "GB-Months", "1000000 Tokens"}


def test_a_later_phase_is_one_row_a_month_that_knows_its_cost_and_no_more() -> None:
    rows = focus_rows(phased((date(2027, 11, 16), "3000.00")))
    row = rows[-1]
    assert row["BilledCost"] == Decimal("1500.00")
    assert (row["ChargePeriodStart"], row["BillingPeriodStart"]) == ("2027-11-16T00:00:00Z", "2027-11-01T00:00:00Z")
    assert row["PricingQuantity"] is row["ServiceName"] is row["ListCost"] is row["ProviderName"] is None
    november = [each["BilledCost"] for each in rows if each["BillingPeriodStart"] == "2027-11-01T00:00:00Z"]
    assert sum(usd for usd in november if isinstance(usd, Decimal)) == dollars(BILL / 2) + Decimal("1500.00")


def test_amounts_in_euros_sum_to_the_sum_in_euros() -> None:
    finance = finance_of(lock())
    rows = focus_rows(finance, EURO)
    shown = [row["x_DisplayCost"] for row in rows]
    assert sum(amount for amount in shown if isinstance(amount, Decimal)) == EURO.of(finance.usd)
    assert {(row["BillingCurrency"], row["x_DisplayCurrency"], row["x_DisplayRateAsOf"]) for row in rows} == {
        ("USD", "EUR", "2026-11-01")
    }
