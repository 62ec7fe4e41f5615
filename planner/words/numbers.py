"""Numbers that are written to a file: decimal text, so that the same plan gives the same bytes.

Money keeps cents. Every other figure keeps six significant digits: the rest is far below the error of any figure.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

CENT = Decimal("0.01")
_SIX_DIGITS = Context(prec=6, rounding=ROUND_HALF_EVEN)


def figure(value: Any) -> Decimal:
    """Turn a number or its text into a Decimal of at most six significant digits, in plain notation.

    Raises ValueError for what is no finite number, as do the functions below.
    """
    return Decimal(_plain(_SIX_DIGITS.create_decimal(_number(value))))


def six_digits(value: float) -> float:
    """Round a float to six significant digits. What two processors compute differently lies far below them."""
    return float(f"{value:.6g}")


def dollars(value: Any) -> Decimal:
    """Turn a number or its text into USD with two decimals."""
    try:
        return _number(value).quantize(CENT, rounding=ROUND_HALF_EVEN) + 0  # + 0: no negative zero
    except InvalidOperation as error:
        raise ValueError(f"{value} is more than any bill") from error


def cents_of(amounts: Iterable[Decimal], factor: Decimal) -> list[Decimal]:
    """Return each amount × the factor in cents, so rounded that they sum to the rounded product of their sum."""
    parts, until, given = list[Decimal](), Decimal(0), Decimal(0)
    for amount in amounts:
        until += amount
        rounded = dollars(until * factor)
        parts.append(rounded - given)
        given = rounded
    return parts


def price(value: Any) -> Decimal:
    """Turn a unit price or its text into a Decimal without rounding, in plain notation."""
    return Decimal(_plain(_number(value)))


def _number(value: Any) -> Decimal:
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError(f"{value!r} is not a number") from error
    if not number.is_finite():
        raise ValueError(f"{value} is not a finite number")
    return number


def _plain(number: Decimal) -> str:
    text = f"{number:f}" if number else "0"
    return text.rstrip("0").rstrip(".") if "." in text else text


_TEXT = WithJsonSchema({"type": "string", "pattern": r"^-?\d+(\.\d+)?$", "description": "a decimal number as text"})
_AS_TEXT = PlainSerializer(lambda number: f"{number:f}")

Figure = Annotated[Decimal, BeforeValidator(figure), _AS_TEXT, _TEXT]
"""Six significant digits, written as text."""
Dollars = Annotated[Decimal, BeforeValidator(dollars), _AS_TEXT, _TEXT]
"""USD with cents, written as text."""
Exactly = Annotated[Decimal, BeforeValidator(price), _AS_TEXT, _TEXT]
"""A number as it is, without rounding, written as text."""
UnitPrice = Annotated[Decimal, BeforeValidator(price), _AS_TEXT, _TEXT]
"""USD for one unit, exactly as its source says, written as text."""
