"""YAML of catalog files: what scalars are, where things stand, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.edges.catalog_yaml import TextLoader, read
from planner.words.diagnostics import Problems
from tools.catalog.yaml_text import OneLine, facts_text, prices_text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("", None),
        ("true", True),
        ("false", False),
        ("0", 0),
        ("-3", -3),
        ("32_762_123_264", 32_762_123_264),
        ("62.5", 62.5),
        ("'8.9'", "8.9"),
        ("no", "no"),
        ("True", "True"),
        ("2026-11-21", "2026-11-21"),
        ("2026-05", "2026-05"),
        ("2026-H1", "2026-H1"),
        ("007", "007"),
        ("1e5", "1e5"),
        ("12:30", "12:30"),
        ("~", "~"),
    ],
)
def test_a_scalar_is_what_it_looks_like(text: str, value: object) -> None:
    found = read(f"key: {text}\n...\n", "f.yaml").value["key"]
    assert found == value
    assert type(found) is type(value)


def test_prices_keep_their_digits() -> None:
    assert read("usd: 0.10\nnull: 1_0\n...\n", "f.yaml", TextLoader).value == {"usd": "0.10", "null": "1_0"}


def test_places_are_those_of_the_nearest_key() -> None:
    document = read("a:\n  b: [1, 22]\n  c: 3\n...\n", "f.yaml")
    assert (document.span(("a", "c")).line, document.span(("a", "c")).column) == (3, 3)
    assert (document.span(("a", "b", 1)).column, document.span(("a", "b", 1)).length) == (10, 2)
    assert document.span(("a", "missing", "d")).line == 1
    assert document.span(()).line == 1
    assert document.span(("a", "c")).source == "  c: 3"
    assert document.holds(("a", "b", 1))
    assert not document.holds(("a", "b", 2))
    assert not document.holds(("a", "d"))


def test_a_key_that_stands_twice_is_told_with_the_first_line() -> None:
    document = read("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n...\n", "f.yaml")
    assert [(p.code, p.where and p.where.line) for p in document.twice] == [("CAT004", 4), ("CAT004", 5)]
    assert "first in line 3" in document.twice[0].message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("a: 1\n", 1),
        ("a: 1\nb: ...\n", 2),
        ("a: [1\n...\n", 2),
        ("a: 1\n b: 2\n...\n", 2),
        ("a: &x [*x]\n...\n", 1),
        ("a: \x07\n...\n", 1),
    ],
)
def test_what_is_not_yaml_or_was_cut_off_is_refused(text: str, line: int) -> None:
    with pytest.raises(Problems) as caught:
        read(text, "f.yaml")
    (problem,) = caught.value.problems
    assert problem.code == "CAT002"
    assert problem.where
    assert problem.where.line == line


TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=150)
SCALARS = st.none() | st.booleans() | st.integers() | st.decimals(-9999, 9999, places=2).map(float) | TEXT
FACTS = st.dictionaries(
    TEXT,
    st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)),
    max_size=5,
)


@given(FACTS)
def test_what_the_build_writes_is_read_back(facts: dict[str, object]) -> None:
    assert read(facts_text(facts), "f.yaml").value == facts


@given(st.dictionaries(TEXT, st.dictionaries(TEXT, TEXT, max_size=3).map(OneLine), max_size=5))
def test_prices_that_the_build_writes_are_read_back(prices: dict[str, dict[str, str]]) -> None:
    assert read(prices_text(prices), "f.yaml", TextLoader).value == prices
