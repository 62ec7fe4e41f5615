"""What follows when a model or a price of the plan ends inside the horizon: the plan as phases, from day to day.

The rest of the plan is that of its first phase. A later phase says what serves instead and what that costs; it is
planned again, and reviewed, before its first day.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Literal

from planner.plan.parts import PlanPart
from planner.words.fields import left_out_at
from planner.words.numbers import Dollars, dollars


class PhaseRoute(PlanPart):
    """A route in a phase says who serves it.

    mode: its own pools, APIs, or both.
    served_by: the model of its pools, then its APIs in the order in which they are asked.
    """

    name: str
    mode: Literal["self-host", "api", "hybrid"]
    served_by: tuple[str, ...]


class Phase(PlanPart):
    """A phase is a part of the horizon in which the same hosted models serve, at the same prices.

    start: its first day.
    end: the first day after it.
    ended: the hosted models that the phase before it used and that end on its first day.
    repriced: what the team has agreed that begins or ends on its first day and moves a price, in words; the key stands
    in the file only if something does.
    routes: who serves each route; empty where nothing can.
    fleet: the machines, in words.
    usd_per_month: its cost, USD a month; None where nothing can serve.
    why_not: why nothing can serve; empty where something does.
    """

    start: date
    end: date
    ended: tuple[str, ...]
    repriced: tuple[str, ...] = left_out_at(())
    routes: tuple[PhaseRoute, ...]
    fleet: str
    usd_per_month: Dollars | None
    why_not: str

    @property
    def days(self) -> int:
        """Return its length in days."""
        return (self.end - self.start).days


def mean_usd_per_month(phases: Sequence[Phase]) -> Decimal | None:
    """Return the mean cost of the phases, weighted by their days, USD a month; None where a phase has no cost."""
    total = Decimal(0)
    for phase in phases:
        if phase.usd_per_month is None:
            return None
        total += phase.usd_per_month * phase.days
    days = sum(phase.days for phase in phases)
    return dollars(total / days) if days else None
