"""Progress is for whoever waits at a terminal: its stages, and nothing on a pipe or in the first second."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from planner.cli import progress
from planner.cli.progress import stages
from planner.edges import planning
from planner.edges.workspace import Workspace
from tests.planner.cli.command import spillway


def test_a_terminal_sees_each_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "QUIET_S", 0.0)
    seen = io.StringIO()
    with stages("prod", Console(file=seen, force_terminal=True, width=80)) as stage:
        stage("planning the alternatives")
    assert "prod: planning the alternatives · 0 s" in seen.getvalue()


def test_the_first_second_shows_nothing() -> None:
    seen = io.StringIO()
    with stages("prod", Console(file=seen, force_terminal=True, width=80)) as stage:
        stage("reading the catalog")
    assert "prod" not in seen.getvalue()


@pytest.mark.parametrize("console", [Console(file=io.StringIO()), Console(file=io.StringIO(), force_terminal=False)])
def test_a_pipe_holds_nothing(console: Console) -> None:
    with stages("prod", console) as stage:
        stage("planning the alternatives")
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == ""


def test_a_plan_tells_its_stages_and_nothing_of_them_is_printed(
    unplanned: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    plain = planning.plan
    monkeypatch.setattr(planning, "plan", lambda workspace, name, stage: plain(workspace, name, told.append))
    ended = spillway("plan", "small")
    assert told[0] == "reading the catalog"
    assert told[1:] == [
        "surveying, simulating and choosing",
        "planning the alternatives",
        "planning what follows and what is unused",
    ]
    assert not any(stage in ended.out + ended.err for stage in told)
