"""Rates that plans do not use yet: spot prices by the time they held, capacity blocks and savings plans by the hour."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.edges.aws_account import CAPACITY_BLOCKS, SAVINGS_RATES, SPOT_HISTORY
from planner.edges.aws_rates import (
    capacity_block_rates,
    held_quantile,
    report,
    savings_plan_rates,
    spot_rates,
)
from tests.planner.edges.imitated_account import stubbed

TODAY = datetime.date(2026, 11, 30)
END = datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC)
START = END - datetime.timedelta(days=14)


def day(number: float) -> datetime.datetime:
    return START + datetime.timedelta(days=number)


def spot(price: str, begins: float, zone: str = "use1-az1", name: str = "g6e.xlarge") -> dict[str, Any]:
    return {"InstanceType": name, "AvailabilityZoneId": zone, "SpotPrice": price, "Timestamp": day(begins)}


def test_a_spot_price_counts_for_as_long_as_it_held() -> None:
    history = [(day(-3), Decimal(1)), (day(10), Decimal(2)), (day(13), Decimal(9))]
    assert held_quantile(history, START, END, Decimal("0.70")) == 1
    assert held_quantile(history, START, END, Decimal("0.75")) == 2
    assert held_quantile(history, START, END, Decimal(1)) == 9


@given(
    st.lists(st.tuples(st.floats(-5, 14), st.integers(1, 50)), min_size=1, max_size=12), st.sampled_from((0.5, 0.75, 1))
)
def test_a_quantile_is_one_of_the_prices_and_grows_with_its_share(
    points: list[tuple[float, int]], share: float
) -> None:
    history = [(day(begins), Decimal(price)) for begins, price in points]
    found = held_quantile(history, START, END, Decimal(str(share)))
    assert found in {price for _, price in history}
    assert found <= held_quantile(history, START, END, Decimal(1))


def test_spot_rates_stand_by_type_and_zone_id() -> None:
    account, _ = stubbed(
        (SPOT_HISTORY, {"SpotPriceHistory": [spot("0.50", -1), spot("0.60", 12)], "NextToken": "1"}),
        (SPOT_HISTORY, {"SpotPriceHistory": [spot("0.70", 1, "use1-az2")]}),
    )
    found = spot_rates(account, "us-east-1", ["g6e.xlarge", "p5.48xlarge"], TODAY)
    assert [(rate.zone, rate.usd) for rate in found.rows] == [
        ("use1-az1", Decimal("0.5")),
        ("use1-az2", Decimal("0.7")),
    ]
    (told,) = found.told
    assert (told.code, told.message) == ("REF006", "no spot rate in us-east-1 of p5.48xlarge")


def block(fee: str, zone: str = "us-east-1a", count: int = 1, **other: Any) -> dict[str, Any]:
    return {
        "InstanceType": "p5.48xlarge",
        "AvailabilityZone": zone,
        "InstanceCount": count,
        "StartDate": day(20),
        "CapacityBlockDurationHours": 24,
        "UpfrontFee": fee,
        "CurrencyCode": "USD",
        **other,
    }


def test_the_cheapest_block_of_a_zone_is_told_by_the_hour() -> None:
    offers = [block("960"), block("720"), block("1920", "us-east-1b", 2), block("9", CurrencyCode="EUR")]
    account, _ = stubbed((CAPACITY_BLOCKS, {"CapacityBlockOfferings": offers}))
    found = capacity_block_rates(account, "us-east-1", ["p5.48xlarge"], TODAY)
    assert [(rate.zone, rate.usd) for rate in found.rows] == [("us-east-1a", Decimal(30)), ("us-east-1b", Decimal(40))]
    assert [told.message for told in found.told] == ["a capacity block of p5.48xlarge in us-east-1 costs EUR"]


@pytest.mark.parametrize("answer", ["InvalidParameterValue", {"CapacityBlockOfferings": []}])
def test_a_type_without_blocks_is_a_gap(answer: Any) -> None:
    account, _ = stubbed((CAPACITY_BLOCKS, answer))
    found = capacity_block_rates(account, "us-east-1", ["p5.48xlarge"], TODAY)
    assert found.rows == ()
    assert [told.code for told in found.told] == ["REF006"]


def savings(rate: str, plan: str = "Compute", years: int = 1, **other: Any) -> dict[str, Any]:
    return {
        "savingsPlanOffering": {
            "offeringId": "00000000-0000-0000-0000-000000000000",
            "paymentOption": "No Upfront",
            "planType": plan,
            "durationSeconds": years * 31_536_000,
            "currency": "USD",
        },
        "rate": rate,
        "unit": "Hrs",
        "properties": [{"name": "instanceType", "value": "g6e.xlarge"}],
        **other,
    }


def test_savings_plans_are_told_by_plan_and_years() -> None:
    account, _ = stubbed(
        (SAVINGS_RATES, {"searchResults": [savings("1.30"), savings("0.9", "EC2Instance", 3)], "nextToken": "1"}),
        (SAVINGS_RATES, {"searchResults": [savings("5", unit="Lambda-GB-Second")]}),
    )
    found = savings_plan_rates(account, "us-east-1", ["g6e.xlarge"])
    assert [(rate.usd, rate.terms) for rate in found.rows] == [
        (Decimal("1.3"), "Compute savings plan, 1 year, No Upfront"),
        (Decimal("0.9"), "EC2Instance savings plan, 3 years, No Upfront"),
    ]
    assert [told.code for told in found.told] == ["REF005"]


def test_a_report_says_its_day_its_sources_and_that_plans_do_not_use_it() -> None:
    account, _ = stubbed((SPOT_HISTORY, {"SpotPriceHistory": [spot("0.50", 0)]}))
    rates = spot_rates(account, "us-east-1", ["g6e.xlarge"], TODAY).rows
    document = report(rates, {"us-east-1": {"g6e.xlarge": ("use1-az1",)}}, "2026-11-30")
    assert document["used_by_plans"] is False
    assert document["rates"] == [
        {
            "option": "spot",
            "region": "us-east-1",
            "zone": "use1-az1",
            "instance_type": "g6e.xlarge",
            "usd": 0.5,
            "unit": "hour",
            "terms": "no higher in 75% of 14 days",
            "source": "EC2 describe_spot_price_history",
            "as_of": "2026-11-30",
        }
    ]
