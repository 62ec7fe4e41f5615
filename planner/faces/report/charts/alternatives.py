"""What the plans cost that were not taken, beside the one that was."""

from __future__ import annotations

from planner.faces.figures import money, signed_money
from planner.faces.report.chart import NONE, Chart, Table, chart, columns
from planner.faces.report.charts.lying_bars import Bar, Row, lying_bars
from planner.plan.plan import Plan

CHOSEN = "this plan"
ABSENT = "no such plan"


def alternatives(plan: Plan) -> Chart | None:
    """Return the chart of the plans beside this one; None where there are none."""
    others = (*plan.baselines, *plan.runners_up)
    if not others:
        return None
    title = "Plans that were not taken"
    bill = plan.cost.usd_per_month
    rows = [Row(CHOSEN, (Bar(0.0, float(bill), "own", f"{CHOSEN}: {money(bill)} a month"),), money(bill))]
    for other in others:
        usd = other.usd_per_month
        if usd is None:
            rows.append(Row(other.name, (), ABSENT))
        else:
            bar = Bar(0.0, float(usd), "base", f"{other.name}: {money(usd)} a month")
            rows.append(Row(other.name, (bar,), f"{money(usd)} ({signed_money(usd - bill)})"))
    known = [(o.usd_per_month, o.name) for o in plan.runners_up if o.usd_per_month is not None]
    says = "No plan within the limits goes without something that this plan uses."
    if known:
        usd, name = min(known)
        says = (
            f"The cheapest plan without something that this one uses is `{name}`: {signed_money(usd - bill)} a month."
        )
    table = Table(
        title,
        columns("plan", "USD a month", "against this plan", words=("what it is",)),
        (
            (CHOSEN, money(bill), "", ""),
            *(
                (
                    other.name,
                    NONE if other.usd_per_month is None else money(other.usd_per_month),
                    "" if other.usd_per_month is None else signed_money(other.usd_per_month - bill),
                    other.description,
                )
                for other in others
            ),
        ),
    )
    return chart("alternatives", title, says, lying_bars("alternatives", title, says, rows), table)
