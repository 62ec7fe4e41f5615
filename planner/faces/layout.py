"""Where the columns of a table stand on a terminal of a given width. Here are only numbers and labels; `tables` draws.

All columns stand side by side where they fit. Otherwise the table takes one step after the other, in the order that its
view states, until the rest fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from planner.words.wrapping import columns_of, longest_word

GAP = "  "
"""Blanks between two columns."""
INDENT = "  "
"""Blanks before what stands below a heading or a row."""
LEAST_PROSE = 24
"""Columns that sentences keep, if they are that long. With fewer they would be hard to read, so that they stand below
their row."""


class Kind(Enum):
    """What the cells of a column hold. Names stand to the left and figures to the right, both whole; prose folds."""

    NAME = "name"
    PROSE = "prose"
    FIGURE = "figure"


@dataclass(frozen=True)
class TableColumn:
    """A column of a table.

    label: its name, unique in its table; empty for a picture that only repeats a figure.
    kind: what its cells hold.
    beside: a shorter title, which is clear while all columns stand side by side; empty where it is the label.
    """

    label: str
    kind: Kind = Kind.NAME
    beside: str = ""


def names(*labels: str) -> tuple[TableColumn, ...]:
    """Return columns of names."""
    return tuple(TableColumn(label) for label in labels)


def sentences(*labels: str) -> tuple[TableColumn, ...]:
    """Return columns of sentences."""
    return tuple(TableColumn(label, Kind.PROSE) for label in labels)


def figures(*labels: str) -> tuple[TableColumn, ...]:
    """Return columns of figures."""
    return tuple(TableColumn(label, Kind.FIGURE) for label in labels)


class Place(Enum):
    """Where a column goes when it gives way."""

    ABOVE = "a heading above the rows that share its value"
    BELOW = "a line below its row"
    OUT = "nowhere: the caption names it"


@dataclass(frozen=True)
class Step:
    """One step towards a narrower table.

    place: where the columns go.
    labels: the columns that give way together.
    """

    place: Place
    labels: tuple[str, ...]


def above(label: str) -> Step:
    """Return the step that makes a column a heading. The other columns stand below it, indented."""
    return Step(Place.ABOVE, (label,))


def below(*labels: str) -> Step:
    """Return the step that puts columns below their row, on one line where that is wide enough."""
    return Step(Place.BELOW, labels)


def left_out(*labels: str) -> Step:
    """Return the step that leaves columns out."""
    return Step(Place.OUT, labels)


@dataclass(frozen=True)
class Layout:
    """Where each column of a table stands; columns are counted from 0.

    row: columns that stand side by side.
    widths: width of each of these, columns of the terminal.
    heading: column that stands above its rows; None without one.
    below: columns that stand below their row, for each line.
    left_out: columns that are not shown.
    needs: least width of a terminal that shows them, columns.
    """

    row: tuple[int, ...]
    widths: tuple[int, ...] = ()
    heading: int | None = None
    below: tuple[tuple[int, ...], ...] = ()
    left_out: tuple[int, ...] = ()
    needs: int = 0


def table_layout(
    columns: Sequence[TableColumn], rows: Sequence[Sequence[str]], steps: Sequence[Step], width: int
) -> Layout:
    """Return the layout after the fewest steps that make the table fit.

    After the last step one column is left of the row, and the others stand below it.

    rows: the cells, whose line ends stay.
    """
    measures = [_measure(column, [row[place] for row in rows]) for place, column in enumerate(columns)]
    last_resort = [below(column.label) for column in reversed(columns)]
    layout = Layout(tuple(range(len(columns))))
    for step in (*steps, *last_resort):
        if sum(_least_widths(layout, measures)) <= width:
            break
        layout = _after(layout, step, measures)
    return replace(layout, widths=_widths(layout, measures, width), below=tuple(sorted(layout.below)))


def title(column: TableColumn, layout: Layout) -> str:
    """Return what stands at the head of a column."""
    is_whole = layout.heading is None and not layout.below and not layout.left_out
    return (column.beside or column.label) if is_whole else column.label


@dataclass(frozen=True)
class _Measure:
    """How much room a column needs.

    column: the column.
    widest: width of its widest cell, columns of the terminal.
    longest_word: width of the longest word of its cells, columns of the terminal.
    """

    column: TableColumn
    widest: int
    longest_word: int


def _measure(column: TableColumn, cells: Sequence[str]) -> _Measure:
    lines = [line for cell in cells for line in cell.split("\n")]
    return _Measure(column, max(map(columns_of, lines), default=0), max(map(longest_word, lines), default=0))


def _after(layout: Layout, step: Step, measures: Sequence[_Measure]) -> Layout:
    """Return the layout after one more step. The last column of the row stays."""
    moved = tuple(place for place in layout.row if measures[place].column.label in step.labels)
    rest = tuple(place for place in layout.row if place not in moved)
    if not moved or not rest:
        return layout
    match step.place:
        case Place.ABOVE:
            return replace(layout, row=rest, heading=moved[0])
        case Place.BELOW:
            return replace(layout, row=rest, below=(*layout.below, moved))
        case Place.OUT:
            is_named = any(measures[place].column.label for place in moved)
            needs = layout.needs or (sum(_least_widths(layout, measures)) if is_named else 0)
            return replace(layout, row=rest, left_out=tuple(sorted((*layout.left_out, *moved))), needs=needs)


def _least_widths(layout: Layout, measures: Sequence[_Measure]) -> list[int]:
    """Return the columns of the terminal that each column of the row needs, with its gap."""
    needed = []
    for place in layout.row:
        measure, head = measures[place], title(measures[place].column, layout)
        cells = measure.widest
        if measure.column.kind is Kind.PROSE:
            cells = max(measure.longest_word, min(measure.widest, LEAST_PROSE))
        needed.append(max(cells, longest_word(head)) + len(GAP))
    needed[0] += len(INDENT) if layout.heading is not None else 0
    needed[-1] -= len(GAP)
    return needed


def _natural_widths(layout: Layout, measures: Sequence[_Measure]) -> list[int]:
    """Return the columns of the terminal that each column of the row takes, with its gap, when nothing folds."""
    wanted = []
    for place in layout.row:
        head = title(measures[place].column, layout)
        wanted.append(max(measures[place].widest, columns_of(head)) + len(GAP))
    wanted[0] += len(INDENT) if layout.heading is not None else 0
    wanted[-1] -= len(GAP)
    return wanted


def _widths(layout: Layout, measures: Sequence[_Measure], width: int) -> tuple[int, ...]:
    """Return the widths without gaps.

    Sentences are widened first if then none of them folds, and otherwise after the titles.
    """
    widths, natural = _least_widths(layout, measures), _natural_widths(layout, measures)
    spare = width - sum(widths)
    if spare < 0:
        return (width,)  # one name, longer than the line: it folds at its blanks
    prose = [n for n, place in enumerate(layout.row) if measures[place].column.kind is Kind.PROSE]
    others = [n for n in range(len(widths)) if n not in prose]
    fits = sum(natural[n] - widths[n] for n in prose) <= spare
    for n in (*prose, *others) if fits else (*others, *prose):
        more = min(spare, natural[n] - widths[n])
        widths[n] += more
        spare -= more
    return tuple(each - (len(GAP) if n < len(widths) - 1 else 0) for n, each in enumerate(widths))
