"""What moves a plan, as values: its limits, what is uncertain, and its promises, each priced by a plan of its own.

`decision.sensitivity` makes them. They stand in no lock: they are answers to a question that somebody puts to a plan.
"""

from __future__ import annotations

from planner.plan.parts import PlanPart
from planner.words.numbers import Dollars, Figure


class MovedPlan(PlanPart):
    """A moved plan is the plan of inputs that differ from those of the plan in one thing.

    change: what differs, in words.
    usd_per_month: its cost, USD a month; None when there is no such plan, as `why_not` then says.
    more_usd_per_month: what it costs more than the plan, USD a month, below 0 where it costs less; None without it.
    instead: what it has in place of what the plan has, in words; empty where machines, modes and models are the same.
    proven: whether it is proven that no plan of these inputs costs less.
    why_not: what stands in the way, as a sentence without its end; empty where there is a plan.
    """

    change: str
    usd_per_month: Dollars | None
    more_usd_per_month: Dollars | None
    instead: str
    proven: bool
    why_not: str


class LimitWorth(PlanPart):
    """A limit is worth what the plan would cost with more and with less of it.

    limit: path of its key in the environment.
    unit: unit of the two amounts.
    stated: what the environment allows.
    used: what the plan uses of it at most.
    binds: whether a plan with more of it costs less.
    moved: the plans with more and with less of it.
    """

    limit: str
    unit: str
    stated: Figure
    used: Figure
    binds: bool
    moved: tuple[MovedPlan, ...]


class Swing(PlanPart):
    """A swing says how far the plan moves with one thing that is uncertain, when all is planned anew at both ends.

    cause: what is uncertain.
    low, high: the plans at its lower and at its higher end.
    usd_per_month: what lies between the cheapest and the dearest of the plan and both ends, USD a month; None where an
    end has no plan.
    """

    cause: str
    low: MovedPlan
    high: MovedPlan
    usd_per_month: Dollars | None


class Premium(PlanPart):
    """A premium is what a promise costs: the plan less a plan without the promise.

    promise: its name.
    usd_per_month: the difference, USD a month; None where there is no plan without it either.
    without: the plan without it.
    """

    promise: str
    usd_per_month: Dollars | None
    without: MovedPlan


class Worth(PlanPart):
    """All that moves a plan.

    usd_per_month: cost of the plan, made anew, USD a month: all differences are against it.
    fleet: its machines, in words.
    proven: whether it is proven that no plan of the environment costs less.
    limits: in the order of the environment.
    swings: the widest first; one with an end that has no plan before all others.
    premiums: in a fixed order.
    others: the cheapest plans of another kind, two at most: on other GPUs, or with a route in another mode.
    left_out: what is not told, and why; one sentence each, without its end.
    """

    usd_per_month: Dollars
    fleet: str
    proven: bool
    limits: tuple[LimitWorth, ...]
    swings: tuple[Swing, ...]
    premiums: tuple[Premium, ...]
    others: tuple[MovedPlan, ...]
    left_out: tuple[str, ...]

    @property
    def all_proven(self) -> bool:
        """Whether the plan and every plan beside it is proven, so that each difference is one of optima."""
        beside = [moved for limit in self.limits for moved in limit.moved]
        beside += [end for swing in self.swings for end in (swing.low, swing.high)]
        beside += [*(premium.without for premium in self.premiums), *self.others]
        return self.proven and all(moved.proven for moved in beside if moved.usd_per_month is not None)
