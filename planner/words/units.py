"""Quantities as people write them, with their unit, and as the planner computes with them.

Examples are `800ms`, `24h`, `3%`, `2M` and `$8,000`. A bare number is refused where a unit is needed: 800 of what? The
parsers raise `ValueError` with a message that shows the right form; the document that calls them knows the place.
"""

from __future__ import annotations

import re
from decimal import ROUND_FLOOR, Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from planner.words.wrapping import clipped

MS_PER_HOUR = 3_600_000.0
MS_PER_DAY = 24 * MS_PER_HOUR
HOURS_PER_MONTH = 730
"""Hours in a planning month (8760 / 12), as in AWS's own calculator."""
HOURS_PER_WEEK = 168

MOST_COUNT, MOST_USD = 10**15, 10**12
"""The most of anything that is counted, and the most money: more than any service has, and safe to compute with."""
MOST_DURATION_MS = 36_500 * MS_PER_DAY
"""The longest duration, ms: a century."""
MOST_CHARACTERS = 400
"""Characters of the longest quantity that is looked at; a share of 10⁻³⁰⁰ is as long in plain digits."""

_DURATION_MS = {"ms": 1.0, "s": 1e3, "m": 6e4, "min": 6e4, "h": 3.6e6, "d": MS_PER_DAY}
_COUNT = {"": 1, "k": 1_000, "M": 1_000_000, "B": 1_000_000_000}

_PLAIN = r"[0-9]*\.?[0-9]+"
_GROUPED = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?"
"""Digits with or without thousands separators. `$60,00` is neither, and nobody guesses what it means."""
DURATION = rf"^\s*({_PLAIN})\s*(ms|s|min|m|h|d)\s*$"
SHARE = rf"^\s*({_PLAIN})\s*%\s*$"
_BARE = rf"^\s*{_PLAIN}\s*$"
COUNT = rf"^\s*({_GROUPED})\s*([kMB]?)\s*$"
USD = rf"^\s*\$\s*({_GROUPED})\s*$"


def duration_ms(value: Any) -> float:
    """Turn `800ms`, `1.5s`, `5m`, `24h` or `2d` into milliseconds."""
    match = _match(DURATION, value)
    if match is None:
        raise _refused(DURATION, value, "a duration", "a number and a unit, like 800ms, 2s or 24h")
    ms = float(match[1]) * _DURATION_MS[match[2]]
    if ms > MOST_DURATION_MS:
        raise ValueError(f"{_quote(value)} is more than a century; write a shorter duration")
    return ms


def duration_words(ms: float) -> str:
    """Write milliseconds like `820 ms` or `1.50 s`."""
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.2f} s"


def share(value: Any) -> float:
    """Turn `3%` or `99.9%` into 0.03 or 0.999; 100 % at most. A bare number is refused: 3 could be 3 % or 300 %."""
    match = _match(SHARE, value)
    if match is None:
        if _match(_BARE, str(value)):
            raise ValueError(f"{_quote(value)} has no %; write a percentage, like 20%")
        raise _refused(SHARE, value, "a percentage", "one from 0% to 100%, like 20%")
    if Decimal(match[1]) > 100:
        raise ValueError(f"{_quote(value)} is more than the whole; write at most 100%")
    return float(Decimal(match[1]) / 100)


def growth(value: Any) -> float:
    """Turn `25%` or `150%` into 0.25 or 1.5; 10,000 % at most."""
    match = _match(SHARE, value)
    if match is None:
        raise _refused(SHARE, value, "a percentage", "one like 25%")
    if Decimal(match[1]) > 10_000:
        raise ValueError(f"{_quote(value)} is more than a hundredfold; write at most 10000%")
    return float(Decimal(match[1]) / 100)


