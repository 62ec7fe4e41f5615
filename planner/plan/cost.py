"""The bill of a month: cost lines whose amount a reader can check by hand, and their sums."""

from __future__ import annotations

from typing import Literal

from planner.plan.parts import PlanPart
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

    name: str
    component: str
    kind: Literal["fixed", "usage"]
    quantity: Figure
    unit: str
    unit_price: UnitPrice
    usd_per_month: Dollars
    price: str
    source: str
    as_of: str


class Cost(PlanPart):
    """The bill of a month has lines and their sums, all in USD a month.

    low_usd_per_month, high_usd_per_month: the sum if capacities lay at the ends of their error interval.
    """

    lines: tuple[CostLine, ...]
    fixed_usd_per_month: Dollars
    usage_usd_per_month: Dollars
    usd_per_month: Dollars
    low_usd_per_month: Dollars
    high_usd_per_month: Dollars
