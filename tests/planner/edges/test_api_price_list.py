"""Prices of hosted models by genai-prices: matched by the id on the wire, dated, and never guessed."""

from __future__ import annotations

import builtins
import datetime
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import types
from hypothesis import given
from hypothesis import strategies as st

from planner.domain.apis import ApiModel
from planner.edges.api_price_list import ApiPriceList, hosted_prices, open_price_list
from planner.edges.catalog_files import load_catalog
from planner.words.diagnostics import Problems

TODAY = datetime.date(2026, 11, 30)
MODEL = ApiModel(
    key="openai/m",
    provider="openai",
    slug="m",
    wire_model="m-2026",
    hosts=None,
    context_tokens=1000,
    max_output_tokens=None,
    long_context_above=None,
    features=(),
    reasoning=None,
    retires=None,
    status="listed",
    source="a page",
    as_of="2026-11-01",
)


def listed(prices: Any, provider: str = "openai") -> ApiPriceList:
    """A list with one model."""
    model = types.ModelInfo(id="m", match=types.ClauseStartsWith(starts_with="m-"), prices=prices)
    row = types.Provider(id=provider, name=provider, api_pattern="", models=[model])
    return ApiPriceList("1", "2026-11-09", {provider: row})


def price(**mtok: str) -> types.ModelPrice:
    return types.ModelPrice(**{f"{name}_mtok": Decimal(usd) for name, usd in mtok.items()})


def test_parts_are_matched_by_the_id_on_the_wire() -> None:
    found = hosted_prices(
        listed(price(input="2", output="8", cache_read="0.5", cache_write="2.5", input_audio="9")), [MODEL], TODAY
    )
    assert found.usd == {
        ("openai/m", "input"): Decimal(2),
        ("openai/m", "output"): Decimal(8),
        ("openai/m", "cached-input"): Decimal("0.5"),
        ("openai/m", "cache-write"): Decimal("2.5"),
    }
    assert found.told == ()


def test_bedrock_is_called_aws_there() -> None:
    bedrock = replace(MODEL, key="bedrock/m", provider="bedrock")
    assert hosted_prices(listed(price(input="1"), "aws"), [bedrock], TODAY).usd == {("bedrock/m", "input"): Decimal(1)}


def test_what_is_not_listed_is_told_once_for_each_provider() -> None:
    others = [replace(MODEL, slug=slug, wire_model=slug) for slug in ("y", "x")]
    found = hosted_prices(listed(price(input="1")), [MODEL, *others], TODAY)
    assert len(found.usd) == 1
    (told,) = found.told
    assert (told.code, told.severity) == ("REF006", "warning")
    assert "openai: x, y" in told.message


def test_a_price_of_zero_is_told_and_left_out() -> None:
    found = hosted_prices(listed(price(input="0", output="1")), [MODEL], TODAY)
    assert found.usd == {("openai/m", "output"): Decimal(1)}
    assert [(told.code, "nothing is free" in told.message) for told in found.told] == [("REF005", True)]


def tiers(start: int) -> types.ModelPrice:
    return types.ModelPrice(
        input_mtok=types.TieredPrices(base=Decimal(2), tiers=[types.Tier(start=start, price=Decimal(4))]),
        output_mtok=Decimal(8),
    )


def test_a_price_of_long_prompts_holds_above_the_length_of_the_catalog_alone() -> None:
    known = replace(MODEL, long_context_above=200_000)
    found = hosted_prices(listed(tiers(200_000)), [known], TODAY)
    assert found.usd["openai/m", "long-input"] == 4
    for model, start in ((known, 272_000), (MODEL, 200_000)):
        other = hosted_prices(listed(tiers(start)), [model], TODAY)
        assert ("openai/m", "long-input") not in other.usd
        assert other.usd["openai/m", "input"] == 2
        assert [told.code for told in other.told] == ["REF005"]


def conditional(*rows: tuple[Any, str]) -> list[types.ConditionalPrice]:
    return [types.ConditionalPrice(constraint=when, prices=price(input=usd)) for when, usd in rows]


def test_prices_of_a_later_day_do_not_hold_yet() -> None:
    starts = types.StartDateConstraint(start_date=datetime.date(2026, 12, 1))
    prices = listed(conditional((None, "1"), (starts, "2")))
    assert hosted_prices(prices, [MODEL], TODAY).usd == {("openai/m", "input"): Decimal(1)}
    later = TODAY + datetime.timedelta(days=1)
    assert hosted_prices(prices, [MODEL], later).usd == {("openai/m", "input"): Decimal(2)}


def test_prices_by_the_hour_are_told_and_left_out() -> None:
    at = datetime.time(1, tzinfo=datetime.UTC), datetime.time(4, tzinfo=datetime.UTC)
    night = types.TimeOfDateConstraint(start_time=at[0], end_time=at[1])
    found = hosted_prices(listed(conditional((None, "2"), (night, "1"))), [MODEL], TODAY)
    assert found.usd == {}
    assert "by the hour of the day" in found.told[0].message


@given(st.dates(datetime.date(2020, 1, 1), datetime.date(2030, 1, 1)))
def test_the_installed_list_is_never_of_a_later_day(today: datetime.date) -> None:
    prices = open_price_list(today)
    assert prices.as_of == "" or datetime.date.fromisoformat(prices.as_of) <= today


def test_the_installed_list_prices_most_models_of_the_catalog() -> None:
    prices = open_price_list(TODAY)
    models = [api for api in load_catalog().apis if api.serves_on(TODAY)]
    found = hosted_prices(prices, models, TODAY)
    assert len({key for key, _ in found.usd}) > len(models) / 2
    assert all(usd > 0 for usd in found.usd.values())
    assert prices.source.startswith("genai-prices 0.")


def test_without_the_package_one_problem_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("genai_prices"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(Problems) as raised:
        open_price_list(TODAY)
    assert [told.code for told in raised.value.problems] == ["REF001"]