def count(value: Any) -> int:
    """Turn `2M`, `5k` or `4096` into an integer that is not negative."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    match = _match(COUNT, text)
    if match is None:
        raise _refused(COUNT, text, "a count", "a whole number, like 4096, 5k or 2M")
    number = Decimal(match[1].replace(",", "")) * _COUNT[match[2]]
    if number != int(number):
        raise ValueError(f"{_quote(value)} is not a whole number")
    if number > MOST_COUNT:
        raise ValueError(f"{_quote(value)} is more than anything has; write at most {MOST_COUNT:,}")
    return int(number)


def usd(value: Any) -> Decimal:
    """Turn `$8,000` or `$0.15` into US dollars."""
    match = _match(USD, value)
    if match is None:
        raise _refused(USD, value, "an amount of money", "dollars, like $8,000")
    amount = Decimal(match[1].replace(",", ""))
    if amount > MOST_USD:
        raise ValueError(f"{_quote(value)} is more than any bill; write at most {show_usd(Decimal(MOST_USD))}")
    return amount


def show_duration(ms: float) -> str:
    """Write milliseconds in the largest unit that shows them exactly; the inverse of `duration_ms`."""
    for unit, factor in (("d", MS_PER_DAY), ("h", 3.6e6), ("m", 6e4), ("s", 1e3)):
        if ms >= factor and ms % factor == 0:
            return f"{ms / factor:.0f}{unit}"
    return f"{_plain(Decimal(repr(ms)))}ms"


def show_share(value: float) -> str:
    """Write a share as a percentage; the inverse of `share`."""
    return f"{_plain(Decimal(repr(value)) * 100)}%"


def show_floor(value: Decimal) -> str:
    """Write a share as a percentage of three decimals at most, rounded down, so that it never claims too much."""
    return f"{_plain((value * 100).quantize(Decimal('0.001'), rounding=ROUND_FLOOR))}%"


def show_lost(value: Decimal) -> str:
    """Write a small share as a percentage of two significant digits."""
    return f"{_plain(Decimal(f'{value * 100:.2g}'))}%"


def show_usd(value: Decimal) -> str:
    """Write dollars with thousands separators; the inverse of `usd`."""
    return f"${_plain(value, ',')}"


def _match(pattern: str, value: Any) -> re.Match[str] | None:
    return re.match(pattern, value) if isinstance(value, str) and len(value) <= MOST_CHARACTERS else None


def _refused(pattern: str, value: Any, kind: str, form: str) -> ValueError:
    """Return the error for what is no quantity of a kind. Where its minus alone makes it none, the error says so."""
    positive = (
        re.sub(r"^([\s$]*)-", r"\1", value) if isinstance(value, str) and len(value) <= MOST_CHARACTERS else value
    )
    below = ": none is below zero" if positive != value and _match(pattern, positive) else ""
    return ValueError(f"{_quote(value)} is not {kind}{below}; write {form}")


def _plain(number: Decimal, separator: str = "") -> str:
    """Write a number in plain notation without trailing zeros."""
    text = f"{number:{separator}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _quote(value: Any) -> str:
    return "an empty value" if value is None else f"`{clipped(str(value))}`"


def _text_schema(pattern: str, example: str, description: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "description": description, "examples": [example]})


DurationMs = Annotated[
    float,
    BeforeValidator(duration_ms),
    PlainSerializer(show_duration),
    _text_schema(DURATION, "800ms", "a duration: 800ms, 2s, 24h"),
]
"""Milliseconds; written `800ms`."""
Share = Annotated[
    float,
    BeforeValidator(share),
    PlainSerializer(show_share),
    _text_schema(SHARE, "20%", "a percentage: 20%"),
]
"""A fraction of one; written `20%`."""
Growth = Annotated[
    float,
    BeforeValidator(growth),
    PlainSerializer(show_share),
    _text_schema(SHARE, "25%", "a percentage, which may be above 100%: 25%"),
]
"""A fraction of something that may grow beyond it; written `25%`."""
Count = Annotated[
    int,
    BeforeValidator(count),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": COUNT}],
            "description": "a count: 4096, 5k, 2M",
        }
    ),
]
"""A whole number; written `4096`, `5k` or `2M`."""
Usd = Annotated[
    Decimal,
    BeforeValidator(usd),
    PlainSerializer(show_usd),
    _text_schema(USD, "$8,000", "US dollars: $8,000"),
]
"""US dollars; written `$8,000`."""
