"""`plan`: computes plans, shows them, and writes their locks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from planner.cli.output import note, report, show, show_json
from planner.cli.progress import stages
from planner.documents.lock import Lock, render, says_the_same
from planner.edges import planning
from planner.edges.files import write_text
from planner.edges.workspace import workspace_of
from planner.faces.terminal import plan_view
from planner.words.diagnostics import Problem, Problems


def plan(arguments: Sequence[str], folder: Path, upgrade: bool, dry_run: bool, form: str) -> None:
    """Plan each environment. The locks are written when all of them could be planned; otherwise none is written."""
    planned, problems = [], list[Problem]()
    exit_code = 0
    for argument in arguments:
        workspace, name = workspace_of(argument, folder)
        try:
            compute = planning.plan_on_newest_prices if upgrade else planning.plan
            with stages(name) as stage:
                planned.append((workspace.lock_path(name), compute(workspace, name, stage)))
        except Problems as refusal:
            problems += refusal.problems
            exit_code = max(exit_code, refusal.exit_code)
    if problems:
        raise Problems(problems, exit_code)
    denied = False
    for path, result in planned:
        denied = denied or any(v.state == "deny" for v in result.lock.plan.verdicts)
        if form == "text":
            show(plan_view(result.lock))
        if result.outcome.note:
            note(f"note: {result.outcome.note}")
        if dry_run:
            note(f"dry run: {path} is not written")
        elif result.prior is not None and _stays(result.prior, result.lock, upgrade):
            note(f"{path} is unchanged")
        else:
            write_text(path, render(result.lock))
            note(f"wrote {path}")
    if form == "json":
        locks = [result.lock.model_dump(mode="json") for _, result in planned]
        show_json(locks[0] if len(locks) == 1 else locks)
    if denied:
        report(
            Problem("LOCK012", f"denied: {v.name}: {v.message}")
            for _, r in planned
            for v in r.lock.plan.verdicts
            if v.state == "deny"
        )
        raise SystemExit(1)


def _stays(prior: Lock, lock: Lock, upgrade: bool) -> bool:
    """Say whether the file stays as it is, because it says the same. An upgrade writes an older format anew."""
    return says_the_same(prior, lock) and not (upgrade and prior.format_version != lock.format_version)
