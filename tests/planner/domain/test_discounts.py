"""Discounts: exact, never upward, the most specific alone; own prices and ended discounts stay out of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.domain.discounts import (
    Discount,
    DiscountedPrice,
    as_own,
    discounted,
    held_on,
    names_in,
    on_price,
    own_terms,
)
from planner.domain.prices import Price

KEYS = (
    "ec2/us-east-1/g6e.12xlarge/on-demand",
    "ec2/eu-central-1/p5.48xlarge/on-demand",
    "api/openai/gpt-4.1-mini/cached-input",
    "platform/us-east-1/nat-gateway",
)
NAMES = sorted({name for key in KEYS for name in names_in(key)} | {"ec2/g5", "api/groq", "platform/kms-key"})
DAY = date(2026, 12, 1)
amounts = st.decimals(min_value="0.000001", max_value="10000", places=6, allow_nan=False)
percents = st.decimals(min_value="0.01", max_value="99.99", places=2, allow_nan=False)
days = st.none() | st.dates(date(2026, 1, 1), date(2027, 12, 31))


def price(key: str, usd: Decimal | str = "1.861") -> Price:
    """A list price."""
    return Price(key, Decimal(usd), "hour", "a list", "2026-11-01", disputed="1.9")


def discount(on: str, percent: Decimal | str = "12", until: date | None = None) -> Discount:
    """A discount."""
    return Discount(on=on, percent=Decimal(percent), source="EDP 2026", as_of="2026-10-01", until=until)


given_discounts = st.dictionaries(st.sampled_from(NAMES), st.tuples(percents, days)).map(
    lambda found: {on: discount(on, percent, until) for on, (percent, until) in found.items()}
)


@given(st.sampled_from(KEYS), amounts, given_discounts)
def test_a_discount_never_raises_a_price_and_the_most_specific_wins(
    key: str, usd: Decimal, discounts: dict[str, Discount]
) -> None:
    held = held_on(discounts.values(), DAY)
    net = discounted(price(key, usd), held)
    assert 0 < net.usd <= usd
    meant = [held[name] for name in names_in(key) if name in held]
    if not meant:
        assert net == price(key, usd)
        return
    assert isinstance(net, DiscountedPrice)
    assert net.discount == meant[0]
    assert Fraction(net.usd) == Fraction(usd) * (100 - Fraction(meant[0].percent)) / 100


@given(st.sampled_from(KEYS), amounts, given_discounts)
def test_what_can_decide_a_price_decides_it_on_every_day(
    key: str, usd: Decimal, discounts: dict[str, Discount]
) -> None:
    deciding = on_price(key, discounts.values())
    for day in (date(2026, 1, 1), DAY, date(2028, 1, 1)):
        with_all = discounted(price(key, usd), held_on(discounts.values(), day))
        assert with_all == discounted(price(key, usd), held_on(deciding, day))


@given(amounts)
def test_an_own_price_is_beyond_doubt(usd: Decimal) -> None:
    own = as_own(price(KEYS[0], usd))
    assert own.doubts() == ()
    assert not own.ages
    assert price(KEYS[0], usd).ages


@pytest.mark.parametrize(
    ("key", "names"),
    [
        (KEYS[0], ("ec2/g6e.12xlarge", "ec2/g6e", "ec2")),
        (KEYS[2], ("api/openai/gpt-4.1-mini", "api/openai", "api")),
        (KEYS[3], ("platform/nat-gateway", "platform")),
    ],
)
def test_the_names_of_a_price(key: str, names: tuple[str, ...]) -> None:
    assert names_in(key) == names


def test_an_exact_price_says_what_was_taken_off_and_keeps_the_doubts_of_the_list_price() -> None:
    listed = replace(price(KEYS[0]), disputed="$1.9 (another list)")
    net = discounted(listed, {"ec2": discount("ec2")})
    assert net.usd == Decimal("1.63768")
    assert own_terms(net.source) == "12 % off $1.861 (EDP 2026)"
    assert own_terms(listed.source) == ""
    assert own_terms(as_own(listed).source) == "a list"
    assert net.doubts() == listed.doubts() != ()


def test_at_an_address_that_costs_more_the_discount_is_taken_off_the_higher_price() -> None:
    net = discounted(price(KEYS[2], "0.40"), {"api": discount("api", "5")}).times(Decimal("1.1"))
    assert net.usd == Decimal("0.418")
    assert own_terms(net.source) == "5 % off $0.40 × 1.1 (EDP 2026)"
    own = as_own(price(KEYS[2], "0.30")).beside(price(KEYS[2], "0.40")).times(Decimal("1.1"))
    assert own.usd == Decimal("0.33")
    assert own_terms(own.source) == "a list; list price $0.40; × 1.1 at the address"


def test_a_discount_holds_on_its_last_day_and_the_wider_one_after_it() -> None:
    discounts = [discount("ec2/g6e", "30", date(2027, 3, 31)), discount("ec2", "12")]
    on_last = discounted(price(KEYS[0], "1"), held_on(discounts, date(2027, 3, 31)))
    after = discounted(price(KEYS[0], "1"), held_on(discounts, date(2027, 4, 1)))
    assert (on_last.usd, after.usd) == (Decimal("0.7"), Decimal("0.88"))


def test_a_discount_holds_from_its_first_day_on() -> None:
    edp = [discount("ec2", "12")]
    assert held_on(edp, date(2026, 9, 30)) == {}
    assert held_on(edp, date(2026, 10, 1)) == {"ec2": edp[0]}
