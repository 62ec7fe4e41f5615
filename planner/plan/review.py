"""What a reviewer is told of a plan: verdicts, alternatives, the cost at other loads, omissions, how it was solved."""

from __future__ import annotations

from planner.plan.parts import PlanPart, VerdictState
from planner.words.fields import left_out_at
from planner.words.numbers import Dollars, Figure


class Verdict(PlanPart):
    """A verdict is one judgement on the plan, with a sentence."""

    name: str
    state: VerdictState
    message: str


class Alternative(PlanPart):
    """An alternative is a plan that was not taken.

    usd_per_month: its cost, USD a month; None when no such plan exists, as the description then says.
    """

    name: str
    usd_per_month: Dollars | None
    description: str


class KeptPools(PlanPart):
    """The kept pools are those of the lock before, which stayed although another mix would cost a little less.

    pools: their names.
    other: the pools of the other mix that are not among them; empty where it only has fewer.
    saving_usd_per_month: what the other mix would save, USD a month.
    threshold: the share of the cost from which on a saving is taken, as the environment says.
    """

    pools: tuple[str, ...]
    other: tuple[str, ...]
    saving_usd_per_month: Dollars
    threshold: Figure

    @property
    def words(self) -> str:
        """Say what was kept, and what the other mix would save."""
        other = ", ".join(self.other) or "fewer pools"
        saving = f"would save ${self.saving_usd_per_month:,.0f} a month, below {self.threshold:.0%}"
        return f"kept the locked pools; {other} {saving}"


class ScalePoint(PlanPart):
    """A scale point is the cheapest plan at a multiple of the load.

    scale: the multiple.
    all_api_usd_per_month: cost with every route at an API that may use one, USD a month; None when none exists.
    gpus: GPUs that are paid for.
    api_share: share of all requests that goes to APIs.
    fleet: the machines, in words.
    routes: `self-host`, `api` or `hybrid`, by route.
    """

    scale: Figure
    usd_per_month: Dollars
    all_api_usd_per_month: Dollars | None
    fleet: str
    gpus: int
    api_share: Figure
    routes: dict[str, str]


class ScaleWithoutPlan(PlanPart):
    """A multiple of the load at which there is no plan.

    why_not: what stands in the way, as a sentence without its end.
    """

    scale: Figure
    why_not: str


class SloRisk(PlanPart):
    """A risk says how likely a route's own pools are too slow for its SLO in the busiest hours.

    chance: by the error of the performance model, 0 to 1.
    slower: factor on the planned step time up to which the SLO still holds.
    """

    route: str
    chance: Figure
    slower: Figure


class OmissionCount(PlanPart):
    """An omission count is the number of candidates that fell for one reason; each counts for its first."""

    reason: str
    count: int


class Solver(PlanPart):
    """The solver's report says how the plan was found, and how far its cost may lie above the optimum.

    status: `proven optimal` or `best found`.
    gap: how far the cost may lie above the optimum, a fraction of the cost.
    bound_usd_per_month: cost below which there is no plan, USD a month; only locks of format 1.1 state it, because it
    follows from the cost and the gap.
    classes, levels: size of the program.
    versions: version of each program that took part, by its name.
    options: value of each option of the search, by its name.
    """

    status: str
    gap: Figure
    bound_usd_per_month: Dollars | None = left_out_at(None)
    classes: int
    levels: int
    versions: dict[str, str]
    options: dict[str, str]
