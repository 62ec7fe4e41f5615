"""Quantities: what is written is what is computed with, and a number without its unit is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter

from planner.words.units import (
    Count,
    DurationMs,
    Share,
    Usd,
    count,
    duration_ms,
    share,
    show_duration,
    show_share,
    show_usd,
    usd,
)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("800ms", 800),
        ("1.5s", 1500),
        (".5s", 500),
        ("5m", 300_000),
        ("5min", 300_000),
        ("24h", 86_400_000),
        ("2d", 172_800_000),
        (" 2 s ", 2000),
        ("0ms", 0),
    ],
)
def test_durations_become_milliseconds(text: str, ms: float) -> None:
    assert duration_ms(text) == ms


@pytest.mark.parametrize(
    "value", [800, 0.8, "800", "800 msec", "-1 msec", "--1s", "1e3ms", "ms", "", None, True, [], "1s 200ms", "1,5s"]
)
def test_a_duration_without_a_unit_is_refused_with_the_right_form(value: Any) -> None:
    with pytest.raises(
        ValueError, match=r"is not a duration; write a number and a unit, like 800ms, 2s or 24h$"
    ) as told:
        duration_ms(value)
    assert str(told.value).startswith("an empty value" if value is None else f"`{value}`")


@pytest.mark.parametrize(("text", "fraction"), [("3%", 0.03), ("99.9%", 0.999), ("0%", 0), ("100%", 1), ("5 %", 0.05)])
def test_shares_become_fractions(text: str, fraction: float) -> None:
    assert share(text) == fraction


@pytest.mark.parametrize("value", [3, 0.03, 0.2, "3", "0.03", " 20 "])
def test_a_bare_number_is_no_share(value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^`{value}` has no %; write a percentage, like 20%$"):
        share(value)


@pytest.mark.parametrize("value", ["three %", "%", "20%%", "1,000", "nan", -0.2, None, True, []])
def test_what_is_no_share_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r" is not a percentage; write one from 0% to 100%, like 20%$"):
        share(value)


def test_more_than_the_whole_is_no_share() -> None:
    with pytest.raises(ValueError, match=r"^`120%` is more than the whole; write at most 100%$"):
        share("120%")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (4096, 4096),
        (0, 0),
        ("4096", 4096),
        ("5k", 5000),
        ("2M", 2_000_000),
        ("1B", 10**9),
        ("1.5k", 1500),
        ("1,000", 1000),
    ],
)
def test_counts_become_integers(value: Any, number: int) -> None:
    assert count(value) == number


@pytest.mark.parametrize("value", [0.5, 1e6, "1e6", "5K", "1,00", "1,0000", "k", None, True, False])
def test_what_is_no_count_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"is not a count; write a whole number, like 4096, 5k or 2M$"):
        count(value)


def test_half_a_token_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^`0.5` is not a whole number$"):
        count("0.5")


@pytest.mark.parametrize(
    ("text", "amount"),
    [("$8,000", "8000"), ("$0.15", "0.15"), ("$ 5", "5"), ("$1,234,567.891", "1234567.891"), ("$0", "0")],
)
def test_dollars_are_exact(text: str, amount: str) -> None:
    assert usd(text) == Decimal(amount)


@pytest.mark.parametrize(
    "value", [8000, "8000", "8,000", "€8", "$", "$60,00", "$1,0000", "-5", "$1.", "5$", None, True]
)
def test_a_bare_or_misgrouped_amount_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"is not an amount of money; write dollars, like \$8,000$"):
        usd(value)


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (
            duration_ms,
            "-3s",
            "`-3s` is not a duration: none is below zero; write a number and a unit, like 800ms, 2s or 24h",
        ),
        (share, "-5%", "`-5%` is not a percentage: none is below zero; write one from 0% to 100%, like 20%"),
        (count, -5, "`-5` is not a count: none is below zero; write a whole number, like 4096, 5k or 2M"),
        (count, "-5k", "`-5k` is not a count: none is below zero; write a whole number, like 4096, 5k or 2M"),
        (usd, "$-5", "`$-5` is not an amount of money: none is below zero; write dollars, like $8,000"),
        (usd, "-$5", "`-$5` is not an amount of money: none is below zero; write dollars, like $8,000"),
    ],
)
def test_what_is_below_zero_is_told_as_such_by_its_own_kind(read: Any, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        read(value)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0ms"),
        (800, "800ms"),
        (1500, "1500ms"),
        (2000, "2s"),
        (300_000, "5m"),
        (86_400_000, "1d"),
        (1e9, "1000000s"),
        (0.00001, "0.00001ms"),
        (8.64e7 * 1_234_567, "1234567d"),
    ],
)
def test_durations_are_written_in_their_largest_exact_unit(ms: float, text: str) -> None:
    assert show_duration(ms) == text


def test_money_and_shares_are_written_without_trailing_zeros() -> None:
    assert show_usd(Decimal("8000.00")) == "$8,000"
    assert show_usd(Decimal("1E+3")) == "$1,000"
    assert show_usd(Decimal("0.150")) == "$0.15"
    assert show_share(0.999) == "99.9%"
    assert show_share(0.0) == "0%"
    assert show_share(1.0) == "100%"


@given(st.floats(0, 1e12))
def test_durations_survive_writing_and_reading(ms: float) -> None:
    assert duration_ms(show_duration(ms)) == ms


@given(st.integers(0, 36_500), st.sampled_from([1, 1000, 60_000, 3_600_000, 86_400_000]))
def test_whole_durations_survive_writing_and_reading(number: int, unit_ms: int) -> None:
    assert duration_ms(show_duration(float(number * unit_ms))) == number * unit_ms


@given(st.floats(0, 1))
def test_shares_survive_writing_and_reading(fraction: float) -> None:
    assert share(show_share(fraction)) == fraction


@given(st.decimals(0, 10**12, places=6))
def test_money_survives_writing_and_reading(amount: Decimal) -> None:
    assert usd(show_usd(amount)) == amount


@given(st.integers(0, 10**15))
def test_counts_survive_as_numbers_and_as_text(number: int) -> None:
    assert count(number) == count(str(number)) == count(f"{number:,}") == number


class Quantities(BaseModel):
    """One of each, as a document has them."""

    duration: DurationMs
    share: Share
    count: Count
    usd: Usd


@given(st.floats(0, 1e9), st.floats(0, 1), st.integers(0, 10**9), st.decimals(0, 10**9, places=4))
def test_a_document_reads_back_what_it_wrote(ms: float, fraction: float, number: int, amount: Decimal) -> None:
    values = Quantities.model_construct(duration=ms, share=fraction, count=number, usd=amount)
    assert Quantities.model_validate(values.model_dump(mode="json")) == values


def test_the_published_patterns_are_those_that_are_read() -> None:
    properties = Quantities.model_json_schema()["properties"]
    assert properties["duration"]["pattern"].startswith("^")
    assert properties["share"]["type"] == properties["usd"]["type"] == "string"
    assert {choice["type"] for choice in properties["count"]["anyOf"]} == {"integer", "string"}
    assert TypeAdapter(Usd).validate_python("$2") == 2


LONG = "9" * 400


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (duration_ms, f"{LONG}ms", "is not a duration"),
        (duration_ms, f"{LONG[:300]}d", "is more than a century"),
        (duration_ms, "9" * 200_000, "is not a duration"),
        (share, f"{LONG[:300]}%", "is more than the whole"),
        (share, f"{LONG}%", "is not a percentage"),
        (count, LONG, "is more than anything has; write at most 1,000,000,000,000,000"),
        (count, int(LONG), "is more than anything has"),
        (count, f"{LONG[:300]}B", "is more than anything has"),
        (count, "1000.5B" + "B" * 200_000, "is not a count"),
        (usd, f"${LONG[:300]}", "is more than any bill; write at most $1,000,000,000,000"),
        (usd, f"${LONG}", "is not an amount of money"),
    ],
)
def test_no_quantity_is_longer_or_larger_than_one_can_compute_with(read: Any, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        read(value)
    assert message in str(raised.value)
    assert len(str(raised.value)) < 200
