"""The table of docs/deploy.md: what `up` makes of a plan, in its order, and what each part costs while it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from planner.plan.cost import CostLine
from planner.plan.plan import Plan
from tools.figures.marks import table_lines

HOURS = 730
SECRETS = "secrets"
"""Name of the cost line of what the first run of a new stack makes alone."""


def parts(plan: Plan) -> Mapping[str, list[str]]:
    """Return the generated parts of the document."""
    return {"costs": table_lines(["made", "what is billed", ">$ an hour", ">$ a month"], [*_rows(plan)])}


def _rows(plan: Plan) -> Iterable[tuple[str, str, str, str]]:
    fixed = [line for line in plan.cost.lines if line.kind == "fixed"]
    cluster = [line for line in fixed if line.component == "platform"]
    first = [line for line in cluster if line.name == SECRETS]
    if first:
        yield _row("secrets", _names(first), first)
    rest = [line for line in cluster if line not in first]
    yield _row("bucket, network, cluster, system nodes", _names(rest), rest)
    for group in plan.node_groups:
        lines = [line for line in fixed if line.component == group.name]
        yield _row("GPU nodes", f"{group.max_nodes} × {group.instance_type}, {_names(lines[1:])}", lines)
    used = [line for line in plan.cost.lines if line.kind == "usage"]
    if used:
        apis = sorted({line.name.split()[0] for line in used})
        yield "hosted APIs, by use", ", ".join(apis), "", f"{_sum(used):,.2f}"
    yield "**all**", "", "", f"**{plan.cost.usd_per_month:,.2f}**"


def _row(made: str, billed: str, lines: Iterable[CostLine]) -> tuple[str, str, str, str]:
    month = _sum(lines)
    return made, billed, f"{month / HOURS:,.2f}", f"{month:,.2f}"


def _names(lines: Iterable[CostLine]) -> str:
    return ", ".join(line.name for line in lines)


def _sum(lines: Iterable[CostLine]) -> Decimal:
    return sum((line.usd_per_month for line in lines), Decimal(0))
