"""The bill of a month: cost lines whose amount a reader can check by hand, and their sums."""

from __future__ import annotations

from typing import Literal

from planner.domain.discounts import own_terms
from planner.plan.parts import PlanPart
from planner.words.fields import left_out_at
from planner.words.numbers import Dollars, Figure, UnitPrice


class CostLine(PlanPart):
    """A cost line says what one thing costs, and where its price comes from.

        quantity × unit_price = usd_per_month

    component: node group, route or `platform` that causes the line.
    kind: `fixed` lines run every hour of the month, `usage` lines follow the traffic.
    quantity: amount a month, in `unit`.
    unit_price: USD a unit, exactly as sourced.
    price: key of the row in the price snapshot.
    source: where that price was published.
    as_of: day of the price.
    """

    component: str
    name: str
    usd_per_month: Dollars
    kind: Literal["fixed", "usage"]
    quantity: Figure
    unit: str
    unit_price: UnitPrice
    price: str
    source: str
    as_of: str

    @property
    def own_terms(self) -> str:
        """What the team's own catalog says of the price; empty for a list price."""
        return own_terms(self.source)


RangeCause = Literal["capacity", "demand", "prices", "tokens"]
"""What can move a bill away from what is expected."""


class CostRange(PlanPart):
    """A cost range says how far one cause can move the bill, with the machines of the plan.

    low_usd_per_month, high_usd_per_month: the bill at the two ends of the cause, USD a month.
    assumption: the two ends, in words.
    unplaced: share of a month's requests that finds no place at the worse end, by route; a route without any is absent.
    """

    cause: RangeCause
    low_usd_per_month: Dollars
    high_usd_per_month: Dollars
    unplaced: dict[str, Figure]
    assumption: str


class Cost(PlanPart):
    """The bill of a month has lines and their sums, all in USD a month.

    low_usd_per_month, high_usd_per_month: the ends of its range over all causes, which are taken as independent.
    ranges: the range of each cause.
    """

    usd_per_month: Dollars
    low_usd_per_month: Dollars
    high_usd_per_month: Dollars
    fixed_usd_per_month: Dollars
    usage_usd_per_month: Dollars
    lines: tuple[CostLine, ...]
    ranges: tuple[CostRange, ...] = left_out_at(())
