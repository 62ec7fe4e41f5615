"""The bill of a month: cost lines whose amount a reader can check by hand, and their sums."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from planner.plan.parts import PlanPart
from planner.words.numbers import Dollars, Figure, UnitPrice


class CostLine(PlanPart):
    """quantity × unit_price = usd_per_month, with where the price comes from."""

    name: str
    component: str
    kind: Literal["fixed", "usage"]
    quantity: Figure
    unit: str
    unit_price: UnitPrice
    usd_per_month: Dollars
    price: Annotated[str, Field(description="key of the row in the price snapshot")]
    source: str
    as_of: str


class Cost(PlanPart):
    """The bill of a month. Low and high carry the error interval of the capacities to the dollar."""

    lines: tuple[CostLine, ...]
    fixed_usd_per_month: Dollars
    usage_usd_per_month: Dollars
    usd_per_month: Dollars
    low_usd_per_month: Dollars
    high_usd_per_month: Dollars
