"""`report`: the page and the pictures are written whole, against a base where one is named, and errors have codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from planner.documents.lock import render
from planner.edges.workspace import Workspace
from tests.planner import small
from tests.planner.cli.command import spillway


def test_a_plan_becomes_a_page(checkout: Workspace) -> None:
    ended = spillway("report", "small", "-o", "plan.html")
    assert (ended.status, ended.out) == (0, "")
    assert "wrote plan.html" in ended.err
    page = Path("plan.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert page.endswith("</html>\n")
    assert "a month for small" in page
    assert 'id="why"' not in page


def test_a_change_is_told_against_a_lock(checkout: Workspace) -> None:
    Path("base.json").write_text(render(small.planned().lock), encoding="utf-8")
    small.workspace(Path("environments"), small.changed(), small.replanned().lock)
    ended = spillway("report", "small", "--base", "base.json", "-o", "change.html")
    assert ended.status == 0
    page = Path("change.html").read_text(encoding="utf-8")
    assert "against base.json" in page
    line = small.changed().splitlines().index(f"      {small.CHANGE[1]}") + 1
    assert f"environments/small.yaml:{line}" in page


def test_a_change_is_told_against_a_revision(checkout: Workspace) -> None:
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "first"],
    ):
        subprocess.run(["git", *command], check=True)
    small.workspace(Path("environments"), small.changed(), small.replanned().lock)
    assert spillway("report", "small", "--base", "HEAD", "-o", "change.html").status == 0
    assert "against HEAD" in Path("change.html").read_text(encoding="utf-8")


def test_charts_are_files_of_their_own(checkout: Workspace) -> None:
    ended = spillway("report", "small", "-o", "plan.html", "--charts", "deep/charts")
    assert ended.status == 0
    written = sorted(path.name for path in Path("deep/charts").iterdir())
    assert {"components.svg", "break-even.svg", "week-chat.svg"} <= set(written)
    assert f"wrote {len(written)} charts to deep/charts" in ended.err
    assert all(path.read_text(encoding="utf-8").startswith("<svg xmlns=") for path in Path("deep/charts").iterdir())


def test_pictures_without_the_library_are_refused(checkout: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planner.faces.report.canvas.find_spec", lambda name: None)
    ended = spillway("report", "small", "-o", "plan.html", "--charts", "charts")
    assert ended.status == 2
    assert "error[USE003]: --charts needs the package matplotlib" in ended.err
    assert not Path("plan.html").exists()
    assert spillway("report", "small", "-o", "plan.html").status == 0
    assert "The charts are tables here" in Path("plan.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("small", "-o", "nowhere/plan.html"), "IO002"),
        (("small", "-o", "plan.html", "--base", "absent.json"), "IO001"),
        (("other", "-o", "plan.html"), "IO001"),
    ],
    ids=["folder", "base", "environment"],
)
def test_what_cannot_be_read_or_written_is_said(checkout: Workspace, arguments: tuple[str, ...], code: str) -> None:
    ended = spillway("report", *arguments)
    assert ended.status == 2
    assert f"error[{code}]" in ended.err
    assert not Path("plan.html").exists()


def test_a_lock_that_is_not_fresh_is_reported_with_a_warning_and_without_a_week(checkout: Workspace) -> None:
    small.workspace(Path("environments"), small.text().replace("profile: office-hours", "profile: flat"))
    ended = spillway("report", "small", "-o", "plan.html")
    assert ended.status == 0
    assert "warning[LOCK010]" in ended.err
    assert "load is not drawn" in Path("plan.html").read_text(encoding="utf-8")


def test_planning_and_help_load_no_library_that_draws() -> None:
    script = "import sys, planner.cli.main, planner.cli.planning, planner.edges.planning, planner.cli.reporting\n"
    run = subprocess.run(
        [sys.executable, "-c", f"{script}print('matplotlib' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "False\n"
