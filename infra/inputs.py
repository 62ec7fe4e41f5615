"""The lock that this run may deploy, or the reasons why it may not.

A lock that is stale, tampered with, truncated or denied stops the program before any resource. `spillway:override` sets
the first, second and last aside and is recorded with what it set aside; nothing opens a lock that cannot be read.
Protected environments also need the lock to be the committed one.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from infra.settings import Settings
from planner.documents.lock import Lock
from planner.edges.workspace import Workspace
from planner.words.diagnostics import Problem, Problems, Span, text_lines


@dataclass(frozen=True)
class Accepted:
    """A lock that may be deployed.

    warnings: what has aged (prices, calibration). set_aside: what an override ignored; empty without one.
    """

    lock: Lock
    override: str | None
    warnings: tuple[Problem, ...] = ()
    set_aside: tuple[Problem, ...] = ()


def accepted(settings: Settings) -> Accepted:
    """The lock of the settings' environment. Raises `Problems` with every reason against it."""
    workspace = Workspace(settings.folder)
    try:
        lock, warnings = workspace.deployable(settings.environment, date.today())
        _require_own(lock, settings)
        if settings.protected:
            _require_committed(workspace.lock_path(settings.environment))
    except Problems as refusal:
        if settings.override is None:
            raise
        # Reading it again raises for a lock that is no lock at all: no reason can open that.
        lock = workspace.existing_lock(settings.environment)
        return Accepted(lock, settings.override, set_aside=refusal.problems)
    return Accepted(lock, settings.override, warnings)


def message(problems: Iterable[Problem], environment: str) -> str:
    """What to print instead of a stack trace."""
    lines = "\n".join(text_lines(problems))
    return f"environment `{environment}` is not deployed; nothing was changed.\n{lines}"


def _require_own(lock: Lock, settings: Settings) -> None:
    """A lock copied from another environment would deploy that one a second time."""
    if lock.name != settings.environment:
        hint = f"run `spillway plan {settings.environment}`; a lock is never copied"
        raise Problems([Problem("DEP003", f"the lock is of environment `{lock.name}`", hint=hint)], exit_code=1)


def _require_committed(lock_path: Path) -> None:
    """The lock is, byte for byte, the one of the commit that is checked out."""
    where = Span(str(lock_path), 1)
    hint = "commit the lock through a reviewed pull request and deploy that commit"
    try:
        committed = subprocess.run(
            ["git", "show", f"HEAD:./{lock_path.name}"], cwd=lock_path.parent, capture_output=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Problems([Problem("DEP002", f"cannot ask git for the committed lock: {error}", where, hint)]) from error
    if committed.returncode != 0:
        raise Problems([Problem("DEP002", "the lock of a protected environment is not committed", where, hint)])
    if committed.stdout != lock_path.read_bytes():
        raise Problems([Problem("DEP002", "the lock differs from the committed one", where, hint)], exit_code=1)
