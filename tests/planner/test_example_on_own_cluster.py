"""The worked environment on a cluster that is there already: its lock is the answer to it, and passes `check`."""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path

from planner.edges import planning
from planner.edges.workspace import Workspace
from tests.examples import ROOT

FOLDER, NAME = ROOT / "examples" / "existing-cluster", "berlin"


def test_its_lock_is_fresh_and_the_plan_is_the_same_again(tmp_path: Path) -> None:
    folder = tmp_path / "environments"
    shutil.copytree(FOLDER, folder)
    workspace = Workspace(folder)
    lock = workspace.existing_lock(NAME)
    _, problems = workspace.judgement(NAME, datetime.date.fromisoformat(lock.consulted.snapshot))
    assert [problem for problem in problems if problem.severity == "error"] == []
    assert planning.plan(workspace, NAME).lock.digests.content == lock.digests.content
