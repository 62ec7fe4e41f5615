"""The outlook of a plan: what follows when its hosted models end, and which accepted names could not be used."""

from __future__ import annotations

from planner.decision.answer.phases import Replan, phases, retirement_verdicts
from planner.decision.answer.unused import unused_verdicts
from planner.decision.candidates.market import Market
from planner.decision.inputs import Inputs
from planner.plan.phases import mean_usd_per_month
from planner.plan.plan import Plan


def with_outlook(plan: Plan, market: Market, inputs: Inputs, replan: Replan) -> Plan:
    """Return the plan with its phases, and with the verdicts on retirements and on names that fell."""
    following = phases(plan, inputs, replan)
    more = (*retirement_verdicts(plan, following, inputs), *unused_verdicts(plan, market, inputs, replan))
    verdicts = sorted((*plan.verdicts, *more), key=lambda verdict: (verdict.name, verdict.message))
    update = {"phases": following, "mean_usd_per_month": mean_usd_per_month(following), "verdicts": tuple(verdicts)}
    return plan.model_copy(update=update)
