"""`explain`: a plan's reasons, a candidate that is not in it, the cost over load, or what a diagnostic code means."""

from __future__ import annotations

import re
from pathlib import Path

from rich.text import Text

from planner.cli.output import show
from planner.cli.review import warn_if_not_fresh
from planner.documents.codes import CODES
from planner.edges import planning
from planner.edges.workspace import workspace_of
from planner.faces.layout import below, names, sentences
from planner.faces.prose import Prose, Words
from planner.faces.tables import FoldingTable
from planner.faces.terminal import break_even_view, reasons_view
from planner.words.diagnostics import Problem, Problems


def explain(subject: str, why_not: str, break_even: bool, folder: Path) -> None:
    """Print what `explain` was asked. subject: an environment, or a code like ENV003."""
    if re.fullmatch(r"[A-Z]{2,4}\d{3}", subject):
        _code(subject)
        return
    workspace, name = workspace_of(subject, folder)
    if why_not:
        _why_not(planning.plan(workspace, name), why_not)
        return
    lock = workspace.existing_lock(name)
    warn_if_not_fresh(workspace, name)
    show([break_even_view(lock.plan)] if break_even else reasons_view(lock))


def _code(code: str) -> None:
    if code not in CODES:
        known = ", ".join(sorted(CODES))
        raise Problems([Problem("USE001", f"there is no code {code}", hint=f"known codes: {known}")])
    show([Prose(f"{code}: {CODES[code]}", rest="  ")])


def _why_not(planned: planning.Planned, words: str) -> None:
    """Print every candidate whose name has all the words: that it is in the plan, or why it is not."""
    from planner.decision.answer.sentences import candidate_words, omission_words
    from planner.decision.candidates.omissions import Candidate, names_all, omissions_naming

    wanted, omissions = words.split(), planned.outcome.omissions
    rows: list[tuple[Words, ...]] = []
    plan = planned.lock.plan
    machines = {group.name: group.instance_type for group in plan.node_groups}
    chosen = [
        (Candidate(p.model, p.format, p.gpu, p.engine.tensor_parallel_size, machines[p.node_group]), "")
        for p in plan.pools
    ]
    chosen += [(Candidate(api=api), route.name) for route in plan.routes for api in route.fallback]
    for candidate, route_name in chosen:
        if names_all(candidate, wanted):
            rows.append((candidate_words(candidate), route_name, Text("is in the plan", style="green")))
    named = omissions_naming(omissions, wanted)
    fallen = [(candidate_words(o.candidate), o.route or "all", omission_words(o)) for o in named]
    rows += sorted(fallen)
    if not rows:
        hint = "it is in no accept list, or was weighed and cost more; words are models, GPUs or instance types"
        raise Problems([Problem("USE002", f"no candidate is named {words!r}", hint=hint)])
    columns = (*names("candidate", "route"), *sentences("reason"))
    show([FoldingTable(f"Why not {words}", columns, rows, (below("reason"),))])
