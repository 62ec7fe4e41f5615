"""What each part of the plan costs, beside its base."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from planner.documents.review import LineReview
from planner.faces.figures import money, signed_money
from planner.faces.report.chart import NONE, Chart, Table, chart, columns
from planner.faces.report.charts.lying_bars import Bar, Row, lying_bars
from planner.faces.report.palette import Ink

MOST = 14
"""Rows that are drawn; the smallest parts beyond it are drawn as one sum, and the table has all."""
ZERO = Decimal(0)


def components(lines: Sequence[LineReview], first: bool, routes: Sequence[str]) -> Chart | None:
    """Return the chart of cost by component; None without any line.

    first: whether there is no base. routes: names of the routes, whose lines are tokens of hosted APIs.
    """
    sums = _sums(lines)
    if not sums:
        return None
    title = "What each part costs"
    total = sum((proposed for _, _, proposed in sums), ZERO)
    says = _says(sums, total, first)
    legend: list[tuple[Ink, str, bool]] = []
    if any(name not in routes for name, _, _ in sums):
        legend.append(("own", "machines and platform", False))
    if any(name in routes for name, _, _ in sums):
        legend.append(("api", "tokens of hosted APIs", False))
    if not first:
        legend.append(("ink", "the base", True))
    rows = [_row(each, first, "api" if each[0] in routes else "own") for each in _drawn(sums)]
    return chart("components", title, says, lying_bars("components", title, says, rows, legend), _table(sums, first))


def _sums(lines: Sequence[LineReview]) -> list[tuple[str, Decimal, Decimal]]:
    """Return (component, base, proposed), USD a month, the dearest first, ties by name."""
    base: dict[str, Decimal] = {}
    proposed: dict[str, Decimal] = {}
    for line in lines:
        base[line.component] = base.get(line.component, ZERO) + line.base_usd_per_month
        proposed[line.component] = proposed.get(line.component, ZERO) + line.usd_per_month
    names = sorted(base, key=lambda name: (-max(base[name], proposed[name]), name))
    return [(name, base[name], proposed[name]) for name in names]


def _drawn(sums: Sequence[tuple[str, Decimal, Decimal]]) -> list[tuple[str, Decimal, Decimal]]:
    if len(sums) <= MOST:
        return list(sums)
    rest = sums[MOST - 1 :]
    together = (f"{len(rest)} smaller parts", sum((b for _, b, _ in rest), ZERO), sum((p for _, _, p in rest), ZERO))
    return [*sums[: MOST - 1], together]


def _row(each: tuple[str, Decimal, Decimal], first: bool, ink: Ink) -> Row:
    name, base, proposed = each
    bars = [Bar(0.0, float(proposed), ink, f"{name}: {money(proposed)} a month")] if proposed else []
    if not first and base:
        bars.append(Bar(0.0, float(base), "ink", f"{name} in the base: {money(base)} a month", hollow=True))
    value = money(proposed) if first or base == proposed else f"{money(proposed)} ({signed_money(proposed - base)})"
    return Row(name, tuple(bars), value)


def _says(sums: Sequence[tuple[str, Decimal, Decimal]], total: Decimal, first: bool) -> str:
    name, _, dearest = max(sums, key=lambda each: each[2])
    said = f"{name} costs most: {money(dearest)} of {money(total)} a month"
    if first:
        return f"{said}."
    moved, base, proposed = max(sums, key=lambda each: abs(each[2] - each[1]))
    if base == proposed:
        return f"{said}. No part costs more or less than in the base."
    return f"{said}. What changes most is {moved}: {signed_money(proposed - base)}."


def _table(sums: Sequence[tuple[str, Decimal, Decimal]], first: bool) -> Table:
    total = ("total", sum((base for _, base, _ in sums), ZERO), sum((proposed for _, _, proposed in sums), ZERO))
    rows: list[tuple[str, ...]] = []
    for name, base, proposed in (*sums, total):
        rows.append(
            (name, money(proposed)) if first else (name, money(base), money(proposed), signed_money(proposed - base))
        )
    if first:
        return Table("Cost by part", columns("part", "USD a month"), tuple(rows))
    names = columns("part", "base, USD a month", "proposed, USD a month", "change")
    return Table("Cost by part", names, tuple(tuple(cell or NONE for cell in row) for row in rows))
