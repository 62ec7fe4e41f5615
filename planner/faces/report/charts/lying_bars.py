"""Lying bars, one below the other: a name above each, its value beside it, so that long names stay whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from planner.faces.report.canvas import LETTER_WIDTH, Canvas, laid_out
from planner.faces.report.palette import Ink
from planner.faces.report.svg import Picture

ROW, BAR, NAME = 40, 11, 13
"""Heights of a row, of its bar and of its name, pixels."""
LEGEND_ROW, SQUARE = 20, 10
"""Height of a line of the legend, and the side of its squares, pixels."""
MARGIN = 2
Legend = Sequence[tuple[Ink, str, bool]]
"""Colours with their words, and whether their bars are hollow."""


@dataclass(frozen=True)
class Bar:
    """A bar reaches from one value to another. hollow: whether only its outline is drawn, above the others."""

    start: float
    end: float
    ink: Ink
    tip: str
    hollow: bool = False


@dataclass(frozen=True)
class Row:
    """A row has a name, bars on one another, and a value in words. Without bars it has the value alone."""

    name: str
    bars: tuple[Bar, ...]
    value: str
    mark: float | None = None
    """Where a thin line crosses the row, such as an earlier value."""


def lying_bars(
    name: str,
    title: str,
    description: str,
    rows: Sequence[Row],
    legend: Legend = (),
    line: tuple[float, str] | None = None,
    from_zero: bool = True,
) -> tuple[Picture, ...]:
    """Return both pictures of some rows.

    line: a value with its words that all rows are held against.
    from_zero: whether the left edge is zero; otherwise it is the lowest value, for bars that have two ends.
    """
    values = [value for row in rows for bar in row.bars for value in (bar.start, bar.end)]
    values += [row.mark for row in rows if row.mark is not None] + ([line[0]] if line else [])
    ends = [*values, 0.0] if from_zero or not values else values
    low, high = min(ends), max(ends)
    value_letters = max((len(row.value) for row in rows if row.bars), default=0)

    def top(width: int) -> int:
        return LEGEND_ROW * len(_folded(legend, width)) + (LEGEND_ROW if line else 0) + 2

    def paint(canvas: Canvas) -> None:
        room = canvas.width - 2 * MARGIN - min(value_letters * LETTER_WIDTH + 10, canvas.width * 0.45)
        pixels = room / (high - low) if high > low else 0.0

        def at(value: float) -> float:
            return MARGIN + (value - low) * pixels

        _paint_legend(canvas, legend)
        first = top(canvas.width)
        for place, row in enumerate(rows):
            y = first + place * ROW
            canvas.words(MARGIN, y + NAME, _shortened(row.name, canvas.width - 2 * MARGIN), "ink")
            for bar in row.bars:
                left, right = sorted((at(bar.start), at(bar.end)))
                canvas.bar(left, right, y + NAME + 7, BAR, bar.ink, bar.tip, bar.hollow)
            if row.mark is not None:
                canvas.tick(at(row.mark), y + NAME + 4, y + NAME + 10 + BAR, "ink")
            foot = y + NAME + 7 + BAR - 1
            if row.bars:
                canvas.words(canvas.width - MARGIN, foot, row.value, "ink", "right")
            else:
                canvas.words(MARGIN, foot, row.value, "quiet")
        if line is not None:
            x = at(line[0])
            canvas.tick(x, first - 4, first + len(rows) * ROW - 6, "quiet", dashed=True)
            canvas.words(x, first - 8, line[1], "quiet", "right" if x > canvas.width / 2 else "left")

    return laid_out(name, title, description, lambda width: top(width) + len(rows) * ROW, paint)


def _folded(legend: Legend, width: int) -> list[list[tuple[Ink, str, bool]]]:
    lines: list[list[tuple[Ink, str, bool]]] = []
    used = float(width)
    for each in legend:
        wide = SQUARE + 22 + len(each[1]) * LETTER_WIDTH
        if used + wide > width:
            lines.append([])
            used = 0.0
        lines[-1].append(each)
        used += wide
    return lines


def _paint_legend(canvas: Canvas, legend: Legend) -> None:
    for place, each in enumerate(_folded(legend, canvas.width)):
        x, y = float(MARGIN), place * LEGEND_ROW + 4
        for ink, words, hollow in each:
            canvas.bar(x, x + SQUARE, y, SQUARE, ink, hollow=hollow)
            canvas.words(x + SQUARE + 6, y + SQUARE, words, "quiet")
            x += SQUARE + 22 + len(words) * LETTER_WIDTH


def _shortened(name: str, width: float) -> str:
    """Cut the middle out of a name that is too long for its line; its table has it whole."""
    most = int(width / LETTER_WIDTH)
    if len(name) <= most:
        return name
    kept = (most - 1) // 2
    return f"{name[: most - 1 - kept]}…{name[-kept:]}"
