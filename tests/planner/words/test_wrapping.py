"""Lines break at blanks alone: whatever the width, no name and no figure is cut, and nothing is lost."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.words.wrapping import columns_of, line_spans, longest_word, wrapped_lines

WORDS = st.text("ab9%×.-/", min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("one two three", ["one two", "three"]),
        ("a-very-long-name in between", ["a-very-long-name", "in", "between"]),
        ("  indented words stay", ["  indented", "words", "stay"]),
        ("on 2 × g6.xlarge", ["on", "2 × g6.xlarge"]),
        ("a limit of 60 ms", ["a limit", "of 60 ms"]),
        ("offers 20.4 GiB", ["offers", "20.4 GiB"]),
        ("costs 300 ms/1k", ["costs", "300 ms/1k"]),
        ("it has 3 machines", ["it has 3", "machines"]),
        ("two   blanks", ["two", "blanks"]),
    ],
)
def test_lines_break_at_blanks_but_not_inside_of_a_figure(text: str, lines: list[str]) -> None:
    assert list(wrapped_lines(text, 8)) == lines


def test_what_stands_before_the_lines_counts() -> None:
    assert list(wrapped_lines("one two three four", 12, "hint: ", "   ")) == ["hint: one", "   two three", "   four"]
    assert list(wrapped_lines("one two three four", None, "hint: ", "   ")) == ["hint: one two three four"]


def test_columns_of_characters() -> None:
    assert [columns_of(text) for text in ("abc", "模型", "e\u0301", "→×")] == [3, 4, 1, 2]
    assert longest_word("ab 模型模 c") == 6


@given(st.lists(WORDS), st.integers(1, 60), st.integers(1, 60))
def test_lines_hold_all_words_in_order_and_fit(words: list[str], width: int, later: int) -> None:
    text = " ".join(words)
    lines = [text[start:end] for start, end in line_spans(text, width, later)]
    assert [word for line in lines for word in line.split()] == text.split()
    for number, line in enumerate(lines):
        assert columns_of(line) <= (later if number else width) or longest_word(line) == columns_of(line)


@given(st.lists(WORDS), st.integers(1, 60))
def test_no_line_ends_before_it_must(words: list[str], width: int) -> None:
    text = " ".join(words)
    spans = list(line_spans(text, width))
    for (start, end), (later, later_end) in itertools.pairwise(spans):
        word = text[later:later_end]
        firsts = [word[:length] for length in range(1, len(word) + 1) if longest_word(word[:length]) == length]
        assert columns_of(text[start:end]) + 1 + columns_of(firsts[-1]) > width
