"""The judgement of a lock: is it still the answer to its environment?

Its digests are judged, then its arithmetic, then its verdicts. The module uses no solver, no file and no clock. A lock
is *stale* when the environment, a catalog fact or its own content has changed since it was planned. Prices and
calibration only age, which is a warning. A hosted model that has ended expires the lock; one that will end inside the
horizon denies it, unless the plan says what follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from pydantic import ValidationError

from planner.documents.arithmetic import arithmetic, cluster_bill, privacy
from planner.documents.changes import change_words, key_changes
from planner.documents.lock import Lock, digest, is_whole
from planner.documents.old_locks import COLUMNS_SINCE, FORMAT_1_0
from planner.domain.apis import ApiModel, catalog_key
from planner.domain.catalog import Catalog
from planner.domain.environment import Environment
from planner.words.diagnostics import Problem, Span

CHANGES_TOLD = 5
"""Changes of the environment that a message names at most."""
AGED = "the plan has aged; plan again when it suits"


def environment_digest(environment: Mapping[str, Any], traces: Mapping[str, str]) -> str:
    """Return the digest of a canonical environment and of the digests of the traces that it names."""
    return digest({"environment": environment, "traces": dict(traces)})


def problems(
    lock: Lock,
    file: str,
    environment: Mapping[str, Any],
    traces: Mapping[str, str],
    catalog: Catalog,
    calibration: str,
    today: date,
    calibrations: Mapping[str, str] | None = None,
) -> tuple[Problem, ...]:
    """Return everything that speaks against deploying this lock. Problems of severity `warning` do not stop it.

    file: the lock's file, for messages.
    environment, traces: the canonical environment and the digests of its traces, as they are now.
    calibration: digest of all of the team's calibrations, as they are now.
    calibrations: digest of each of them by its name.
    """
    where = Span(file, 1)
    again = f"run `spillway plan {lock.name}` and review the change"
    damaged = "the lock was edited by hand or is damaged; " + again
    against = [*_content(lock, where), *_environment(lock, environment, traces, where, again)]
    columns = COLUMNS_SINCE if lock.format_version == FORMAT_1_0 else None
    if catalog.facts_digest(lock.consulted.facts, columns) != lock.digests.facts:
        against.append(Problem("LOCK010", "stale: catalog facts that the plan rests on have changed", where, again))
    against += [replace(problem, where=where, hint=damaged) for problem in _defects(lock, environment)]
    undeny = "change the environment until the plan is not denied"
    against += [
        Problem("LOCK012", f"denied: {verdict.name}: {verdict.message}", where, undeny)
        for verdict in lock.plan.verdicts
        if verdict.state == "deny"
    ]
    against += _expired(lock, catalog, today, where, again)
    if catalog.prices_digest(lock.consulted.prices) != lock.digests.prices:
        beside = " or of the own catalog" if catalog.has_own_prices else ""
        message = f"prices of snapshot {lock.consulted.snapshot}{beside} have changed"
        against.append(Problem("LOCK020", message, where, AGED, "warning"))
    if calibration != lock.digests.calibration:
        changes = key_changes(lock.consulted.calibrations, calibrations or {})
        files = ", ".join(f"calibration/{change.path[0]}.yaml" for change in changes)
        message = "the performance calibration has changed" + (f": {files}" if files else "")
        against.append(Problem("LOCK020", message, where, AGED, "warning"))
    return tuple(dict.fromkeys(against))


def _defects(lock: Lock, environment: Mapping[str, Any]) -> Iterator[Problem]:
    """Find where the plan does not add up for its own environment, or breaks the privacy of today's."""
    try:
        yield from arithmetic(lock.plan, lock.answered_environment())
    except ValidationError as error:
        message = f"the environment inside the lock cannot be read: {error.error_count()} of its values do not fit"
        yield Problem("LOCK003", message)
    else:
        if lock.format_version != FORMAT_1_0:  # which billed what the program built, and did not say what that was
            yield from cluster_bill(lock.plan)
    yield from privacy(lock.plan, Environment.model_validate(environment))


def _content(lock: Lock, where: Span) -> list[Problem]:
    """Find a lock that does not match its own digests."""
    if is_whole(lock) and environment_digest(lock.environment, lock.consulted.traces) == lock.digests.environment:
        return []
    hint = "a lock is computed, never edited: restore it with git, or change the environment and plan again"
    return [Problem("LOCK011", "the lock's content does not match its digests", where, hint)]


def _environment(
    lock: Lock, environment: Mapping[str, Any], traces: Mapping[str, str], where: Span, again: str
) -> list[Problem]:
    """Find an environment or a trace that has changed, and name the changes."""
    if environment_digest(environment, traces) == lock.digests.environment:
        return []
    changes = [
        *key_changes(lock.environment, environment),
        *key_changes(lock.consulted.traces, dict(traces), ("traces",)),
    ]
    changed = "; ".join(map(change_words, changes[:CHANGES_TOLD])) or "in form only"
    return [Problem("LOCK010", f"stale: the environment has changed since it was planned: {changed}", where, again)]


def _expired(lock: Lock, catalog: Catalog, today: date, where: Span, again: str) -> Iterator[Problem]:
    """Find hosted models of the plan that have ended, and those that end inside the horizon."""
    used = {catalog_key(name) for route in lock.plan.routes for name in route.hosted}
    end = _horizon_end(lock)
    for row in sorted((row for row in catalog.apis if row.key in used), key=lambda row: row.key):
        if reason := row.why_not(today):
            hint = f"let `horizon.start` be today or later, {again}"
            yield Problem("LOCK013", f"expired: {reason}", where, hint)
        elif row.retires is not None and end is not None and row.retires < end:
            yield _ends_within(row, lock, end, where, again)


def _ends_within(row: ApiModel, lock: Lock, end: date, where: Span, again: str) -> Problem:
    """Return what is said of a hosted model that ends inside the horizon: a warning where the plan has what follows."""
    ends = f"{row.key} ends on {row.retires}"
    follows = next((phase for phase in lock.plan.phases if row.key in phase.ended and phase.start == row.retires), None)
    if follows is None:
        message = f"{ends}, inside the horizon (to {end}), and the plan has nothing that follows it"
        return Problem("LOCK014", message, where, again)
    if follows.usd_per_month is None:
        told = any(v.state == "deny" and follows.why_not in v.message for v in lock.plan.verdicts)
        why = "the denial says why" if told else follows.why_not
        hint = (
            "accept a model that serves after that day, or let the horizon end before it: the same file gives the same "
            "plan"
        )
        return Problem("LOCK014", f"{ends}, and nothing can serve after it: {why}", where, hint)
    message = f"{ends}; what follows is planned, for ${follows.usd_per_month:,} a month"
    hint = f"nothing is wrong now: shortly before that day let `horizon.start` be that day, {again}"
    return Problem("LOCK014", message, where, hint, "warning")


def _horizon_end(lock: Lock) -> date | None:
    """Return the first day after the horizon; None where the environment inside the lock cannot be read."""
    try:
        return lock.answered_environment().horizon.end
    except ValidationError:
        return None
