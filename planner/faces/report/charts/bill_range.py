"""How far each cause can move the bill, with the machines of the plan: the widest first."""

from __future__ import annotations

from decimal import Decimal

from planner.faces.figures import money, share
from planner.faces.report.chart import NONE, Chart, Table, chart, columns
from planner.faces.report.charts.lying_bars import Bar, Row, lying_bars
from planner.plan.cost import Cost, CostRange

TOGETHER = "all together"


def bill_range(cost: Cost) -> Chart | None:
    """Return the chart of the bill's range by cause; None for a bill that nothing uncertain moves."""
    if not cost.ranges:
        return None
    ranges = sorted(cost.ranges, key=lambda each: (each.low_usd_per_month - each.high_usd_per_month, each.cause))
    title = "How far the bill can move"
    low, high = money(cost.low_usd_per_month), money(cost.high_usd_per_month)
    says = f"Between {low} and {high} a month; {ranges[0].cause} can move it most. The causes are independent."
    ends: list[tuple[str, Decimal, Decimal]] = [
        (each.cause, each.low_usd_per_month, each.high_usd_per_month) for each in ranges
    ]
    ends.append((TOGETHER, cost.low_usd_per_month, cost.high_usd_per_month))
    rows = [
        Row(
            name,
            (Bar(float(least), float(most), "own", f"{name}: {money(least)} to {money(most)}"),),
            f"{money(least)} – {money(most)}",
        )
        for name, least, most in ends
    ]
    line = (float(cost.usd_per_month), f"expected: {money(cost.usd_per_month)}")
    return chart(
        "bill-range",
        title,
        says,
        lying_bars("bill-range", title, says, rows, (), line, from_zero=False),
        _table(cost, ranges),
    )


def _table(cost: Cost, ranges: list[CostRange]) -> Table:
    rows: list[tuple[str, ...]] = [
        (
            each.cause,
            money(each.low_usd_per_month),
            money(each.high_usd_per_month),
            each.assumption,
            ", ".join(f"{share(part)} of {route}" for route, part in sorted(each.unplaced.items())) or NONE,
        )
        for each in ranges
    ]
    rows.append((TOGETHER, money(cost.low_usd_per_month), money(cost.high_usd_per_month), "", ""))
    names = columns(
        "cause", "low, USD a month", "high, USD a month", words=("between", "finds no place at the worse end")
    )
    return Table("The bill at the two ends of each cause", names, tuple(rows))
