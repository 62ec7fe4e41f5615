"""What stands in `environments/` can be planned, and its lock passes `check`; no figure of it is expected.

The folder is the team's: names, routes and numbers may be anything, and so may the locks, which are left out here. The
copy is planned from nothing, so a check can find fault with the environment alone.
"""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path

import pytest

from planner.documents.lock import render
from planner.edges import planning
from planner.edges.workspace import Workspace
from tests.examples import ROOT

TEAM = Workspace(ROOT / "environments")


@pytest.mark.parametrize("name", TEAM.names())
def test_it_plans_and_checks(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "environments"
    shutil.copytree(TEAM.folder, folder, ignore=shutil.ignore_patterns("*.lock.json"))
    copy = Workspace(folder)
    lock = planning.plan(copy, name).lock
    copy.lock_path(name).write_text(render(lock), encoding="utf-8")
    # The snapshot's day, not today: a model that retires one day must not fail this.
    written, problems = copy.judgement(name, datetime.date.fromisoformat(lock.consulted.snapshot))
    assert written == lock
    assert not [problem for problem in problems if problem.severity == "error"]
