"""`rehearse`: the locked plan under traffic on this machine, and which of its promises it kept."""

from __future__ import annotations

from pathlib import Path

from planner.cli.output import note, show, show_json
from planner.cli.review import warn_if_not_fresh
from planner.documents.lock import Lock
from planner.documents.outline import NoPlay
from planner.documents.reclaiming import pools_on_spot
from planner.documents.rehearsed import Result
from planner.documents.staging import RehearsalSettings, script, sources
from planner.edges.rehearsal import RehearsalFailed
from planner.edges.rehearsal import rehearse as stage
from planner.edges.workspace import workspace_of
from planner.faces.rehearsal import result_json, result_view, script_view
from planner.words.diagnostics import Problem, Problems


def rehearse(
    argument: str,
    speed: float,
    kill: str,
    slow_down: float,
    folder: Path,
    form: str,
    reclaim: str = "",
    morning: bool = False,
) -> None:
    """Rehearse the lock of an environment and print the result.

    kill, reclaim: name of a pool; empty where the option was not given.

    Exit code 1: a promise was broken. Exit code 2: this machine was too busy to tell.
    """
    named = [option for option, given in (("--kill", kill not in ("", "none")), ("--reclaim", reclaim)) if given]
    if len(plays := [*named, *(["--morning"] if morning else [])]) > 1:
        message = f"{' and '.join(plays)} are plays of their own"
        raise Problems([Problem("REH005", message, hint="rehearse one after the other")])
    settings = RehearsalSettings(
        speed=speed,
        slow_down=slow_down,
        play="reclaim" if reclaim else "morning" if morning else "kill",
        kill=_victim(kill),
        reclaim=reclaim or "auto",
    )
    result = _rehearsal_result(argument, folder, settings, form)
    if form == "json":
        show_json(result_json(result))
    else:
        show(result_view(result))
    if not result.held:
        raise SystemExit(2 if result.doubts and result.restricted_at_api == 0 else 1)


def _rehearsal_result(argument: str, folder: Path, settings: RehearsalSettings, form: str) -> Result:
    """Hold the rehearsal of an environment's lock and return what was seen.

    Raises `Problems`. REH001: a program failed, and nothing was learned. REH002: the plan has no such pool. REH003: no
    spot node can be taken from it. REH004: no size follows the clock.
    """
    workspace, name = workspace_of(argument, folder)
    lock, wanted = workspace.existing_lock(name), workspace.wanted(name)
    if form == "text":
        warn_if_not_fresh(workspace, name)
    pools = [pool.name for pool in lock.plan.pools]
    for pool in (settings.kill, settings.reclaim):
        if pool not in (None, "auto", *pools):
            hint = f"pools of {name}: {', '.join(pools) or 'none'}"
            raise Problems([Problem("REH002", f"there is no pool `{pool}` in the plan of {name}", hint=hint)])
    try:
        play = script(lock, sources(wanted.environment, wanted.traces), settings)
    except NoPlay as error:
        raise Problems([_nothing_to_play(settings, lock, error)]) from error
    if form == "text":
        show([script_view(play)])
    try:
        return stage(play, note)
    except RehearsalFailed as error:
        hint = "nothing was learned about the plan; see the program's last lines above"
        raise Problems([Problem("REH001", f"the rehearsal could not be held: {error}", hint=hint)]) from error


def _nothing_to_play(settings: RehearsalSettings, lock: Lock, error: NoPlay) -> Problem:
    if settings.play == "morning":
        hint = "allow it with `elastic: {FAMILY: true}` and plan again; a plan gives nodes back where that saves money"
        return Problem("REH004", f"there is no night and no morning in the plan of {lock.name}: {error}", hint=hint)
    standing = ", ".join(pools_on_spot(lock.plan))
    hint = f"pools with spot nodes: {standing}" if standing else "allow `purchase: {spot: …}` and plan again"
    return Problem("REH003", f"nothing can be taken back in the plan of {lock.name}: {error}", hint=hint)


def _victim(kill: str) -> str | None:
    """Return the pool that the option names; `auto` leaves the choice to the script, None kills no pool."""
    return {"": "auto", "none": None}.get(kill, kill)
