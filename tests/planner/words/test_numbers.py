"""Numbers in a file: decimal text, the same for equal numbers, and never anything but a number."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from planner.words.numbers import Dollars, Figure, UnitPrice, dollars, figure, price

FINITE = st.floats(-1e15, 1e15) | st.integers(-(10**15), 10**15) | st.decimals(-(10**15), 10**15, places=6)


class Entry(BaseModel):
    """A figure, an amount and a price, as a lock has them."""

    figure: Figure
    dollars: Dollars
    price: UnitPrice


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        ("0.1234567", "0.123457"),
        (1234567, "1234570"),
        (1e-7, "0.0000001"),
        (Decimal("1E+3"), "1000"),
        ("2.50", "2.5"),
        (-0.0, "0"),
        (-1.5, "-1.5"),
    ],
)
def test_figures_keep_six_digits_in_plain_notation(value: Any, text: str) -> None:
    assert f"{figure(value):f}" == text


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1.00"), ("0.125", "0.12"), ("0.135", "0.14"), (-0.001, "0.00"), (1e9, "1000000000.00")]
)
def test_dollars_keep_cents_and_round_half_to_even(value: Any, text: str) -> None:
    assert f"{dollars(value):f}" == text


def test_unit_prices_are_not_rounded() -> None:
    assert f"{price('10.492640001000'):f}" == "10.492640001"
    assert f"{price('1E-9'):f}" == "0.000000001"


@pytest.mark.parametrize("convert", [figure, dollars, price])
@pytest.mark.parametrize("value", ["", "a lot", None, True, "NaN", float("inf"), Decimal("-Infinity"), [1]])
def test_what_is_no_finite_number_is_a_value_error(convert: Any, value: Any) -> None:
    with pytest.raises(ValueError, match="is not a"):
        convert(value)


def test_an_amount_beyond_any_bill_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="more than any bill"):
        dollars("1e40")


def test_a_document_with_a_bad_number_is_refused_by_validation_not_by_a_crash() -> None:
    with pytest.raises(ValidationError) as raised:
        Entry.model_validate({"figure": "x", "dollars": "y", "price": None})
    assert raised.value.error_count() == 3


@given(FINITE)
def test_writing_is_idempotent(value: Any) -> None:
    for convert in (figure, dollars, price):
        once = convert(value)
        assert f"{convert(once):f}" == f"{convert(str(once)):f}" == f"{once:f}"


@given(FINITE)
def test_figures_are_within_six_digits(value: Any) -> None:
    exact = Decimal(str(value))
    assert abs(figure(value) - exact) <= abs(exact) * Decimal("0.000005")


@given(FINITE, FINITE, FINITE)
def test_entries_read_back_what_they_wrote(a: Any, b: Any, c: Any) -> None:
    entry = Entry.model_validate({"figure": a, "dollars": b, "price": c})
    written = entry.model_dump_json()
    assert Entry.model_validate_json(written) == entry
    assert Entry.model_validate_json(written).model_dump_json() == written
