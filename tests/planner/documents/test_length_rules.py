"""What declared lengths must say together: every problem in one run, where it stands, and no odd value crashes."""

from __future__ import annotations

import pytest

from planner.documents.length_rules import length_problems
from planner.words.diagnostics import Problem
from planner.words.spans import read


def told(tokens: str) -> list[Problem]:
    return list(length_problems(read(f"tokens:\n{tokens}", "x.yaml"), ("tokens",)))


GOOD = "{mean: 100, p95: 200}"


@pytest.mark.parametrize(
    "side",
    [
        GOOD,
        "{mean: 100, p95: 200, max: 4k}",
        "{mean: 100, p95: 200, max: 200}",
        "{histogram: {100: 90%, 4000: 10%}}",
        "{histogram: {100: 90%, 4000: 9.95%}}",
    ],
)
def test_good_lengths_are_not_spoken_of(side: str) -> None:
    assert told(f"  input: {side}\n  output: {GOOD}\n") == []


@pytest.mark.parametrize(
    ("side", "code", "message"),
    [
        ("{mean: 300, p95: 800, max: 700}", "ENV005", "95th percentile 800 is above the longest length, 700"),
        ("{mean: 300, p95: 200}", "ENV005", "p95 must lie between"),
        ("{p95: 200}", "ENV002", "missing key `tokens.input.mean`"),
        ("{max: 200, mean: 100}", "ENV002", "missing key `tokens.input.p95`"),
        ("{histogram: {100: 50%, 200: 40%}}", "ENV005", "the shares sum to 90 %"),
        ("{histogram: {200: 50%, 100: 50%}}", "ENV005", "100 stands behind 200"),
        ("{mean: 5, histogram: {100: 100%}}", "ENV005", "`mean` and a histogram both say"),
    ],
)
def test_each_contradiction_is_told_with_its_line(side: str, code: str, message: str) -> None:
    (problem,) = told(f"  input: {side}\n  output: {GOOD}\n")
    assert problem.code == code
    assert message in problem.message
    assert problem.where is not None
    assert problem.where.line == 2
    assert problem.hint


@pytest.mark.parametrize(
    ("tokens", "missing"),
    [
        ("{session_hit: 0%}", ()),
        ("{shared_prefix: 400}", ()),
        ("{}", ("input", "output")),
        ("{session_hit: 0%, input: {mean: 100, p95: 200}}", ("output",)),
    ],
)
def test_beside_a_trace_tokens_may_speak_of_reuse_alone(tokens: str, missing: tuple[str, ...]) -> None:
    with_trace = read(f"traffic: {{trace: azure-conv-2023}}\ntokens: {tokens}\n", "x.yaml")
    found = list(length_problems(with_trace, ("tokens",)))
    assert [(p.code, p.message) for p in found] == [("ENV002", f"missing key `tokens.{side}`") for side in missing]
    alone = list(length_problems(read(f"tokens: {tokens}\n", "x.yaml"), ("tokens",)))
    assert len(alone) == 2 if "input" not in tokens else 1


def test_an_empty_histogram_says_nothing() -> None:
    assert [p.code for p in told(f"  input: {{histogram: {{}}}}\n  output: {GOOD}\n")] == ["ENV002", "ENV002"]


def test_both_sides_are_told_in_one_run() -> None:
    assert len(told("  input: {mean: 5}\n  output: {mean: 10, p95: 20, max: 15}\n")) == 2


@pytest.mark.parametrize(
    "side",
    [
        f"{{mean: {'9' * 400}, p95: {'9' * 400}}}",
        f"{{mean: 10, p95: 20, max: {'9' * 400}}}",
        f"{{histogram: {{{'9' * 400}: 100%}}}}",
        "{mean: .inf, p95: .nan}",
        "{mean: [], p95: {}, max: -3}",
        "{mean: 1, p95: 2, max: 0}",
        "{histogram: [1]}",
        "{histogram: {a: 3}}",
        "7",
    ],
)
def test_the_schema_tells_of_what_has_the_wrong_form(side: str) -> None:
    assert told(f"  input: {side}\n  output: {GOOD}\n") == []
