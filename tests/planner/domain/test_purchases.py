"""Purchase options: what spot costs over zones, what a commitment costs, and which prices are refused as too old."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import pytest

from planner.domain.discounts import Discount, OwnPrice, as_own, discounted
from planner.domain.prices import FamilyCut, Price, PriceSnapshot, file_of
from planner.domain.purchases import (
    COMMITMENTS,
    Commitment,
    capacity_block_key,
    committed_price,
    no_commitment,
    spot_key,
    spot_price,
)

REGION = "us-east-1"
P4D = "p4d.24xlarge"
P4D_ZONES = {"use1-az1": "8.0087", "use1-az2": "6.5323", "use1-az4": "13.9933", "use1-az6": "11.787"}
CUT = FamilyCut(key="p5", day=date(2025, 6, 1), source="a page of AWS", as_of="2025-06-05")
YEAR = Commitment("1y", "no-upfront")


def price(key: str, usd: str, as_of: str = "2026-01-21", source: str = "a list") -> Price:
    return Price(key, Decimal(usd), "hour", source, as_of)


def of_zones(usd: Mapping[str, str], instance_type: str = P4D) -> dict[str, Price]:
    return {key: price(key, each) for zone, each in usd.items() for key in [spot_key(REGION, instance_type, zone)]}


def snapshot(rows: Mapping[str, Price]) -> PriceSnapshot:
    return PriceSnapshot("2026-11-29", rows, {"p5": CUT})


def test_there_are_six_commitments_each_with_its_key_and_words() -> None:
    told = [(each.key, each.months, each.words) for each in COMMITMENTS]
    assert told == [
        ("reserved-1y/no-upfront", 12, "reserved 1y, no upfront"),
        ("reserved-1y/partial-upfront", 12, "reserved 1y, partial upfront"),
        ("reserved-1y/all-upfront", 12, "reserved 1y, all upfront"),
        ("reserved-3y/no-upfront", 36, "reserved 3y, no upfront"),
        ("reserved-3y/partial-upfront", 36, "reserved 3y, partial upfront"),
        ("reserved-3y/all-upfront", 36, "reserved 3y, all upfront"),
    ]
    assert COMMITMENTS[1].price_key(REGION, P4D) == f"ec2/{REGION}/{P4D}/reserved-1y/partial-upfront"
    assert len(set(COMMITMENTS)) == 6


def test_spot_costs_the_75th_percentile_over_the_zones_that_have_a_price() -> None:
    found = spot_price(snapshot(of_zones(P4D_ZONES)), REGION, P4D, [*P4D_ZONES, "use1-az3"])
    assert found is not None
    assert (found.key, found.usd, found.kind) == (f"ec2/{REGION}/{P4D}/spot", Decimal("12.339"), "spot")
    assert round(found.usd, 2) == Decimal("12.34")
    assert found.source == "a list (75th percentile over use1-az1, use1-az2, use1-az4, use1-az6)"


@pytest.mark.parametrize(
    ("usd", "expected"),
    [
        (["2", "1"], "1.75"),
        (["1", "2", "3"], "2.5"),
        (["5", "1", "3", "2", "4"], "4"),
        (["1", "1"], "1"),
        (["0.1001", "0.1011"], "0.101"),  # 0.10085 is rounded up
    ],
)
def test_between_two_prices_the_percentile_is_interpolated_and_rounded(usd: list[str], expected: str) -> None:
    zones = {f"use1-az{number}": each for number, each in enumerate(usd, 1)}
    for order in (list(zones), list(reversed(zones)), [*zones, *zones]):
        found = spot_price(snapshot(of_zones(zones)), REGION, P4D, order)
        assert found is not None
        assert found.usd == Decimal(expected)


def test_one_pool_of_capacity_is_no_price() -> None:
    prices = snapshot(of_zones(P4D_ZONES))
    assert spot_price(prices, REGION, P4D, ["use1-az1"]) is None
    assert spot_price(prices, REGION, P4D, ["use1-az1", "use1-az1", "use1-az3"]) is None
    assert spot_price(prices, REGION, P4D, []) is None
    assert spot_price(prices, REGION, "p5.48xlarge", list(P4D_ZONES)) is None


def test_spot_is_as_old_as_the_oldest_price_in_it_and_names_every_source() -> None:
    keys = [spot_key(REGION, P4D, zone) for zone in ("use1-az1", "use1-az2")]
    rows = {
        keys[0]: price(keys[0], "1", "2026-11-01", "EC2"),
        keys[1]: Price(keys[1], Decimal(2), "hour", "a list", "2026-H1", note="undated"),
    }
    found = spot_price(snapshot(rows), REGION, P4D, ["use1-az1", "use1-az2"])
    assert found is not None
    assert (found.as_of, found.note) == ("2026-H1", "undated")
    assert found.source == "EC2; a list (75th percentile over use1-az1, use1-az2)"


def test_a_discount_on_all_of_the_zones_is_taken_off_the_price_over_them() -> None:
    edp = Discount(on="ec2", percent=Decimal(10), source="EDP", as_of="2026-01-01")
    rows = {key: discounted(each, {"ec2": edp}) for key, each in of_zones({"use1-az1": "1", "use1-az2": "2"}).items()}
    found = spot_price(snapshot(rows), REGION, P4D, ["use1-az1", "use1-az2"])
    assert found is not None
    assert found.usd == Decimal("1.575")
    assert found.source.startswith("own catalog: 10 % off $1.750 (EDP); list: a list (75th percentile")


def test_own_prices_of_all_zones_make_an_own_price_and_one_of_a_list_makes_it_none() -> None:
    listed = of_zones({"use1-az1": "1", "use1-az2": "2"})
    own = {key: as_own(each) for key, each in listed.items()}
    found = spot_price(snapshot(own), REGION, P4D, ["use1-az1", "use1-az2"])
    assert isinstance(found, OwnPrice)
    assert not found.ages
    first = spot_key(REGION, P4D, "use1-az1")
    mixed = spot_price(snapshot({**own, first: listed[first]}), REGION, P4D, ["use1-az1", "use1-az2"])
    assert mixed is not None
    assert mixed.ages


def test_a_commitment_has_its_own_price_and_no_other_stands_in() -> None:
    key = YEAR.price_key(REGION, "g6e.xlarge")
    prices = snapshot({key: price(key, "1.17243", "2025-04-24")})
    assert committed_price(prices, REGION, "g6e.xlarge", YEAR) == prices.rows[key]
    assert no_commitment(prices, REGION, "g6e.xlarge", YEAR) is None
    for other in COMMITMENTS[1:]:
        assert committed_price(prices, REGION, "g6e.xlarge", other) is None
        gap = no_commitment(prices, REGION, "g6e.xlarge", other)
        assert gap is not None
        assert gap.hint.startswith("a price is a line of prices/2026-11-29/purchases/us-east-1.yaml")


@pytest.mark.parametrize(
    ("as_of", "refused"),
    [
        ("2025-04-24", True),
        ("2025-05-31", True),
        ("2025", True),
        ("2025-H1", True),
        ("2025-06", False),
        ("2026", False),
    ],
)
@pytest.mark.parametrize("own", [False, True])
def test_a_committed_price_of_before_the_last_cut_is_refused_whoever_states_it(
    as_of: str, refused: bool, own: bool
) -> None:
    key = YEAR.price_key(REGION, "p5.48xlarge")
    listed = price(key, "60", as_of)
    prices = snapshot({key: as_own(listed) if own else listed})
    gap = no_commitment(prices, REGION, "p5.48xlarge", YEAR)
    assert (committed_price(prices, REGION, "p5.48xlarge", YEAR) is None) == refused == (gap is not None)
    if gap is not None:
        expected = f"the price {key} is of {as_of}, before AWS cut the prices of p5 on 2025-06-01 (a page of AWS)"
        assert gap.message == expected
        assert gap.subject == key


def test_a_cut_binds_its_family_alone_and_never_spot() -> None:
    prices = snapshot({})
    assert prices.cut_since(f"ec2/{REGION}/p5.48xlarge/on-demand", "2025-01-01") == CUT
    assert prices.cut_since(capacity_block_key(REGION, "p5.4xlarge"), "2025-01-01") == CUT
    assert prices.cut_since(spot_key(REGION, "p5.48xlarge", "use1-az1"), "2025-01-01") is None
    assert prices.cut_since(YEAR.price_key(REGION, "p5en.48xlarge"), "2025-01-01") is None
    assert prices.cut_since("platform/us-east-1/p5.48xlarge/x", "2025-01-01") is None


def test_a_key_tells_its_file_and_its_kind() -> None:
    files = {
        f"ec2/{REGION}/{P4D}/on-demand": "ec2/us-east-1",
        spot_key(REGION, P4D, "use1-az1"): "purchases/us-east-1",
        YEAR.price_key(REGION, P4D): "purchases/us-east-1",
        capacity_block_key(REGION, P4D): "purchases/us-east-1",
        "platform/us-east-1/nat-gateway": "platform/us-east-1",
        "api/openai/spot/input": "api/openai",
        "nonsense": "nonsense/",
    }
    assert {key: file_of(key) for key in files} == files
    kinds = {key: price(key, "1").kind for key in files}
    assert list(kinds.values()) == ["ec2", "spot", "ec2", "ec2", "platform", "api", "nonsense"]
