"""Prices of a day: what is agreed holds from one day to another, and prices change on the days of `turns` alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.domain.agreements import Agreements, named, repriced, turn_words
from planner.domain.discounts import Discount, OwnPrice, as_own
from planner.domain.prices import Price

G6E, P5 = "ec2/us-east-1/g6e.xlarge/on-demand", "ec2/us-east-1/p5.48xlarge/on-demand"
START, END = date(2026, 12, 1), date(2027, 12, 1)
LISTED = {key: Price(key, Decimal(usd), "hour", "a list", "2026-11-01") for key, usd in ((G6E, "2"), (P5, "50"))}
days = st.dates(date(2026, 10, 1), date(2028, 2, 1))


def own(usd: str, until: date | None = None, key: str = G6E) -> OwnPrice:
    return as_own(OwnPrice(key, Decimal(usd), "hour", "contract 4711", "2026-11-01", until=until))


def discount(on: str, percent: str, begins: date = date(2026, 10, 1), until: date | None = None) -> Discount:
    return Discount(on=on, percent=Decimal(percent), source="EDP", as_of=begins.isoformat(), until=until)


def usd(prices: Mapping[str, Price], key: str = G6E) -> Decimal:
    return prices[key].usd


agreed = st.builds(
    lambda end, spans: Agreements(
        LISTED,
        {G6E: own("1.5", end)},
        tuple(
            discount(on, percent, first, last if last is None or last >= first else first)
            for (on, percent), (first, last) in zip(
                (("ec2", "10"), ("ec2/g6e", "20"), ("ec2/p5", "30")), spans, strict=True
            )
        ),
    ),
    st.none() | days,
    st.lists(st.tuples(days, st.none() | days), min_size=3, max_size=3),
)


@given(agreed)
def test_prices_change_on_no_other_day_than_a_turn(agreements: Agreements) -> None:
    turns = agreements.turns(START, END)
    assert list(turns) == sorted(set(turns))
    edges = [START, *turns, END]
    for first, after in pairwise(edges):
        last = after - timedelta(days=1)
        assert dict(agreements.on(first)) == dict(agreements.on(last))


@given(agreed)
def test_every_change_of_a_price_has_its_cause_in_words(agreements: Agreements) -> None:
    before = agreements.on(START)
    for day in agreements.turns(START, END):
        after = agreements.on(day)
        changes = repriced([G6E, P5], agreements.on(day - timedelta(days=1)), after)
        assert bool(changes) <= bool(turn_words(changes.values(), day))
        for key, (old, new) in changes.items():
            assert old is not None
            assert new is not None
            assert old.usd != new.usd == usd(after, key)
        before = after
    assert before.keys() == LISTED.keys()


def test_a_discount_is_followed_by_the_next_one_on_the_same_thing() -> None:
    last, first = date(2027, 2, 28), date(2027, 3, 1)
    agreements = Agreements(LISTED, {}, (discount("ec2", "12", until=last), discount("ec2", "15", first)))
    assert [usd(agreements.on(day)) for day in (START, last, first)] == [Decimal("1.76")] * 2 + [Decimal("1.70")]
    assert agreements.turns(START, END) == (first,)
    changes = repriced([G6E], agreements.on(last), agreements.on(first))
    assert turn_words(changes.values(), first) == ("12 % off ec2 (EDP) ends", "15 % off ec2 (EDP) begins")


def test_after_its_end_an_own_price_is_the_list_price_with_its_discount() -> None:
    last = date(2027, 3, 31)
    agreements = Agreements(LISTED, {G6E: own("1.5", last)}, (discount("ec2", "10"),))
    assert usd(agreements.on(last)) == Decimal("1.5")
    after = agreements.on(date(2027, 4, 1))
    assert usd(after) == Decimal("1.80")
    changes = repriced([G6E, P5], agreements.on(last), after)
    assert turn_words(changes.values(), date(2027, 4, 1)) == (f"the own price of {G6E} (contract 4711) ends",)


def test_an_own_price_of_what_has_no_list_price_leaves_none_behind() -> None:
    agreements = Agreements({}, {G6E: own("1.5", date(2027, 3, 31))})
    assert G6E in agreements.on(START)
    assert G6E not in agreements.on(date(2027, 4, 1))
    assert agreements.on(date(2027, 4, 1)).get(G6E) is None


def test_own_prices_of_one_source_are_counted() -> None:
    last, day = date(2027, 3, 31), date(2027, 4, 1)
    agreements = Agreements(LISTED, {G6E: own("1.5", last), P5: own("40", last, P5)})
    changes = repriced([G6E, P5], agreements.on(START), agreements.on(day))
    assert turn_words(changes.values(), day) == ("2 own prices (contract 4711) end",)


def test_an_own_price_states_the_list_price_beside_it() -> None:
    price = Agreements(LISTED, {G6E: own("1.5")}).on(START)[G6E]
    assert price.source == "own catalog: contract 4711; list price $2"
    assert isinstance(price, OwnPrice)
    assert price.agreed_in == "contract 4711"


@pytest.mark.parametrize(
    ("given_one", "words"),
    [
        (discount("ec2", "12", until=date(2026, 11, 30)), "12 % off ec2 (EDP) ended on 2026-11-30, before the horizon"),
        (discount("ec2", "12", date(2027, 12, 1)), "12 % off ec2 (EDP) begins on 2027-12-01, after the horizon"),
        (discount("ec2", "12", until=START), None),
        (discount("ec2", "12", date(2027, 11, 30)), None),
    ],
    ids=["ended", "not yet", "ends on the first day", "begins on the last day"],
)
def test_what_holds_on_no_day_of_the_horizon_is_named(given_one: Discount, words: str | None) -> None:
    found = [f"{named(each)} {became}" for each, became in Agreements(LISTED, {}, (given_one,)).out_of(START, END)]
    assert found == ([words] if words else [])
