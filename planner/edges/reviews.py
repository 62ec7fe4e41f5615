"""Makes the review of an environment: its lock against that of a revision or of a file. Verbs and reports draw it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date

from planner.documents.lock import Lock
from planner.documents.policy.loosened import rule_risks, unknown_rules
from planner.documents.policy.rulebook import Rulebook
from planner.documents.review import Check, Review, Risk
from planner.documents.reviewing import review
from planner.edges.base_side import Base, base_of
from planner.edges.workspace import Workspace
from planner.words.diagnostics import Problems

Rules = Callable[[Lock | None, Lock], Iterable[Check]]
"""What a team's own rules say of a lock against its base."""


def review_of(
    workspace: Workspace,
    name: str,
    base: str,
    today: date,
    quick: bool = False,
    rules: Rules = lambda *_: (),
    base_name: str = "",
) -> Review:
    """Return the review of an environment's lock.

    base: a git revision, or the path of a lock's file; empty where there is no base.
    quick: whether nothing is planned between the two locks, so that old and new prices alone are told apart.
    base_name: what people call the base; the base itself where it is empty.
    Raises `Problems` where a lock or the environment cannot be read, or git knows no such revision.
    """
    proposed, wanted = workspace.existing_lock(name), workspace.wanted(name)
    document = wanted.document
    with base_of(workspace, name, base) as side:
        attribution = None
        if not quick and side.lock is not None:
            from planner.edges.attributing import attributed  # loads the solver, which a quick review does without

            attribution = attributed(workspace, side, proposed, document)
        return review(
            side.lock,
            proposed,
            base_name or base,
            document,
            today,
            attribution,
            rules(side.lock, proposed),
            workspace.catalog(),
            _of_rules(workspace.rulebook(wanted), side, name) if side.lock is not None else (),
        )


def _of_rules(after: Rulebook, base: Base, name: str) -> tuple[Risk, ...]:
    """Return the risks of a change to the rules of the team. after: the rules of today."""
    if base.workspace is None:
        return tuple(unknown_rules(after))
    try:
        before = base.workspace.rulebook(base.workspace.wanted(name))
    except Problems:
        return tuple(unknown_rules(after))
    return tuple(rule_risks(before, after))
