"""Is a lock still the answer to its environment? Digests, then arithmetic, then verdicts; no solver, no file, no clock.

*Stale*: the environment, a catalog fact or the lock's own content has changed since it was planned. Prices and
calibration only age: they warn. A hosted model that has retired expires the lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import ValidationError

from planner.documents.arithmetic import arithmetic, cluster_bill, privacy
from planner.documents.changes import change_words, key_changes
from planner.documents.lock import Lock, content_digest, digest
from planner.documents.old_locks import FORMAT_1_0
from planner.domain.catalog import Catalog
from planner.domain.environment import Environment
from planner.words.diagnostics import Problem, Span

CHANGES_TOLD = 5


def environment_digest(environment: Mapping[str, Any], traces: Mapping[str, str]) -> str:
    """Digest of the canonical environment and of the traces that it names."""
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
    """Everything that speaks against deploying this lock; `severity` error stops, warning does not.

    environment, traces, calibration: as they are now, and so the workspace's own calibrations by name; `file` is the
    lock's, for messages.
    """
    where = Span(file, 1)
    again = f"run `spillway plan {lock.name}` and review the change"
    found = [*_content(lock, where), *_environment(lock, environment, traces, where, again)]
    if catalog.facts_digest(lock.consulted.facts) != lock.digests.facts:
        found.append(Problem("LOCK010", "stale: catalog facts that the plan rests on have changed", where, again))
    damaged = "the lock was edited by hand or is damaged; " + again
    try:
        found += [Problem(p.code, p.message, where, damaged) for p in arithmetic(lock.plan, lock.wanted())]
        if lock.format_version != FORMAT_1_0:  # which billed what the program built, and did not say it
            found += [Problem(p.code, p.message, where, damaged) for p in cluster_bill(lock.plan)]
    except ValidationError as error:
        message = f"the environment inside the lock cannot be read: {error.error_count()} of its values do not fit"
        found.append(Problem("LOCK003", message, where, damaged))
    found += [
        Problem(p.code, p.message, where, damaged) for p in privacy(lock.plan, Environment.model_validate(environment))
    ]
    found += [
        Problem(
            "LOCK012", f"denied: {v.name}: {v.message}", where, "change the environment until the plan is not denied"
        )
        for v in lock.plan.verdicts
        if v.state == "deny"
    ]
    found += _expired(lock, catalog, today, where, again)
    if catalog.prices_digest(lock.consulted.prices) != lock.digests.prices:
        message = f"prices of snapshot {lock.consulted.snapshot} have changed"
        found.append(Problem("LOCK020", message, where, "the plan has aged; plan again when it suits", "warning"))
    if calibration != lock.digests.calibration:
        changes = key_changes(lock.consulted.calibrations, calibrations or {})
        named = ", ".join(f"calibration/{change.path[0]}.yaml" for change in changes)
        message = "the performance calibration has changed" + (f": {named}" if named else "")
        found.append(Problem("LOCK020", message, where, "the plan has aged; plan again when it suits", "warning"))
    return tuple(dict.fromkeys(found))


def _content(lock: Lock, where: Span) -> list[Problem]:
    whole = content_digest(lock.model_dump(mode="json")) == lock.digests.content
    if whole and environment_digest(lock.environment, lock.consulted.traces) == lock.digests.environment:
        return []
    hint = "a lock is computed, never edited: restore it with git, or change the environment and plan again"
    return [Problem("LOCK011", "the lock's content does not match its digests", where, hint)]


def _environment(
    lock: Lock, environment: Mapping[str, Any], traces: Mapping[str, str], where: Span, again: str
) -> list[Problem]:
    if environment_digest(environment, traces) == lock.digests.environment:
        return []
    changes = [
        *key_changes(lock.environment, environment),
        *key_changes(lock.consulted.traces, dict(traces), ("traces",)),
    ]
    message = "stale: the environment has changed since it was planned"
    return [
        Problem("LOCK010", f"{message}: {'; '.join(map(change_words, changes[:5])) or 'in form only'}", where, again)
    ]


def _expired(lock: Lock, catalog: Catalog, today: date, where: Span, again: str) -> list[Problem]:
    used = {name for route in lock.plan.routes for name in route.fallback}
    reasons = {row.key: row.why_not(today) for row in catalog.apis if row.key in used}
    return [
        Problem("LOCK013", f"expired: {reason}", where, again) for reason in sorted(r for r in reasons.values() if r)
    ]
