"""`check`, `diff`, `show`: they read locks, without a solver."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from planner.cli.output import note, report, show_json, show_text, warn
from planner.cli.output import show as print_parts
from planner.documents import diff as diffs
from planner.documents import lock as locks
from planner.documents.finance import finance_of
from planner.domain.currency import Currency
from planner.edges.files import read_text
from planner.edges.git import text_at
from planner.edges.own_currency import currency_beside
from planner.edges.workspace import Workspace, workspace_of
from planner.faces.difference import diff_json, diff_view
from planner.faces.figures import count_words
from planner.faces.finance import budget_view, csv_text, focus_text, markdown_text, notes_of
from planner.faces.tables import FoldingTable
from planner.faces.terminal import plan_view
from planner.words.diagnostics import Problem, Problems, as_json

_FOR_FINANCE = {"csv": csv_text, "markdown": markdown_text, "focus": focus_text}
"""What draws the bill, by the name of the format."""


def check(arguments: Sequence[str], folder: Path, form: str) -> None:
    """Judge each lock. Exit code 1: one of them must not be deployed."""
    names = list(arguments) or list(Workspace(folder).names())
    if not names:
        raise Problems([Problem("IO001", f"no environment in {folder}", hint="give names, or --environments")])
    judgements: dict[str, tuple[Problem, ...]] = {}
    unread, exit_code = list[Problem](), 0
    for argument in names:
        workspace, name = workspace_of(argument, folder)
        try:
            judgements[name] = workspace.judgement(name, datetime.date.today())[1]
        except Problems as error:
            unread += error.problems
            exit_code = max(exit_code, error.exit_code)
    if form == "json":
        answers = {name: as_json(problems) for name, problems in judgements.items()}
        show_json({"environments": answers, "problems": as_json(unread)})
    else:
        for name, problems in judgements.items():
            errors = [p for p in problems if p.severity == "error"]
            print(f"{name}: {count_words(len(errors), 'problem') if errors else 'fresh'}")
            report(problems)
        report(unread)
    if any(p.severity == "error" for problems in judgements.values() for p in problems):
        exit_code = max(exit_code, 1)
    if exit_code:
        raise SystemExit(exit_code)


def diff(argument: str, base: str, folder: Path, exit_code: bool, form: str) -> None:
    """Compare the lock with the one at a git revision or in a file."""
    workspace, name = workspace_of(argument, folder)
    proposed = workspace.existing_lock(name)
    changes = diffs.compare(_base(workspace, name, base), proposed)
    _warn_if_not_fresh(workspace, name, form)
    if form == "json":
        show_json(diff_json(changes))
    else:
        print_parts(diff_view(changes, workspace.wanted(name).document))
    if changes.first:
        note(f"{base} has no lock of {name}: everything is new")
    if exit_code and not changes.empty:
        raise SystemExit(1)


def show(argument: str, folder: Path, form: str) -> None:
    """Print the locked plan, or its bill for finance."""
    workspace, name = workspace_of(argument, folder)
    lock = workspace.existing_lock(name)
    if form == "json":
        show_json(lock.model_dump(mode="json"))
        return
    warn_if_not_fresh(workspace, name)
    currency = currency_beside(workspace.folder)
    if form == "text":
        print_parts((*plan_view(lock), *_budget(lock, currency)))
        return
    bill = finance_of(lock)
    for sentence in notes_of(bill, currency):
        note(f"note: {sentence}")
    show_text(_FOR_FINANCE[form](bill, currency))


def _budget(lock: locks.Lock, currency: Currency | None) -> Iterator[FoldingTable]:
    """Yield the budget; nothing where the environment inside the lock cannot be read, of which a warning tells."""
    with suppress(Problems):
        yield budget_view(finance_of(lock), currency)


def _warn_if_not_fresh(workspace: Workspace, name: str, form: str) -> None:
    """Say on stderr what speaks against the lock that is shown; a JSON document on stdout stays alone."""
    if form == "text":
        warn_if_not_fresh(workspace, name)


def warn_if_not_fresh(workspace: Workspace, name: str) -> None:
    """Warn of a lock that is stale, edited or of another environment, and of an environment that cannot be read."""
    try:
        warn(workspace.judgement(name, datetime.date.today())[1])
    except Problems as problems:
        warn(problems.problems)


def _base(workspace: Workspace, name: str, base: str) -> locks.Lock | None:
    """Return the lock to compare with, from a file or from a git revision; None when the revision has none."""
    path = Path(base)
    if path.is_file():
        return locks.load(read_text(path), str(path))
    if path.suffix == ".json":
        raise Problems([Problem("IO001", f"{base} does not exist", hint="give a lock file, or a git revision")])
    text = text_at(base, workspace.lock_path(name))
    return locks.load(text, f"{base}:{workspace.lock_path(name)}") if text is not None else None
