"""The body of a comment: pinned for three reviews, never too long, and a team's template in its place."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.documents.review import FigureUnit, ReviewFigure
from planner.edges.forges.forge import LIMITS
from planner.faces.markdown.drawing import FALLS_FIRST, ReviewPage, TeamTemplate, draw, draw_problems
from planner.faces.markdown.escaping import escaped
from planner.faces.markdown.words import change
from planner.words.diagnostics import Problem
from tests.planner.faces.markdown import reviews, seen
from tests.planner.faces.markdown.test_escaping import TEXTS
from tests.planner.golden import assert_golden

GOLDEN = Path(__file__).parent / "golden"
PAGES = {"grown": reviews.grown, "first": reviews.first, "quiet": reviews.quiet}


@pytest.mark.parametrize("name", PAGES)
def test_reviews(name: str) -> None:
    assert_golden(GOLDEN / f"{name}.txt", draw(PAGES[name]()).text)


def test_without_html_nothing_is_folded() -> None:
    text = draw(reviews.grown(), folds=False).text
    assert seen.html(text) == []
    assert "**Runners-up (" in text


def test_a_reader_meets_denials_first_and_standing_warnings_folded() -> None:
    text = draw(reviews.grown()).text
    order = ["`budget`", "`spot`", "`price age`", "1 warning stands as on the base", "`gap model`", "1 check passed"]
    places = [text.index(each) for each in order]
    assert places == sorted(places)
    assert "the head of finance may override it" in text
    assert "overridden: until prices arrive" in text


def test_what_is_not_known_is_a_dash_and_never_zero() -> None:
    row = next(line for line in draw(reviews.grown()).text.splitlines() if line.startswith("| `chat`"))
    assert "$0.400 → —" in row
    assert "TTFT 1.19 s → 1.60 s of 1.50 s ⚠️" in row


@pytest.mark.parametrize(
    ("unit", "base", "proposed", "told"),
    [
        ("USD a month", "1000", "1500", "+$500 (+50 %)"),
        ("USD a month", "1000", "1000", "none"),
        ("USD a month", "0", "500", "+$500"),
        ("USD a month", None, "500", "—"),
        ("USD per 1M tokens", "0.5", "0.4", "−$0.100 (−20 %)"),
        ("share", "0.14", "0.21", "+7.0 points"),
        ("share", "0.0001", "0.0002", "< +0.1 points"),
        ("share", "0.0002", "0", "< −0.1 points"),
        ("count", "3", "4", "+1 (+33 %)"),
        ("count", "100000", "100001", "+1 (< 1 %)"),
        ("USD a month", "10", "1210", "+$1,200 (+12,000 %)"),
        ("ms", "1000", "900", "−100 ms (−10 %)"),
    ],
)
def test_a_change_of_a_figure(unit: FigureUnit, base: str | None, proposed: str, told: str) -> None:
    old = None if base is None else Decimal(base)
    assert change(ReviewFigure(name="x", unit=unit, base=old, proposed=Decimal(proposed))) == told


def test_causes_add_up_to_the_change() -> None:
    rows = [line for line in draw(reviews.grown()).text.splitlines() if re.match(r"\| (\*\*sum|the env|prices)", line)]
    usd = [int(re.findall(r"\+\$([\d,]+)", row)[0].replace(",", "")) for row in rows]
    assert usd[0] + usd[1] == usd[2] == 4310


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.sampled_from([*LIMITS.values(), 4000]), st.integers(1, 60), st.booleans())
def test_any_body_fits_and_has_its_headline(text: str, limit: int, rows: int, folds: bool) -> None:
    page = reviews.written_with(text, rows)
    drawn = draw(page, limit, folds)
    assert len(drawn.text) <= limit
    assert drawn.text.startswith("### ⛔ ")
    assert escaped(page.review.headline).strip() in drawn.text
    assert set(drawn.dropped) <= set(FALLS_FIRST)
    for name in drawn.dropped:
        assert FALLS_FIRST[name] in drawn.text.rpartition("Left out")[2]


@settings(max_examples=40, deadline=None)
@given(TEXTS)
def test_any_body_has_no_foreign_html_and_no_command_of_a_forge(text: str) -> None:
    body = draw(reviews.written_with(text, 2)).text
    tags = {tag.lower() for piece in seen.html(body) for tag in re.findall(r"<[^>]*>", piece)}
    assert tags <= {"<details>", "</details>", "<summary>", "</summary>"}
    assert not [line for line in body.splitlines() if line.startswith("/")]
    assert {"link_open", "image", "em_open", "s_open"} & seen.kinds(body) == set()


@pytest.mark.parametrize("limit", LIMITS.values())
def test_risks_stay_when_everything_else_falls(limit: int) -> None:
    page = reviews.written_with("x" * 150, 40)
    drawn = draw(page, limit)
    assert all(f"{'x' * 150} {n}" in drawn.text for n in range(40))
    assert len(drawn.text) <= limit


def test_more_risks_than_fit_are_counted() -> None:
    drawn = draw(reviews.written_with("|" * 200, 500), 32_768)
    shown = drawn.text.count("- **&vert;")
    (rest,) = re.findall(r"and (\d+) more risks", drawn.text)
    assert shown + int(rest) == 500
    assert shown > 0
    assert len(drawn.text) <= 32_768


def test_the_longest_texts_fit_the_smallest_forge() -> None:
    assert len(draw(reviews.written_with("|" * 5000, 500), 32_768).text) <= 32_768


def test_sections_fall_in_their_order() -> None:
    page, fallen = reviews.grown(), []
    for limit in range(len(draw(page).text), 900, -50):
        for name in draw(page, limit).dropped:
            if name not in fallen:
                fallen.append(name)
    assert fallen == [name for name in FALLS_FIRST if name in fallen]
    assert {"prices", "lines", "pools", "causes"} <= set(fallen)


def test_a_long_table_says_how_many_rows_are_missing() -> None:
    text = draw(reviews.written_with("name", 200)).text
    assert "| and 140 more |" in text
    assert "+$140" in text, "what the rows that are not shown add up to"


def test_problems_of_an_environment_without_a_plan() -> None:
    many = tuple(Problem("ENV003", f"unknown key {n} " + "x" * 900) for n in range(400))
    drawn = draw_problems("prod", many, 32_768)
    assert len(drawn.text) <= 32_768
    assert drawn.text.startswith("### ⛔ Plan for prod: no plan can be shown\n\n- **ENV003** unknown key 0")
    assert re.search(r"and \d+ more problems", drawn.text)


def team(text: str) -> TeamTemplate:
    return TeamTemplate("environments/templates/comment.md.j2", text)


def test_a_team_replaces_the_template() -> None:
    drawn = draw(reviews.grown(), team=team("# {{ review.environment }}\n\n{{ review.usd_per_month|money }}\n"))
    assert drawn.problems == ()
    assert drawn.text == "# prod\n\n$17,447\n"


def test_a_team_replaces_one_block() -> None:
    own = "{% extends 'shipped/comment.md.j2' %}\n{% block footer %}Ask the platform team.{% endblock %}\n"
    drawn = draw(reviews.grown(), team=team(own))
    assert drawn.problems == ()
    assert drawn.text.endswith("Ask the platform team.\n")
    assert draw(reviews.grown()).text.rpartition("\n\n")[0] in drawn.text


def test_macros_and_joined_texts_of_a_team_are_escaped_once() -> None:
    own = "{% macro row(x) %}| {{ x }} | {{ 'a|' ~ x }} |{% endmacro %}{{ row(review.kept) }}"
    page = reviews.written_with("<b>|", 1)
    assert draw(page, team=team(own)).text == "| &lt;b&gt;&vert; | a&vert;&lt;b&gt;&vert; |\n"


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("one\n{% if %}\n", 2, "Expected an expression"),
        ("one\ntwo\n{{ review.nothing }}\n", 3, "has no attribute 'nothing'"),
        ("{{ review.kept|safe }}", 1, "No filter named 'safe'"),
        ("\n{{ 1 / 0 }}", 2, "ZeroDivisionError"),
        ("\n\n{{ ().__class__.__mro__ }}", 3, "unsafe"),
        ("{% include '../../etc/passwd' %}", 1, "passwd"),
        ("{% for n in range(99999) %}{% for m in range(99999) %}xxxxxxxx{% endfor %}{% endfor %}", 1, "without end"),
        ("{% for n in range(9000) %}{{ review.environment }} 12345{% endfor %}", 1, "longer than"),
    ],
)
def test_a_broken_template_is_told_and_the_shipped_one_used(text: str, line: int, reason: str) -> None:
    drawn = draw(reviews.grown(), 65_536, team=team(text))
    (problem,) = drawn.problems
    assert problem.code == "COM006"
    assert reason in problem.message
    assert problem.where is not None
    assert (problem.where.file, problem.where.line) == ("environments/templates/comment.md.j2", line)
    assert "**COM006**" in drawn.text
    assert "**Why it changed**" in drawn.text


def test_a_template_that_asks_what_it_shows_is_shortened() -> None:
    own = "{{ review.headline }}\n{% if shows('prices') %}{% for n in range(9000) %}long text{% endfor %}{% endif %}"
    drawn = draw(reviews.grown(), 65_536, team=team(own))
    assert drawn.problems == ()
    assert drawn.dropped == ("prices",)


def pages() -> list[Callable[[], ReviewPage]]:
    return list(PAGES.values())


@pytest.mark.parametrize("page", pages())
def test_the_same_review_gives_the_same_bytes(page: Callable[[], ReviewPage]) -> None:
    assert draw(page()).text == draw(page()).text
