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


def test_filters_narrow_and_chain() -> None:
    found = CATALOG.offerings.in_region("us-east-1").with_gpu("L40S").available()
    assert {row.instance.family for row in found} == {"g6e"}
    assert len(found) == 8
    cheapest = found.cheapest()
    assert cheapest is not None
    assert cheapest.instance_type == "g6e.xlarge"
    assert cheapest.usd_per_gpu_hour == Decimal("1.861")
    four = found.with_at_least(4).cheapest()
    assert four is not None
    assert four.instance_type == "g6e.12xlarge"


def test_zones_narrow_the_offering_too() -> None:
    found = CATALOG.offerings.in_region("us-east-1").in_zones(["use1-az1", "use1-az2"])
    assert not found.with_gpu("B200")
    assert [row.zones for row in found.of_instance("p5en.48xlarge")] == [("use1-az2",)]


def test_price_per_gpu_is_the_machine_over_its_gpus() -> None:
    (row,) = CATALOG.offerings.in_region("us-east-1").of_instance("p5.48xlarge")
    assert row.usd_per_gpu_hour == Decimal("6.88")


def test_an_offering_without_price_stays_until_it_must_be_had() -> None:
    rows = {key: price for key, price in CATALOG.prices.rows.items() if key != "ec2/us-west-2/g5.xlarge/on-demand"}
    prices = replace(CATALOG.prices, rows=rows)
    found = all_offerings(CATALOG.instances, CATALOG.gpus, prices, "on-demand").of_instance("g5.xlarge")
    assert [row.region for row in found] == ["us-east-1", "us-west-2"]
    assert [row.region for row in found.available()] == ["us-east-1"]
    (gap,) = found.gaps(prices)
    assert gap.key == "price/ec2/us-west-2/g5.xlarge/on-demand"
    assert found.in_region("us-west-2").cheapest() is None


def test_spot_has_no_prices_yet_and_says_so() -> None:
    found = all_offerings(CATALOG.instances, CATALOG.gpus, CATALOG.prices, "spot")
    assert not found.available()
    assert len(found.gaps(CATALOG.prices)) == len(found) > 0


def test_nothing_is_cheapest_in_an_empty_set() -> None:
    assert Offerings(()).cheapest() is None
    assert not Offerings(()).gpus()


@given(st.sampled_from(CATALOG.regions), st.sampled_from(sorted(CATALOG.gpus)))
def test_filters_commute(region: str, gpu: str) -> None:
    rows = CATALOG.offerings
    assert rows.in_region(region).with_gpu(gpu) == rows.with_gpu(gpu).in_region(region)
    assert rows.in_region(region).in_region(region) == rows.in_region(region)


def test_order_does_not_depend_on_the_order_of_the_rows() -> None:
    backwards = dict(reversed(list(CATALOG.instances.items())))
    prices = PriceSnapshot("x", CATALOG.prices.rows)
    assert all_offerings(backwards, CATALOG.gpus, prices, "on-demand").rows == CATALOG.offerings.rows
