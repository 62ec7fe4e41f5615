"""YAML that stands for more than it seems to is refused at the first place beyond a limit, at once."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from planner.words.bounded_yaml import WRITTEN_BY_PEOPLE, YamlLimits
from planner.words.diagnostics import Problem, Problems
from planner.words.spans import read


def refused(text: str, limits: YamlLimits = WRITTEN_BY_PEOPLE) -> Problem:
    """The one problem of a text, which is told within five seconds of a processor."""
    began = time.process_time()
    with pytest.raises(Problems) as raised:
        read(text, "a.yaml", limits)
    assert time.process_time() - began < 5
    (found,) = raised.value.problems
    return found


def bomb(levels: int) -> str:
    """Ten aliases of ten aliases, so often."""
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize("levels", [5, 8, 40])
def test_aliases_of_aliases_are_counted_and_not_written_out(levels: int) -> None:
    found = refused(bomb(levels))
    assert found.code == "ENV001"
    assert "with every alias replaced by what it names, this file has more than 30,000 values" in found.message
    assert found.where is not None
    assert found.where.line == 5  # 11,111 values of the fourth line, and ten times as many here


@pytest.mark.parametrize("text", [bomb(8), "a: " + "[" * 10_000, "a: " + "x" * 5_000_000])
def test_memory_stays_small(text: str) -> None:
    tracemalloc.start()
    try:
        refused(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20e6


def test_aliases_within_the_limits_are_read() -> None:
    assert read(bomb(3), "a.yaml").value["a2"][9][9] == [1] * 10


def test_the_count_of_values_is_exact() -> None:
    text = "a: &a [1, 2]\nb: *a\n"  # the mapping, two keys, two lists of two items
    assert read(text, "a.yaml", YamlLimits(100, 9, 10)).value == {"a": [1, 2], "b": [1, 2]}
    found = refused(text, YamlLimits(100, 8, 10))
    assert found.where is not None
    assert (found.where.line, found.where.column) == (2, 4)


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("a: " + "[" * 10_000, "nested deeper than 50 levels", 1),
        ("{a: " * 10_000, "nested deeper than 50 levels", 1),
        ("\n".join(" " * i + "a:" for i in range(600)), "nested deeper than 50 levels", 50),
        ("- " * 5_000, "nested deeper than 50 levels", 1),
        ("a: &a [*a]", "this alias stands inside the anchor that it names", 1),
        ("a: &a {b: &b {c: *a}}", "this alias stands inside the anchor that it names", 1),
        ("a: [" + "1," * 60_000 + "]", "more than 30,000 values", 1),
        ("a: " + "x" * 300_000, "this file has 300,003 characters", 1),
        ('"' * 200_000, "this is not YAML", 1),
        ("a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 300)), "deeper than 50 levels", 49),
    ],
)
def test_what_is_too_much_is_told_at_its_place(text: str, message: str, line: int) -> None:
    found = refused(text)
    assert found.code == "ENV001"
    assert message in found.message
    assert found.where is not None
    assert found.where.line == line
