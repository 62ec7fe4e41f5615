"""How old prices are on a day, by kind and by who states them, against the ages at which they become doubtful."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from statistics import median_low

from planner.domain.discounts import LISTED, own_terms
from planner.domain.prices import MAX_AGE_DAYS, Price


@dataclass(frozen=True)
class PriceAges:
    """The ages of the prices of one kind that one source states.

    kind: kind of the prices, like `ec2`.
    publisher: who states them: the beginning of their sources.
    rows: how many there are.
    youngest, median, oldest: their ages, days.
    limit: age from which they are doubtful, days.
    too_old: keys of those that are older and that plans doubt, sorted.
    """

    kind: str
    publisher: str
    rows: int
    youngest: int
    median: int
    oldest: int
    limit: int
    too_old: tuple[str, ...]


def price_ages(prices: Iterable[Price], on: date) -> tuple[PriceAges, ...]:
    """Return the ages of prices on a day, by kind and publisher; the publisher with the most rows of a kind first."""
    groups: defaultdict[tuple[str, str], list[Price]] = defaultdict(list)
    for price in prices:
        groups[price.kind, publisher(price.source)].append(price)
    found = (_ages(kind, name, rows, on) for (kind, name), rows in groups.items())
    return tuple(sorted(found, key=lambda ages: (ages.kind, -ages.rows, ages.publisher)))


def publisher(source: str) -> str:
    """Return who states a price: the source up to its revision, its files or its remarks."""
    terms = own_terms(source)
    if terms and LISTED not in source:
        return "own catalog"
    source = source.rpartition(LISTED)[2]
    return re.split(r"[@;,(\s]", source.strip(), maxsplit=1)[0] or source


def older_than(prices: Iterable[Price], days: float, on: date) -> tuple[Price, ...]:
    """Return the prices that lose their worth with time and are older than so many days, the oldest first."""
    old = [price for price in prices if price.ages and price.age_days(on) > days]
    return tuple(sorted(old, key=lambda price: (-price.age_days(on), price.key)))


def in_region(prices: Iterable[Price], region: str) -> tuple[Price, ...]:
    """Return the prices that hold in a region: those of the region, and those of hosted models, which have none."""
    return tuple(price for price in prices if region_of(price.key) in (region, ""))


def region_of(key: str) -> str:
    """Return the AWS region of a price's key; empty where it holds everywhere."""
    kind, _, rest = key.partition("/")
    return "" if kind == "api" else rest.partition("/")[0]


def _ages(kind: str, name: str, prices: list[Price], on: date) -> PriceAges:
    ages = sorted(price.age_days(on) for price in prices)
    limit = MAX_AGE_DAYS[kind]
    return PriceAges(
        kind=kind,
        publisher=name,
        rows=len(prices),
        youngest=ages[0],
        median=median_low(ages),
        oldest=ages[-1],
        limit=limit,
        too_old=tuple(sorted(price.key for price in prices if price.ages and price.age_days(on) > limit)),
    )
