"""What a refresh would change for plans: far changes and older lists are held, and nothing is silent."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from planner.documents.price_file import FreshPrices, Names, PriceFile, refreshed
from planner.documents.price_refresh import DOUBTFUL_SHARE, PricesNow, all_changes, prices_of, refreshed_group
from planner.domain.prices import Price

KEY, NAMES = "api/openai/m/input", ("m", "input")
NOW_DAY = "2026-11-20"


def now(usd: str = "1", as_of: str = NOW_DAY) -> PricesNow:
    rows = {KEY: Price(KEY, Decimal(usd), "Mtok", "litellm", as_of)}
    return PricesNow(rows, rows)


def fresh(usd: str, as_of: str = "2026-11-30") -> FreshPrices:
    return FreshPrices("genai-prices", "genai-prices 1", as_of, "Mtok", {NAMES: Decimal(usd)})


@pytest.mark.parametrize(("usd", "taken"), [("1.2", True), ("0.8", True), ("1.21", False), ("0.79", False)])
def test_more_than_a_fifth_needs_a_word(usd: str, taken: bool) -> None:
    group = refreshed_group("api", "openai", PriceFile(), fresh(usd), now(), DOUBTFUL_SHARE)
    assert (NAMES in group.result.file.rows) == taken
    assert [change.key for change in group.changes] == ([KEY] if taken else [])
    assert [problem.code for problem in group.told("f")] == ([] if taken else ["REF008"])
    accepted = refreshed_group("api", "openai", PriceFile(), fresh(usd), now())
    assert accepted.result.file.rows[NAMES]["usd"] == usd
    assert accepted.told("f") == ()


def test_a_row_that_is_held_keeps_what_it_said_and_its_day() -> None:
    file = refreshed(PriceFile(), fresh("1", "2026-11-25")).file
    group = refreshed_group("api", "openai", file, fresh("2"), now(), DOUBTFUL_SHARE)
    assert group.result.file.rows[NAMES] == {"usd": "1", "source": "genai-prices", "as_of": "2026-11-25"}
    (problem,) = group.told("f")
    assert "plans use $1 of 2026-11-25, the refresh read $2 (+100 %)" in problem.message
    assert group.changes == ()


def test_an_older_list_replaces_nothing() -> None:
    same = refreshed_group("api", "openai", PriceFile(), fresh("1", "2026-11-19"), now(), DOUBTFUL_SHARE)
    assert (same.result.file.rows, same.older, same.told("f")) == ({}, 1, ())
    other = refreshed_group("api", "openai", PriceFile(), fresh("1.01", "2026-11-19"), now(), DOUBTFUL_SHARE)
    assert (other.result.file.rows, other.older) == ({}, 0)
    assert [problem.code for problem in other.told("f")] == ["REF008"]


def test_rows_by_hand_are_told_and_never_disputed() -> None:
    contract = {"contract": {"source": "contract", "as_of": "2026-11-01"}}
    file = PriceFile("Mtok", contract, {NAMES: {"usd": "0.5", "source": "contract"}})
    group = refreshed_group("api", "openai", file, fresh("1"), now(), DOUBTFUL_SHARE)
    assert group.result.file.rows == file.rows
    assert [problem.code for problem in group.told("own.yaml")] == ["REF009"]
    assert group.changes == ()


def test_what_is_gone_gives_way_to_the_shipped_price() -> None:
    file = refreshed(PriceFile(), fresh("1.5", "2026-11-25")).file
    nothing = replace(fresh("1"), usd={("n", "input"): Decimal(3)})
    own = Price(KEY, Decimal("1.5"), "Mtok", "genai-prices 1", "2026-11-25")
    group = refreshed_group("api", "openai", file, nothing, PricesNow(now().shipped, {KEY: own}))
    assert [(change.kind, change.key) for change in group.changes] == [
        ("changed", KEY),
        ("added", "api/openai/n/input"),
    ]
    (change, _) = group.changes
    assert change.after == now().shipped[KEY]
    assert [problem.code for problem in group.told("f")] == ["REF006"]
    assert all_changes([group, group]) == group.changes


def test_prices_of_a_file_have_the_source_and_day_of_its_table() -> None:
    file = refreshed(PriceFile(), fresh("1.5")).file
    (price,) = prices_of(file, "api", "openai").values()
    assert (price.key, price.usd, price.unit, price.as_of) == (KEY, Decimal("1.5"), "Mtok", "2026-11-30")
    odd: dict[Names, dict[str, str]] = {("a",): {"usd": "much"}, ("b",): {"usd": "NaN"}, ("c",): {}}
    assert prices_of(PriceFile("Mtok", {}, odd), "api", "openai") == {}
