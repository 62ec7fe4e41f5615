"""A plan for the terminal: headline, phases, routes with their reasons, pools, bill, break-even, baselines, verdicts.

It is built of tables and sentences that fold to any width; the caller prints them. Nothing is computed here but sums
and ratios of what the plan says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.text import Text

from planner.documents.lock import Lock
from planner.documents.review import Check
from planner.domain.apis import catalog_key
from planner.faces.figures import available, count_words, duration, money, share
from planner.faces.layout import above, below, figures, left_out, names, sentences
from planner.faces.loads import loads_view
from planner.faces.prose import Prose, Words
from planner.faces.tables import FoldingTable
from planner.faces.uncertainty import uncertainty_view
from planner.plan.fleet import EngineSettings, NodeGroup, Pool, PoolCapacity
from planner.plan.plan import Plan
from planner.plan.review import ScalePoint
from planner.plan.traffic import PlannedRoute
from planner.words.units import show_lost

PICTURE = ""
"""Label of the bars. They repeat a figure, so no caption names them when they give way."""
STATES = {"pass": "green", "warn": "yellow", "deny": "red"}
"""Colour of a verdict by its state."""
ASSUMED_LOGS = "logs written and kept are assumed for a small cluster, whatever the load"
"""What is said below the bill of a cluster. Its logs are those of the control plane and of the network's connections;
the gateway's audit is not among them."""
OWN_TERMS = "own catalog"
"""Label of what the team's own catalog says of a price."""
LONGEST_BAR = 16
"""Columns of the bar of the highest cost."""


def plan_view(lock: Lock) -> Iterator[RenderableType]:
    """Yield the whole plan, section by section."""
    plan = lock.plan
    yield headline(lock)
    yield from loads_view(plan)
    if plan.phases:
        yield phases_view(plan)
    yield _routes(plan)
    for route in plan.routes:
        yield _reasons(route)
    if plan.pools:
        yield _pools(plan)
    yield _bill(plan)
    yield from uncertainty_view(plan)
    yield break_even_view(plan)
    yield _alternatives(plan)
    yield _verdicts(plan)
    yield Prose(Text(_footer(lock), style="dim"))


def reasons_view(lock: Lock) -> Iterator[RenderableType]:
    """Yield why the plan is what it is: reasons by route, the cost over load, the alternatives."""
    yield headline(lock)
    yield from loads_view(lock.plan)
    if lock.plan.phases:
        yield phases_view(lock.plan)
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
    upto = "up to " if any(group.schedule for group in plan.node_groups) else ""
    fleet = f"{upto}{count_words(nodes, 'GPU node')} with {count_words(gpus, 'GPU')}" if nodes else "no GPUs, all API"
    verdict = "DENIED" if denied else count_words(warnings, "warning") if warnings else "all checks pass"
    cost = plan.cost
    text = Text(f"Plan for {lock.name}: ", style="bold")
    text.append(f"{money(cost.usd_per_month)} / month", style="bold cyan")
    if plan.phases:
        text.append(f" until {plan.phases[0].end}", style="cyan")
    if cost.low_usd_per_month != cost.high_usd_per_month:
        text.append(f" ({money(cost.low_usd_per_month)} to {money(cost.high_usd_per_month)})")
    text.append(f" · {fleet} · ")
    text.append(verdict, style=STATES["deny" if denied else "warn" if warnings else "pass"])
    return Prose(text, rest="  ")


def phases_view(plan: Plan) -> FoldingTable:
    """Return the phases of the horizon: what ends or begins when, who serves from then on, and what that costs."""
    rows: list[tuple[Words, ...]] = []
    for phase in plan.phases:
        served = [f"{route.name}: {', then '.join(route.served_by)}" for route in phase.routes]
        usd = "no plan" if phase.usd_per_month is None else money(phase.usd_per_month)
        ended = "\n".join((*phase.ended, *phase.repriced))
        rows.append((str(phase.start), str(phase.end), ended, usd, phase.fleet, "; ".join(served) or phase.why_not))
    mean = "none" if plan.mean_usd_per_month is None else f"{money(plan.mean_usd_per_month)} a month"
    return FoldingTable(
        "Over the horizon",
        (*names("from", "to", "ends"), *figures("$ / month"), *sentences("machines"), *sentences("who serves")),
        rows,
        (below("who serves"), below("machines")),
        f"mean over the horizon, weighted by days: {mean}{_without_growth(plan)}; all below is the first phase",
    )


def _without_growth(plan: Plan) -> str:
    """Say that the phases have one load, where the load changes later."""
    days = [route.load.plan_again_by for route in plan.routes if route.load is not None]
    first = min((day for day in days if day is not None), default=None)
    return f", each at the load before {first}: later growth and seasons are not in it" if first else ""


