"""Quantities as people write them, with their unit, and as the planner computes with them.

`800ms`, `24h`, `3%`, `2M`, `$8,000`. A bare number where a unit is needed is refused: 800 of what? Parsers raise
`ValueError` with a message that shows the right form; the document that calls them knows the place.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

HOURS_PER_MONTH = 730
"""Hours in a planning month (8760 / 12), the figure AWS's own calculator uses."""

_DURATION_MS = {"ms": 1.0, "s": 1e3, "m": 6e4, "min": 6e4, "h": 3.6e6, "d": 8.64e7}
_COUNT = {"": 1, "k": 1_000, "M": 1_000_000, "B": 1_000_000_000}


def duration_ms(value: Any) -> float:
    """`800ms`, `1.5s`, `5m`, `24h`, `2d` → milliseconds."""
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(ms|s|min|m|h|d)\s*", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{_shown(value)} is not a duration; write a number and a unit, like 800ms, 2s or 24h")
    return float(match[1]) * _DURATION_MS[match[2]]


def share(value: Any) -> float:
    """`3%` or `99.9%` → 0.03, 0.999. A bare number is refused: 3 could be 3 % or 300 %."""
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*%\s*", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{_shown(value)} is not a share; write a percentage, like 20%")
    return float(Decimal(match[1]) / 100)


def count(value: Any) -> int:
    """`2M`, `5k`, `4096` → an integer."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = re.fullmatch(r"\s*([0-9][0-9_,]*\.?[0-9]*)\s*([kMB]?)\s*", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{_shown(value)} is not a count; write a whole number, like 4096, 5k or 2M")
    number = Decimal(re.sub("[_,]", "", match[1])) * _COUNT[match[2]]
    if number != int(number):
        raise ValueError(f"{_shown(value)} is not a whole number")
    return int(number)


def usd(value: Any) -> Decimal:
    """`$8,000` or `$0.15` → Decimal US dollars."""
    match = re.fullmatch(r"\s*\$\s*([0-9][0-9,]*(\.[0-9]+)?)\s*", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{_shown(value)} is not an amount of money; write dollars, like $8,000")
    try:
        return Decimal(match[1].replace(",", ""))
    except InvalidOperation as error:  # pragma: no cover - the pattern admits numbers only
        raise ValueError(str(error)) from error


def show_duration(ms: float) -> str:
    """Milliseconds in the largest unit that shows them exactly; the inverse of `duration_ms`."""
    for unit, factor in (("d", 8.64e7), ("h", 3.6e6), ("m", 6e4), ("s", 1e3)):
        if ms >= factor and ms % factor == 0:
            return f"{ms / factor:g}{unit}"
    return f"{ms:.15g}ms"


def show_share(value: float) -> str:
    """A share as a percentage; the inverse of `share`."""
    return f"{Decimal(repr(value)) * 100:f}".rstrip("0").rstrip(".") + "%" if value else "0%"


def show_usd(value: Decimal) -> str:
    """Dollars with thousands separators; the inverse of `usd`."""
    text = f"{value:,f}"
    return "$" + (text.rstrip("0").rstrip(".") if "." in text else text)


def _shown(value: Any) -> str:
    return "an empty value" if value is None else f"`{value}`"


def _text_schema(example: str, description: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": description, "examples": [example]})


DurationMs = Annotated[
    float,
    BeforeValidator(duration_ms),
    PlainSerializer(show_duration),
    _text_schema("800ms", "a duration: 800ms, 2s, 24h"),
]
"""Milliseconds; written `800ms`."""
Share = Annotated[float, BeforeValidator(share), PlainSerializer(show_share), _text_schema("20%", "a percentage: 20%")]
"""A fraction of one; written `20%`."""
Count = Annotated[
    int,
    BeforeValidator(count),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}], "description": "a count: 4096, 5k, 2M"}),
]
"""A whole number; written `4096`, `5k` or `2M`."""
Usd = Annotated[Decimal, BeforeValidator(usd), PlainSerializer(show_usd), _text_schema("$8,000", "US dollars: $8,000")]
"""US dollars; written `$8,000`."""
