"""What a reviewer is told of a plan: verdicts, alternatives, the cost over load, omissions, how it was solved."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from planner.plan.parts import PlanPart, VerdictState
from planner.words.numbers import Dollars, Figure


class Verdict(PlanPart):
    """One judgement on the plan."""

    name: str
    state: VerdictState
    message: str


class Alternative(PlanPart):
    """A plan that was not taken, or a baseline that the environment was forced into. None: it does not exist."""

    name: str
    usd_per_month: Dollars | None
    description: str


class ScalePoint(PlanPart):
    """The plan re-solved at a multiple of the load."""

    scale: Figure
    usd_per_month: Dollars
    all_api_usd_per_month: Dollars | None
    gpus: int
    api_share: Figure
    fleet: str
    routes: Annotated[dict[str, str], Field(description="route → self-host | api | hybrid")]


class OmissionCount(PlanPart):
    """Candidates that were not considered further, counted by their first reason."""

    reason: str
    count: int


class Solver(PlanPart):
    """How the optimum was found and how far it can be from the true one."""

    status: str
    gap: Figure
    bound_usd_per_month: Dollars
    classes: int
    levels: int
    versions: dict[str, str]
    options: dict[str, str]
