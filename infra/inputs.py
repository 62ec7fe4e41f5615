"""The lock that this run may deploy, or the reasons why it may not.

A lock that is stale, tampered with, truncated or denied stops the program before any resource. `spillway:override` sets
the first, second and last aside and is recorded with what it set aside; nothing opens a lock that cannot be read.
Protected environments also need the lock to be the committed one.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from infra.settings import Settings
from planner.documents import environment_file
from planner.documents.check import arithmetic
from planner.documents.lock import Lock, content_digest, load
from planner.documents.verify import environment_digest
from planner.words.diagnostics import Problem, Problems, Span, text_lines

Verify = Callable[[Path, Path], Lock]
"""(environment file, lock file) → the lock. Raises `Problems`."""


@dataclass(frozen=True)
class Accepted:
    """A lock that may be deployed. `set_aside`: what an override ignored; empty without one."""

    lock: Lock
    override: str | None
    set_aside: tuple[Problem, ...]


def accepted(settings: Settings) -> Accepted:
    """The lock of the settings' environment. Raises `Problems` with every reason against it."""
    try:
        lock = verify(settings.environment_path, settings.lock_path)
        if settings.protected:
            require_committed(settings.lock_path)
    except Problems as refusal:
        if settings.override is None:
            raise
        # Reading it again raises for a lock that is no lock at all: no reason can open that.
        lock = load(_read(settings.lock_path), str(settings.lock_path))
        return Accepted(lock, settings.override, refusal.problems)
    return Accepted(lock, settings.override, ())


def message(problems: Iterable[Problem], environment: str) -> str:
    """What to print instead of a stack trace."""
    lines = "\n".join(text_lines(problems))
    return f"environment `{environment}` is not deployed; nothing was changed.\n{lines}"


def verify(environment_path: Path, lock_path: Path) -> Lock:
    """The lock, if it still answers its environment and was not denied. Raises `Problems`."""
    lock = load(_read(lock_path), str(lock_path))
    where = Span(str(lock_path), 1)
    again = f"run `spillway plan {lock.name}` and review the change"
    environment, _ = environment_file.parse(_read(environment_path), str(environment_path))
    found = []
    if lock.name != environment_path.stem:
        found.append(Problem("LOCK003", f"the lock is of environment `{lock.name}`", where, again))
    if content_digest(lock.model_dump(mode="json")) != lock.digests.content:
        hint = "a lock is computed, never edited: restore it with git, or use `overrides:` in the environment"
        found.append(Problem("LOCK011", "the lock's content does not match its digest", where, hint))
    canonical = environment_file.canonical(environment)
    if environment_digest(canonical, lock.consulted.traces) != lock.digests.environment:
        found.append(Problem("LOCK010", "stale: the environment has changed since it was planned", where, again))
    found += [Problem(p.code, p.message, where, again) for p in arithmetic(lock.plan, lock.wanted())]
    found += [
        Problem("LOCK012", f"denied: {verdict.name}: {verdict.message}", where, "change the environment and plan again")
        for verdict in lock.plan.verdicts
        if verdict.state == "deny"
    ]
    if found:
        raise Problems(found, exit_code=1)
    return lock


def require_committed(lock_path: Path) -> None:
    """Raises `Problems` unless the lock is, byte for byte, the one of the commit that is checked out."""
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


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        name = path.name.split(".")[0]
        hint = f"the stack's name is the environment's; run `spillway plan {name}` to write its lock"
        raise Problems([Problem("DEP001", f"cannot read {path}: {error}", hint=hint)]) from error
