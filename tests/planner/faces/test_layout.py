"""Which columns give way on a terminal, in which order, and what the others get of its width."""

from __future__ import annotations

from planner.faces.layout import Layout, above, below, figures, left_out, names, sentences, table_layout, title

COLUMNS = (*names("pool", "group"), *figures("replicas", "peak use"), *sentences("why"))
ROWS = [("a-name-of-20-columns", "2 × g6", "2", "59 %", "it costs the least of all that serve the route"), ("b",) * 5]
STEPS = (below("why"), left_out("group"), above("pool"))


def layout(width: int) -> Layout:
    return table_layout(COLUMNS, ROWS, STEPS, width)


def test_all_columns_stand_side_by_side_where_they_fit() -> None:
    assert layout(96) == Layout((0, 1, 2, 3, 4), (20, 6, 8, 8, 46))
    assert layout(200) == layout(96)


def test_titles_fold_if_no_sentence_must_then_and_sentences_otherwise() -> None:
    assert layout(92).widths == (20, 6, 8, 4, 46)
    assert layout(91).widths == (20, 6, 8, 8, 41)
    assert layout(70).widths == (20, 6, 8, 4, 24)
    assert layout(69).below == ((4,),)


def test_steps_are_taken_in_order_and_no_more_than_needed() -> None:
    first, second, third = layout(44), layout(43), layout(35)
    assert (first.row, first.below) == ((0, 1, 2, 3), ((4,),))
    assert (second.row, second.left_out) == ((0, 2, 3), (1,))
    assert (third.row, third.heading, third.widths) == ((2, 3), 0, (10, 8))  # the first column holds the indent


def test_the_width_that_shows_a_column_is_known() -> None:
    assert layout(44).needs == 0
    assert layout(43).needs == layout(35).needs == 44


def test_after_the_last_step_one_column_is_left_of_the_row() -> None:
    assert layout(10) == Layout((2,), (10,), heading=0, below=((3,), (4,)), left_out=(1,), needs=44)


def test_a_picture_gives_way_without_a_word() -> None:
    found = table_layout(names("load", ""), [("0.5 ×", "█" * 16)], (left_out(""),), 12)
    assert (found.row, found.left_out, found.needs) == ((0,), (1,), 0)


def test_a_table_without_rows_has_its_titles() -> None:
    assert table_layout(COLUMNS, [], STEPS, 80).widths == (4, 5, 8, 8, 3)
    assert [title(column, layout(96)) for column in COLUMNS] == ["pool", "group", "replicas", "peak use", "why"]
