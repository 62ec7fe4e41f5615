"""The bill of a lock for finance: a table for the terminal, CSV, Markdown, and FOCUS rows as CSV.

Amounts in another currency are so rounded that they sum to what the sum in dollars is in it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from planner.documents.finance import NOTHING, Finance, Item
from planner.documents.focus import focus_rows
from planner.domain.currency import Currency
from planner.faces.figures import count_words
from planner.faces.layout import below, figures, sentences
from planner.faces.markdown.escaping import escaped
from planner.faces.tables import FoldingTable

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of a cell that spreadsheets calculate."""


@dataclass(frozen=True)
class Amounts:
    """The amounts of an item: a month and over the horizon, in dollars and in another currency if there is one."""

    item: Item
    usd: tuple[Decimal, Decimal]
    other: tuple[Decimal, ...] = ()

    @property
    def all(self) -> tuple[Decimal, ...]:
        """Return all amounts, those in dollars first."""
        return (*self.usd, *self.other)


def amounts_of(finance: Finance, currency: Currency | None) -> tuple[Amounts, ...]:
    """Return the amounts of all items, in their order."""
    items = finance.items
    usd = [(item.usd_per_month, item.usd) for item in items]
    if currency is None:
        return tuple(Amounts(*each) for each in zip(items, usd, strict=True))
    lines = currency.of_parts(item.usd_per_month for item in items if item.line is not None)
    phases = [currency.of(item.usd_per_month) for item in items if item.line is None]
    other = zip((*lines, *phases), currency.of_parts(item.usd for item in items), strict=True)
    return tuple(Amounts(*each) for each in zip(items, usd, other, strict=True))


def budget_view(finance: Finance, currency: Currency | None) -> FoldingTable:
    """Return what each part costs a month and over the horizon, in dollars and in the team's own currency."""
    amounts = amounts_of(finance, currency)
    lines = [(each.item.line, each) for each in amounts]
    rows: list[tuple[str, ...]] = []
    for component in sorted({line.component for line, _ in lines if line is not None}):
        own = [each for line, each in lines if line is not None and line.component == component]
        rows.append((component, *(f"{sum(column, NOTHING):,}" for column in zip(*(e.all for e in own), strict=True))))
    for each in amounts:
        if (phase := each.item.phase) is not None:
            cells = ("" if index % 2 == 0 else f"{amount:,}" for index, amount in enumerate(each.all))
            rows.append((f"all from {phase.start} to {phase.end}: {phase.fleet}", *cells))
    rows.append(("total", *(f"{total:,}" for total in totals(amounts))))
    labels = [f"{unit} {span}" for unit in _units(currency) for span in _spans(finance)]
    notes = "; ".join(notes_of(finance, currency))
    return FoldingTable("Budget", (*sentences("for"), *figures(*labels)), rows, (below(*labels[2:]),), notes)


def totals(amounts: Sequence[Amounts]) -> tuple[Decimal, ...]:
    """Return the sums of amounts: the plan's own lines a month, and all items over the horizon, in each currency."""
    columns = zip(*(each.all for each in amounts), strict=True)
    own = [each.item.line is not None for each in amounts]
    return tuple(
        sum((amount for amount, is_own in zip(column, own, strict=True) if is_own or index % 2), NOTHING)
        for index, column in enumerate(columns)
    )


def notes_of(finance: Finance, currency: Currency | None) -> Iterator[str]:
    """Yield what a reader of the sums must know, as sentences without their end."""
    if currency:
        yield f"{currency.words()}; the lock is in dollars"
    if finance.plan_again_by:
        yield f"at the load before {finance.plan_again_by}: later growth and seasons are not in it"
    for phase in finance.unserved:
        yield f"nothing can serve from {phase.start} on, and what would is not in the sum"


def csv_text(finance: Finance, currency: Currency | None) -> str:
    """Return one row for each cost line, and one for each later phase, with a head."""
    lock, horizon = finance.lock, finance.horizon
    first_end = lock.plan.phases[0].end if lock.plan.phases else horizon.end
    rows: list[dict[str, object]] = []
    for each in amounts_of(finance, currency):
        line, phase = each.item.line, each.item.phase
        row: dict[str, object] = {
            "environment": lock.name,
            "start": phase.start if phase else horizon.start,
            "end": phase.end if phase else first_end,
            "component": line.component if line else None,
            "line": line.name if line else f"all of the phase: {phase.fleet if phase else ''}",
            "kind": line.kind if line else None,
            "quantity": line.quantity if line else None,
            "unit": line.unit if line else None,
            "unit_price_usd": line.unit_price if line else None,
            "usd_per_month": each.usd[0],
            "usd_over_horizon": each.usd[1],
            "price": line.price if line else None,
            "source": line.source if line else None,
            "as_of": line.as_of if line else None,
        }
        if currency:
            row |= {
                "currency": currency.currency,
                "currency_per_month": each.other[0],
                "currency_over_horizon": each.other[1],
                "currency_per_usd": currency.per_usd,
                "currency_as_of": currency.as_of,
            }
        rows.append(row)
    return _table_text(rows)


def focus_text(finance: Finance, currency: Currency | None) -> str:
    """Return the rows of FOCUS as CSV; null is an empty cell."""
    return _table_text(focus_rows(finance, currency))


def markdown_text(finance: Finance, currency: Currency | None) -> str:
    """Return the bill as Markdown for a budget request: every line, its price and day, a month and over the horizon."""
    lock, cost, amounts = finance.lock, finance.lock.plan.cost, amounts_of(finance, currency)
    head = (
        f"**${cost.usd_per_month:,} a month** and **${finance.usd:,}** over {count_words(finance.months, 'month')} "
        f"from {finance.horizon.start}, "
        f"expected between ${cost.low_usd_per_month:,} and ${cost.high_usd_per_month:,} a month."
    )
    labels = ["For", "Line", "Quantity", "Unit", "Unit price", "Price of"]
    labels += [f"{unit} {span}" for unit in _units(currency) for span in _spans(finance)]
    rows = []
    for each in amounts:
        line, phase, cells = each.item.line, each.item.phase, [f"{amount:,}" for amount in each.all]
        if line is not None:
            name = f"{line.name}: {line.own_terms}" if line.own_terms else line.name
            words = (line.component, name, f"{line.quantity:,}", line.unit, f"${line.unit_price}", line.as_of)
            rows.append((*map(escaped, words), *cells))
        elif phase is not None:
            words = ("all", f"from {phase.start} to {phase.end}: {phase.fleet}", "", "", "", "")
            rows.append((*map(escaped, words), *cells))
    rows.append(("**total**", "", "", "", "", "", *(f"**{total:,}**" for total in totals(amounts))))
    table = [labels, ["---" if index < 2 else "---:" for index in range(len(labels))], *rows]
    notes = [f"- {escaped(note[0].upper() + note[1:])}." for note in notes_of(finance, currency)]
    between = [""] if notes else []
    return "\n".join([f"## Bill of {lock.name}", "", head, "", *map(_line, table), *between, *notes]) + "\n"


def _units(currency: Currency | None) -> tuple[str, ...]:
    return ("$", currency.currency) if currency else ("$",)


def _spans(finance: Finance) -> tuple[str, str]:
    return "/ month", f"over {count_words(finance.months, 'month')}"


def _table_text(rows: Sequence[Mapping[str, object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(rows[0] if rows else [])
    writer.writerows([_cell(value) for value in row.values()] for row in rows)
    return out.getvalue()


def _cell(value: object) -> str:
    """Return a value as the text of a cell. A word that a spreadsheet would take for a formula gets an apostrophe."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
