"""Why the bill changed: from the base to the plan, cause by cause, so that the parts add up to the whole."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from planner.documents.review import Attribution, Cause
from planner.faces.figures import money, signed_money
from planner.faces.report.chart import Chart, Table, chart, columns
from planner.faces.report.charts.lying_bars import Bar, Legend, Row, lying_bars
from planner.faces.report.palette import Ink


def causes(attribution: Attribution, base: Decimal | None, proposed: Decimal) -> Chart | None:
    """Return the chart of the causes of a change; None where there is no base or nothing changed it.

    base, proposed: both bills, USD a month.
    """
    counted = [(cause, cause.usd_per_month) for cause in attribution.causes if cause.usd_per_month is not None]
    if base is None or not any(usd for _, usd in counted):
        return None
    title = "Why the bill changes"
    says = _says(counted, proposed - base)
    rows = [Row("base", (Bar(0.0, float(base), "base", f"base: {money(base)}"),), money(base))]
    at = base
    for cause, usd in counted:
        ink: Ink = "more" if usd > 0 else "warn" if cause.risk else "less"
        bar = Bar(float(at), float(at + usd), ink, f"{cause.what}: {signed_money(usd)} a month")
        rows.append(Row(cause.what, (bar,) if usd else (), signed_money(usd) if usd else "changes nothing"))
        at += usd
    rows.append(Row("this plan", (Bar(0.0, float(proposed), "own", f"this plan: {money(proposed)}"),), money(proposed)))
    legend: Legend = [("more", "dearer", False), ("less", "cheaper", False)]
    if any(cause.risk and usd < 0 for cause, usd in counted):
        legend = [*legend, ("warn", "cheaper at a risk", False)]
    return chart("causes", title, says, lying_bars("causes", title, says, rows, legend), _table(counted, base, at))


def _says(counted: Sequence[tuple[Cause, Decimal]], delta: Decimal) -> str:
    cause, usd = max(counted, key=lambda each: abs(each[1]))
    return f"The bill changes by {signed_money(delta)} a month; most of it is {cause.what}: {signed_money(usd)}."


def _table(counted: Sequence[tuple[Cause, Decimal]], base: Decimal, end: Decimal) -> Table:
    rows = [("base", "", money(base))]
    at = base
    for cause, usd in counted:
        at += usd
        rows.append((cause.what, signed_money(usd), money(at)))
    rows.append(("this plan", signed_money(end - base), money(end)))
    return Table(
        "From the base to this plan", columns("cause", "change, USD a month", "bill after it, USD a month"), tuple(rows)
    )
