"""`ci scope`, `ci plan`, `ci summary` in one process. Whole runs are in `tests/actions`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.cli.continuous import is_stale, page_text
from planner.edges.forges.runner import RUNS
from planner.edges.workspace import Workspace
from planner.words.diagnostics import Problem, Problems
from tests.planner.cli.command import spillway

NOT_HERE = {**dict.fromkeys(RUNS.values(), ""), "GITHUB_STEP_SUMMARY": ""}


def test_without_a_pull_request_nothing_is_planned(checkout: Workspace) -> None:
    ended = spillway("ci", "plan", **NOT_HERE)
    assert ended.status == 2
    assert "error[CI001]: this run is not about a pull request" in ended.err


def test_outside_of_a_checkout_there_is_no_scope(checkout: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(Path.cwd().parent))
    ended = spillway("ci", "scope", **NOT_HERE)
    assert (ended.status, ended.out) == (2, "")
    assert "GIT001" in ended.err


def test_a_summary_is_added_to_the_page_of_the_run(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.md").write_text(f"# {name}\n\n")
    page = tmp_path / "page.md"
    page.write_text("before\n")
    files = (str(tmp_path / "b.md"), str(tmp_path / "a.md"))
    ended = spillway("ci", "summary", *files, GITHUB_STEP_SUMMARY=str(page))
    assert (ended.status, ended.out) == (0, "")
    assert page.read_text() == "before\n# b\n\n# a\n\n"
    assert spillway("ci", "summary", *files, **NOT_HERE).out == "# b\n\n# a\n\n"


def test_a_page_that_is_full_names_what_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "long.md").write_text("×" * 499_000)
    (tmp_path / "longer.md").write_text("×" * 600_000)
    (tmp_path / "short.md").write_text("short")
    page = tmp_path / "page.md"
    files = (str(tmp_path / name) for name in ("longer.md", "long.md", "short.md"))
    assert spillway("ci", "summary", *files, GITHUB_STEP_SUMMARY=str(page)).status == 0
    text = page.read_text(encoding="utf-8")
    assert page.stat().st_size <= 1024 * 1024
    assert text.startswith("×" * 499_000 + "\n\nshort\n\n")
    assert text.endswith("among the artifacts of the run: longer.md\n")


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=400), max_size=12), st.integers(600, 4000))
def test_a_page_is_never_too_long_and_loses_no_name(texts: list[str], most: int) -> None:
    named = [(f"{number:02}.md", f"{text}\n") for number, text in enumerate(texts)]
    page = page_text(named, most)
    assert len(page.encode()) <= most
    for name, text in named:
        assert text.rstrip() in page or name in page


@pytest.mark.parametrize(
    ("found", "stale"),
    [
        ([], False),
        ([Problem("LOCK020", "aged", severity="warning")], False),
        ([Problem("LOCK012", "denied")], False),
        ([Problem("POL010", "a rule denies it")], False),
        ([Problem("LOCK010", "stale")], True),
        ([Problem("LOCK012", "denied"), Problem("LOCK011", "edited")], True),
        ([Problem("LOCK013", "expired")], True),
        (Problems([Problem("LOCK004", "no lock")]), True),
        (Problems([Problem("LOCK002", "another major version")]), True),
    ],
)
def test_what_another_plan_could_mend_is_stale(
    checkout: Workspace, monkeypatch: pytest.MonkeyPatch, found: list[Problem] | Problems, stale: bool
) -> None:
    """A plan that its team's own limits deny would be denied again: the same file gives the same plan."""

    def judgement(*_: object) -> tuple[None, tuple[Problem, ...]]:
        if isinstance(found, Problems):
            raise found
        return None, tuple(found)

    monkeypatch.setattr(Workspace, "judgement", judgement)
    assert is_stale(checkout, "small") is stale


def test_an_environment_that_cannot_be_read_is_not_stale_but_wrong(checkout: Workspace) -> None:
    checkout.environment_path("small").write_text("version: 1\ncolour: blue\n")
    with pytest.raises(Problems) as raised:
        is_stale(checkout, "small")
    assert "ENV003" in {problem.code for problem in raised.value.problems}
