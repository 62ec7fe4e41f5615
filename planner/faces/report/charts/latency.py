"""What each route promises and what the plan expects: latencies at the 95th percentile, as shares of their targets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from planner.documents.review import Promise, RouteReview
from planner.faces.figures import duration, share
from planner.faces.report.chart import NONE, UNKNOWN, Chart, Column, Table, chart
from planner.faces.report.charts.lying_bars import Bar, Legend, Row, lying_bars
from planner.faces.report.palette import Ink

MISSES: Ink = "more"
"""Colour of what is slower than its target."""


def latency(routes: Sequence[RouteReview]) -> Chart | None:
    """Return the chart of expected latencies against targets; None where no route is promised any."""
    promised = [
        (route.name, promise) for route in routes for promise in route.promises if promise.target_ms is not None
    ]
    if not promised:
        return None
    rows = [_row(name, promise) for name, promise in promised]
    based = any(row.mark is not None for row in rows)
    says = _says(promised)
    title = "Latency against targets"
    legend: Legend = [("own", "expected in the busiest hours", False)]
    if any(bar.ink == MISSES for row in rows for bar in row.bars):
        legend = [*legend, (MISSES, "misses its target", False)]
    drawn = any(row.bars for row in rows)
    pictures = lying_bars("latency", title, says, rows, legend, (1.0, "target")) if drawn else ()
    if based:
        says += " The thin line in a row is the base."
    return chart("latency", title, says, pictures, _table(routes))


def _row(name: str, promise: Promise) -> Row:
    words = f"{name} · {promise.metric}"
    target = promise.target_ms
    mark = _part(promise.base_expected_ms, target)
    reached = _part(promise.expected_ms, target)
    if reached is None or promise.expected_ms is None or target is None:
        return Row(words, (), UNKNOWN, mark)
    told = f"{duration(promise.expected_ms)} of {duration(target)}"
    ink: Ink = "own" if reached <= 1 else MISSES
    return Row(words, (Bar(0.0, reached, ink, f"{words}: {told}, {share(reached)}"),), told, mark)


def _part(expected: Decimal | None, target: Decimal | None) -> float | None:
    return None if expected is None or not target else float(expected / target)


def _says(promised: Iterable[tuple[str, Promise]]) -> str:
    known = [(_part(p.expected_ms, p.target_ms), name, p.metric) for name, p in promised]
    reached = [(part, name, metric) for part, name, metric in known if part is not None]
    if not reached:
        return "No latency is known before somebody measures it."
    part, name, metric = max(reached)
    over = sum(each[0] > 1 for each in reached)
    said = f"The one nearest to its target is {metric} of {name} at {share(part)}"
    if over:
        said = f"{over} of {len(reached)} miss their target; the worst is {metric} of {name} at {share(part)}"
    missing = len(known) - len(reached)
    return f"{said}; {missing} of {len(known)} are not known." if missing else f"{said}."


def _table(routes: Iterable[RouteReview]) -> Table:
    promised = [(route.name, promise) for route in routes for promise in route.promises]
    based = any(p.base_target_ms is not None or p.base_expected_ms is not None for _, p in promised)
    rows: list[tuple[str, ...]] = []
    for name, promise in promised:
        row = (name, promise.metric, _ms(promise.target_ms), _ms(promise.expected_ms, UNKNOWN))
        rows.append((*row, _ms(promise.base_target_ms), _ms(promise.base_expected_ms)) if based else row)
    figures = ("target", "expected", *(("target of the base", "expected of the base") if based else ()))
    names = (Column("route"), Column("latency"), *(Column(name, True) for name in figures))
    return Table("Latencies at the 95th percentile", names, tuple(rows))


def _ms(value: Decimal | None, missing: str = NONE) -> str:
    return missing if value is None else duration(value)
