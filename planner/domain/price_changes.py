"""Two sets of prices side by side: what was added, what is gone, and what costs another amount."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from planner.domain.prices import Price

ChangeKind = Literal["changed", "gone", "added"]
_ORDER: Mapping[ChangeKind, int] = {"changed": 0, "gone": 1, "added": 2}


@dataclass(frozen=True)
class PriceChange:
    """One price that is not the same on both sides.

    key: what is priced.
    before, after: the price on either side; None where that side has none. Never both.
    """

    key: str
    before: Price | None
    after: Price | None

    @property
    def kind(self) -> ChangeKind:
        """Whether the price was added, is gone, or costs another amount."""
        if self.before is None:
            return "added"
        return "gone" if self.after is None else "changed"

    @property
    def share(self) -> Decimal | None:
        """How much dearer it became, as a share of the old price; None where the two cannot be compared."""
        if self.before is None or self.after is None or self.before.unit != self.after.unit:
            return None
        return (self.after.usd - self.before.usd) / self.before.usd


def price_changes(before: Mapping[str, Price], after: Mapping[str, Price]) -> tuple[PriceChange, ...]:
    """Return what differs between two sets of prices by key.

    Changed prices stand first, those with another unit before all and then by the size of the change; gone and added
    ones follow by key. Another source or day of the same amount is no change.
    """
    changes = (PriceChange(key, before.get(key), after.get(key)) for key in before.keys() | after.keys())
    return tuple(sorted(filter(_differs, changes), key=_place))


def _differs(change: PriceChange) -> bool:
    if change.before is None or change.after is None:
        return True
    return (change.before.usd, change.before.unit) != (change.after.usd, change.after.unit)


def _place(change: PriceChange) -> tuple[int, bool, Decimal, str]:
    share = change.share
    return _ORDER[change.kind], share is not None, -abs(share or Decimal(0)), change.key
