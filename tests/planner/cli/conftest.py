"""A checkout of its own for every test of a command: it runs in a folder that holds `environments/`."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.edges.workspace import Workspace
from tests.planner import small


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The small environment with its lock, in `environments/` of the current folder."""
    monkeypatch.chdir(tmp_path)
    return small.workspace(Path("environments"), lock=small.planned().lock)


@pytest.fixture
def unplanned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The same without a lock."""
    monkeypatch.chdir(tmp_path)
    return small.workspace(Path("environments"))
