"""A table that keeps names and figures whole on a terminal of any width.

A wide terminal has one line for each row. On a narrower one the table gives way step by step, in the order that its
view states. A column becomes a heading above the rows that share its value, or a line below its row, or it is left out;
then the last line names it, with the width that shows it. Sentences fold at blanks. A name folds only where it is
longer than the whole line, and then at its blanks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from planner.faces.layout import GAP, INDENT, Kind, Layout, Step, TableColumn, table_layout, title
from planner.faces.prose import Prose, Words, exact_lines, folded_lines, text_of
from planner.words.wrapping import columns_of, longest_word

BETWEEN = " · "
"""What stands between two values on one line."""
CAPTION = "dim italic"
"""Style of the lines below a table."""


@dataclass(frozen=True)
class FoldingTable:
    """A table with its title.

    title: the line above it; empty for none.
    columns: its columns.
    rows: a cell for each column; a line end in a cell stays a line end.
    steps: how the table gives way, in this order, on terminals that are too narrow for all columns side by side.
    caption: a sentence below it; empty for none.
    has_head: whether the labels of the columns stand above them.
    """

    title: str
    columns: tuple[TableColumn, ...]
    rows: Sequence[Sequence[Words]]
    steps: tuple[Step, ...] = ()
    caption: str = ""
    has_head: bool = True

    def __post_init__(self) -> None:
        labels = [column.label for column in self.columns]
        moved = [label for step in self.steps for label in step.labels]
        if len(set(labels)) < len(labels) or len(set(moved)) < len(moved) or not set(moved) <= set(labels):
            raise ValueError(f"table {self.title!r}: steps move {moved}, columns are {labels}; each once")

    def lines(self, width: int) -> Iterator[Text]:
        """Yield what is printed on a terminal with `width` columns."""
        texts = [[text_of(cell) for cell in row] for row in self.rows]
        layout = table_layout(self.columns, [[cell.plain for cell in row] for row in texts], self.steps, width)
        if self.title:
            yield from Prose(Text(self.title, "bold")).lines(width)
        if self.has_head:
            yield from self._head(layout)
        heading = ""
        for row in texts:
            above = row[layout.heading] if layout.heading is not None else Text()
            if above.plain and above.plain != heading:
                yield from Prose(above).lines(width)
            heading = above.plain
            yield from self._row(row, layout, INDENT if heading else "", width)
        yield from self._captions(layout, width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from exact_lines(self.lines(options.max_width))

    def _head(self, layout: Layout) -> Iterator[Text]:
        """Yield the labels of the columns."""
        titles = [title(self.columns[place], layout) for place in layout.row]
        if layout.heading is not None:
            yield Text(self.columns[layout.heading].label, "bold")
        inside = INDENT if layout.heading is not None else ""
        cells = [
            list(folded_lines(Text(each, "bold"), width - (0 if number else len(inside))))
            for number, (each, width) in enumerate(zip(titles, layout.widths, strict=True))
        ]
        height = max(map(len, cells))
        yield from self._side_by_side([[Text()] * (height - len(cell)) + cell for cell in cells], layout, inside)

    def _row(self, row: Sequence[Text], layout: Layout, inside: str, width: int) -> Iterator[Text]:
        """Yield a row with what stands below it. inside: the indent under its heading."""
        cells = []
        for number, (place, room) in enumerate(zip(layout.row, layout.widths, strict=True)):
            room -= 0 if number else len(inside)
            cells.append(
                [line for part in row[place].split("\n", allow_blank=True) for line in folded_lines(part, room)]
            )
        yield from self._side_by_side(cells, layout, inside)
        for group in layout.below:
            values = [(self.columns[place].label, row[place]) for place in group if row[place].plain]
            yield from _below(values, inside + INDENT, width)

    def _side_by_side(self, cells: Sequence[Sequence[Text]], layout: Layout, inside: str) -> Iterator[Text]:
        """Yield cells of several lines each, from the top, in the columns of the row."""
        for number in range(max(map(len, cells))):
            line = Text(inside)
            for column, (place, cell, room) in enumerate(zip(layout.row, cells, layout.widths, strict=True)):
                room -= 0 if column else len(inside)
                text = cell[number] if number < len(cell) else Text()
                blanks = " " * (room - columns_of(text.plain))
                is_figure = self.columns[place].kind is Kind.FIGURE
                line = Text.assemble(line, GAP if column else "", *((blanks, text) if is_figure else (text, blanks)))
            line.rstrip()
            yield line

    def _captions(self, layout: Layout, width: int) -> Iterator[Text]:
        """Yield the caption, and the names of the columns that are left out."""
        if self.caption:
            yield from Prose(Text(self.caption, CAPTION)).lines(width)
        names = [label for label in (self.columns[place].label for place in layout.left_out) if label]
        if names:
            shown = f"left out: {', '.join(names)}; COLUMNS={layout.needs} shows {'them' if len(names) > 1 else 'it'}"
            yield from Prose(Text(shown, CAPTION)).lines(width)


def _below(values: Sequence[tuple[str, Text]], indent: str, width: int) -> Iterator[Text]:
    """Yield values with their labels, as many on a line as it holds whole."""
    line = Text()
    for label, value in values:
        labelled = Text.assemble((f"{label}: ", "dim"), value)
        joined = Text.assemble(line, BETWEEN, labelled) if line else labelled
        if "\n" not in value.plain and len(indent) + columns_of(joined.plain) <= width:
            line = joined
            continue
        if line:
            yield Text.assemble(indent, line)
        line = Text()
        if "\n" in value.plain or len(indent) + columns_of(labelled.plain) > width:
            yield from _hanging(label, value, indent, width)
        else:
            line = labelled
    if line:
        yield Text.assemble(indent, line)


def _hanging(label: str, value: Text, indent: str, width: int) -> Iterator[Text]:
    """Yield a value of several lines behind its label, or below it where a name in it would stick out at the right."""
    head = f"{label}: "
    rest = indent + " " * len(head)
    if len(rest) + longest_word(value.plain.replace("\n", " ")) > width:
        yield Text.assemble(indent, (head.rstrip(), "dim"))
        yield from Prose(value, indent + INDENT, indent + INDENT).lines(width)
        return
    lines = Prose(value).lines(width - len(rest))
    yield Text.assemble(indent, (head, "dim"), next(lines))
    yield from (Text.assemble(rest, line) for line in lines)
