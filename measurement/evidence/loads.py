"""Loads and lengths as benchmarks publish them: how requests were offered, and how many tokens they have.

A number is read whole or not at all: a range such as `16-64` is no number, and neither is anything that sticks to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_BEFORE, _AFTER = r"([\w.,+–—/-]*\dk?)", r"([-–+]?\.?\d[\w.,+–—/-]*)"
"""Patterns of a number before and after its word. They take everything that sticks to the number, so that of `2e3` or
`16-64` never only the end is read."""
CONCURRENCY = (
    rf"{_BEFORE}\s*(?:concurren\w*|users?\b|clients?\b|streams?\b|parallel|in.?flight|conc\b|virtual users)",
    rf"(?:concurren\w*|(?<![a-z])(?:conc|batch(?:[ _-]?size)?|users|bs))\s*[=:]?\s*{_AFTER}",
    r"^\s*([-–+]?\.?\d\S*)\s*$",
)
RATE = (
    rf"{_BEFORE}\s*(?:req\w*|queries)\s*(?:/|per|a)\s*(?:s|sec\w*|min\w*)\b",
    rf"{_BEFORE}\s*(?:rps|qps|rpm)\b",
    rf"(?:rate|rps|qps)\s*[=:]?\s*{_AFTER}",
)
ALL_AT_ONCE = r"\binf\w*|offline|at once|max(imum)?[ _-]?(load|throughput)|saturat|burst"
PROMPTS = rf"{_BEFORE}(?:\s+\w+)?\s*(?:prompts|requests|samples)\b(?!\s*(?:/|per|a\b))"
_CLEAN = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e\+?\d{1,2})?|\.\d+"
_RANGE_BEFORE = r"\d\s*(?:[-–—/,~]|\.\.+|…|\bto|\bor|\band|\bthrough)\s*$"
_RANGE_AFTER = r"\s*(?:[-–—/~]|\.\.+|…|to\b|or\b|through\b)\s*\d|\s*,\s*\d+\s*(?:[,;)]|$)"


@dataclass(frozen=True, slots=True)
class QuotedLoad:
    """How requests were offered. Where concurrency and rate are both None, they were offered all at once.

    concurrency: requests that are always in flight.
    rate_per_s: requests offered per second.
    prompts: requests of the whole run; None where it is not stated.
    """

    concurrency: int | None
    rate_per_s: float | None
    prompts: int | None


@dataclass(frozen=True, slots=True)
class QuotedLength:
    """A stated length of prompts or answers.

    nominal: tokens.
    low, high: shortest and longest length over the nominal one.
    """

    nominal: float
    low: float = 1.0
    high: float = 1.0


@lru_cache(maxsize=4096)
def quoted_load(text: str, regime: str) -> QuotedLoad | None:
    """How requests were offered, or None.

    It is None when neither the text nor the regime says how, and when the text gives something that is no number of at
    least one, such as a range.
    """
    words = text.lower()
    at_once = re.search(ALL_AT_ONCE, words)
    try:
        prompts = _whole((PROMPTS,), words)
        rate = None if at_once else _rate(words)
        concurrency = _whole(CONCURRENCY if rate is None else CONCURRENCY[:-1], words)
    except ValueError:
        return None
    if concurrency is None and rate is None and not at_once:
        if regime == "batch1":
            concurrency = 1
        elif regime != "saturation":
            return None
    return QuotedLoad(concurrency, rate, prompts)


@lru_cache(maxsize=4096)
def quoted_length(text: str) -> QuotedLength | None:
    """A stated length such as `1024`, `8k`, `~215.2` or `100-300`; None for anything else."""
    stated = re.fullmatch(
        rf"(?:~|≈|about|avg|mean|average)?\s*({_CLEAN})\s*(k)?(?:\s*(?:-|–|to|\.\.)\s*({_CLEAN})\s*(k)?)?"
        r"\s*(?:tokens?|tok|avg|mean|average)?\s*(?:\([^\d)]*\))?",
        text.strip().lower(),
    )
    if stated is None:
        return None
    first, last = (float((stated[n] or "0").replace(",", "")) for n in (1, 3))
    low, high = first * (1024.0 if stated[2] else 1.0), last * (1024.0 if stated[4] else 1.0)
    if stated[3] is None:
        return QuotedLength(low) if low > 0 else None
    if not 0 < low < high or (stated[4] and not stated[2] and first < last):  # `1-2k` may mean 1 or 1024
        return None
    mean = (low + high) / 2.0
    return QuotedLength(mean, low / mean, high / mean)


def whole_number(text: str) -> int | None:
    """A whole number of at least 1, as in `8` or `8x`; None for anything else."""
    number = re.fullmatch(r"(\d+)(?:\.0+)?\s*[x×]?", text.strip().lower())
    return int(number[1]) if number and int(number[1]) >= 1 else None


def _number(patterns: tuple[str, ...], text: str) -> float | None:
    """The number at the first pattern that stands in a text; None where no pattern does.

    Raises ValueError when it is a range, when there are several, or when it is not above 0.
    """
    for pattern in patterns:
        places = list(re.finditer(pattern, text))
        if places:
            is_range = any(
                re.search(_RANGE_BEFORE, text[: place.start(1)])
                or re.match(_RANGE_AFTER, text[place.start(1) + len(place[1].rstrip(".,/")) :])
                for place in places
            )
            values = {_parsed_number(place[1]) for place in places}
            value = values.pop()
            if is_range or values or value <= 0.0:
                raise ValueError(places[0][0])
            return value
    return None


def _whole(patterns: tuple[str, ...], text: str) -> int | None:
    """The same for a whole number. Raises ValueError when it is not one."""
    value = _number(patterns, text)
    if value is not None and value % 1.0:
        raise ValueError(text)
    return None if value is None else int(value)


def _parsed_number(text: str) -> float:
    """The value of `1,024`, `2e3` or `8k`. Raises ValueError for any other text."""
    number = re.fullmatch(rf"({_CLEAN})(k)?", text.rstrip(".,/"))
    if number is None:
        raise ValueError(text)
    return float(number[1].replace(",", "")) * (1000.0 if number[2] else 1.0)


def _rate(text: str) -> float | None:
    """Requests per second. Raises ValueError when a text mixes seconds and minutes."""
    for pattern in RATE:
        value = _number((pattern,), text)
        if value is not None:
            per_minute = {bool(re.search(r"min|rpm", place[0])) for place in re.finditer(pattern, text)}
            if len(per_minute) > 1:
                raise ValueError(text)
            return value / 60.0 if per_minute.pop() else value
    return None
