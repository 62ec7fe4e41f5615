"""The plan: what will run, where each route goes, what it costs and why, as one frozen value.

Its parts are those that the lock file holds. They say what was decided; how it was decided stands in `decision`. Lists
are sorted by name. Units stand in the names; money is USD, and a month has 730 hours.
"""

from __future__ import annotations

from planner.plan.cost import Cost
from planner.plan.fleet import NodeGroup, Pool
from planner.plan.parts import PlanPart
from planner.plan.phases import Phase
from planner.plan.platform import PlannedPlatform
from planner.plan.review import (
    Alternative,
    KeptPools,
    OmissionCount,
    ScalePoint,
    ScaleWithoutPlan,
    SloRisk,
    Solver,
    Verdict,
)
from planner.plan.traffic import FallbackApi, PlanLevel, PlannedRoute
from planner.words.fields import left_out_at
from planner.words.numbers import Dollars


class Plan(PlanPart):
    """A plan is the whole answer to an environment.

    platform: where it runs, and what is built beside its GPU nodes.
    levels: the load that it was made for.
    node_groups, pools: what runs.
    routes, apis: where requests go.
    cost: what it costs a month; where the horizon has phases, in the first of them.
    phases: what follows when a hosted model or a price of the plan ends inside the horizon, the plan itself first; the
    key stands in the file only if one does.
    mean_usd_per_month: cost over the whole horizon, weighted by the days of the phases, USD a month; the key stands in
    the file only if there are phases and all have a cost.
    verdicts: judgements on it.
    baselines, runners_up: plans that were not taken.
    break_even: the plan at multiples of the load.
    no_plan_at: the other multiples, at which there is none, and why; the key stands in the file only if there are some.
    omitted: how many candidates fell, and why.
    solver: how sure the choice is.
    risks: how likely each route's own pools miss its SLO.
    kept: the locked pools that stayed, and what another mix would save; None where nothing is saved by another.
    """

    verdicts: tuple[Verdict, ...]
    cost: Cost
    mean_usd_per_month: Dollars | None = left_out_at(None)
    phases: tuple[Phase, ...] = left_out_at(())
    routes: tuple[PlannedRoute, ...]
    pools: tuple[Pool, ...]
    node_groups: tuple[NodeGroup, ...]
    apis: tuple[FallbackApi, ...]
    platform: PlannedPlatform
    risks: tuple[SloRisk, ...] = left_out_at(())
    kept: KeptPools | None = left_out_at(None)
    baselines: tuple[Alternative, ...]
    runners_up: tuple[Alternative, ...]
    break_even: tuple[ScalePoint, ...]
    no_plan_at: tuple[ScaleWithoutPlan, ...] = left_out_at(())
    levels: tuple[PlanLevel, ...]
    omitted: tuple[OmissionCount, ...]
    solver: Solver
