"""Tables of any shape, with names and figures of any length, for tests that hold on every terminal."""

from __future__ import annotations

from hypothesis import strategies as st

from planner.faces.layout import Kind, Layout, Place, Step, TableColumn, table_layout
from planner.faces.prose import text_of
from planner.faces.tables import FoldingTable

NAMES = st.text("abcdefgxyz0189./-模", min_size=1, max_size=48)
FIGURES = st.sampled_from(["$6,028", "19 %", "1.19 s of 1.20 s + 300 ms/1k", "2,315.32", "248 ms of 1.50 s", "—", ""])
SENTENCES = st.lists(NAMES | st.sampled_from(["the", "loss", "of", "2 × g6.xlarge", "60 ms"]), max_size=12).map(
    " ".join
)
CELLS = {
    Kind.NAME: st.one_of(NAMES, st.lists(NAMES, max_size=3).map("\n".join), st.lists(NAMES, max_size=3).map(" ".join)),
    Kind.FIGURE: FIGURES,
    Kind.PROSE: SENTENCES,
}
WIDTHS = st.integers(60, 200)


def plain_rows(table: FoldingTable) -> list[list[str]]:
    """The cells without their styles."""
    return [[text_of(cell).plain for cell in row] for row in table.rows]


def layout_of(table: FoldingTable, width: int) -> Layout:
    """Where the columns of a table stand."""
    return table_layout(table.columns, plain_rows(table), table.steps, width)


@st.composite
def tables(draw: st.DrawFn) -> FoldingTable:
    """A table of one to eight columns, of which any may give way in any order."""
    kinds = draw(st.lists(st.sampled_from(Kind), min_size=1, max_size=8))
    columns = tuple(TableColumn(f"{kind.value} no-{number}", kind) for number, kind in enumerate(kinds))
    rows = draw(st.lists(st.tuples(*(CELLS[kind] for kind in kinds)), max_size=6))
    moved = draw(st.permutations([column.label for column in columns]))
    steps = [Step(draw(st.sampled_from(Place)), (label,)) for label in moved[: draw(st.integers(0, len(moved)))]]
    has_heading = [step for step in steps if step.place is Place.ABOVE]
    return FoldingTable("Title", columns, rows, tuple(step for step in steps if step not in has_heading[1:]))
