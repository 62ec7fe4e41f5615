"""Rows over rows: those above win, those below are read and changed only when asked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from planner.words.layered import Layered

tables = st.dictionaries(st.sampled_from("abcd"), st.integers())


@given(tables, tables)
def test_it_is_the_one_table_over_the_other(above: dict[str, int], below: dict[str, int]) -> None:
    layered = Layered(above, below, lambda key, value: value + ord(key))
    assert dict(layered) == {key: value + ord(key) for key, value in below.items()} | above
    assert len(layered) == len(set(above) | set(below))
    assert all((key in layered) == (key in above or key in below) for key in "abcd")
    assert layered.get("z") is None


def test_nothing_below_is_changed_before_it_is_asked_for() -> None:
    asked: list[str] = []

    def changed(key: str, value: int) -> int:
        asked.append(key)
        return value

    layered = Layered({"a": 1}, {"a": 2, "b": 3}, changed)
    assert (layered["a"], "b" in layered, list(layered), asked) == (1, True, ["a", "b"], [])
    assert (layered["b"], asked) == (3, ["b"])
