"""The week's load of a route: each of its 168 hours, and who takes it. Hours are UTC, as in the plan."""

from __future__ import annotations

from collections.abc import Sequence

from planner.documents.hours import HourOfRoute
from planner.faces.figures import rate, share
from planner.faces.report.canvas import Canvas, plotted
from planner.faces.report.chart import NONE, Chart, Column, Table, chart
from planner.faces.report.svg import slug

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HARDLY = 0.01
"""A highest rate below it is drawn in requests a day, requests/s."""
DAY_S = 86_400


def week(route: str, hours: Sequence[HourOfRoute]) -> Chart:
    """Return the chart of a route's week. hours: 168, from Monday 00:00 UTC."""
    name, title = slug(f"week-{route}"), f"The week of {route}"
    says = _says(hours)
    pictures = plotted(name, title, says, 230, lambda canvas: _paint(canvas, hours))
    return chart(name, title, says, pictures, _table(route, hours))


def _says(hours: Sequence[HourOfRoute]) -> str:
    total = sum(hour.requests_per_second for hour in hours)
    busiest = max(range(len(hours)), key=lambda place: hours[place].requests_per_second)
    begins, highest = f"{DAYS[busiest // 24]} at {busiest % 24:02}:00 UTC", rate(hours[busiest].requests_per_second)
    said = f"The busiest hour begins on {begins} with {highest}"
    if len({hour.requests_per_second for hour in hours}) == 1:
        said = f"Every hour has the same load, {highest}"
    taken = [
        f"{who} {share(part / total)}"
        for who, part in (
            ("own machines take", sum(hour.own for hour in hours)),
            ("APIs take", sum(hour.api for hour in hours)),
            ("too long and refused are", sum(hour.refused for hour in hours)),
        )
        if total and part / total > 1e-9
    ]
    return f"{said}. Of the week's requests {' and '.join(taken)}." if taken else f"{said}."


def _paint(canvas: Canvas, hours: Sequence[HourOfRoute]) -> None:
    highest = max(hour.requests_per_second for hour in hours)
    unit = DAY_S if highest < HARDLY else 1
    edges = [float(place) for place in range(len(hours) + 1)]
    zero = [0.0] * len(hours)
    own = [hour.own * unit for hour in hours]
    api = [(hour.own + hour.api) * unit for hour in hours]
    all_of_it = [hour.requests_per_second * unit for hour in hours]
    if any(hour.own > 0 for hour in hours):
        canvas.area(edges, zero, own, "own", "own machines")
    if any(hour.api > 0 for hour in hours):
        canvas.area(edges, own, api, "api", "hosted APIs")
    if any(hour.refused > 1e-9 for hour in hours):
        canvas.area(edges, api, all_of_it, "more", "refused: too long")
    canvas.scales(
        [(day * 24.0 + 12.0, name) for day, name in enumerate(DAYS)],
        lambda value: f"{value:g}",
        "hours of the week, UTC",
        "requests a day" if unit == DAY_S else "requests/s",
    )
    canvas.limits((0.0, float(len(hours))), (0.0, highest * unit * 1.06))
    canvas.legend()


def _table(route: str, hours: Sequence[HourOfRoute]) -> Table:
    rows = [(f"{clock:02}:00", *(_cell(hours[day * 24 + clock]) for day in range(len(DAYS)))) for clock in range(24)]
    names = (Column("hour, UTC"), *(Column(day, True) for day in DAYS))
    return Table(f"Requests/s of {route} in each hour, and the share that APIs take", names, tuple(rows))


def _cell(hour: HourOfRoute) -> str:
    if not hour.requests_per_second:
        return NONE
    part = hour.api / hour.requests_per_second
    return f"{hour.requests_per_second:.3g}" + (f" ({share(part)})" if part > 1e-9 else "")
