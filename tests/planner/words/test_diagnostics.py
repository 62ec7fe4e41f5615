"""Problems as text with carets, as JSON and as annotations; their order and their exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator

from planner.words.diagnostics import (
    Problem,
    Problems,
    Span,
    annotation_lines,
    as_json,
    closing_line,
    first_of,
    text_lines,
)

SOURCE = "    tokens: {input: {mean: 1155, p95: 4000}}"
UNKNOWN = Problem(
    "ENV003",
    "unknown key `p95`",
    Span("environments/prod.yaml", 5, SOURCE.index("p95") + 1, 3, SOURCE),
    "known keys here: mean",
)
STALE = Problem("LOCK020", "prices have changed", Span("environments/prod.lock.json", 1), severity="warning")
NOWHERE = Problem("GIT002", "git is not installed", hint="install git, or give a file")


def test_text_has_the_place_the_source_with_carets_and_the_hint() -> None:
    assert "\n".join(text_lines([UNKNOWN, STALE, NOWHERE])) == (
        "error[ENV003]: unknown key `p95`\n"
        "  --> environments/prod.yaml:5:34\n"
        "  5 |     tokens: {input: {mean: 1155, p95: 4000}}\n"
        "    |                                  ^^^\n"
        "  hint: known keys here: mean\n"
        "warning[LOCK020]: prices have changed\n"
        "  --> environments/prod.lock.json:1:1\n"
        "error[GIT002]: git is not installed\n"
        "  hint: install git, or give a file"
    )


def test_on_a_terminal_messages_and_hints_fold_at_blanks() -> None:
    hint = "run `spillway plan gpt-oss-120b-mxfp4-rtx-pro-6000-1of1-private` after that"
    problem = Problem("LOCK010", "stale: the environment has changed since it was planned", Span("a.yaml", 1), hint)
    assert list(text_lines([problem], 40)) == [
        "error[LOCK010]: stale: the environment",
        "  has changed since it was planned",
        "  --> a.yaml:1:1",
        "  hint: run `spillway plan",
        "    gpt-oss-120b-mxfp4-rtx-pro-6000-1of1-private`",
        "    after that",
    ]
    assert len(list(text_lines([problem]))) == 3


def test_carets_stand_under_the_source_whatever_the_line_number_is_wide() -> None:
    lines = list(text_lines([Problem("ENV001", "x", Span("a.yaml", 1234, 3, 2, "abcd"))]))
    assert lines[2:] == ["  1234 | abcd", "       |   ^^"]


def test_a_tab_before_the_carets_stays_a_tab() -> None:
    lines = list(text_lines([Problem("ENV001", "x", Span("a.yaml", 7, 3, 1, "a\tb"))]))
    assert lines[3] == "    |  \t^"


def test_a_place_behind_the_end_of_the_line_still_has_a_caret() -> None:
    lines = list(text_lines([Problem("ENV001", "x", Span("a.yaml", 7, 6, 0, "abc"))]))
    assert lines[3] == "    |      ^"


def test_json_has_every_part_and_null_for_no_place() -> None:
    told = json.loads(json.dumps(as_json([UNKNOWN, NOWHERE])))
    assert told == [
        {
            "code": "ENV003",
            "severity": "error",
            "message": "unknown key `p95`",
            "hint": "known keys here: mean",
            "file": "environments/prod.yaml",
            "line": 5,
            "column": 34,
        },
        {
            "code": "GIT002",
            "severity": "error",
            "message": "git is not installed",
            "hint": "install git, or give a file",
            "file": None,
            "line": None,
            "column": None,
        },
    ]


def test_annotations_are_workflow_commands() -> None:
    assert list(annotation_lines([UNKNOWN, STALE, NOWHERE])) == [
        "::error file=environments/prod.yaml,line=5,col=34,title=ENV003::unknown key `p95` hint: known keys here: mean",
        "::warning file=environments/prod.lock.json,line=1,col=1,title=LOCK020::prices have changed",
        "::error title=GIT002::git is not installed hint: install git, or give a file",
    ]


def test_annotations_escape_what_would_end_a_command_or_a_property() -> None:
    odd = Problem("ENV004", "100% of\r\ntwo lines: a, b", Span("a,b:c%.yaml", 1))
    (line,) = annotation_lines([odd])
    assert line == "::error file=a%2Cb%3Ac%25.yaml,line=1,col=1,title=ENV004::100%25 of%0D%0Atwo lines: a, b"


def test_problems_are_sorted_by_place_and_carry_an_exit_code() -> None:
    late, early = Problem("B", "late", Span("a", 9)), Problem("A", "early", Span("a", 2))
    raised = Problems([late, early, NOWHERE], exit_code=1)
    assert raised.problems == (NOWHERE, early, late)
    assert raised.exit_code == 1
    assert Problems([late]).exit_code == 2
    assert str(raised) == "GIT002: git is not installed; A: early; B: late"


def test_the_source_line_is_no_part_of_a_places_identity() -> None:
    assert Span("a", 1, 2, 3, "text") == Span("a", 1, 2, 3, "other")


def test_of_a_very_long_line_the_part_around_the_place_is_shown() -> None:
    source = "x" * 5_000 + "HERE" + "y" * 5_000
    lines = list(text_lines([Problem("ENV001", "x", Span("a.yaml", 7, 5_001, 4, source))]))
    assert all(len(line) < 260 for line in lines)
    shown, carets = lines[2], lines[3]
    assert shown[carets.index("^") : carets.rindex("^") + 1] == "HERE"


def test_of_many_problems_the_first_ones_are_told() -> None:
    def endless() -> Iterator[Problem]:
        while True:
            yield Problem("ENV001", "x", Span("a.yaml", 1))

    found = first_of(endless())
    assert len(found) == 51
    assert found[-1].message == "from here on there are more problems"
    assert first_of([NOWHERE]) == (NOWHERE,)


def test_several_problems_are_counted_at_the_end() -> None:
    assert closing_line([]) == closing_line([UNKNOWN]) == ""
    assert closing_line([UNKNOWN, UNKNOWN]) == "2 problems in environments/prod.yaml"
    assert closing_line([STALE, STALE]) == "2 warnings in environments/prod.lock.json"
    assert (
        closing_line([UNKNOWN, STALE])
        == "1 problem and 1 warning in environments/prod.lock.json, environments/prod.yaml"
    )
    assert closing_line([NOWHERE, NOWHERE]) == "2 problems"
    assert closing_line(first_of([UNKNOWN] * 60)) == "more than 50 problems in environments/prod.yaml"
