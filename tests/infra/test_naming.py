"""Names: short enough, told apart, and the same for the same input."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from infra.naming import label_value, stack_prefix
from planner.words.names import bounded


@given(st.text(alphabet="abc-1", min_size=1, max_size=120), st.integers(min_value=10, max_value=63))
def test_bounded_names_fit_and_repeat(name: str, limit: int) -> None:
    assert len(bounded(name, limit)) <= limit
    assert bounded(name, limit) == bounded(name, limit)
    if len(name) <= limit:
        assert bounded(name, limit) == name


def test_long_names_are_told_apart() -> None:
    assert bounded("x" * 70 + "a", 60) != bounded("x" * 70 + "b", 60)


@given(st.text(min_size=1, max_size=100).filter(lambda text: any(c.isascii() and c.isalnum() for c in text)))
def test_label_values_are_valid(text: str) -> None:
    assert re.fullmatch(r"([a-z0-9]([-a-z0-9_.]{0,61}[a-z0-9])?)?", label_value(text))


def test_the_prefix_leaves_room() -> None:
    assert stack_prefix("prod") == "spillway-prod"
    assert len(stack_prefix("a-very-long-name-of-an-environment")) <= 29
