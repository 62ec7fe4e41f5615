"""The small environment of tests/data/environments, planned once a process; its loads are its own, so that tuning the
worked environments moves nothing here."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import pytest

import planner.decision.optimize as optimizer
from planner.decision.answer.alternatives import Alternatives
from planner.decision.replans import alternatives
from planner.documents.lock import Lock, render
from planner.edges.planning import Planned, plan
from planner.edges.workspace import Workspace

FILE = Path(__file__).resolve().parents[1] / "data" / "environments" / "small.yaml"
CHANGE = ("requests_per_second: {mean: 1}", "requests_per_second: {mean: 3}")
"""One line: chat triples."""


def text() -> str:
    """The environment as it is committed."""
    return FILE.read_text(encoding="utf-8")


def changed() -> str:
    """The environment with its one line changed."""
    assert text().count(CHANGE[0]) == 1
    return text().replace(*CHANGE)


def workspace(folder: Path, environment: str = "", lock: Lock | None = None) -> Workspace:
    """A folder with `small.yaml`, and with its lock if one is given."""
    folder.mkdir(exist_ok=True)
    (folder / "small.yaml").write_text(environment or text(), encoding="utf-8")
    if lock is not None:
        (folder / "small.lock.json").write_text(render(lock), encoding="utf-8")
    return Workspace(folder)


def planned_text(environment: str) -> Planned:
    """The first plan of another environment."""
    with tempfile.TemporaryDirectory() as folder:
        return plan(workspace(Path(folder), environment), "small")


@contextmanager
def alone() -> Iterator[None]:
    """Plans stand alone meanwhile: nothing is planned beside them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimizer, "alternatives", lambda *_: Alternatives((), (), ()))
        yield


@contextmanager
def _whole() -> Iterator[Path]:
    """A folder for a plan with all that stands beside it, also while others stand alone."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(optimizer, "alternatives", alternatives)
        yield Path(folder)


@lru_cache(maxsize=1)
def planned() -> Planned:
    """The first plan of the small environment."""
    with _whole() as folder:
        return plan(workspace(folder), "small")


@lru_cache(maxsize=1)
def replanned() -> Planned:
    """The plan after the one-line change, made beside the first one's lock."""
    with _whole() as folder:
        return plan(workspace(folder, changed(), planned().lock), "small")
