"""The mark of a comment is found in its first line alone, and only in what we wrote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.edges.forges.conversation import Comment, Mark, Run, Target, mark_of, ours, without_mark

COMMITS = st.text("0123456789abcdef", min_size=7, max_size=64) | st.just("")
RUNS = st.builds(Run, st.none() | st.integers(1, 10**17), st.integers(1, 999), COMMITS)


@given(st.text(max_size=30), st.text(max_size=60), RUNS, st.booleans())
def test_a_mark_is_read_as_it_was_written(environment: str, key: str, run: Run, is_html: bool) -> None:
    mark = Mark(environment, key, run)
    line = mark.line(is_html)
    assert "\n" not in line
    found = mark_of(f"{line}\n\n### Plan\n")
    assert found is not None
    assert (found.environment, found.key, found.run.number, found.run.commit) == (
        environment,
        key,
        run.number,
        run.commit,
    )


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "> <!-- spillway:prod:team/serving -->\n\nquoted",
        "see <!-- spillway:prod:team/serving --> here",
        "### Plan\n\n<!-- spillway:prod:team/serving -->",
        "<!-- spillway:prod -->",
        "<!-- other:prod:team/serving -->",
    ],
)
def test_what_is_no_mark(body: str) -> None:
    assert mark_of(body) is None


def test_bodies_are_compared_without_their_marks() -> None:
    mark = Mark("prod", "team/serving", Run(1))
    later = Mark("prod", "team/serving", Run(2, commit="a" * 40))
    assert without_mark(f"{mark.line(True)}\r\n\r\n### Plan\r\nx\r\n") == without_mark(
        f"{later.line(False)}\n\n### Plan\nx"
    )
    assert without_mark("### Plan\nx\n") == "### Plan\nx"


def test_what_others_wrote_is_not_ours() -> None:
    line = Mark("prod", "team/serving", Run(5)).line(True)
    comments = [
        Comment("1", 1, line, "", is_ours=False),
        Comment("3", 3, line, "", is_ours=True),
        Comment("2", 2, line, "", is_ours=None),
        Comment("4", 4, Mark("dev", "team/serving", Run(5)).line(True), "", is_ours=True),
        Comment("5", 5, Mark("prod", "team/other", Run(5)).line(True), "", is_ours=True),
    ]
    assert [comment.key for comment, _ in ours(comments, "prod", "team/serving")] == ["2", "3"]


@pytest.mark.parametrize(
    ("run", "other", "is_older"),
    [
        (Run(1), Run(2), True),
        (Run(2), Run(2), False),
        (Run(2, 1), Run(2, 2), True),
        (Run(3, 1), Run(2, 2), False),
        (Run(None), Run(2), False),
        (Run(2), Run(None), False),
    ],
)
def test_runs_have_an_order(run: Run, other: Run, is_older: bool) -> None:
    assert run.is_older_than(other) is is_older


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(Target("team/serving", 7, "https://api.github.com", "secret"))
