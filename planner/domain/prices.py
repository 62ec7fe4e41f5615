"""Prices are dated facts: a snapshot holds one row a price, each with its source and its day.

A snapshot is what a lock pins. Keys read `ec2/REGION/TYPE/OPTION`, `api/PROVIDER/MODEL/PART` and
`platform/REGION/ITEM`. A price that is not in the snapshot is a named gap; nothing here stands in for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from planner.domain.gaps import Gap, did_you_mean

MAX_AGE_DAYS: Mapping[str, int] = {"ec2": 30, "spot": 14, "api": 30, "platform": 365}
"""Age in days from which a price is doubtful, by kind. AWS moves platform prices less than once a year."""


@dataclass(frozen=True)
class Price:
    """One price.

    key: what is priced, like `ec2/us-east-1/g6e.xlarge/on-demand`.
    usd: US dollars for one `unit`; never zero.
    unit: `hour`, `GB`, `GB-month`, `Mtok` (a million tokens) …
    source: where it was read.
    as_of: the day, or as much of it as the source states (`2026-05`, `2026-H1`).
    stands_in: region whose price this one repeats, where the source has none for its own.
    disputed: what a second source says, where it says something else.
    note: what a reader should know beside.
    """

    key: str
    usd: Decimal
    unit: str
    source: str
    as_of: str
    stands_in: str | None = None
    disputed: str | None = None
    note: str = ""

    @property
    def kind(self) -> str:
        """`ec2`, `spot`, `api` or `platform`: what `MAX_AGE_DAYS` is keyed by."""
        return "spot" if self.key.endswith("/spot") else self.key.split("/", 1)[0]

    @property
    def oldest(self) -> date:
        """The earliest day that `as_of` can mean, so that an imprecise date never makes a price look fresh."""
        return earliest_day(self.as_of)

    def age_days(self, on: date) -> int:
        """Days from `oldest` to `on`."""
        return (on - self.oldest).days

    def doubts(self, on: date) -> tuple[Gap, ...]:
        """Why this price deserves a warning on that day: its age, a stand-in region, a second source that disagrees."""
        found = []
        if (age := self.age_days(on)) > (limit := MAX_AGE_DAYS.get(self.kind, 30)):
            found.append(Gap("price", self.key, f"price {self.key} is {age} days old (limit {limit}): {self.as_of}"))
        if self.stands_in:
            found.append(Gap("price", self.key, f"price {self.key} stands in from {self.stands_in}"))
        if self.disputed:
            found.append(
                Gap("price", self.key, f"price {self.key} is ${self.usd}, but a second source says {self.disputed}")
            )
        return tuple(found)


@dataclass(frozen=True)
class PriceSnapshot:
    """All prices of one day's snapshot. name: the day, like `2026-11-21`."""

    name: str
    rows: Mapping[str, Price]

    def price(self, key: str) -> Price | None:
        """The price of `key`, or None; `gap(key)` says so in words."""
        return self.rows.get(key)

    def gap(self, key: str) -> Gap:
        """The named gap of a key that this snapshot has no price for."""
        head = key.rsplit("/", 1)[0]
        siblings = [known for known in self.rows if known.startswith(head + "/")]
        return Gap(
            "price",
            key,
            f"no price for {key} in the snapshot of {self.name}",
            did_you_mean(key, siblings or self.rows),
        )

    def under(self, prefix: str) -> tuple[Price, ...]:
        """All prices whose key starts with `prefix`, sorted by key."""
        return tuple(self.rows[key] for key in sorted(self.rows) if key.startswith(prefix))


def earliest_day(as_of: str) -> date:
    """The first day that a partial date can mean: `2026-05` → 1 May, `2026-H2` → 1 July, `2024` → 1 January.

    Errors: ValueError for text that is no date.
    """
    if match := re.fullmatch(r"(\d{4})-H([12])", as_of):
        return date(int(match[1]), 1 if match[2] == "1" else 7, 1)
    if match := re.fullmatch(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?", as_of):
        return date(int(match[1]), int(match[2] or 1), int(match[3] or 1))
    raise ValueError(f"{as_of!r} is not a date; write 2026-11-21, 2026-11, 2026-H2 or 2026")
