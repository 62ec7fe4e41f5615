"""The algebra of offerings, on the shipped catalog."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from planner.domain.offerings import Offerings, all_offerings
from planner.domain.prices import PriceSnapshot
from planner.edges.catalog_files import load_catalog

CATALOG = load_catalog()
ZONES = [zone for region in CATALOG.regions for zone in CATALOG.zones(region)]


def test_filters_narrow_and_chain() -> None:
    sold = CATALOG.offerings.in_region("us-east-1").available()
    assert {row.region for row in sold} == {"us-east-1"}
    assert len([row for row in sold if row.gpu.key == "L40S"]) == 8
    (row,) = (row for row in sold if row.instance_type == "p5.48xlarge")
    assert row.price is not None
    assert row.price.usd == Decimal("55.04")


def test_zones_narrow_the_offering_too() -> None:
    found = CATALOG.offerings.in_region("us-east-1").in_zones(["use1-az1", "use1-az2"])
    assert "B200" not in {gpu.key for gpu in found.gpus()}
    assert [row.zones for row in found if row.instance_type == "p5en.48xlarge"] == [("use1-az2",)]


def test_an_offering_without_price_stays_until_it_must_be_had() -> None:
    rows = {key: price for key, price in CATALOG.prices.rows.items() if key != "ec2/us-west-2/g5.xlarge/on-demand"}
    prices = replace(CATALOG.prices, rows=rows)
    found = all_offerings(CATALOG.instances, CATALOG.gpus, prices, "on-demand")
    assert [row.region for row in found if row.instance_type == "g5.xlarge"] == ["us-east-1", "us-west-2"]
    assert [row.region for row in found.available() if row.instance_type == "g5.xlarge"] == ["us-east-1"]
    (gap,) = found.gaps(prices)
    assert gap.key == "price/ec2/us-west-2/g5.xlarge/on-demand"


def test_spot_has_no_prices_yet_and_says_so() -> None:
    found = all_offerings(CATALOG.instances, CATALOG.gpus, CATALOG.prices, "spot")
    assert not found.available()
    assert len(found.gaps(CATALOG.prices)) == len(found) > 0


def test_an_empty_set_has_no_gpus() -> None:
    assert not Offerings(()).gpus()


@given(st.sampled_from(CATALOG.regions), st.sets(st.sampled_from(ZONES)))
def test_filters_commute(region: str, zones: set[str]) -> None:
    rows = CATALOG.offerings
    assert rows.in_region(region).in_zones(zones) == rows.in_zones(zones).in_region(region)
    assert rows.in_region(region).available() == rows.available().in_region(region)
    assert rows.in_region(region).in_region(region) == rows.in_region(region)


def test_order_does_not_depend_on_the_order_of_the_rows() -> None:
    backwards = dict(reversed(list(CATALOG.instances.items())))
    prices = PriceSnapshot("x", CATALOG.prices.rows)
    assert all_offerings(backwards, CATALOG.gpus, prices, "on-demand").rows == CATALOG.offerings.rows
