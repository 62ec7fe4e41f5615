"""`explain`: a plan's reasons, a candidate that is not in it, the cost over load, or what a diagnostic code means."""

from __future__ import annotations

import re
from pathlib import Path

from rich.table import Table
from rich.text import Text

from planner.cli.output import show
from planner.cli.review import warn_if_not_fresh
from planner.documents.codes import CODES
from planner.edges import planning
from planner.edges.workspace import located
from planner.faces.terminal import break_even_view, reasons_view
from planner.words.diagnostics import Problem, Problems


def explain(subject: str, why_not: str, break_even: bool, folder: Path) -> None:
    """`subject` is an environment, or a code like ENV003."""
    if re.fullmatch(r"[A-Z]{2,4}\d{3}", subject):
        _code(subject)
        return
    workspace, name = located(subject, folder)
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
    print(f"{code}: {CODES[code]}")


def _why_not(planned: planning.Planned, words: str) -> None:
    """Every candidate whose name has all the words: in the plan, or its first reason for not being in it."""
    from planner.decision.candidates.omissions import about

    wanted = words.split()
    table = Table(title=f"Why not {words}", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in ("candidate", "route", "reason"):
        table.add_column(column, overflow="fold")
    for pool in planned.lock.plan.pools:
        group = next(g for g in planned.lock.plan.node_groups if g.name == pool.node_group)
        text = (
            f"{pool.model} ({pool.format}) on {pool.engine.tensor_parallel_size} × {pool.gpu} in {group.instance_type}"
        )
        if all(word.lower() in text.lower() for word in wanted):
            table.add_row(text, "", Text("is in the plan", style="green"))
    for route in planned.lock.plan.routes:
        for api in route.fallback:
            if all(word.lower() in api.lower() for word in wanted):
                table.add_row(api, route.name, Text("is in the plan", style="green"))
    for omission in about(planned.outcome.omissions, wanted):
        table.add_row(omission.subject, omission.route or "all", omission.reason)
    if not table.row_count:
        hint = "it is in no accept list, or was weighed and cost more; words are models, GPUs or instance types"
        raise Problems([Problem("USE002", f"no candidate is named {words!r}", hint=hint)])
    show([table])
