"""A plan: what will run, where each route goes, what it costs and why, as one frozen value.

These are the parts that the lock file holds. They say what was decided; how it was decided stands in `decision`. Lists
are sorted by name. Units stand in the names; money is USD, and a month has 730 hours.
"""

from __future__ import annotations

from planner.plan.cost import Cost
from planner.plan.fleet import NodeGroup, Pool
from planner.plan.parts import PlanPart
from planner.plan.platform import PlannedPlatform
from planner.plan.review import Alternative, OmissionCount, ScalePoint, Solver, Verdict
from planner.plan.traffic import FallbackApi, PlanLevel, PlannedRoute


class Plan(PlanPart):
    """The whole answer."""

    platform: PlannedPlatform
    levels: tuple[PlanLevel, ...]
    node_groups: tuple[NodeGroup, ...]
    pools: tuple[Pool, ...]
    routes: tuple[PlannedRoute, ...]
    apis: tuple[FallbackApi, ...]
    cost: Cost
    verdicts: tuple[Verdict, ...]
    baselines: tuple[Alternative, ...]
    runners_up: tuple[Alternative, ...]
    break_even: tuple[ScalePoint, ...]
    omitted: tuple[OmissionCount, ...]
    solver: Solver
