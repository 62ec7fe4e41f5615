"""The outlook of a plan: what follows when its models or prices end, and which accepted names could not be used."""

from __future__ import annotations

from planner.decision.answer.phase_verdicts import over_phases, price_change_verdicts, retirement_verdicts
from planner.decision.answer.phases import Replan, phases
from planner.decision.answer.unused import unused_verdicts
from planner.decision.candidates.market import Market
from planner.decision.inputs import Inputs
from planner.plan.phases import mean_usd_per_month
from planner.plan.plan import Plan


def with_outlook(plan: Plan, market: Market, inputs: Inputs, replan: Replan) -> Plan:
    """Return the plan with its phases, and with the verdicts on what follows and on names that fell."""
    following = phases(plan, inputs, replan, market.price_keys)
    judged = [over_phases(verdict, following, inputs) for verdict in plan.verdicts]
    judged += retirement_verdicts(plan, following, inputs)
    judged += price_change_verdicts(following)
    judged += unused_verdicts(plan, market, inputs.on_first_day(), replan)
    verdicts = sorted(judged, key=lambda verdict: (verdict.name, verdict.message))
    update = {"phases": following, "mean_usd_per_month": mean_usd_per_month(following), "verdicts": tuple(verdicts)}
    return plan.model_copy(update=update)
