"""The judgement of a plan by a team's rules: a check for each rule, and what of them stops a deployment.

Rules are no part of a lock: they are judged when somebody looks, so that a stricter one needs no new plan. An override
of the environment lets a rule stand aside until its last day. It takes nothing from what the check says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from pydantic import ValidationError

from planner.documents.lock import Lock
from planner.documents.policy import facts, figures
from planner.documents.policy.rulebook import CHANGES, Rulebook
from planner.documents.policy.subject import Base, Finding, Subject
from planner.documents.review import Check, Place
from planner.domain.catalog import Catalog
from planner.domain.policy import Override, Rule
from planner.plan.parts import VerdictState
from planner.words.diagnostics import Problem, Span

JUDGES: Mapping[str, Callable[[Any, Subject], Iterator[Finding]]] = {
    judge.__name__: judge
    for judge in (
        figures.monthly_cost,
        figures.cost_change,
        figures.cost_change_share,
        figures.gpus,
        figures.nodes,
        figures.quota,
        figures.spot_share,
        figures.computed_share,
        figures.price_age,
        figures.engine_version,
        facts.api_data,
        facts.clear_text,
        facts.residency,
        facts.providers,
        facts.training,
        facts.retention,
        facts.retirement,
        facts.licences,
        facts.commercial_licence,
    )
}
"""What judges a rule, by its kind."""
STATES: tuple[VerdictState, ...] = ("deny", "warn", "pass")
"""The states of a check, the worst one first."""


def judge(
    rulebook: Rulebook,
    lock: Lock,
    catalog: Catalog,
    today: date,
    base: Base | None = None,
    engine: str | None = None,
) -> tuple[Check, ...]:
    """Return a check for each rule, by name.

    base: what the plan is compared with; None where nothing is known to compare with.
    engine: version of the engine that would run; None where that is not known.
    """
    subject = Subject(lock, catalog, today, base, engine)
    before = Subject(base.lock, catalog, today, engine=engine) if base is not None and base.lock is not None else None
    standing = {each.rule: each for each in rulebook.overrides if today <= each.until}
    checks = []
    for name, (rule, where) in sorted(rulebook.rules().items()):
        kind = name.rpartition(".")[2]
        state, message = _found(kind, rule, subject)
        on_base = None if before is None or kind in CHANGES else _found(kind, rule, before)
        override = standing.get(name) if state != "pass" else None
        checks.append(
            Check(
                rule=name,
                state=state,
                message=message,
                base_state=on_base.state if on_base is not None else None,
                standing=on_base is not None and _stands(Finding(state, message), on_base),
                may_override=rule.may_override or "",
                overridden=_words(override) if override is not None else "",
                where=Place(file=where.file, line=where.line) if where is not None else None,
            )
        )
    return tuple(checks)


def problems(checks: Iterable[Check], rulebook: Rulebook, today: date) -> Iterator[Problem]:
    """Yield what checks mean for a deployment: an error for each denial that stands, and warnings for all else."""
    ended = {each.rule: each for each in rulebook.overrides if each.until < today}
    rules = rulebook.rules()
    denied = set()
    for check in checks:
        rule, where = rules[check.rule]
        message = f"{check.rule}: {check.message}{f' ({rule.why})' if rule.why else ''}"
        if check.state == "pass":
            continue
        if check.overridden:
            yield Problem("POL013", f"overridden: {message}; {check.overridden}", where, severity="warning")
        elif check.state == "warn":
            yield Problem("POL012", message, where, severity="warning")
        else:
            denied.add(check.rule)
            yield _denied(message, rule, where, ended.get(check.rule))
    for index, override in enumerate(rulebook.overrides):
        if override.rule in ended and override.rule not in denied:
            message = f"the override of {override.rule} ended on {override.until} and no longer counts"
            where = rulebook.document.at(("overrides", index, "until"))
            yield Problem("POL014", message, where, "remove it", "warning")


def _found(kind: str, rule: Rule, subject: Subject) -> Finding:
    """Judge one rule: the worst state, and what was found of it; of a pass all that was found."""
    try:
        found = tuple(JUDGES[kind](rule, subject))
    except ValidationError:
        return Finding("deny", "not judged: the environment inside the lock cannot be read")
    state = min((finding.state for finding in found), key=STATES.index, default=STATES[-1])
    told = dict.fromkeys(finding.message for finding in found if finding.state == state)
    return Finding(state, "; ".join(told) or "nothing to judge")


def _stands(found: Finding, on_base: Finding) -> bool:
    """Say whether a finding was there before. A warning or a denial was so only with the same message."""
    return found.state == on_base.state and (found.state == "pass" or found.message == on_base.message)


def _denied(message: str, rule: Rule, where: Span | None, ended: Override | None) -> Problem:
    if rule.may_override is None:
        hint = "nobody may override it: change the environment until it passes, and plan again"
        return Problem("POL011", f"denied: {message}", where, hint)
    told = f"; its override by {ended.by} ended on {ended.until}" if ended is not None else ""
    hint = (
        f"change the environment; or {rule.may_override} may override it: write rule, reason, by and until as an entry "
        "of `overrides:` in the environment"
    )
    return Problem("POL010", f"denied: {message}{told}", where, hint)


def _words(override: Override) -> str:
    return f"{override.reason} ({override.by}, until {override.until})"
