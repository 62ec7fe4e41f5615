"""A chart: its picture for wide and narrow pages, the sentence that it says, and the table behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from planner.faces.report.svg import Picture

NONE, UNKNOWN = "none", "not known"
"""What is written where there is no value, and where it was not computed: never a zero."""
SHORT, LONG = 13, 24
"""Letters of the longest cell up to which a column never folds, and beyond which it folds anywhere."""


@dataclass(frozen=True)
class Column:
    """A column of a table. name: what it holds, with its unit. is_figure: whether it stands to the right."""

    name: str
    is_figure: bool = False


@dataclass(frozen=True)
class Table:
    """A table has a caption, columns, and rows of text; the first text of a row names it."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """How each column is set: `n` for figures, `short` and `word` for words, `text` for what may fold anywhere."""
        longest = [max((len(row[place]) for row in self.rows), default=0) for place in range(len(self.columns))]
        return tuple(
            "n" if column.is_figure else "text" if letters > LONG else "word" if letters > SHORT else "short"
            for column, letters in zip(self.columns, longest, strict=True)
        )


@dataclass(frozen=True)
class Chart:
    """A chart says one thing.

    name: unique in a report; the name of its file too.
    title: what it shows.
    says: what a reader learns from it, as a sentence.
    wide, narrow: its pictures; None where nothing can draw them.
    table: the values behind it, in units.
    """

    name: str
    title: str
    says: str
    wide: Picture | None
    narrow: Picture | None
    table: Table


def filled(table: Table) -> Table:
    """Return a table without the columns in which nothing stands."""
    kept = [place for place in range(len(table.columns)) if any(row[place] for row in table.rows)]
    rows = tuple(tuple(row[place] for place in kept) for row in table.rows)
    return Table(table.caption, tuple(table.columns[place] for place in kept), rows)


def chart(name: str, title: str, says: str, pictures: Sequence[Picture], table: Table) -> Chart:
    """Return a chart of its wide and its narrow picture, or of none."""
    wide, narrow = pictures or (None, None)
    return Chart(name, title, says, wide, narrow, table)


def columns(first: str, *figures: str, words: Sequence[str] = ()) -> tuple[Column, ...]:
    """Return the columns of a table: what names a row, its figures, and its words."""
    return (Column(first), *(Column(name, True) for name in figures), *(Column(name) for name in words))
