"""A plan for the terminal: headline, routes with their reasons, pools, bill, break-even, baselines, verdicts.

It is built of tables and sentences that fold to any width; the caller prints them. Nothing is computed here but sums
and ratios of what the plan says.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from planner.documents.lock import Lock
from planner.faces.figures import count_words, duration, money, share
from planner.faces.layout import above, below, figures, left_out, names, sentences
from planner.faces.prose import Prose, Words
from planner.faces.tables import FoldingTable
from planner.plan.fleet import Pool
from planner.plan.plan import Plan
from planner.plan.review import ScalePoint
from planner.plan.traffic import PlannedRoute

PICTURE = ""
"""Label of the bars. They repeat a figure, so no caption names them when they give way."""
STATES = {"pass": "green", "warn": "yellow", "deny": "red"}
"""Colour of a verdict by its state."""
LONGEST_BAR = 16
"""Columns of the bar of the highest cost."""


def plan_view(lock: Lock) -> Iterator[RenderableType]:
    """Yield the whole plan, section by section."""
    plan = lock.plan
    yield headline(lock)
    yield _routes(plan)
    for route in plan.routes:
        yield _reasons(route)
    if plan.pools:
        yield _pools(plan)
    yield _bill(plan)
    yield break_even_view(plan)
    yield _alternatives(plan)
    yield _verdicts(plan)
    yield Prose(Text(_footer(lock), style="dim"))


def reasons_view(lock: Lock) -> Iterator[RenderableType]:
    """Yield why the plan is what it is: reasons by route, the cost over load, the alternatives."""
    yield headline(lock)
    for route in lock.plan.routes:
        yield _reasons(route)
    yield break_even_view(lock.plan)
    yield _alternatives(lock.plan)


def headline(lock: Lock) -> Prose:
    """Return one line that says what the plan costs and how it stands."""
    plan = lock.plan
    warnings = sum(v.state == "warn" for v in plan.verdicts)
    denied = any(v.state == "deny" for v in plan.verdicts)
    nodes = sum(group.max_nodes for group in plan.node_groups)
    gpus = sum(group.max_nodes * group.gpus_per_node for group in plan.node_groups)
    fleet = f"{count_words(nodes, 'GPU node')} with {count_words(gpus, 'GPU')}" if nodes else "no GPUs, all API"
    verdict = "DENIED" if denied else count_words(warnings, "warning") if warnings else "all checks pass"
    cost = plan.cost
    text = Text(f"Plan for {lock.name}: ", style="bold")
    text.append(f"{money(cost.usd_per_month)} / month", style="bold cyan")
    if cost.low_usd_per_month != cost.high_usd_per_month:
        text.append(f" ({money(cost.low_usd_per_month)} to {money(cost.high_usd_per_month)})")
    text.append(f" · {fleet} · ")
    text.append(verdict, style=STATES["deny" if denied else "warn" if warnings else "pass"])
    return Prose(text, rest="  ")


def _routes(plan: Plan) -> FoldingTable:
    rows = []
    for route in plan.routes:
        caps = [c for pool in plan.pools for c in pool.capacity if c.route == route.name]
        ttft = max((c.ttft_p95_ms for c in caps), default=None)
        tpot = max((c.tpot_p95_ms for c in caps), default=None)
        rows.append(
            (
                route.name,
                route.privacy,
                _served_by(route, plan),
                share(route.spill_share),
                f"{duration(ttft)} of {_ttft_target(route)}" if ttft is not None else "not measured",
                f"{duration(tpot)} of {duration(route.slo.tpot_p95_ms)}" if tpot is not None else "not measured",
                money(route.usd_per_month),
                f"${route.usd_per_million_tokens:.3f}",
            )
        )
    return FoldingTable(
        "Routes",
        (
            *names("route", "data", "served by"),
            *figures("API share", "TTFT p95", "TPOT p95", "$ / month", "$ / 1M tokens"),
        ),
        rows,
        (below("served by"), below("TTFT p95", "TPOT p95"), below("data")),
    )


def _served_by(route: PlannedRoute, plan: Plan) -> str:
    pools = sorted({name for band in route.bands for name in band.weights})
    parts = [f"{_pool(plan, name).replicas.max} × {name}" for name in pools]
    if route.fallback:
        first = "then " if parts else ""
        parts += [f"{first}{route.fallback[0]}", *(f"then {api}" for api in route.fallback[1:])]
    return "\n".join(parts)


def _ttft_target(route: PlannedRoute) -> str:
    slope = route.slo.ttft_p95_per_1k_input_ms
    return duration(route.slo.ttft_p95_base_ms) + (f" + {duration(slope)}/1k" if slope else "")


def _reasons(route: PlannedRoute) -> RenderableType:
    lines = (Prose(reason, "  · ", "  ") for reason in route.reasons)
    return Group(Text(f"why {route.name}", style="bold"), *lines)


def _pools(plan: Plan) -> FoldingTable:
    groups = {group.name: group for group in plan.node_groups}
    rows = []
    for pool in plan.pools:
        group = groups[pool.node_group]
        first = pool.capacity[0] if pool.capacity else None
        rows.append(
            (
                pool.name,
                f"{group.max_nodes} × {group.instance_type}",
                str(pool.replicas.max),
                str(pool.engine.tensor_parallel_size),
                str(pool.engine.max_num_seqs),
                share(pool.peak_utilization),
                first.binding if first else "",
                first.provenance if first else "",
            )
        )
    return FoldingTable(
        "Pools",
        (
            *names("pool", "node group"),
            *figures("replicas", "TP", "batch cap", "peak use"),
            *names("limited by", "provenance"),
        ),
        rows,
        (above("pool"), below("limited by", "provenance")),
    )


def _bill(plan: Plan) -> FoldingTable:
    rows: list[tuple[Words, ...]] = []
    for line in plan.cost.lines:
        price = f"${line.unit_price}"
        quantity = f"{line.quantity:,}"
        rows.append((line.component, line.name, quantity, line.unit, price, f"{line.usd_per_month:,}", line.as_of))
    rows += [
        ("", "fixed", "", "", "", f"{plan.cost.fixed_usd_per_month:,}", ""),
        ("", "usage", "", "", "", f"{plan.cost.usage_usd_per_month:,}", ""),
        ("", Text("total", style="bold"), "", "", "", Text(f"{plan.cost.usd_per_month:,}", style="bold"), ""),
    ]
    return FoldingTable(
        "Cost a month",
        (
            *names("component"),
            *sentences("line"),
            *figures("quantity"),
            *names("unit"),
            *figures("unit price", "$ / month"),
            *names("price as of"),
        ),
        rows,
        (above("component"), left_out("price as of"), left_out("unit price")),
    )


def break_even_view(plan: Plan) -> FoldingTable:
    """Return the plan at other loads, which shows from where on it pays to own machines."""
    most = max((float(p.usd_per_month) for p in plan.break_even), default=1.0)
    rows = [
        (
            f"{float(point.scale):g} ×",
            money(point.usd_per_month),
            "none" if point.all_api_usd_per_month is None else money(point.all_api_usd_per_month),
            _bar(point, most),
            str(point.gpus),
            share(point.api_share),
            point.fleet,
            ", ".join(f"{name} {mode}" for name, mode in sorted(point.routes.items())),
        )
        for point in plan.break_even
    ]
    return FoldingTable(
        "Break-even over load",
        (
            *figures("load", "$ / month", "all API*"),
            *names(PICTURE),
            *figures("GPUs", "API share"),
            *sentences("machines"),
            *sentences("routes"),
        ),
        rows,
        (left_out(PICTURE), below("routes"), below("machines")),
        "* where privacy allows it; each point is a plan of its own, within all quotas, budgets and rate limits",
    )


def _bar(point: ScalePoint, most: float) -> str:
    """Return a bar whose length is the cost at one load ÷ the highest cost."""
    return "█" * max(1, round(float(point.usd_per_month) / most * LONGEST_BAR))


def _alternatives(plan: Plan) -> FoldingTable:
    rows = []
    for other in (*plan.baselines, *plan.runners_up):
        if other.usd_per_month is None:
            rows.append((other.name, "none", "", other.description))
        else:
            change = float(other.usd_per_month / plan.cost.usd_per_month - 1) if plan.cost.usd_per_month else 0.0
            rows.append((other.name, money(other.usd_per_month), f"{change:+.0%}", other.description))
    columns = (*names("plan"), *figures("$ / month", "difference"), *sentences("what it is"))
    return FoldingTable("Against", columns, rows, (below("what it is"),))


def _verdicts(plan: Plan) -> FoldingTable:
    rows: list[tuple[Words, ...]] = [
        (verdict.name, Text(verdict.state, style=STATES[verdict.state]), verdict.message) for verdict in plan.verdicts
    ]
    return FoldingTable("Checks", (*names("check", "state"), *sentences("what")), rows, (below("what"),))


def _footer(lock: Lock) -> str:
    solver, plan = lock.plan.solver, lock.plan
    fell = "; ".join(f"{o.reason} ({o.count})" for o in plan.omitted[:3])
    sure = solver.status if not solver.gap else f"{solver.status}, at most {float(solver.gap):.0%} above the optimum"
    return (
        f"{sure}, of {solver.classes} classes over {solver.levels} load levels"
        f" · prices {lock.consulted.snapshot} · calibration {lock.consulted.calibration}"
        + (f"\nleft out: {fell}" if fell else "")
    )


def _pool(plan: Plan, name: str) -> Pool:
    return next(pool for pool in plan.pools if pool.name == name)
