"""`plan`: computes plans, shows them, and writes their locks."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from planner.cli.output import note, report, show, show_json, warn
from planner.cli.progress import stages
from planner.documents.lock import Lock, render, says_the_same
from planner.documents.policy.rulebook import Rulebook
from planner.documents.policy.subject import as_base
from planner.documents.replan import Replan, moved_prices
from planner.domain.prices import Price
from planner.edges import planning
from planner.edges.files import write_text
from planner.edges.planning import Planned
from planner.edges.workspace import Workspace, workspace_of
from planner.faces.price_notes import notes_text, notes_title
from planner.faces.terminal import plan_view, rules_table
from planner.words.diagnostics import Problem, Problems


@dataclass(frozen=True)
class NewPlan:
    """A plan that was computed and is not written yet.

    path: its lock.
    planned: the plan with what stood before.
    rulebook: the rules of the team that judge it.
    upgrade: whether newer prices were asked for; then a lock of an older format is written anew.
    """

    workspace: Workspace
    path: Path
    planned: Planned
    rulebook: Rulebook
    upgrade: bool

    @property
    def unchanged(self) -> bool:
        """Whether the lock on disk says the same already, so that its file stays."""
        prior, lock = self.planned.prior, self.planned.lock
        if prior is None or not says_the_same(prior, lock):
            return False
        return not (self.upgrade and prior.format_version != lock.format_version)


def plan(
    arguments: Sequence[str], folder: Path, upgrade: bool, dry_run: bool, form: str, notes: Path | None = None
) -> None:
    """Plan each environment. The locks are written when all of them could be planned; otherwise none is written.

    notes: file that receives the title and the text of a pull request.
    """
    plans = computed(arguments, folder, upgrade, dry_run)
    found = [problem for each in plans for problem in show_and_write(each, dry_run, form)]
    if notes is not None:
        replans = [_replan(each) for each in plans]
        write_text(notes, f"{notes_title(replans)}\n\n{notes_text(replans)}")
        note(f"wrote {notes}")
    if form == "json":
        locks = [each.planned.lock.model_dump(mode="json") for each in plans]
        show_json(locks[0] if len(locks) == 1 else locks)
    report(found)
    if any(problem.severity == "error" for problem in found):
        raise SystemExit(1)


def computed(arguments: Sequence[str], folder: Path, upgrade: bool, dry_run: bool = False) -> tuple[NewPlan, ...]:
    """Return the plan of each environment. Raises `Problems` with those of all that have none.

    dry_run: whether they are only looked at; a name that nothing could be deployed under is then a warning.
    """
    plans, problems = [], list[Problem]()
    exit_code = 0
    for argument in arguments:
        workspace, name = workspace_of(argument, folder)
        workspace = replace(workspace, is_looked_at=dry_run)
        if dry_run and (bad := workspace.bad_name(name)) is not None:
            warn([bad])
        try:
            rulebook = workspace.rulebook(workspace.wanted(name))
            compute = planning.plan_on_newest_prices if upgrade else planning.plan
            with stages(name) as stage:
                made = compute(workspace, name, stage)
            plans.append(NewPlan(workspace, workspace.lock_path(name), made, rulebook, upgrade))
        except Problems as refusal:
            problems += refusal.problems
            exit_code = max(exit_code, refusal.exit_code)
    if problems:
        raise Problems(problems, exit_code)
    return tuple(plans)


def show_and_write(new: NewPlan, dry_run: bool, form: str) -> tuple[Problem, ...]:
    """Show a plan and write its lock, unless it is to be looked at alone or says the same already.

    Return what speaks against deploying it, by its own verdicts and by the rules of the team.
    """
    lock, base = new.planned.lock, as_base(new.planned.prior)
    checks, against = new.workspace.ruled(lock, new.rulebook, datetime.date.today(), base)
    if form == "text":
        show([*plan_view(lock), *([rules_table(checks)] if checks else [])])
    if new.planned.outcome.note:
        note(f"note: {new.planned.outcome.note}")
    if dry_run:
        note(f"dry run: {new.path} is not written")
    elif new.unchanged:
        note(f"{new.path} is unchanged")
    else:
        write_text(new.path, render(lock))
        note(f"wrote {new.path}")
    return (*_denied(lock), *against, *new.workspace.network_problems(lock.name))


def _denied(lock: Lock) -> Iterator[Problem]:
    """Yield a problem for each verdict of the plan that denies it."""
    for verdict in lock.plan.verdicts:
        if verdict.state == "deny":
            yield Problem("LOCK012", f"denied: {verdict.name}: {verdict.message}")


def _replan(new: NewPlan) -> Replan:
    """Return what became of a plan, with the prices of both snapshots."""
    start = new.planned.wanted.environment.horizon.start
    base, lock = new.planned.prior, new.planned.lock
    after = new.workspace.catalog(lock.consulted.snapshot).priced_on(start).prices.rows
    before: Mapping[str, Price] = {}
    if base is not None:
        try:
            before = new.workspace.catalog(base.consulted.snapshot).priced_on(start).prices.rows
        except Problems as gone:  # an old snapshot that is shipped no longer; the lock knows what it paid
            warn(gone.problems)
    return Replan(base, lock, moved_prices(base, lock, before, after))
