"""The algebra of offerings, on the shipped catalog."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from planner.domain.offerings import Offerings, Region, all_offerings, offerings_in
from planner.domain.prices import PriceSnapshot
from planner.edges.catalog_files import load_catalog

CATALOG = load_catalog()
TWO = {name: CATALOG.regions[name] for name in ("us-east-1", "us-west-2")}
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
    found = all_offerings(TWO, CATALOG.instances, CATALOG.gpus, prices, "on-demand")
    assert [row.region for row in found if row.instance_type == "g5.xlarge"] == ["us-east-1", "us-west-2"]
    assert [row.region for row in found.available() if row.instance_type == "g5.xlarge"] == ["us-east-1"]
    assert "price/ec2/us-west-2/g5.xlarge/on-demand" in {gap.key for gap in found.gaps(prices)}
    assert "price/ec2/us-east-1/g5.xlarge/on-demand" not in {gap.key for gap in found.gaps(prices)}


def test_spot_has_no_prices_yet_and_says_so() -> None:
    found = all_offerings(TWO, CATALOG.instances, CATALOG.gpus, CATALOG.prices, "spot")
    assert not found.available()
    assert len(found.gaps(CATALOG.prices)) == len(found) > 0


def test_an_empty_set_has_no_gpus() -> None:
    assert not Offerings(()).gpus()


@given(st.sampled_from(sorted(CATALOG.regions)), st.sets(st.sampled_from(ZONES)))
def test_filters_commute(region: str, zones: set[str]) -> None:
    rows = CATALOG.offerings
    assert rows.in_region(region).in_zones(zones) == rows.in_zones(zones).in_region(region)
    assert rows.in_region(region).available() == rows.available().in_region(region)
    assert rows.in_region(region).in_region(region) == rows.in_region(region)


def test_order_does_not_depend_on_the_order_of_the_rows() -> None:
    backwards = dict(reversed(list(CATALOG.instances.items())))
    prices = PriceSnapshot("x", CATALOG.prices.rows)
    assert all_offerings(CATALOG.regions, backwards, CATALOG.gpus, prices, "on-demand").rows == CATALOG.offerings.rows


def test_the_offerings_of_a_region_are_those_of_all_regions_that_lie_in_it() -> None:
    for region in CATALOG.regions:
        assert CATALOG.offered_in(region).rows == CATALOG.offerings.in_region(region).rows
    assert not CATALOG.offered_in("mars-north-1")


def test_a_type_is_sold_where_its_family_is_unless_it_says_otherwise() -> None:
    region = Region(
        key="mars-north-1",
        families={"g6": ("mar1-az1", "mar1-az2")},
        types={"g6.48xlarge": ("mar1-az2",), "g6.xlarge": ()},
        source="made up",
        as_of="2026-11-21",
    )
    assert region.zones_of("g6.2xlarge") == ("mar1-az1", "mar1-az2")
    assert region.zones_of("g6.48xlarge") == ("mar1-az2",)
    assert region.zones_of("g6.xlarge") == region.zones_of("g6e.xlarge") == ()
    sold = offerings_in(region, CATALOG.instances, CATALOG.gpus, CATALOG.prices, "on-demand")
    family = {key for key, row in CATALOG.instances.items() if row.family == "g6"}
    assert {row.instance_type for row in sold} == family - {"g6.xlarge"}
    assert not sold.available(), "no price of another region stands for that of mars-north-1"
