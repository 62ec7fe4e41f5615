"""A diff of two plans for the terminal and for programs: headline, why it changed, lines, parts that are touched."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from planner.documents.changes import KeyChange, change_words
from planner.documents.diff import Diff, is_about_reach, touched_parts
from planner.faces.figures import money, signed_money
from planner.faces.layout import above, below, figures, names, sentences
from planner.faces.prose import Prose, Words
from planner.faces.tables import FoldingTable
from planner.words.spans import Document

MOST_DETAILS = 4
"""Number of changed figures of a part that are shown. The others are counted, but never those of who may see data."""


def diff_view(diff: Diff, document: Document) -> Iterator[RenderableType]:
    """Yield the diff, section by section. document: the environment's file, which knows the lines of its keys."""
    yield _headline(diff)
    if diff.empty:
        return
    yield _why(diff, document)
    yield _components(diff)
    if diff.parts:
        yield _parts(diff)


def diff_json(diff: Diff) -> dict[str, Any]:
    """Return the diff as plain values, with money as text."""
    return {
        "environment": diff.name,
        "base_usd_per_month": str(diff.base_usd),
        "usd_per_month": str(diff.proposed_usd),
        "change_usd_per_month": str(diff.delta),
        "by_inputs_usd_per_month": str(diff.by_inputs),
        "by_prices_usd_per_month": str(diff.by_prices),
        "inputs": [change_words(change) for change in diff.inputs],
        "lines": [
            {
                "component": line.component,
                "name": line.name,
                "kind": line.kind,
                "base_usd_per_month": str(line.base),
                "usd_per_month": str(line.proposed),
                "by_inputs_usd_per_month": str(line.by_quantity),
                "by_prices_usd_per_month": str(line.by_price),
            }
            for line in diff.lines
        ],
        "touched": list(touched_parts(diff)),
        "parts": [
            {
                "part": f"{part.kind} {part.name}",
                "change": part.change,
                "details": [*part.summary, *(change_words(change) for change in part.details)],
            }
            for part in diff.parts
        ],
    }


def _headline(diff: Diff) -> Prose:
    if diff.empty:
        return Prose(f"Plan for {diff.name}: unchanged · {money(diff.proposed_usd)} total")
    percent = f" ({diff.delta / diff.base_usd:+.0%})" if diff.base_usd and diff.delta else ""
    text = Text(f"Plan for {diff.name}: ", style="bold")
    text.append(f"{signed_money(diff.delta)} / month{percent}", style="bold red" if diff.delta > 0 else "bold green")
    text.append(f" · {money(diff.proposed_usd)} total")
    return Prose(text, rest="  ")


def _why(diff: Diff, document: Document) -> FoldingTable:
    label = "first plan" if diff.first else "the environment, at old prices"
    prices = "prices" if diff.first else f"prices, {diff.snapshots[0]} → {diff.snapshots[1]}"
    rows: list[tuple[Words, Words]] = [
        (label, signed_money(diff.by_inputs)),
        *((f"  {change_words(change)}{_place(change, document)}", "") for change in diff.inputs),
        (prices, signed_money(diff.by_prices)),
        (Text("sum", style="bold"), Text(signed_money(diff.delta), style="bold")),
    ]
    return FoldingTable("Why it changed", (*sentences("what"), *figures("usd")), rows, has_head=False)


def _place(change: KeyChange, document: Document) -> str:
    span = document.at(change.path)
    return f"   {span.file}:{span.line}" if span else ""


def _components(diff: Diff) -> FoldingTable:
    rows: list[list[Words]] = []
    same = Decimal(0)
    for component, base, proposed in diff.by_component():
        if base == proposed:
            same += proposed
        else:
            rows.append([component, money(base), money(proposed), signed_money(proposed - base)])
    if same:
        rows.append(_styled_row("dim", "everything else", money(same), money(same), "$0"))
    rows.append(_styled_row("bold", "total", money(diff.base_usd), money(diff.proposed_usd), signed_money(diff.delta)))
    columns = (*names("component"), *figures("base", "proposed", "change"))
    return FoldingTable("Cost a month", columns, rows, (above("component"),))


def _styled_row(style: str, *cells: str) -> list[Words]:
    return [Text(cell, style=style) for cell in cells]


def _parts(diff: Diff) -> FoldingTable:
    rows = []
    for part in diff.parts:
        reach = [place + 1 for place, change in enumerate(part.details) if is_about_reach(change)]
        first = max([MOST_DETAILS, *reach])
        shown = [*part.summary, *(change_words(change) for change in part.details[:first])]
        rest = len(part.details) - first
        more = f"\nand {rest} more" if rest > 0 else ""
        rows.append((f"{part.kind} {part.name}", part.change, "\n".join(shown) + more))
    columns = (*names("part", "change"), *sentences("in"))
    return FoldingTable("What a deployment touches", columns, rows, (below("in"),))
