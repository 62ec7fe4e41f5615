"""Shows how near predictions come to measurements: for the terminal, as Markdown, and as plain values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType

from measurement.evidence.accuracy import Accuracy, ChoiceOrder, Score
from planner.faces.figures import count_words
from planner.faces.layout import above, below, figures, names
from planner.faces.prose import Prose
from planner.faces.tables import FoldingTable

WORDS = {"tpot": "TPOT", "ttft": "TTFT", "throughput": "throughput", "e2e": "E2E"}
HELD_OUT = {
    "sources": "each by a fit without its source",
    "cells": "each by a fit without its cell (model family × GPU)",
    "gpus": "each by a fit without its GPU",
}
_COLUMNS = ("metric", "", "rows", "median error", "p90", "predicted/measured", "in interval")


def accuracy_view(accuracy: Accuracy) -> Iterator[RenderableType]:
    """The scores for the terminal, section by section."""
    yield Prose(_headline(accuracy), rest="  ")
    overall = (*names(_OVERALL[0]), *figures(*_OVERALL[1:]))
    steps = (below("nine in ten cells", "macro error"), below("predicted/measured"))
    yield FoldingTable("All rows", overall, _overall_rows(accuracy), steps)
    for name, scores in accuracy.tables.items():
        columns = (*names(_COLUMNS[0], name), *figures(*_COLUMNS[2:]))
        yield FoldingTable(f"By {name}", columns, _rows(scores), (above(_COLUMNS[0]), below("predicted/measured")))
    yield Group(*(Prose(line, rest="  ") for line in _order_lines(accuracy.order)))


def accuracy_markdown(accuracy: Accuracy) -> str:
    """The scores as Markdown sections, ready to stand in a document."""
    lines = [_headline(accuracy), "", *_markdown(_OVERALL, _overall_rows(accuracy)), ""]
    lines += [f"- {line}" for line in _order_lines(accuracy.order)]
    for name, scores in accuracy.tables.items():
        lines += ["", f"### By {name}", "", *_markdown((_COLUMNS[0], name, *_COLUMNS[2:]), _rows(scores))]
    if accuracy.macro:
        lines += ["", "### Macro error by source", ""]
        sources = sorted({source for macro in accuracy.macro for source in macro.sources})
        rows = [
            (source, *(percent(macro.sources[source]) if source in macro.sources else "–" for macro in accuracy.macro))
            for source in sources
        ]
        lines += _markdown(("source", *(WORDS[macro.kind] for macro in accuracy.macro)), rows)
    return "\n".join(lines) + "\n"


def accuracy_json(accuracy: Accuracy) -> dict[str, Any]:
    """The scores as plain values. Numbers have six significant digits; a share that is not known is None."""
    value: dict[str, Any] = asdict(accuracy)
    for order, row in zip(accuracy.order, value["order"], strict=True):
        row["kind"] = order.kind or "all"
        row["share"] = None if math.isnan(order.share) else order.share
    rounded: dict[str, Any] = _six_digits(value)
    return rounded


def percent(value: float) -> str:
    """A share as a percentage with one decimal place, like `12.3 %`."""
    return f"{100 * value:.1f} %"


_OVERALL = ("metric", "rows", "cells", "median of cells", "nine in ten cells", "macro error", *_COLUMNS[3:])


def _headline(accuracy: Accuracy) -> str:
    left = ", ".join(f"{count} {reason}" for reason, count in accuracy.left_out.items())
    how = f", {HELD_OUT[accuracy.held_out]}" if accuracy.held_out else ""
    return f"{count_words(accuracy.rows, 'row')} scored{how}" + (f"; left out: {left}" if left else "")


def _overall_rows(accuracy: Accuracy) -> list[tuple[str, ...]]:
    macros = {macro.kind: macro for macro in accuracy.macro}
    return [
        (
            WORDS[score.kind],
            str(score.rows),
            str(macros[score.kind].cells),
            percent(macros[score.kind].middle),
            percent(macros[score.kind].nine),
            percent(macros[score.kind].error),
            *_figures(score),
        )
        for score in accuracy.overall
    ]


def _rows(scores: Sequence[Score]) -> list[tuple[str, ...]]:
    return [(WORDS[score.kind], score.group, str(score.rows), *_figures(score)) for score in scores]


def _figures(score: Score) -> tuple[str, ...]:
    return percent(score.median), percent(score.p90), f"{score.bias:.2f}", percent(score.coverage)


def _order_lines(orders: Sequence[ChoiceOrder]) -> Iterator[str]:
    for order in (each for each in orders if each.pairs):
        what = WORDS[order.kind] if order.kind else "all"
        share = percent(order.share)
        pairs = count_words(order.pairs, "pair")
        yield f"order of {order.choice} choices, {what}: {share} of {pairs} that differ by more than 10 %"


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield "|" + "---|" * len(columns)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _six_digits(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _six_digits(part) for key, part in value.items()}
    return [_six_digits(part) for part in value] if isinstance(value, (list, tuple)) else value
