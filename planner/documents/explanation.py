"""What `spillway explain` tells, as values for programs. Their keys are a published format.

Money is USD, and a month has 730 hours. What is not known is None and never zero.
"""

from __future__ import annotations

from planner.documents.lock import Lock
from planner.plan.parts import PlanPart
from planner.plan.phases import Phase
from planner.plan.review import Alternative, OmissionCount, ScalePoint, ScaleWithoutPlan
from planner.plan.traffic import PlannedAvailability
from planner.plan.worth import Worth
from planner.words.fields import left_out_at
from planner.words.numbers import Dollars, Figure

FORMAT_VERSION = "1.0"


class ExplainedRoute(PlanPart):
    """A route with the reasons for which it is served so.

    model: the model of its own pools; None where it has none.
    fallback: hosted APIs in the order in which they are asked.
    api_share: share of a month's requests that APIs answer.
    binding: what limits its largest band, or `api`.
    reasons: sentences with the arithmetic.
    availability: the expected share of its requests that is served; None where the lock does not tell it.
    """

    name: str
    privacy: str
    usd_per_month: Dollars
    usd_per_million_tokens: Figure
    model: str | None
    fallback: tuple[str, ...]
    api_share: Figure
    binding: str
    reasons: tuple[str, ...]
    availability: PlannedAvailability | None = left_out_at(None)


class Explanation(PlanPart):
    """An explanation says why a plan is what it is, and what else was possible.

    environment: its name.
    phases: what follows when a hosted model ends; empty where none does.
    break_even, no_plan_at: the plan at multiples of the load, and those at which there is none.
    baselines, runners_up: plans that were not taken.
    omitted: how many candidates fell, and why.
    """

    format_version: str
    environment: str
    usd_per_month: Dollars
    phases: tuple[Phase, ...]
    routes: tuple[ExplainedRoute, ...]
    break_even: tuple[ScalePoint, ...]
    no_plan_at: tuple[ScaleWithoutPlan, ...]
    baselines: tuple[Alternative, ...]
    runners_up: tuple[Alternative, ...]
    omitted: tuple[OmissionCount, ...]


class AskedCandidate(PlanPart):
    """A candidate whose name has the words that were asked for.

    candidate: the model, its form and the machine, or the hosted API, in words.
    route: the route of which this is said; `all` for every one.
    in_plan: whether it is in the plan.
    reason: why it is not, as a sentence without its end; empty where it is.
    others: how many more candidates share the route and the reason.
    """

    candidate: str
    route: str
    in_plan: bool
    reason: str
    others: int


class WhyNot(PlanPart):
    """The answer to `--why-not`. words: what was asked for."""

    format_version: str
    environment: str
    words: str
    candidates: tuple[AskedCandidate, ...]


class Values(Worth):
    """The answer to `--values`: what moves the plan of an environment, each figure from a plan of its own.

    locked_usd_per_month: cost of the plan in the lock, USD a month; None without a lock. It differs where the lock is
    stale, or keeps pools although another mix saves a little.
    """

    format_version: str
    environment: str
    locked_usd_per_month: Dollars | None


def values_of(name: str, worth: Worth, lock: Lock | None) -> Values:
    """Return the answer for an environment. lock: the one that is there; None without one."""
    return Values(
        format_version=FORMAT_VERSION,
        environment=name,
        locked_usd_per_month=lock.plan.cost.usd_per_month if lock else None,
        **dict(worth),
    )


def explanation_of(lock: Lock) -> Explanation:
    """Return why the plan of a lock is what it is."""
    plan = lock.plan
    return Explanation(
        format_version=FORMAT_VERSION,
        environment=lock.name,
        usd_per_month=plan.cost.usd_per_month,
        phases=plan.phases,
        routes=tuple(
            ExplainedRoute(
                name=route.name,
                privacy=route.privacy,
                usd_per_month=route.usd_per_month,
                usd_per_million_tokens=route.usd_per_million_tokens,
                model=route.model,
                fallback=route.fallback,
                api_share=route.spill_share,
                binding=route.binding,
                reasons=route.reasons,
                availability=route.availability,
            )
            for route in plan.routes
        ),
        break_even=plan.break_even,
        no_plan_at=plan.no_plan_at,
        baselines=plan.baselines,
        runners_up=plan.runners_up,
        omitted=plan.omitted,
    )
