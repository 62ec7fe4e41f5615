"""On-demand prices and zones of an account: what agrees on one amount counts, and everything else is told."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import boto3
import pytest
from moto import mock_aws

from planner.edges.aws_account import GET_PRODUCTS, ZONE_OFFERINGS, Account
from planner.edges.aws_prices import FILTERS, on_demand_prices, zones_that_sell
from planner.words.diagnostics import Problems
from tests.planner.edges.imitated_account import product, stubbed


def page(*products: str) -> Mapping[str, Any]:
    return {"PriceList": list(products)}


def test_a_price_that_all_rows_agree_on_counts() -> None:
    account, _ = stubbed((GET_PRODUCTS, page(product("1.8610000000"), product("1.861"))))
    found = on_demand_prices(account, "us-east-1", ["g6e.xlarge"])
    assert found.usd == {"g6e.xlarge": Decimal("1.861")}
    assert found.told == ()


@pytest.mark.parametrize(
    ("products", "code", "words"),
    [
        ((), "REF006", "no on-demand price of g6e.xlarge in us-east-1"),
        ((product("1.8"), product("1.9")), "REF005", "contradicting on-demand prices: $1.8, $1.9"),
        ((product("0.0000000000"),), "REF005", "nothing is free"),
        ((product("-1"),), "REF005", "nothing is free"),
        ((product("NaN"),), "REF005", "nothing is free"),
        ((product("dear"),), "REF005", "no number"),
        ((product("1.8", currency="CNY"),), "REF005", "in CNY, not in USD"),
        ((product("1.8", unit="Month"),), "REF005", "'Month', not an hour"),
        ((product("1.8", name="g6e.2xlarge"),), "REF005", "answers with g6e.2xlarge"),
        (("{",), "REF005", "cannot be read"),
        (('{"product": {"attributes": {}}}',), "REF005", "cannot be read"),
        (('{"product": {"attributes": {}}, "terms": {}}',), "REF005", "no on-demand term"),
    ],
)
def test_what_cannot_be_used_is_told_and_no_price(products: tuple[str, ...], code: str, words: str) -> None:
    account, _ = stubbed((GET_PRODUCTS, page(*products)))
    found = on_demand_prices(account, "us-east-1", ["g6e.xlarge"])
    assert found.usd == {}
    (told,) = found.told
    assert (told.code, told.severity) == (code, "warning")
    assert words in told.message


def test_an_empty_page_before_the_last_is_no_gap() -> None:
    account, _ = stubbed((GET_PRODUCTS, {"PriceList": [], "NextToken": "1"}), (GET_PRODUCTS, page(product("2"))))
    assert on_demand_prices(account, "us-east-1", ["g6e.xlarge"]).usd == {"g6e.xlarge": Decimal(2)}


def test_each_type_is_asked_for_once_with_all_filters() -> None:
    asked: list[dict[str, Any]] = []

    class Client:
        def get_products(self, **arguments: Any) -> dict[str, Any]:
            asked.append(arguments)
            return {"PriceList": []}

    on_demand_prices(Account(lambda *_: Client()), "eu-central-1", ["b", "a", "b"])
    filters = [{each["Field"]: each["Value"] for each in call["Filters"]} for call in asked]
    assert filters == [{"regionCode": "eu-central-1", "instanceType": name, **FILTERS} for name in ("a", "b")]
    assert {call["ServiceCode"] for call in asked} == {"AmazonEC2"}


def test_a_type_that_the_price_list_refuses_is_told() -> None:
    account, _ = stubbed((GET_PRODUCTS, "InvalidParameterException"), (GET_PRODUCTS, page(product("3", name="b"))))
    found = on_demand_prices(account, "us-east-1", ["a", "b"])
    assert found.usd == {"b": Decimal(3)}
    assert [told.code for told in found.told] == ["REF006"]


def test_a_denied_price_list_stops_the_reading() -> None:
    account, _ = stubbed((GET_PRODUCTS, "AccessDeniedException"))
    with pytest.raises(Problems, match="REF003"):
        on_demand_prices(account, "us-east-1", ["a"])


def test_zones_are_ids_and_a_type_that_is_not_sold_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        account = Account(lambda service, region: boto3.client(service, region_name=region))
        zones = zones_that_sell(account, "us-east-1", ["g6e.xlarge", "p99.huge"])
    assert list(zones) == ["g6e.xlarge"]
    assert zones["g6e.xlarge"]
    assert all(zone.startswith("use1-az") for zone in zones["g6e.xlarge"])


def test_zones_of_all_pages_are_joined() -> None:
    rows = [{"InstanceType": "a", "Location": zone} for zone in ("use1-az4", "use1-az1", "use1-az4")]
    account, _ = stubbed(
        (ZONE_OFFERINGS, {"InstanceTypeOfferings": rows[:1], "NextToken": "1"}),
        (ZONE_OFFERINGS, {"InstanceTypeOfferings": [*rows[1:], {"InstanceType": "other", "Location": "use1-az2"}]}),
    )
    assert zones_that_sell(account, "us-east-1", ["a"]) == {"a": ("use1-az1", "use1-az4")}
