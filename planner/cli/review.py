"""`check`, `show`: they read locks, without a solver."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from planner.cli.output import note, report, show_json, show_text, warn
from planner.cli.output import show as print_parts
from planner.documents.finance import finance_of
from planner.documents.lock import Lock
from planner.documents.policy.subject import as_base
from planner.domain.currency import Currency
from planner.edges.own_currency import currency_beside
from planner.edges.workspace import Judged, Workspace, workspace_of
from planner.faces.figures import count_words
from planner.faces.finance import budget_view, csv_text, focus_text, markdown_text, notes_of
from planner.faces.tables import FoldingTable
from planner.faces.terminal import plan_view, rules_table
from planner.words.diagnostics import Problem, Problems, as_json

_FOR_FINANCE = {"csv": csv_text, "markdown": markdown_text, "focus": focus_text}
"""What draws the bill, by the name of the format."""


def check(arguments: Sequence[str], folder: Path, form: str, base: str = "") -> None:
    """Judge each lock and hold it against the team's rules. Exit code 1: one of them must not be deployed.

    base: git revision or lock file for rules over a change; empty for none.
    """
    names = list(arguments) or list(Workspace(folder).names())
    if not names:
        raise Problems([Problem("IO001", f"no environment in {folder}", hint="give names, or --environments")])
    judgements: dict[str, Judged] = {}
    unread, exit_code = list[Problem](), 0
    for argument in names:
        workspace, name = workspace_of(argument, folder)
        try:
            before = workspace.base(name, base) if base else None
            judgements[name] = workspace.judged(name, datetime.date.today(), as_base(before))
        except Problems as error:
            unread += error.problems
            exit_code = max(exit_code, error.exit_code)
    unread = list(dict.fromkeys(unread))
    if form == "json":
        answers = {name: as_json(judged.problems) for name, judged in judgements.items()}
        checks = {name: [each.model_dump(mode="json") for each in j.checks] for name, j in judgements.items()}
        show_json({"environments": answers, "checks": checks, "problems": as_json(unread)})
    else:
        for name, judged in judgements.items():
            errors = [p for p in judged.problems if p.severity == "error"]
            print(f"{name}: {count_words(len(errors), 'problem') if errors else 'fresh'}")
            if judged.checks:
                print_parts([rules_table(judged.checks)])
            report(judged.problems)
        report(unread)
    if any(p.severity == "error" for judged in judgements.values() for p in judged.problems):
        exit_code = max(exit_code, 1)
    if exit_code:
        raise SystemExit(exit_code)


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


def _budget(lock: Lock, currency: Currency | None) -> Iterator[FoldingTable]:
    """Yield the budget; nothing where the environment inside the lock cannot be read, of which a warning tells."""
    with suppress(Problems):
        yield budget_view(finance_of(lock), currency)


def warn_if_not_fresh(workspace: Workspace, name: str, base: Lock | None = None) -> None:
    """Warn of a lock that is stale, edited or denied, and of an environment or a rule that cannot be read."""
    try:
        warn(workspace.judged(name, datetime.date.today(), as_base(base)).problems)
    except Problems as problems:
        warn(problems.problems)
