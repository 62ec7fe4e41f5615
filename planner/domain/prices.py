"""Prices are dated facts: a snapshot holds one row for each price, with its source and its day.

A lock names the snapshot that it was planned on. Keys read `ec2/REGION/TYPE/OPTION`, `api/PROVIDER/MODEL/PART` and
`platform/REGION/ITEM`. A price that is not in the snapshot is a named gap; no other price takes its place here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from planner.domain.gaps import Gap

MAX_AGE_DAYS: Mapping[str, int] = {"ec2": 30, "spot": 14, "api": 30, "platform": 365}
"""Age in days from which a price is called old, by kind. AWS moves platform prices less than once a year."""
LAST_CUTS: Mapping[str, date] = dict.fromkeys(("p4d", "p4de", "p5", "p5e", "p5en"), date(2025, 6, 1))
"""Day of AWS's last price cut, by family of machines. A price that is older is not that of today."""


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
    note: what else a reader should know. A plan that pays this price says it.
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
        """Kind of the price, which is a key of `MAX_AGE_DAYS`."""
        return "spot" if self.key.endswith("/spot") else self.key.split("/", 1)[0]

    @property
    def ages(self) -> bool:
        """Whether the price loses its worth with time. A list price does."""
        return True

    def times(self, factor: Decimal) -> Price:
        """Return the price at an address where list prices differ by a factor."""
        return replace(self, usd=self.usd * factor)

    def age_days(self, on: date) -> int:
        """Return the days from the earliest day that `as_of` can mean to `on`.

        So an imprecise date never makes a price look fresh.
        """
        return (on - earliest_day(self.as_of)).days

    def doubts(self) -> tuple[Gap, ...]:
        """Return the reasons to warn of this price, whatever its age: a stand-in region, a source that disagrees."""
        doubts = []
        if self.stands_in:
            doubts.append(Gap("price", self.key, f"price {self.key} stands in from {self.stands_in}"))
        if self.disputed:
            doubts.append(
                Gap("price", self.key, f"price {self.key} is ${self.usd}, but a second source says {self.disputed}")
            )
        return tuple(doubts)


@dataclass(frozen=True)
class PriceSnapshot:
    """All prices of one snapshot.

    name: the day of the snapshot, like `2026-11-21`.
    rows: the prices by key.
    """

    name: str
    rows: Mapping[str, Price]

    def price(self, key: str) -> Price | None:
        """Return the price of `key`; None without one, which `gap(key)` says in words."""
        return self.rows.get(key)

    def gap(self, key: str) -> Gap:
        """Return the named gap of a key for which this snapshot has no price."""
        kind, _, rest = key.partition("/")
        hint = f"a price is a line of prices/{self.name}/{kind}/{rest.partition('/')[0]}.yaml, with its source and day"
        return Gap("price", key, f"no price for {key} in the snapshot of {self.name}", hint)


def earliest_day(as_of: str) -> date:
    """Return the first day that a partial date can mean: `2026-05` → 1 May, `2026-H2` → 1 July, `2024` → 1 January.

    Raises ValueError for text that is no date.
    """
    if match := re.fullmatch(r"(\d{4})-H([12])", as_of):
        return date(int(match[1]), 1 if match[2] == "1" else 7, 1)
    if match := re.fullmatch(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?", as_of):
        return date(int(match[1]), int(match[2] or 1), int(match[3] or 1))
    raise ValueError(f"{as_of!r} is not a date; write 2026-11-21, 2026-11, 2026-H2 or 2026")
