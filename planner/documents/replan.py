"""A plan that was made anew on newer prices: what it replaces, and which of its prices moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from planner.documents.diff import Diff, compare
from planner.documents.lock import Lock
from planner.domain.price_changes import PriceChange, price_changes
from planner.domain.prices import Price


@dataclass(frozen=True)
class Replan:
    """A replan is a lock beside the one that it replaces.

    base: the lock that stood before; None for a first plan.
    moved: prices that either plan was weighed by and that are not what they were.
    """

    base: Lock | None
    proposed: Lock
    moved: tuple[PriceChange, ...]

    @cached_property
    def diff(self) -> Diff:
        """What the new plan changes."""
        return compare(self.base, self.proposed)

    @property
    def unchanged(self) -> bool:
        """Whether neither the bill nor a part of the plan differs."""
        return not self.diff.first and self.diff.empty

    @property
    def paid(self) -> frozenset[str]:
        """The keys of the prices that either plan pays."""
        locks = (self.base, self.proposed) if self.base else (self.proposed,)
        return frozenset(line.price for lock in locks for line in lock.plan.cost.lines)


def moved_prices(
    base: Lock | None, proposed: Lock, before: Mapping[str, Price], after: Mapping[str, Price]
) -> tuple[PriceChange, ...]:
    """Return the prices that differ, of all that the plans consulted; none for a first plan.

    before, after: the prices of both snapshots. What a plan paid goes before them, since a price of the team's own has
    no snapshot and is known only as it is now.
    """
    if base is None:
        return ()
    keys = {*base.consulted.prices, *proposed.consulted.prices}
    old, new = {**before, **_paid(base)}, {**after, **_paid(proposed)}
    shared = keys & old.keys() & new.keys()
    return price_changes({key: old[key] for key in shared}, {key: new[key] for key in shared})


def _paid(lock: Lock) -> dict[str, Price]:
    """Return what a plan paid, by the key of the price."""
    return {
        line.price: Price(line.price, line.unit_price, line.unit, line.source, line.as_of)
        for line in lock.plan.cost.lines
    }