def _routes(plan: Plan) -> FoldingTable:
    """Return the routes. The time of whole answers has a column where some route promises it, and so has availability
    where the lock tells of one.
    """
    rows, latencies = [], ["TTFT p95", "TPOT p95"]
    if any(route.slo.e2e_p95_ms is not None for route in plan.routes):
        latencies.append("E2E p95")
    told = ["available"] if any(route.availability is not None for route in plan.routes) else []
    for route in plan.routes:
        caps = [c for pool in plan.pools for c in pool.capacity if c.route == route.name]
        of_pools = (
            _waits(route, len(latencies))
            if route.deferred
            else (
                _first_token(route, caps),
                _against([c.tpot_p95_ms for c in caps], _target(route.slo.tpot_p95_ms)),
                _against([c.e2e_p95_ms for c in caps if c.e2e_p95_ms is not None], _target(route.slo.e2e_p95_ms)),
            )
        )
        rows.append(
            (
                route.name,
                route.privacy,
                _served_by(route, plan),
                share(route.spill_share),
                *of_pools[: len(latencies)],
                *((available(route.availability, route.slo.availability),) if told else ()),
                money(route.usd_per_month),
                f"${route.usd_per_million_tokens:.3f}",
            )
        )
    return FoldingTable(
        "Routes",
        (
            *names("route", "data", "served by"),
            *figures("API share", *latencies, *told, "$ / month", "$ / 1M tokens"),
        ),
        rows,
        (below("served by"), below(*latencies, *told), below("data")),
    )


def _waits(route: PlannedRoute, columns: int) -> tuple[str, ...]:
    """Return the columns of latencies of a route that may wait: its deadline alone."""
    assert route.deferred is not None
    return (f"within {route.deferred.deadline_hours:g} h", *("may wait",) * (columns - 1))


def _served_by(route: PlannedRoute, plan: Plan) -> str:
    pools = sorted({name for band in route.bands for name in band.weights})
    parts = [f"{_pool(plan, name).replicas.words} × {name}" for name in pools]
    if route.fallback:
        first = "then " if parts else ""
        parts += [f"{first}{route.fallback[0]}", *(f"then {api}" for api in route.fallback[1:])]
    if route.deferred:
        parts += [f"batches of {catalog_key(api)}" for api in route.deferred.batches]
    return "\n".join(parts)


def _against(times: Sequence[Decimal], target: str) -> str:
    """Return the longest of some times with its target; the target is empty where nothing is promised."""
    if not times:
        return "not measured" if target else "no target"
    return f"{duration(max(times))} of {target}" if target else f"{duration(max(times))}, no target"


def _target(promised: Decimal | None) -> str:
    return "" if promised is None else duration(promised)


def _first_token(route: PlannedRoute, caps: Sequence[PoolCapacity]) -> str:
    """Return the time to the first token of the band that comes nearest to its target, with that target.

    A target that grows with the prompt is that of the band's 95th-percentile prompt.
    """
    base, slope = route.slo.ttft_p95_base_ms, route.slo.ttft_p95_per_1k_input_ms
    if base is None or not slope or not caps:
        return _against([c.ttft_p95_ms for c in caps], _target(base))
    known = [(c.ttft_p95_ms, c.p95_input_tokens) for c in caps if c.p95_input_tokens is not None]
    if not known:
        return _against([c.ttft_p95_ms for c in caps], f"{duration(base)} + {duration(slope)}/1k")
    nearest = max(known, key=lambda pair: pair[0] / (base + slope * pair[1] / 1000))
    target = base + slope * nearest[1] / 1000
    return f"{duration(nearest[0])} of {duration(target)} at {nearest[1]:,.0f} tokens"


def _reasons(route: PlannedRoute) -> RenderableType:
    reasons = [*route.reasons, *([_availability(route)] if route.availability is not None else [])]
    lines = (Prose(reason, "  · ", "  ") for reason in reasons)
    return Group(Text(f"why {route.name}", style="bold"), *lines)


def _otherwise(group: NodeGroup) -> str:
    """Say how nodes are paid for that are not all on demand, like `, 2 spot`."""
    counts = {
        "owned": group.owned,
        "capacity block": sum(group.blocks.values()),
        "reserved capacity": sum(group.reservations.values()),
        "existing": group.existing,
        "spot": group.spot,
    }
    counts |= {key.replace("/", " "): count for key, count in sorted(group.committed.items())}
    return "".join(f", {count} {words}" for words, count in counts.items() if count)


def _availability(route: PlannedRoute) -> str:
    """Say which share of the route's requests is expected to be served, and what costs most of the rest."""
    expected = route.availability
    words = f"availability: {available(expected, route.slo.availability)} asked"
    if expected is None or expected.share is None:
        nobody = " or ".join(expected.not_known) if expected else ""
        return f"availability: not known, because nobody publishes {nobody}"
    return f"{words}; {expected.costliest} costs most, {show_lost(expected.costs)}" if expected.costliest else words


