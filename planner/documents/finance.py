"""The bill of a lock over its horizon: a charge for each cost line in each month, so that charges sum to the bill.

A month of the horizon is billed as the planning month of 730 hours, however many days it has. Where a hosted model ends
inside a month, each phase is charged its part of that month's days. The lines of later phases are planned before they
begin: until then, such a phase is one charge without lines.

Rounding keeps sums: what is charged of the lines of a part of a month sums to that part of the bill, to the cent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise

from pydantic import ValidationError

from planner.documents.lock import Lock
from planner.domain.environment import Horizon
from planner.plan.cost import CostLine
from planner.plan.phases import Phase
from planner.words.diagnostics import Problem, Problems
from planner.words.numbers import cents_of, dollars

NOTHING = Decimal("0.00")


@dataclass(frozen=True)
class Period:
    """A period is a part of one month of the horizon in which one plan holds.

    month_start, month_end: first day of that month of the horizon, and the first day after it.
    start, end: first day of the period, and the first day after it.
    phase: the later phase that holds; None for the plan itself.
    """

    month_start: date
    month_end: date
    start: date
    end: date
    phase: Phase | None

    @property
    def months(self) -> Decimal:
        """Return its length as a part of its month."""
        return Decimal((self.end - self.start).days) / (self.month_end - self.month_start).days


@dataclass(frozen=True)
class Charge:
    """A charge is what one cost line, or one later phase as a whole, costs in a period.

    line: the cost line; None for a later phase.
    usd: USD.
    """

    period: Period
    line: CostLine | None
    usd: Decimal


@dataclass(frozen=True)
class Item:
    """An item is one cost line, or one later phase as a whole, over the horizon.

    line, phase: one of them.
    usd_per_month: what it costs in each month in which it stands, USD.
    usd: what it costs over the horizon, USD.
    """

    line: CostLine | None
    phase: Phase | None
    usd_per_month: Decimal
    usd: Decimal


@dataclass(frozen=True)
class Finance:
    """The bill of a lock over its horizon.

    horizon: that of the environment which the lock answers.
    charges: in the order of days, and of the cost lines within a period.
    unserved: later phases in which nothing can serve. They have no cost, and the sum is what comes before them.
    """

    lock: Lock
    horizon: Horizon
    charges: tuple[Charge, ...]
    unserved: tuple[Phase, ...]

    @property
    def months(self) -> int:
        """Return the months of the horizon."""
        return self.horizon.months

    @property
    def usd(self) -> Decimal:
        """Return the cost over the horizon, USD."""
        return sum((charge.usd for charge in self.charges), NOTHING)

    @property
    def items(self) -> tuple[Item, ...]:
        """Return the cost lines, and then the later phases that have a cost."""
        lines = [(line, None, line.usd_per_month) for line in self.lock.plan.cost.lines]
        phases = [(None, phase, phase.usd_per_month) for phase in self.lock.plan.phases[1:]]
        return tuple(
            Item(line, phase, month, sum((c.usd for c in self.charges if _is_of(c, line, phase)), NOTHING))
            for line, phase, month in (*lines, *phases)
            if month is not None
        )

    @property
    def plan_again_by(self) -> str | None:
        """Return the first day from which the load is another than the one that is billed here; None without growth."""
        days = [route.load.plan_again_by for route in self.lock.plan.routes if route.load is not None]
        return min((day for day in days if day is not None), default=None)


def finance_of(lock: Lock) -> Finance:
    """Return the bill of a lock over the horizon of its environment.

    Raises `Problems` (LOCK003) when the environment inside the lock cannot be read.
    """
    try:
        horizon = lock.answered_environment().horizon
    except ValidationError as error:
        message = f"the environment inside the lock cannot be read: {error.error_count()} of its values do not fit"
        raise Problems([Problem("LOCK003", message, hint=f"run `spillway plan {lock.name}`")]) from error
    plan = lock.plan
    charges: list[Charge] = []
    for period in _periods(horizon, plan.phases[1:]):
        if period.phase is None:
            amounts = cents_of([line.usd_per_month for line in plan.cost.lines], period.months)
            charges += [Charge(period, line, usd) for line, usd in zip(plan.cost.lines, amounts, strict=True)]
        elif period.phase.usd_per_month is not None:
            charges.append(Charge(period, None, dollars(period.phase.usd_per_month * period.months)))
    unserved = tuple(phase for phase in plan.phases[1:] if phase.usd_per_month is None)
    return Finance(lock, horizon, tuple(charges), unserved)


def _is_of(charge: Charge, line: CostLine | None, phase: Phase | None) -> bool:
    return charge.line is line and charge.period.phase is phase


def _periods(horizon: Horizon, later: Sequence[Phase]) -> Iterator[Period]:
    """Yield the months of the horizon, each cut where another phase begins."""
    edges = [horizon.model_copy(update={"months": count}).end for count in range(1, horizon.months + 1)]
    start = horizon.start
    for end in edges:
        cuts = sorted({start, end, *(phase.start for phase in later if start < phase.start < end)})
        for first, after in pairwise(cuts):
            phase = next((phase for phase in later if phase.start <= first < phase.end), None)
            yield Period(start, end, first, after, phase)
        start = end
