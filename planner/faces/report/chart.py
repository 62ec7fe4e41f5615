"""A chart: its picture for wide and narrow pages, the sentence that it says, and the table behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from planner.faces.report.svg import Picture

NONE = "none"
"""What is written where there is no value: never a zero."""


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


@dataclass(frozen=True)
class Chart:
    """A chart says one thing.

    name: unique in a report; the name of its file too.
    title: what it shows.
    says: what a reader learns from it, as a sentence.
    wide, narrow: its pictures.
    table: the values behind it, in units.
    """

    name: str
    title: str
    says: str
    wide: Picture
    narrow: Picture
    table: Table


def chart(name: str, title: str, says: str, pictures: Sequence[Picture], table: Table) -> Chart:
    """Return a chart of its wide and its narrow picture."""
    wide, narrow = pictures
    return Chart(name, title, says, wide, narrow, table)


def columns(first: str, *figures: str, words: Sequence[str] = ()) -> tuple[Column, ...]:
    """Return the columns of a table: what names a row, its figures, and its words."""
    return (Column(first), *(Column(name, True) for name in figures), *(Column(name) for name in words))
