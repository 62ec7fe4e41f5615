"""`ci scope`, `ci plan`, `ci summary`: the steps of a run of continuous integration that no other verb is."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from planner.cli.output import note, show_text
from planner.cli.planning import computed, show_and_write
from planner.documents.pull_request import touched
from planner.domain.environment import ROUTE_NAME
from planner.edges.files import read_text
from planner.edges.forges.runner import Runner, pull_request_here
from planner.edges.git_branch import changed_files, commit, is_tip, parting, push
from planner.edges.pipeline import append_text, summary_page
from planner.edges.workspace import Workspace
from planner.words.diagnostics import Problem, Problems

PAGE_BYTES = 1_000_000
"""Size of the page of a run. GitHub refuses one above 1,024 KiB whole."""

DENIALS = ("LOCK012", "POL")
"""Beginnings of the codes by which the team's own limits and rules deny a plan. The same file gives the same plan."""


def scope(base: str, folder: Path) -> None:
    """Print what a pull request is about."""
    pull_request = pull_request_here()
    workspace = Workspace(folder)
    left = parting(folder, base or (pull_request.bases[0] if pull_request else "HEAD^"))
    names = _touched(workspace, left)
    _refuse_strange(workspace)
    lines = {
        "base": left,
        "names": " ".join(names),
        "checked": " ".join(_checked(workspace, names)),
        "pull_request": str(pull_request.number) if pull_request else "",
        "read_only": str(pull_request is None or bool(pull_request.is_restricted)).lower(),
    }
    show_text("".join(f"{name}={value}\n" for name, value in lines.items()))


def plan(folder: Path, dry_run: bool) -> None:
    """Plan what is stale, and push the locks."""
    pull_request = pull_request_here()
    if pull_request is None:
        hint = "run `spillway plan` and commit the lock yourself"
        raise Problems([Problem("CI001", "this run is not about a pull request", hint=hint)])
    workspace = Workspace(folder)
    names = _touched(workspace, parting(folder, pull_request.bases[0]))
    stale = tuple(name for name in _checked(workspace, names) if is_stale(workspace, name))
    if not stale:
        note("every lock is fresh: there is nothing to plan")
        return
    if not dry_run and (reasons := tuple(_why_not_pushed(pull_request, folder, stale))):
        raise Problems(reasons, exit_code=1)
    plans = computed(stale, folder, upgrade=False)
    for each in plans:
        show_and_write(each, dry_run=False, form="text")
    if dry_run:
        note("dry run: nothing is committed")
        return
    made = commit(folder, [each.path for each in plans], f"Plan {', '.join(stale)}")
    if made is None:
        note("every lock is as it was: there is nothing to commit")
        return
    push(folder, pull_request.branch)
    note(f"pushed {made} to {pull_request.branch}")


def summarize(files: Sequence[Path]) -> None:
    """Add texts to the page of the run."""
    texts = {path.name: read_text(path) for path in files}
    page = summary_page()
    taken = page.stat().st_size if page is not None and page.exists() else 0
    text = page_text(texts.items(), PAGE_BYTES - taken)
    if page is None:
        show_text(text)
    else:
        append_text(page, text)


def page_text(texts: Iterable[tuple[str, str]], most_bytes: int) -> str:
    """Return the texts that fit, one below the other, and a line with the names of those that do not."""
    kept, left_out = "", list[str]()
    for name, text in texts:
        longer = f"{kept}{text.rstrip()}\n\n"
        if len(longer.encode()) + 200 + sum(len(each) + 2 for each in left_out) + len(name) > most_bytes:
            left_out.append(name)
        else:
            kept = longer
    if left_out:
        kept += f"Too long for this page, and among the artifacts of the run: {', '.join(left_out)}\n"
    return kept


def _refuse_strange(workspace: Workspace) -> None:
    """Raise `Problems` for a file whose name is none of an environment; a script splits names at blanks."""
    for name in workspace.names():
        if not re.fullmatch(ROUTE_NAME, name):
            workspace.wanted(name)


def _locked(workspace: Workspace) -> frozenset[str]:
    """Return the environments that have a lock."""
    return frozenset(name for name in workspace.names() if workspace.lock_path(name).exists())


def _touched(workspace: Workspace, left: str) -> tuple[str, ...]:
    """Return the environments that changed since a commit, sorted."""
    return touched(changed_files(workspace.folder, left), workspace.names(), _locked(workspace))


def _checked(workspace: Workspace, names: Iterable[str]) -> tuple[str, ...]:
    """Return the environments that have a lock, and those of the pull request, sorted."""
    return tuple(sorted({*_locked(workspace), *names}))


def is_stale(workspace: Workspace, name: str) -> bool:
    """Say whether another plan could mend the lock. A denial by the team's own limits or rules stays what it is."""
    try:
        problems = workspace.judgement(name, datetime.date.today())[1]
    except Problems as refusal:
        if any(not problem.code.startswith("LOCK") for problem in refusal.problems):
            raise
        return True
    return any(problem.severity == "error" and not problem.code.startswith(DENIALS) for problem in problems)


def _why_not_pushed(pull_request: Runner, folder: Path, stale: Sequence[str]) -> Iterable[Problem]:
    """Yield why no lock can be pushed, before minutes are spent on planning."""
    run = f"run `spillway plan {' '.join(stale)}` on the branch and commit the lock"
    if pull_request.is_restricted:
        message = f"nothing is pushed to the branch {pull_request.branch}, as {pull_request.is_restricted}"
        yield Problem("CI002", message, hint=run)
    elif not is_tip(folder, pull_request.branch):
        hint = "check out with `ref: ${{ github.event.pull_request.head.sha }}` and `fetch-depth: 0`"
        yield Problem("CI003", f"the checkout is not the last commit of {pull_request.branch}", hint=hint)
