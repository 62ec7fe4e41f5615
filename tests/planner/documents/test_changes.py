"""Two trees of plain values: each value that differs is named by its path, and can be told in words."""

from __future__ import annotations

from typing import Any

import pytest

from planner.documents.changes import KeyChange, change_words, key_changes


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({}, {}, ()),
        ({"a": 1}, {"a": 1}, ()),
        ({"a": None}, {}, ()),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "c": 2}}, (KeyChange(("a", "b"), 1, 3),)),
        ({"b": 1}, {"a": "×"}, (KeyChange(("a",), None, "×"), KeyChange(("b",), 1, None))),
        ({"a": [1, {"x": 2}]}, {"a": [1, {"x": 3}]}, (KeyChange(("a", 1, "x"), 2, 3),)),
        ({"a": [1]}, {"a": [1, 2]}, (KeyChange(("a",), [1], [1, 2]),)),
        ({"a": {"b": 1}}, {"a": 2}, (KeyChange(("a",), {"b": 1}, 2),)),
        ({"a.b": 1}, {"a.b": 2}, (KeyChange(("a.b",), 1, 2),)),
    ],
)
def test_each_value_that_differs_is_named_by_its_path(old: Any, new: Any, changes: tuple[KeyChange, ...]) -> None:
    assert key_changes(old, new) == changes


def test_paths_start_where_they_are_told_to() -> None:
    assert key_changes({"t": 1}, {"t": 2}, ("traces",)) == (KeyChange(("traces", "t"), 1, 2),)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (KeyChange(("routes", "chat", "slo"), "60ms", "80ms"), 'routes.chat.slo: "60ms" → "80ms"'),
        (KeyChange(("a", 1, "x"), 2, 3), "a.1.x: 2 → 3"),
        (KeyChange(("a",), None, "×"), 'a: nothing → "×"'),
        (KeyChange(("a",), [1], [1, 2]), "a: [1] → [1, 2]"),
        (KeyChange(("a",), {"b": True}, None), 'a: {"b": true} → nothing'),
    ],
)
def test_a_change_in_words(change: KeyChange, words: str) -> None:
    assert change_words(change) == words
