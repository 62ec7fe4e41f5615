"""Prices are dated facts: a snapshot holds one row for each price, with its source and its day.

A lock names the snapshot that it was planned on. Keys read `ec2/REGION/TYPE/OPTION`, `api/PROVIDER/MODEL/PART` and
`platform/REGION/ITEM`. A price that is not in the snapshot is a named gap; no other price takes its place here.
Options of purchase beside `on-demand` are those of `purchases`; a snapshot states them in files of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from planner.domain.gaps import Gap

MAX_AGE_DAYS: Mapping[str, int] = {"ec2": 30, "spot": 14, "api": 30, "platform": 365}
"""Age in days from which a price is called old, by kind. AWS moves platform prices less than once a year."""
ON_DEMAND = "on-demand"
"""The option of purchase without a commitment, whose prices stand in `ec2/REGION.yaml` of a snapshot."""
PURCHASES = "purchases"
"""Folder of a snapshot with the prices of all other options of purchase."""


@dataclass(frozen=True, kw_only=True)
class FamilyCut:
    """The last cut that AWS made in the prices of a family of machines. A price of before it is not that of today.

    key: the family, like `p5`.
    day: the first day of the new prices.
    source, as_of: where this was read, and the day that the source states.
    note: what else a reader should know.
    """

    key: str
    day: date
    source: str
    as_of: str
    note: str = ""


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
        kind, *rest = self.key.split("/")
        return "spot" if kind == "ec2" and rest[2:3] == ["spot"] else kind

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
    cuts: the last cuts of prices, by family of machines.
    """

    name: str
    rows: Mapping[str, Price]
    cuts: Mapping[str, FamilyCut] = field(default_factory=dict, repr=False)

    def price(self, key: str) -> Price | None:
        """Return the price of `key`; None without one, which `gap(key)` says in words."""
        return self.rows.get(key)

    def gap(self, key: str) -> Gap:
        """Return the named gap of a key for which this snapshot has no price."""
        hint = f"a price is a line of prices/{self.name}/{file_of(key)}.yaml, with its source and day"
        return Gap("price", key, f"no price for {key} in the snapshot of {self.name}", hint)

    def cut_since(self, key: str, as_of: str) -> FamilyCut | None:
        """Return the cut since which a price of that day no longer holds; None without one.

        Spot prices follow supply and demand, so that a cut of list prices says nothing of them. Raises ValueError for
        text that is no date.
        """
        parts = key.split("/")
        if parts[0] != "ec2" or len(parts) < 4 or parts[3] == "spot":
            return None
        cut = self.cuts.get(parts[2].partition(".")[0])
        return cut if cut is not None and earliest_day(as_of) < cut.day else None


def file_of(key: str) -> str:
    """Return the file of a snapshot that states a price, as `FOLDER/GROUP`."""
    kind, _, rest = key.partition("/")
    group, _, item = rest.partition("/")
    other = kind == "ec2" and "/" in item and item.partition("/")[2] != ON_DEMAND
    return f"{PURCHASES if other else kind}/{group}"


def earliest_day(as_of: str) -> date:
    """Return the first day that a partial date can mean: `2026-05` → 1 May, `2026-H2` → 1 July, `2024` → 1 January.

    Raises ValueError for text that is no date.
    """
    if match := re.fullmatch(r"(\d{4})-H([12])", as_of):
        return date(int(match[1]), 1 if match[2] == "1" else 7, 1)
    if match := re.fullmatch(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?", as_of):
        return date(int(match[1]), int(match[2] or 1), int(match[3] or 1))
    raise ValueError(f"{as_of!r} is not a date; write 2026-11-21, 2026-11, 2026-H2 or 2026")
