"""Foreign text in Markdown is seen as it is, and does nothing: no markup, no link, no notification, no command."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.faces.markdown.escaping import MISSING, Markdown, code, escaped, one_line, plain
from tests.planner.faces.markdown.seen import kinds, tokens, words

NASTY = st.text(alphabet=st.sampled_from("|`*_~<>[]()#@!$&\\/:-+=.1a \n\t\u202e\u200b\x00w"), max_size=40)
TEXTS = NASTY | st.text(max_size=60)
HARMLESS = {"inline", "text", "text_special", "code_inline", "paragraph_open", "paragraph_close"}
TABLE = {"table_open", "thead_open", "tr_open", "th_open", "tbody_open", "td_open"}


def seen(text: str) -> str:
    """What should be seen: backticks around a name make it code, and are not seen."""
    return one_line(text).replace("`", "")


def is_harmless(found: set[str], *besides: str) -> bool:
    closed = {kind.replace("_open", "_close") for kind in TABLE | set(besides)}
    return found <= HARMLESS | TABLE | set(besides) | closed


@given(TEXTS)
def test_in_a_cell_of_a_table_it_is_one_cell_with_that_text(text: str) -> None:
    markdown = f"| a | b |\n|---|---|\n| {escaped(text)} | end |\n"
    cells = [token for token in tokens(markdown) if token.type == "inline"]
    assert [words(cell).replace("`", "").strip() for cell in cells] == ["a", "b", seen(text).strip(), "end"]
    assert is_harmless(kinds(markdown))


@given(TEXTS)
def test_in_an_item_of_a_list_it_is_one_paragraph(text: str) -> None:
    markdown = f"- {escaped(text)}\n"
    assert is_harmless(kinds(markdown), "bullet_list_open", "list_item_open")
    assert [words(t).replace("`", "").strip() for t in tokens(markdown) if t.type == "inline"] in (
        [seen(text).strip()],
        [],
    )


@given(TEXTS, TEXTS)
def test_joined_texts_stay_harmless(one: str, other: str) -> None:
    assert is_harmless(kinds(f"told: {escaped(one)}{escaped(other)} end\n"))


@given(TEXTS)
def test_nobody_is_notified_and_nothing_is_linked(text: str) -> None:
    outside = re.sub(r"`[^`|]+`", "", escaped(text))
    assert not re.search(r"[@#!][\w]|://|\bwww\.|\bGH-\d", outside, re.IGNORECASE)
    assert "\n" not in outside


@given(TEXTS)
def test_code_shows_the_text_and_is_one_cell(text: str) -> None:
    markdown = f"| a | b |\n|---|---|\n| {code(text)} | end |\n"
    cells = [words(token).replace("`", "").strip() for token in tokens(markdown) if token.type == "inline"]
    assert cells == ["a", "b", seen(text).strip() or (MISSING if not one_line(text) else ""), "end"]
    assert is_harmless(kinds(markdown))


@given(TEXTS)
def test_a_line_of_a_code_block_stays_in_it(text: str) -> None:
    markdown = f"```diff\n- {plain(text)}\n```\n\nend\n"
    assert [token.type for token in tokens(markdown)][:2] == ["fence", "paragraph_open"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("requests_per_second", "requests_per_second"),
        ("+$4,310 of $5,000", "+$4,310 of $5,000"),
        ("set `models.NAME` or |", "set `models.NAME` or &vert;"),
        ("<!-- spillway:prod -->", "&lt;!-- spillway:prod --&gt;"),
        ("/merge\n/approve", "\\/merge /approve"),
        ("- [x] done", "\\- \\[x\\] done"),
        ("1. first", "1\\. first"),
        (" joined ", " joined "),
        ("abc\u202egpj", "abcgpj"),
        ("$x$", "&dollar;x&dollar;"),
        ("a@b, @all, #12, !3", "a@\u200bb, @\u200ball, #\u200b12, !\u200b3"),
    ],
)
def test_examples(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_a_long_text_ends_with_dots() -> None:
    assert one_line("x" * 5000).endswith("x…")
    assert len(one_line("x" * 5000)) == 1000


def test_text_that_is_joined_to_markdown_is_escaped() -> None:
    assert Markdown("**") + "a|b" == "**a&vert;b"
    assert Markdown(", ").join(["<a>", Markdown("`b`")]) == "&lt;a&gt;, `b`"
