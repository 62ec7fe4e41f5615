"""`plan`: computes plans, shows them, and writes their locks."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path

from planner.cli.output import note, report, show, show_json
from planner.documents.lock import Lock, render, says_the_same
from planner.documents.policy.subject import as_base
from planner.edges import planning
from planner.edges.files import write_text
from planner.edges.workspace import workspace_of
from planner.faces.terminal import plan_view, rules_table
from planner.words.diagnostics import Problem, Problems


def plan(arguments: Sequence[str], folder: Path, upgrade: bool, dry_run: bool, form: str) -> None:
    """Plan each environment. The locks are written when all of them could be planned; otherwise none is written."""
    planned, problems, found = [], list[Problem](), list[Problem]()
    exit_code = 0
    for argument in arguments:
        workspace, name = workspace_of(argument, folder)
        try:
            rulebook = workspace.rulebook(workspace.wanted(name))
            compute = planning.plan_on_newest_prices if upgrade else planning.plan
            planned.append((workspace.lock_path(name), compute(workspace, name), workspace, rulebook))
        except Problems as refusal:
            problems += refusal.problems
            exit_code = max(exit_code, refusal.exit_code)
    if problems:
        raise Problems(problems, exit_code)
    for path, result, workspace, rulebook in planned:
        checks, against = workspace.ruled(result.lock, rulebook, datetime.date.today(), as_base(result.prior))
        found += [*_denied(result.lock), *against]
        if form == "text":
            show([*plan_view(result.lock), *([rules_table(checks)] if checks else [])])
        if result.outcome.note:
            note(f"note: {result.outcome.note}")
        if dry_run:
            note(f"dry run: {path} is not written")
        elif result.prior is not None and says_the_same(result.prior, result.lock):
            note(f"{path} is unchanged")
        else:
            write_text(path, render(result.lock))
            note(f"wrote {path}")
    if form == "json":
        locks = [result.lock.model_dump(mode="json") for _, result, *_ in planned]
        show_json(locks[0] if len(locks) == 1 else locks)
    report(found)
    if any(problem.severity == "error" for problem in found):
        raise SystemExit(1)


def _denied(lock: Lock) -> Iterator[Problem]:
    """Yield a problem for each verdict of the plan that denies it."""
    for verdict in lock.plan.verdicts:
        if verdict.state == "deny":
            yield Problem("LOCK012", f"denied: {verdict.name}: {verdict.message}")
