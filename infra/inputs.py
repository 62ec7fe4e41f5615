"""The lock that this run may deploy, or the reasons why it may not.

Everything that speaks against a lock is collected before any resource. `spillway:override` sets aside what a person can
answer for in an incident (`SET_ASIDE`), and is recorded with it. Four things are never set aside: whose lock it is,
where restricted data may go, whether the plan's parts fit each other, and a file that cannot be read; nor is a rule of
the team that nobody may override. Protected environments also need the lock, and what judges it, to be committed.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path

from infra.settings import StackSettings
from planner.documents.lock import Lock
from planner.documents.policy.subject import Base
from planner.edges.workspace import Workspace
from planner.words.diagnostics import Problem, Problems, Span, text_lines

SET_ASIDE = frozenset({"LOCK010", "LOCK011", "LOCK012", "LOCK013", "LOCK014", "DEP002", "CHK005", "CHK008", "POL010"})
"""Codes that break-glass may ignore: stale, edited, denied, expired, not committed, over a quota, over a budget, and
denied by a rule that somebody may override."""
NO_OVERRIDE = "spillway:override does not set this aside"


@dataclass(frozen=True)
class DeployableLock:
    """This lock may be deployed.

    warnings: what has aged (prices, calibration).
    set_aside: what an override ignored; empty without one.
    """

    lock: Lock
    override: str | None
    warnings: tuple[Problem, ...] = ()
    set_aside: tuple[Problem, ...] = ()


def deployable_lock(
    settings: StackSettings, engine: str | None = None, deployed_usd: Callable[[], Decimal | None] = lambda: None
) -> DeployableLock:
    """Return the lock of the settings' environment. Raises `Problems` with every reason against it that nothing sets
    aside.

    engine: version of the engine that would run; None where that is not known.
    deployed_usd: finds the bill of what is deployed now, USD a month. It is called where a rule compares with it.
    """
    workspace, name = Workspace(settings.folder), settings.environment
    usd = deployed_usd() if workspace.rulebook(workspace.wanted(name)).compares else None
    judged = workspace.judged(name, date.today(), None if usd is None else Base(usd), engine)
    lock = judged.lock
    against = (*judged.problems, *_not_own(lock, settings))
    if settings.protected:
        against += tuple(_not_committed(workspace.lock_path(name)))
        against += tuple(_unreviewed(settings.folder, name))
    errors = tuple(problem for problem in against if problem.severity == "error")
    warnings = tuple(problem for problem in against if problem.severity != "error")
    if settings.override is None:
        if errors:
            raise Problems(against, exit_code=1)
        return DeployableLock(lock, None, warnings)
    barring = [problem for problem in errors if problem.code not in SET_ASIDE]
    if barring:
        raise Problems([replace(p, hint="; ".join(filter(None, (p.hint, NO_OVERRIDE)))) for p in barring], exit_code=1)
    return DeployableLock(lock, settings.override, warnings, errors)


def message(problems: Iterable[Problem], environment: str) -> str:
    """Return what to print instead of a stack trace."""
    lines = "\n".join(text_lines(problems))
    return f"environment `{environment}` is not deployed; nothing was changed.\n{lines}"


def on_demand(settings: StackSettings, lock: Lock, instance_type: str) -> Decimal | None:
    """Return the price of a machine on demand in the catalog of a lock, USD an hour; None where it has none."""
    prices = Workspace(settings.folder).catalog(lock.consulted.snapshot).prices
    found = prices.price(f"ec2/{lock.plan.platform.region}/{instance_type}/on-demand")
    return None if found is None else found.usd


def _not_own(lock: Lock, settings: StackSettings) -> Iterator[Problem]:
    """Find a lock that was copied from another environment. It would deploy that environment a second time."""
    if lock.name != settings.environment:
        hint = f"run `spillway plan {settings.environment}`; a lock is never copied"
        yield Problem("DEP003", f"the lock is of environment `{lock.name}`", hint=hint)


def _not_committed(lock_path: Path) -> Iterator[Problem]:
    """Find a lock that is not, byte for byte, the one of the commit that is checked out."""
    where = Span(str(lock_path), 1)
    hint = "commit the lock through a reviewed pull request and deploy that commit"
    try:
        committed = subprocess.run(
            ["git", "show", f"HEAD:./{lock_path.name}"], cwd=lock_path.parent, capture_output=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Problem("DEP002", f"cannot ask git for the committed lock: {error}", where, hint)
        return
    if committed.returncode != 0:
        yield Problem("DEP002", "the lock of a protected environment is not committed", where, hint)
    elif committed.stdout != lock_path.read_bytes():
        yield Problem("DEP002", "the lock differs from the committed one", where, hint)


def _unreviewed(folder: Path, name: str) -> Iterator[Problem]:
    """Find rules and overrides that are not those of the commit that is checked out: what judges a lock is reviewed."""
    looked_for = ("--no-renames", "--untracked-files=all", "--ignored")
    command = ["git", "status", "--porcelain", "-z", *looked_for, "--", f"{name}.yaml", "policies"]
    try:
        status = subprocess.run(command, cwd=folder, capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return  # as has been told of the lock
    changed = [entry[3:] for entry in status.stdout.decode(errors="replace").split("\0") if entry]
    if status.returncode == 0 and changed:
        hint = "commit it through a reviewed pull request and deploy that commit"
        message = f"what judges a protected environment is not committed: {', '.join(sorted(changed))}"
        yield Problem("DEP002", message, Span(str(folder / f"{name}.yaml"), 1), hint)
