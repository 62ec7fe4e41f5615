"""Sentences fold at blanks, keep their style, and never lose or cut a word."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from planner.faces.prose import Prose
from tests.planner.faces.shown import assert_fits, coloured, shown
from tests.planner.faces.tables import NAMES, SENTENCES, WIDTHS


def test_later_lines_stand_behind_their_own_words() -> None:
    told = Prose("a replica costs $6.9019/h and serves 9.94 requests/s\nno API may see it", "  · ", "    ")
    assert shown(told, width=30).splitlines() == [
        "  · a replica costs $6.9019/h",
        "    and serves 9.94 requests/s",
        "  · no API may see it",
    ]


def test_an_indented_sentence_stays_indented() -> None:
    assert shown(Prose("  routes.chat.traffic: 1.0 → 3.0   small.yaml:16"), width=40).splitlines() == [
        "  routes.chat.traffic: 1.0 → 3.0",
        "    small.yaml:16",
    ]


def test_styles_stay_where_they_are() -> None:
    text = Text("one two ").append("three", style="red")
    assert "\x1b[31mthree\x1b[0m" in coloured(Prose(text))
    assert [line.plain for line in Prose(text).lines(8)] == ["one two", "three"]
    assert [span.style for line in Prose(text).lines(8) for span in line.spans] == ["red"]


def test_a_name_that_is_longer_than_the_terminal_is_whole() -> None:
    name = "x" * 50
    assert shown(Prose(f"it is {name}, see"), width=20).splitlines() == ["it is", f"{name},", "see"]


@given(st.lists(SENTENCES | NAMES, min_size=1, max_size=3).map("\n".join), WIDTHS)
def test_words_are_whole_and_in_order(text: str, width: int) -> None:
    lines = [line.plain for line in Prose(text, rest="  ").lines(width)]
    assert " ".join(lines).split() == text.split()
    assert_fits("\n".join(lines), width)
