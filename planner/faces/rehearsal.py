"""A rehearsal against the plan, for the terminal and for programs: SLO, spill, dollars, privacy, and its doubts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType

from planner.documents.machine import MAX_LAG_MS
from planner.documents.rehearsal import RoutePromise, Script
from planner.documents.rehearsed import ATTAINED, Result, RouteOutcome
from planner.faces.coming_and_going import loss_line, plot_lines, plot_money_lines, scenes_json
from planner.faces.figures import money, share
from planner.faces.layout import Kind, TableColumn, above, below, figures, names
from planner.faces.prose import Prose
from planner.faces.tables import FoldingTable

_COLUMNS = (
    *names("route", "phase"),
    *figures("requests", "answered", "TTFT p50"),
    TableColumn("TTFT p95", Kind.FIGURE, beside="p95"),
    TableColumn("TTFT in SLO", Kind.FIGURE, beside="in SLO"),
    *figures("TPOT p50"),
    TableColumn("TPOT p95", Kind.FIGURE, beside="p95"),
    TableColumn("TPOT in SLO", Kind.FIGURE, beside="in SLO"),
    *figures("SLO"),
)
_WHOLE = (TableColumn("E2E p95", Kind.FIGURE), TableColumn("E2E in SLO", Kind.FIGURE, beside="in SLO"))
"""Columns of whole answers, where some route promises their time."""
_STEPS = (above("route"), below("TTFT p50", "TPOT p50"), below("TTFT in SLO", "TPOT in SLO"))
_PROBLEMS = {"0": "no answer", "200": "cut off"}
"""HTTP status → what happened. Other codes speak for themselves."""


def script_view(script: Script) -> RenderableType:
    """Return what is about to be staged."""
    return Group(*(Prose(line, rest="    ") for line in _script_lines(script)))


def result_view(result: Result) -> Iterator[RenderableType]:
    """Yield what was seen, route by route, against what the plan promised."""
    promises = {promise.name: promise for promise in result.script.routes}
    rows = [_row(outcome, promises[outcome.route]) for outcome in result.outcomes]
    columns: tuple[TableColumn, ...] = _COLUMNS
    if any(math.isfinite(promise.e2e_ms) for promise in promises.values()):
        columns = (*_COLUMNS[:-1], *_WHOLE, _COLUMNS[-1])
        whole = [_whole_cells(outcome, promises[outcome.route]) for outcome in result.outcomes]
        rows = [(*row[:-1], *cells, row[-1]) for row, cells in zip(rows, whole, strict=True)]
    yield FoldingTable("", columns, rows, _STEPS)
    yield Group(*(Prose(_spill_line(each, result.script), rest="  ") for each in result.outcomes))
    yield Group(*(Prose(line, rest="  ") for line in _verdict_lines(result)))


def _script_lines(script: Script) -> Iterator[str]:
    """Yield what is staged: traffic, pools, routes, and what happens to replicas."""
    yield (
        f"Rehearsal of {script.environment}, load level {script.level}: {script.duration_s:.0f} s of traffic at "
        f"{script.speed:g}x, {len(script.arrivals)} requests"
    )
    for pool in script.pools:
        yield (
            f"  pool {pool.name}: {pool.replicas} of {pool.planned_replicas} planned replicas, "
            f"step time x {script.slow_down:g}"
        )
    for promise in script.routes:
        yield f"  route {promise.name} ({promise.privacy}): {share(promise.share)} of its planned traffic"
    for name in script.left_out:
        yield f"  {name} is not played: its clients send batches to a provider, past the gateway"
    if script.kill:
        yield f"  pool {script.kill} is killed {script.kill_ms / 1000:.0f} s into the traffic and stays dead"
    if script.plot:
        yield from plot_lines(script.plot)


def _verdict_lines(result: Result) -> Iterator[str]:
    yield from _money_lines(result)
    verdict = "kept" if result.restricted_at_api == 0 else "BROKEN"
    yield f"restricted requests at the API: {result.restricted_at_api} ({verdict}; {result.requests_at_api} in all)"
    if result.script.plot:
        yield loss_line(result)
    yield from _machine_lines(result)


def _row(outcome: RouteOutcome, promise: RoutePromise) -> tuple[str, ...]:
    return (
        outcome.route,
        outcome.phase,
        str(outcome.requests),
        f"{outcome.ok / outcome.requests * 100:.1f} %" if outcome.requests else "-",
        _ms(outcome.ttft_p50_ms),
        _ms(outcome.ttft_p95_ms),
        f"{outcome.ttft_attained * 100:.1f} %" if outcome.requests else "-",
        _ms(outcome.tpot_p50_ms),
        _ms(outcome.tpot_p95_ms) + (f" of {promise.tpot_ms:.0f}" if math.isfinite(promise.tpot_ms) else ""),
        f"{outcome.tpot_attained * 100:.1f} %" if outcome.requests else "-",
        ("met" if outcome.slo_met else "MISSED") if outcome.requests else "not tried",
    )


def _whole_cells(outcome: RouteOutcome, promise: RoutePromise) -> tuple[str, str]:
    """Return the cells of whole answers; a route that promises nothing of them attains nothing either."""
    if not math.isfinite(promise.e2e_ms):
        return _ms(outcome.e2e_p95_ms), "-"
    attained = f"{outcome.e2e_attained * 100:.1f} %" if outcome.requests else "-"
    return f"{_ms(outcome.e2e_p95_ms)} of {promise.e2e_ms:.0f}", attained


def _spill_line(outcome: RouteOutcome, script: Script) -> str:
    plan = script.planned_spill(outcome.route, outcome.phase)
    planned = "" if plan is None else f", planned {share(plan)}"
    line = f"spill {outcome.route}, {outcome.phase}: {share(outcome.spill_share)}{planned}"
    if outcome.spilled:
        line += f" ({', '.join(f'{reason} {count}' for reason, count in outcome.spilled.items())})"
    if outcome.problems:
        counts = ", ".join(f"{_PROBLEMS.get(code, code)} {count}" for code, count in outcome.problems.items())
        line += f"; not answered in full: {counts}"
    if outcome.cut:
        line += f" ({outcome.cut} longer than the drain)"
    return line


def _money_lines(result: Result) -> Iterator[str]:
    script = result.script
    if script.plot:
        yield from plot_money_lines(result, script.plot)
        yield f"billed by the API stand-in in this run: {money(result.api_usd)}"
        return
    planned = script.fixed_usd_per_hour + script.api_usd_per_hour
    seen = script.fixed_usd_per_hour + result.api_usd_per_hour
    yield (
        f"dollars per hour of the whole fleet at this load: {money(seen)} (plan {money(planned)}): "
        f"fixed {money(script.fixed_usd_per_hour)}, "
        f"API {money(result.api_usd_per_hour)} (plan {money(script.api_usd_per_hour)})"
    )
    yield f"billed by the API stand-in in this run: {money(result.api_usd)}"


def _machine_lines(result: Result) -> Iterator[str]:
    machine = result.machine
    yield (
        f"machine: replay lag p95 {machine.lag_p95_ms:.0f} ms, engine timers {machine.timer_lag_p95_ms:.0f} ms, "
        f"gateway probe {machine.probe_p95_ms:.0f} ms "
        f"(limit {MAX_LAG_MS:.0f} real ms), processor {share(machine.processor_share)} of {machine.cores} cores "
        f"({machine.busiest_program} {share(machine.busiest_share)} of one), "
        f"{machine.requests_per_wall_second:.0f} requests/s for {machine.wall_s:.0f} s"
    )
    for doubt in result.doubts:
        yield f"INVALID: {doubt}"
    tried = {
        outcome.route for outcome in result.outcomes if outcome.phase in result.script.promised and outcome.requests
    }
    if idle := [promise.name for promise in result.script.routes if promise.name not in tried]:
        yield f"not tried: no request of {', '.join(idle)} comes at load level {result.script.level}"
    if not result.doubts:
        verdict = "held" if result.held else "did not hold"
        lossless = ", no request lost" if result.script.plot else ""
        phases = _phases_in_words(result.script)
        yield f"the plan {verdict}: every promise at {share(ATTAINED)} {phases}{lossless}, restricted data at home"


def _phases_in_words(script: Script) -> str:
    """Say in which phases latencies are promised."""
    return "in every phase" if len(script.promised) > 1 else f"in the {script.promised[0]} phase"


def _ms(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.0f} ms"


def result_json(result: Result) -> dict[str, Any]:
    """Return what was seen as plain values for JSON; a percentile of no answers is null."""
    return {
        "environment": result.script.environment,
        "level": result.script.level,
        "held": result.held,
        "restricted_requests_at_the_api": result.restricted_at_api,
        "requests_at_the_api": result.requests_at_api,
        **({"lost_requests": result.lost} if result.script.plot else {}),
        "routes": [
            {
                "route": outcome.route,
                "phase": outcome.phase,
                "requests": outcome.requests,
                "answered": outcome.ok,
                "cut_by_the_drain": outcome.cut,
                "spilled": dict(outcome.spilled),
                "planned_spill_share": result.script.planned_spill(outcome.route, outcome.phase),
                "api_usd": float(outcome.api_usd),
                "ttft_p95_ms": _finite(outcome.ttft_p95_ms),
                "tpot_p95_ms": _finite(outcome.tpot_p95_ms),
                "e2e_p95_ms": _finite(outcome.e2e_p95_ms),
                "slo_met": outcome.slo_met if outcome.requests else None,
            }
            for outcome in result.outcomes
        ],
        **({"scenes": scenes_json(result, result.script.plot)} if result.script.plot else {}),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
