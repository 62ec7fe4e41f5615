"""What is uncertain of a plan, for the terminal: how far its bill can move, and how likely it misses an SLO."""

from __future__ import annotations

from collections.abc import Iterator

from planner.faces.figures import money, share, signed_money
from planner.faces.layout import below, figures, names, sentences
from planner.faces.prose import Prose, Words
from planner.faces.tables import FoldingTable
from planner.plan.cost import CostRange
from planner.plan.plan import Plan
from planner.plan.review import SloRisk

FIXED = "the bill has no range: all of it is machines and their platform at list prices, the same whatever the load"
"""What is said of a bill without usage: nothing that is uncertain moves it."""


def uncertainty_view(plan: Plan) -> Iterator[FoldingTable | Prose]:
    """Yield the range of the bill by cause, or why it has none, and one sentence on the risk of all routes."""
    if plan.cost.ranges:
        yield _ranges(plan)
    elif not plan.cost.usage_usd_per_month:
        yield Prose(FIXED, rest="  ")
    if plan.risks:
        yield Prose(risk_words(plan), rest="  ")


def risk_words(plan: Plan) -> str:
    """Return how likely the routes with pools miss their SLO by the error of the performance model, as one sentence."""
    each = "; ".join(f"{risk.route} {_chance(risk)}" for risk in plan.risks)
    return f"risk that a route's own pools are too slow for its SLO in the busiest hours: {each}"


def _chance(risk: SloRisk) -> str:
    """Return a risk in words, like `1 in 10 (steps up to 1.24 × slower than planned are carried)`."""
    chance = float(risk.chance)
    odds = "about even" if chance > 0.4 else f"1 in {round(1 / chance):,}"
    if float(risk.slower) > 1:
        return f"{odds} (steps {float(risk.slower):g} × as long as planned still meet it)"
    return odds


def _ranges(plan: Plan) -> FoldingTable:
    cost = plan.cost
    rows: list[tuple[Words, ...]] = [
        (
            each.cause,
            money(each.low_usd_per_month),
            money(each.high_usd_per_month),
            signed_money(each.high_usd_per_month - cost.usd_per_month),
            _words(each),
        )
        for each in cost.ranges
    ]
    rows.append(("together", money(cost.low_usd_per_month), money(cost.high_usd_per_month), "", _TOGETHER))
    return FoldingTable(
        "How far the bill can move, with these machines",
        (*names("cause"), *figures("low", "high", "at most"), *sentences("between")),
        rows,
        (below("between"),),
    )


_TOGETHER = "the causes are taken as independent of each other"


def _words(each: CostRange) -> str:
    lost = ", ".join(f"{share(part)} of {route}" for route, part in sorted(each.unplaced.items()))
    return f"{each.assumption}; at its worse end {lost} finds no place within the SLO" if lost else each.assumption
