"""A team's own prices of spot, commitments and capacity blocks: what is read, what is refused, what is taken off."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from planner.domain.catalog import Catalog
from planner.domain.discounts import OwnPrice
from planner.domain.purchases import COMMITMENTS, committed_price, spot_price
from planner.edges.catalog_files import load_catalog
from planner.edges.own_catalog import catalog_beside
from planner.words.diagnostics import Problems

REGION = "us-east-1"
ZONES = ["use1-az1", "use1-az2", "use1-az4", "use1-az6"]
YEAR = COMMITMENTS[0]
EC2 = """\
unit: hour
sources:
  account: {source: describe-spot-price-history of our account, as_of: 2026-11-01}
  offer: {source: offer 4711 of AWS, as_of: 2026-11-01}
prices:
  g6e.xlarge:
    capacity-block: {usd: 1.60, source: offer}
    reserved-1y:
      no-upfront: {usd: 1.05, source: offer}
    reserved-3y:
      all-upfront: {usd: 0.70, source: offer}
    spot:
      use1-az1: {usd: 0.80, source: account}
      use1-az2: {usd: 0.90, source: account}
...
"""
EDP = "discounts:\n  - {on: ec2, percent: 10, source: EDP, as_of: 2026-10-01}\n...\n"


def beside(folder: Path, text: str, discounts: str = "") -> Catalog:
    """The catalog with a file of own prices, and discounts where there are some."""
    path = folder / "catalog" / "prices" / "ec2" / f"{REGION}.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    if discounts:
        (folder / "catalog" / "discounts.yaml").write_text(discounts, encoding="utf-8")
    return catalog_beside(folder)


def test_own_prices_of_other_options_win_over_shipped_ones_and_are_net(tmp_path: Path) -> None:
    prices = beside(tmp_path, EC2, EDP).prices
    year = committed_price(prices, REGION, "g6e.xlarge", YEAR)
    assert isinstance(year, OwnPrice)
    assert year.usd == Decimal("1.05")
    assert year.source.startswith("own catalog: offer 4711 of AWS; list price $1.17243")
    spot = spot_price(prices, REGION, "g6e.xlarge", ["use1-az1", "use1-az2"])
    assert isinstance(spot, OwnPrice)
    assert (spot.usd, spot.as_of) == (Decimal("0.875"), "2026-11-01")
    block = prices.price(f"ec2/{REGION}/g6e.xlarge/capacity-block")
    assert block is not None
    assert block.usd == Decimal("1.60")


def test_a_discount_on_machines_is_taken_off_every_option_that_has_a_list_price(tmp_path: Path) -> None:
    listed, prices = load_catalog().prices, beside(tmp_path, EC2, EDP).prices
    for each in COMMITMENTS[:2]:
        before = committed_price(listed, REGION, "g6e.2xlarge", each)
        after = committed_price(prices, REGION, "g6e.2xlarge", each)
        assert before is not None
        assert after is not None
        assert after.usd == before.usd * Decimal("0.9")
    before, after = (spot_price(each, REGION, "p4d.24xlarge", ZONES) for each in (listed, prices))
    assert before is not None
    assert after is not None
    assert after.usd == before.usd * Decimal("0.9")


@pytest.mark.parametrize("on", ["ec2/p4d.24xlarge", "ec2/p4d"])
def test_a_discount_on_one_machine_or_family_counts_for_its_spot_and_commitments(tmp_path: Path, on: str) -> None:
    listed = load_catalog().prices
    prices = beside(tmp_path, EC2, EDP.replace("on: ec2,", f"on: {on},")).prices
    for key in (f"ec2/{REGION}/p4d.24xlarge/spot/use1-az1", YEAR.price_key(REGION, "p4d.24xlarge")):
        before, after = listed.price(key), prices.price(key)
        assert before is not None
        assert after is not None
        assert after.usd == before.usd * Decimal("0.9"), key
    other = YEAR.price_key(REGION, "g6e.2xlarge")
    assert prices.price(other) == listed.price(other)


def test_an_own_price_ends_and_the_list_price_holds_again(tmp_path: Path) -> None:
    text = EC2.replace("usd: 1.05,", "usd: 1.05, until: 2026-12-31,")
    catalog = beside(tmp_path, text)
    key = YEAR.price_key(REGION, "g6e.xlarge")
    found = [catalog.priced_on(day).prices.price(key) for day in (date(2026, 12, 31), date(2027, 1, 1))]
    assert [price and price.usd for price in found] == [Decimal("1.05"), Decimal("1.17243")]


@pytest.mark.parametrize(
    ("old", "new", "code", "message", "hint"),
    [
        ("reserved-1y:", "reserved-2y:", "CAT006", "no purchase option 'reserved-2y/no-upfront'", "reserved-1y/no-up"),
        ("no-upfront:", "some-upfront:", "CAT006", "no purchase option 'reserved-1y/some-upfront'", "did you mean"),
        ("use1-az1:", "use1-az9:", "CAT006", "there is no zone 'use1-az9' to price", "use1-az6"),
        ("use1-az1:", "us-east-1a:", "CAT006", "there is no zone 'us-east-1a' to price", "use1-az1"),
        ("capacity-block:", "spot:", "CAT004", "twice", ""),
        ("usd: 0.80", "usd: 0", "CAT005", "spot/use1-az1 is 0", ""),
        ("usd: 1.05, source", "usd: 1.05, unit: month, source", "CAT009", "stated for one month", "one hour"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, code: str, message: str, hint: str
) -> None:
    assert EC2.count(old) == 1
    with pytest.raises(Problems) as caught:
        beside(tmp_path, EC2.replace(old, new))
    (problem,) = caught.value.problems
    assert problem.code == code
    assert message in problem.message
    assert hint in problem.hint
    assert problem.where is not None


def test_spot_without_a_zone_is_refused(tmp_path: Path) -> None:
    text = EC2.replace(
        "    spot:\n      use1-az1: {usd: 0.80, source: account}\n", "    spot: {usd: 0.8, source: account}\n"
    )
    with pytest.raises(Problems) as caught:
        beside(tmp_path, text.replace("      use1-az2: {usd: 0.90, source: account}\n", ""))
    (problem,) = caught.value.problems
    assert (problem.code, problem.message) == ("CAT006", "ec2/us-east-1/g6e.xlarge/spot names no zone")
    assert "use1-az1" in problem.hint


def test_a_commitment_of_before_the_last_cut_is_refused_and_spot_is_not(tmp_path: Path) -> None:
    text = EC2.replace("g6e.xlarge", "p5.48xlarge").replace("    capacity-block: {usd: 1.60, source: offer}\n", "")
    with pytest.raises(Problems) as caught:
        beside(tmp_path, text.replace("2026-11-01", "2025-05-01"))
    told = [(problem.code, problem.message) for problem in caught.value.problems]
    keys = [f"ec2/us-east-1/p5.48xlarge/{option}" for option in ("reserved-1y/no-upfront", "reserved-3y/all-upfront")]
    assert told == [
        ("CAT008", f"the price of {key} is of 2025-05-01, before AWS cut the prices of p5 on 2025-06-01")
        for key in keys
    ]
