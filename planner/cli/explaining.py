"""`explain`: a plan's reasons, a candidate that is not in it, the cost over load, or what a diagnostic code means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from planner.cli.output import note, show
from planner.cli.review import warn_if_not_fresh
from planner.documents.codes import CODES
from planner.edges import planning
from planner.edges.workspace import Workspace, workspace_of
from planner.faces.figures import money
from planner.faces.layout import below, names, sentences
from planner.faces.prose import Prose, Words
from planner.faces.tables import FoldingTable
from planner.faces.terminal import break_even_view, reasons_view
from planner.words.diagnostics import Problem, Problems

if TYPE_CHECKING:
    from planner.decision.candidates.omissions import Omission


def explain(subject: str, why_not: str, break_even: bool, folder: Path) -> None:
    """Print what `explain` was asked. subject: an environment, or a code like ENV003."""
    if re.fullmatch(r"[A-Z]{2,4}\d{3}", subject):
        _code(subject)
        return
    workspace, name = workspace_of(subject, folder)
    if why_not:
        _why_not(workspace, name, why_not)
        return
    lock = workspace.existing_lock(name)
    warn_if_not_fresh(workspace, name)
    show([break_even_view(lock.plan)] if break_even else reasons_view(lock))


def _code(code: str) -> None:
    if code not in CODES:
        known = ", ".join(sorted(CODES))
        raise Problems([Problem("USE001", f"there is no code {code}", hint=f"known codes: {known}")])
    show([Prose(f"{code}: {CODES[code]}", rest="  ")])


def _why_not(workspace: Workspace, name: str, words: str) -> None:
    """Print every candidate whose name has all the words: that it is in the plan, or why it is not.

    Where there is no plan, the candidates that fell are told all the same.
    """
    from planner.decision.optimize import NoPlan

    try:
        planned = planning.plan(workspace, name)
    except NoPlan as refusal:
        rows = _fallen(refusal.omissions, words.split())
        if not rows:
            raise
        note("note: there is no plan: " + "; ".join(problem.message for problem in refusal.problems))
    else:
        wanted = words.split()
        rows = [*_chosen(planned, wanted), *_lost(planned, wanted), *_fallen(planned.outcome.omissions, wanted)]
    if not rows:
        hint = "it is in no accept list; words are models, GPUs or instance types"
        raise Problems([Problem("USE002", f"no candidate is named {words!r}", hint=hint)])
    columns = (*names("candidate", "route"), *sentences("reason"))
    show([FoldingTable(f"Why not {words}", columns, rows, (below("reason"),))])


def _chosen(planned: planning.Planned, words: Sequence[str]) -> Iterator[tuple[Words, ...]]:
    """Yield the rows of what is in the plan."""
    from planner.decision.answer.sentences import candidate_words
    from planner.decision.candidates.omissions import Candidate, names_all

    plan, chosen = planned.lock.plan, planned.outcome.decision
    bought = chosen.choice.answer.replicas
    candidates = [(c.identity, "") for c in chosen.market.classes if c.name in bought]
    candidates += [(Candidate(api=api), route.name) for route in plan.routes for api in route.fallback]
    for candidate, route_name in candidates:
        if names_all(candidate, words):
            yield candidate_words(candidate), route_name, Text("is in the plan", style="green")


def _lost(planned: planning.Planned, words: Sequence[str]) -> Iterator[tuple[Words, ...]]:
    """Yield the rows of classes that were weighed and are not in the plan, with the price of a plan that has them."""
    from planner.decision.answer.sentences import candidate_words
    from planner.decision.why_not import lost_classes

    for lost in lost_classes(planned.outcome.decision, words):
        if not lost.computed:
            reason = "was weighed and costs more; name it more closely to learn how much"
        elif lost.more_usd_per_month is None:
            reason = "was weighed; no plan within the limits has it"
        elif lost.more_usd_per_month < 1:
            reason = "was weighed; a plan with it costs the same"
        else:
            reason = f"was weighed; a plan with it costs {money(lost.more_usd_per_month)} a month more"
        yield candidate_words(lost.candidate), "all", reason


def _fallen(omissions: Sequence[Omission], words: Sequence[str]) -> list[tuple[Words, ...]]:
    """Return the rows of the candidates that fell."""
    from planner.decision.answer.sentences import candidate_words, omission_words
    from planner.decision.candidates.omissions import omissions_naming

    named = omissions_naming(omissions, words)
    return sorted((candidate_words(o.candidate), o.route or "all", omission_words(o)) for o in named)