def _pools(plan: Plan) -> FoldingTable:
    groups = {group.name: group for group in plan.node_groups}
    rows = []
    for pool in plan.pools:
        group = groups[pool.node_group]
        first = pool.capacity[0] if pool.capacity else None
        rows.append(
            (
                pool.name,
                f"{group.count_words} × {group.instance_type}" + _otherwise(group),
                pool.replicas.words,
                _layout(pool.engine),
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


def _layout(engine: EngineSettings) -> str:
    """Return the layout of a replica: `4` GPUs, `8 × 1` for copies of the attention × GPUs of each, or `8 EP`."""
    if engine.data_parallel_size > 1:
        return f"{engine.data_parallel_size} × {engine.tensor_parallel_size}"
    return f"{engine.tensor_parallel_size} EP" if engine.enable_expert_parallel else str(engine.tensor_parallel_size)


def _bill(plan: Plan) -> FoldingTable:
    """Return the bill. What the team's own catalog says of a price has a column where some line rests on it."""
    agreed = [OWN_TERMS] if any(line.own_terms for line in plan.cost.lines) else []
    rows: list[tuple[Words, ...]] = []
    for line in plan.cost.lines:
        price = f"${line.unit_price}"
        quantity = f"{line.quantity:,}"
        told = (line.component, line.name, quantity, line.unit, price, f"{line.usd_per_month:,}", line.as_of)
        rows.append((*told, *(line.own_terms for _ in agreed)))
    sums: tuple[tuple[Words, Words], ...] = (
        ("fixed", f"{plan.cost.fixed_usd_per_month:,}"),
        ("usage", f"{plan.cost.usage_usd_per_month:,}"),
        (Text("total", style="bold"), Text(f"{plan.cost.usd_per_month:,}", style="bold")),
    )
    rows += [("", name, "", "", "", usd, "", *("" for _ in agreed)) for name, usd in sums]
    return FoldingTable(
        "Cost a month",
        (
            *names("component"),
            *sentences("line"),
            *figures("quantity"),
            *names("unit"),
            *figures("unit price", "$ / month"),
            *names("price as of"),
            *sentences(*agreed),
        ),
        rows,
        (*([below(OWN_TERMS)] if agreed else []), above("component"), left_out("price as of"), left_out("unit price")),
        ASSUMED_LOGS if plan.platform.cluster is not None else "",
    )


def break_even_view(plan: Plan) -> FoldingTable:
    """Return the plan at other loads, which shows from where on it pays to own machines."""
    most = max((float(p.usd_per_month) for p in plan.break_even), default=1.0)
    rows: list[tuple[Decimal, tuple[Words, ...]]] = [(point.scale, _point(point, most)) for point in plan.break_even]
    rows += [
        (each.scale, (f"{float(each.scale):g} ×", "no plan", "", "", "", "", "", each.why_not))
        for each in plan.no_plan_at
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
        [row for _, row in sorted(rows, key=lambda each: each[0])],
        (left_out(PICTURE), below("routes"), below("machines")),
        "* where privacy allows it; each point is a plan of its own, within all quotas, budgets and rate limits",
    )


def _point(point: ScalePoint, most: float) -> tuple[Words, ...]:
    return (
        f"{float(point.scale):g} ×",
        money(point.usd_per_month),
        "none" if point.all_api_usd_per_month is None else money(point.all_api_usd_per_month),
        _bar(point, most),
        str(point.gpus),
        share(point.api_share),
        point.fleet,
        ", ".join(f"{name} {mode}" for name, mode in sorted(point.routes.items())),
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


def rules_table(checks: Sequence[Check]) -> FoldingTable:
    """Return what the rules of a team say of a plan."""
    rows: list[tuple[Words, ...]] = [
        (check.rule, Text(check.state, style=STATES[check.state]), f"{check.message}{_overridden(check)}")
        for check in checks
    ]
    return FoldingTable("Rules", (*names("rule", "state"), *sentences("what")), rows, (below("what"),))


def _overridden(check: Check) -> str:
    return f"; overridden: {check.overridden}" if check.overridden else ""


def _footer(lock: Lock) -> str:
    solver, plan = lock.plan.solver, lock.plan
    fell = "; ".join(f"{o.reason} ({o.count})" for o in plan.omitted[:3])
    sure = solver.status if not solver.gap else f"{solver.status}, at most {float(solver.gap):.0%} above the optimum"
    classes = f", of {solver.classes} classes" if solver.classes else ""
    return (
        f"{sure}{classes} over {solver.levels} load levels"
        f" · prices {lock.consulted.snapshot} · calibration {lock.consulted.calibration}"
        + (f"\nleft out: {fell}" if fell else "")
    )


def _pool(plan: Plan, name: str) -> Pool:
    return next(pool for pool in plan.pools if pool.name == name)
