"""Tables on terminals of every width: lines fit, names and figures stay whole, and what is not shown is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from rich.text import Text

from planner.faces.layout import Kind, Step, TableColumn, above, below, figures, left_out, names, sentences
from planner.faces.tables import FoldingTable
from tests.planner.faces.shown import assert_fits, coloured, shown
from tests.planner.faces.tables import WIDTHS, layout_of, plain_rows, tables
from tests.planner.golden import assert_golden

GOLDEN = Path(__file__).parent / "golden"

POOL = "gpt-oss-120b-mxfp4-rtx-pro-6000-1of1-private"
BILL = FoldingTable(
    "Cost a month",
    (*names("component"), *sentences("line"), *figures("quantity", "$ / month"), *names("price as of")),
    [
        (POOL, "g7e.2xlarge on-demand", "1,460", "4,910.16", "2026-07-20"),
        (POOL, "root volumes", "400", "32.00", "2024-07-18"),
        ("platform", "system nodes (2 × m6a.large) for what every cluster needs", "1,460", "126.14", "2026-01-19"),
        ("", Text("total", "bold"), "", Text("5,068.30", "bold"), ""),
    ],
    (above("component"), left_out("price as of"), below("quantity")),
    "all prices are of us-east-1",
)


@given(tables(), WIDTHS)
@settings(max_examples=400)
def test_lines_fit_and_no_name_or_figure_is_cut_or_lost(table: FoldingTable, width: int) -> None:
    text = "\n".join(line.plain for line in table.lines(width))
    assert_fits(text, width)
    printed, rows, layout = set(text.split()), plain_rows(table), layout_of(table, width)
    for place, column in enumerate(table.columns):
        cells = [row[place] for row in rows]
        if place in layout.left_out:
            assert column.label in " ".join(text.split("left out: ")[1].split())
        elif column.kind is Kind.FIGURE:
            assert all(cell in text for cell in cells)  # no blank in a figure is a place to break either
        else:
            assert {word for cell in cells for word in cell.split()} <= printed
    whole = {word for row in rows for cell in row for word in cell.split()}
    titles = {word for column in table.columns for word in column.label.split()}
    said = {word + mark for word in titles for mark in ("", ":", ",", ";")}
    said |= {"Title", "·", "left", "out:", f"COLUMNS={layout.needs}", "shows", "it", "them"}
    assert printed <= whole | said


@given(tables(), WIDTHS)
def test_the_width_that_a_caption_names_is_the_least_that_shows_everything(table: FoldingTable, width: int) -> None:
    layout = layout_of(table, width)
    if layout.left_out:
        assert layout.needs > width
        assert not layout_of(table, layout.needs).left_out
        assert layout_of(table, layout.needs - 1).left_out


@given(tables(), WIDTHS)
def test_the_same_table_gives_the_same_lines(table: FoldingTable, width: int) -> None:
    assert [line.plain for line in table.lines(width)] == [line.plain for line in table.lines(width)]


@pytest.mark.parametrize("width", [56, 72, 100, 160])
def test_a_table_on_terminals_of_some_widths(width: int) -> None:
    assert_golden(GOLDEN / f"table-{width}.txt", shown(BILL, width=width))


def test_figures_stand_to_the_right() -> None:
    for width in (56, 72, 100, 160):
        lines = shown(BILL, width=width).splitlines()
        ends = {line.index(usd) + len(usd) for line in lines for usd in ("4,910.16", "32.00", "126.14") if usd in line}
        assert len(ends) == 1


def test_a_shorter_title_needs_all_columns_beside_each_other() -> None:
    columns = (*names("route", "reason"), TableColumn("TTFT p95", Kind.FIGURE, beside="p95"))
    table = FoldingTable("", columns, [("chat", "it is the cheapest", "19 ms")], (below("reason"),))
    assert shown(table, width=60).splitlines() == [
        "route  reason                p95",
        "chat   it is the cheapest  19 ms",
    ]
    assert shown(table, width=28).splitlines() == [
        "route  TTFT p95",
        "chat      19 ms",
        "  reason: it is the cheapest",
    ]


def test_a_name_that_is_longer_than_the_line_folds_at_its_blanks() -> None:
    table = FoldingTable("", names("candidate", "route"), [("gpt-oss-120b (mxfp4) on 4 × L4 in g6.12xlarge", "all")])
    assert shown(table, width=28).splitlines() == [
        "candidate",
        "gpt-oss-120b (mxfp4) on",
        "4 × L4 in g6.12xlarge",
        "  route: all",
    ]


def test_a_long_value_below_its_row_hangs_behind_its_label() -> None:
    table = FoldingTable(
        "",
        (*names("plan", "served by"), *sentences("what it is")),
        [("all", f"1 × {POOL}\nthen an API", "no machine is kept at any hour of the week or of the day")],
        (below("served by"), below("what it is")),
    )
    assert shown(table, width=64).splitlines() == [
        "plan  what it is",
        "all   no machine is kept at any hour of the week or of the day",
        f"  served by: 1 × {POOL}",
        "             then an API",
    ]
    assert shown(table, width=52).splitlines()[2:] == [
        "      of the day",
        "  served by:",
        f"    1 × {POOL}",
        "    then an API",
    ]


def test_cells_keep_their_style() -> None:
    table = FoldingTable("", names("check", "state"), [("privacy", Text("deny", style="red"))], (below("state"),))
    assert "\x1b[31mdeny\x1b[0m" in coloured(table)
    assert "\x1b[1mcheck" in coloured(table)


def test_rows_may_stand_without_titles() -> None:
    table = FoldingTable("Why", (*sentences("what"), *figures("usd")), [("prices", "+$120")], has_head=False)
    assert shown(table).splitlines() == ["Why", "prices  +$120"]
    assert shown(FoldingTable("Why", (*sentences("what"), *figures("usd")), [])).splitlines() == ["Why", "what  usd"]


@pytest.mark.parametrize("steps", [(below("c"),), (below("a"), below("a")), (above("a"), left_out("a", "b"))])
def test_a_step_that_moves_no_column_or_one_twice_is_a_mistake(steps: tuple[Step, ...]) -> None:
    with pytest.raises(ValueError, match="each once"):
        FoldingTable("T", names("a", "b"), [], steps)


def test_labels_are_unique() -> None:
    with pytest.raises(ValueError, match="each once"):
        FoldingTable("T", (*names("p95"), *figures("p95")), [])
