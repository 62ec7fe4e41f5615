"""Numbers that are written to a file: decimal text, so that the same plan gives the same bytes.

Money keeps cents; every other figure keeps six significant digits, which is far below the error of any of them.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

CENT = Decimal("0.01")
_SIX_DIGITS = Context(prec=6, rounding=ROUND_HALF_EVEN)


def figure(value: Any) -> Decimal:
    """A number or its text → Decimal with at most six significant digits, plain notation, no trailing zeros."""
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    if not number.is_finite():
        raise ValueError(f"{value} is not a finite number")
    rounded = _SIX_DIGITS.create_decimal(number)
    return Decimal(_plain(rounded))


def dollars(value: Any) -> Decimal:
    """A number or its text → Decimal with two decimals (USD)."""
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    return number.quantize(CENT, rounding=ROUND_HALF_EVEN)


def price(value: Any) -> Decimal:
    """A unit price as its source prints it: no rounding, plain notation."""
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    return Decimal(_plain(number))


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


_TEXT = WithJsonSchema({"type": "string", "pattern": r"^-?\d+(\.\d+)?$", "description": "a decimal number as text"})
_AS_TEXT = PlainSerializer(lambda number: f"{number:f}")

Figure = Annotated[Decimal, BeforeValidator(figure), _AS_TEXT, _TEXT]
"""Six significant digits, written as text."""
Dollars = Annotated[Decimal, BeforeValidator(dollars), _AS_TEXT, _TEXT]
"""USD with cents, written as text."""
UnitPrice = Annotated[Decimal, BeforeValidator(price), _AS_TEXT, _TEXT]
"""USD a unit, exactly as sourced, written as text."""
