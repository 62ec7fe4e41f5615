"""A plan for the terminal: headline, routes with their reasons, pools, bill, break-even, baselines, verdicts.

Built of rich tables; the caller prints them. Nothing is computed here but sums and ratios of what the plan says.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from planner.documents.lock import Lock
from planner.faces.figures import counted, money, share, times
from planner.plan.fleet import Pool
from planner.plan.plan import Plan
from planner.plan.review import ScalePoint
from planner.plan.traffic import PlannedRoute

STATES = {"pass": "green", "warn": "yellow", "deny": "red"}


def plan_view(lock: Lock) -> Iterator[RenderableType]:
    """The whole plan, section by section."""
    plan = lock.plan
    yield headline(lock)
    yield _routes(plan)
    for route in plan.routes:
        yield _reasons(route)
    if plan.pools:
        yield _pools(plan)
    yield _bill(plan)
    yield break_even_view(plan)
    yield _others(plan)
    yield _verdicts(plan)
    yield Text(_footer(lock), style="dim")


def reasons_view(lock: Lock) -> Iterator[RenderableType]:
    """Why the plan is what it is: reasons by route, the cost over load, the alternatives."""
    yield headline(lock)
    for route in lock.plan.routes:
        yield _reasons(route)
    yield break_even_view(lock.plan)
    yield _others(lock.plan)


def headline(lock: Lock) -> Text:
    """One line: what it costs and how it stands."""
    plan = lock.plan
    warnings = sum(v.state == "warn" for v in plan.verdicts)
    denied = any(v.state == "deny" for v in plan.verdicts)
    nodes = sum(group.max_nodes for group in plan.node_groups)
    gpus = sum(group.max_nodes * group.gpus_per_node for group in plan.node_groups)
    fleet = f"{nodes} GPU nodes with {gpus} GPUs" if nodes else "no GPUs, all API"
    verdict = "DENIED" if denied else counted(warnings, "warning") if warnings else "all checks pass"
    cost = plan.cost
    text = Text(f"Plan for {lock.name}: ", style="bold")
    text.append(f"{money(cost.usd_per_month)} / month", style="bold cyan")
    text.append(f" ({money(cost.low_usd_per_month)} to {money(cost.high_usd_per_month)})")
    text.append(f" · {fleet} · ")
    text.append(verdict, style=STATES["deny" if denied else "warn" if warnings else "pass"])
    return text


def _routes(plan: Plan) -> Table:
    table = _table(
        "Routes", "route", "data", "served by", ">API share", ">TTFT p95", ">TPOT p95", ">$ / month", ">$ / 1M tokens"
    )
    for route in plan.routes:
        caps = [c for pool in plan.pools for c in pool.capacity if c.route == route.name]
        ttft = max((c.ttft_p95_ms for c in caps), default=None)
        tpot = max((c.tpot_p95_ms for c in caps), default=None)
        table.add_row(
            route.name,
            route.privacy,
            _served_by(route, plan),
            share(route.spill_share),
            f"{times(ttft)} of {_ttft_target(route)}" if ttft is not None else "not measured",
            f"{times(tpot)} of {times(route.slo.tpot_p95_ms)}" if tpot is not None else "not measured",
            money(route.usd_per_month),
            f"${route.usd_per_million_tokens:.3f}",
        )
    return table


def _served_by(route: PlannedRoute, plan: Plan) -> str:
    pools = sorted({name for band in route.bands for name in band.weights})
    parts = [f"{_pool(plan, name).replicas.max} × {name}" for name in pools]
    if route.fallback:
        parts.append(("then " if parts else "") + route.fallback[0])
    return "\n".join(parts)


def _ttft_target(route: PlannedRoute) -> str:
    slope = route.slo.ttft_p95_per_1k_input_ms
    return times(route.slo.ttft_p95_base_ms) + (f" + {times(slope)}/1k" if slope else "")


def _reasons(route: PlannedRoute) -> RenderableType:
    lines = (Padding(Text(f"· {reason}"), (0, 0, 0, 2)) for reason in route.reasons)
    return Group(Text(f"why {route.name}", style="bold"), *lines)


def _pools(plan: Plan) -> Table:
    table = _table(
        "Pools", "pool", "node group", ">replicas", ">TP", ">batch cap", ">peak use", "limited by", "provenance"
    )
    groups = {group.name: group for group in plan.node_groups}
    for pool in plan.pools:
        group = groups[pool.node_group]
        first = pool.capacity[0] if pool.capacity else None
        table.add_row(
            pool.name,
            f"{group.max_nodes} × {group.instance_type}",
            str(pool.replicas.max),
            str(pool.engine.tensor_parallel_size),
            str(pool.engine.max_num_seqs),
            share(pool.peak_utilization),
            first.binding if first else "",
            first.provenance if first else "",
        )
    return table


def _bill(plan: Plan) -> Table:
    table = _table("Cost a month", "component", "line", ">quantity", "unit", ">unit price", ">$ / month", "price as of")
    for line in plan.cost.lines:
        price = f"${line.unit_price}"
        quantity = f"{line.quantity:,}"
        table.add_row(line.component, line.name, quantity, line.unit, price, f"{line.usd_per_month:,}", line.as_of)
    table.add_section()
    table.add_row("", "fixed", "", "", "", f"{plan.cost.fixed_usd_per_month:,}", "")
    table.add_row("", "usage", "", "", "", f"{plan.cost.usage_usd_per_month:,}", "")
    table.add_row("", Text("total", style="bold"), "", "", "", Text(f"{plan.cost.usd_per_month:,}", style="bold"), "")
    return table


def break_even_view(plan: Plan) -> Table:
    """The plan re-solved over load: where it pays to own machines."""
    table = _table(
        "Break-even over load", ">load", ">$ / month", ">all API*", "", ">GPUs", ">API share", "machines", "routes"
    )
    top = max((float(p.usd_per_month) for p in plan.break_even), default=1.0)
    for point in plan.break_even:
        table.add_row(
            f"{float(point.scale):g} ×",
            money(point.usd_per_month),
            "none" if point.all_api_usd_per_month is None else money(point.all_api_usd_per_month),
            _bar(point, top),
            str(point.gpus),
            share(point.api_share),
            point.fleet,
            ", ".join(f"{name} {mode}" for name, mode in sorted(point.routes.items())),
        )
    table.caption = "* where privacy allows it; quotas, budgets and API rate limits are left aside"
    return table


def _bar(point: ScalePoint, top: float, width: int = 16) -> str:
    filled = max(1, round(float(point.usd_per_month) / top * width))
    return "█" * filled


def _others(plan: Plan) -> Table:
    table = _table("Against", "plan", ">$ / month", ">difference", "what it is")
    for other in (*plan.baselines, *plan.runners_up):
        if other.usd_per_month is None:
            table.add_row(other.name, "none", "", other.description)
        else:
            change = float(other.usd_per_month / plan.cost.usd_per_month - 1) if plan.cost.usd_per_month else 0.0
            table.add_row(other.name, money(other.usd_per_month), f"{change:+.0%}", other.description)
    return table


def _verdicts(plan: Plan) -> Table:
    table = _table("Checks", "check", "state", "what")
    for verdict in plan.verdicts:
        table.add_row(verdict.name, Text(verdict.state, style=STATES[verdict.state]), verdict.message)
    for override in plan.overrides:
        text = f"{override.min} to {override.max} replicas by hand until {override.expires}: {override.reason}"
        table.add_row(f"override {override.pool}", Text("warn", style=STATES["warn"]), text)
    return table


def _footer(lock: Lock) -> str:
    solver, plan = lock.plan.solver, lock.plan
    fell = "; ".join(f"{o.reason} ({o.count})" for o in plan.omitted[:3])
    return (
        f"{solver.status}, gap {float(solver.gap):.2%} of {solver.classes} classes over {solver.levels} load levels"
        f" · prices {lock.consulted.snapshot} · calibration {lock.consulted.calibration}"
        + (f"\nleft out: {fell}" if fell else "")
    )


def _pool(plan: Plan, name: str) -> Pool:
    return next(pool for pool in plan.pools if pool.name == name)


def _table(title: str, *columns: str) -> Table:
    """A table whose columns marked `>` are right-aligned."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        header_style="bold",
        box=None,
        pad_edge=False,
    )
    for column in columns:
        table.add_column(
            column.removeprefix(">"), justify="right" if column.startswith(">") else "left", overflow="fold"
        )
    return table
