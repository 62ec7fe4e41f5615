"""Two sets of prices side by side: every difference is found once, and the largest change stands first."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from planner.domain.price_changes import PriceChange, price_changes
from planner.domain.prices import Price


def price(key: str, usd: str, unit: str = "hour", as_of: str = "2026-11-01") -> Price:
    return Price(key, Decimal(usd), unit, "a list", as_of)


def prices(**usd: str) -> dict[str, Price]:
    return {key: price(key, amount) for key, amount in usd.items()}


SIDES = st.dictionaries(st.sampled_from("abcdefgh"), st.decimals("0.01", "100", places=2).map(str), max_size=8)


def test_changes_stand_by_size_then_what_is_gone_then_what_was_added() -> None:
    found = price_changes(prices(a="10", b="10", c="10", d="1"), prices(a="11", b="5", c="10", e="2"))
    assert [(change.kind, change.key) for change in found] == [
        ("changed", "b"),
        ("changed", "a"),
        ("gone", "d"),
        ("added", "e"),
    ]
    assert [change.share for change in found] == [Decimal("-0.5"), Decimal("0.1"), None, None]


def test_another_day_is_no_change_and_another_unit_is_one_that_cannot_be_compared() -> None:
    before = prices(a="1", b="1", c="2")
    after = {"a": price("a", "1.00", as_of="2026-11-30"), "b": price("b", "1", "Mtok"), "c": price("c", "3")}
    found = price_changes(before, after)
    assert [change.key for change in found] == ["b", "c"]
    assert found[0].share is None


@given(SIDES, SIDES)
def test_the_changes_lead_from_one_side_to_the_other_and_back(before: dict[str, str], after: dict[str, str]) -> None:
    was, becomes = prices(**before), prices(**after)
    there, back = price_changes(was, becomes), price_changes(becomes, was)
    walked = dict(was)
    for change in there:
        if change.after is None:
            del walked[change.key]
        else:
            walked[change.key] = change.after
    assert walked == becomes
    assert {(c.key, c.before, c.after) for c in there} == {(c.key, c.after, c.before) for c in back}
    assert price_changes(was, was) == ()


@given(SIDES, SIDES)
def test_the_order_is_that_of_the_size(before: dict[str, str], after: dict[str, str]) -> None:
    shares = [c.share for c in price_changes(prices(**before), prices(**after)) if c.share is not None]
    assert [abs(share) for share in shares] == sorted(map(abs, shares), reverse=True)


def test_a_change_knows_its_kind() -> None:
    one = price("a", "1")
    assert PriceChange("a", None, one).kind == "added"
    assert PriceChange("a", one, None).kind == "gone"
    assert PriceChange("a", one, price("a", "2")).kind == "changed"
