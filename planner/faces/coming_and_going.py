"""What is told of a rehearsal in which replicas come and go: its scenes, who was lost, and what each scene cost."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from planner.documents.rehearsed import Result
from planner.documents.scenes import RECORD_S, Plot, Scene
from planner.faces.figures import money

_UNKNOWN = "not known"


def plot_lines(plot: Plot) -> Iterator[str]:
    """Yield what happens to replicas, scene by scene."""
    yield f"  {plot.story}"
    changing = sorted({stint.pool for stint in plot.stints if stint.serves_ms or not stint.stays})
    for scene in plot.scenes:
        sizes = ", ".join(
            f"{pool} {scene.replicas[pool]} (for {scene.planned_replicas[pool]} of the plan)" for pool in changing
        )
        yield f"  {scene.phase}, from {scene.begins_ms / 1000:.0f} s: level {scene.level}; replicas: {sizes}"
    drain = plot.drain
    yield (
        f"  who leaves stops being ready, gets SIGTERM {drain.pre_stop_s:.0f} s later, has {drain.shutdown_s:.0f} s to "
        f"finish, and is gone after {drain.grace_s:.0f} s"
    )
    for pool in changing:
        if pool in plot.warm_s:
            yield f"  who comes to {pool} was asked for {plot.warm_s[pool]:.0f} s before it serves"
    yield f"  the DNS tells each change {RECORD_S:.0f} s late"


def loss_line(result: Result) -> str:
    """Say how many requests were lost."""
    cut = sum(outcome.cut for outcome in result.outcomes)
    longer = f"; broken off because they were longer than the drain: {cut}" if cut else ""
    return f"requests lost: {result.lost} ({'BROKEN' if result.lost else 'kept'}){longer}"


def plot_money_lines(result: Result, plot: Plot) -> Iterator[str]:
    """Yield what each scene costs by the hour, and what its spill cost while it lasted, for the whole fleet."""
    for scene in plot.scenes:
        hours, spent = result.script.hours(scene.phase), result.whole_api_usd(scene.phase)
        yield (
            f"dollars of the whole fleet, {scene.phase}: GPU nodes {_per_hour(scene)}, "
            f"API {money(spent / hours)} an hour ({money(spent)} in these {hours * 60:.1f} minutes)"
        )
    starting = _UNKNOWN if plot.starting_usd is None else money(plot.starting_usd)
    yield f"dollars for the nodes that come, until they serve: {starting}"


def scenes_json(result: Result, plot: Plot) -> list[dict[str, Any]]:
    """Return the scenes as plain values for JSON; what the lock does not tell is null."""
    return [
        {
            "phase": scene.phase,
            "begins_s": scene.begins_ms / 1000,
            "level": scene.level,
            "promised": scene.promised,
            "replicas": dict(scene.planned_replicas),
            "nodes_usd_per_hour": _number(scene.nodes_usd_per_hour),
            "api_usd_of_the_whole_fleet": _number(result.whole_api_usd(scene.phase)),
        }
        for scene in plot.scenes
    ]


def _per_hour(scene: Scene) -> str:
    return _UNKNOWN if scene.nodes_usd_per_hour is None else f"{money(scene.nodes_usd_per_hour)} an hour"


def _number(usd: Decimal | None) -> float | None:
    return None if usd is None else round(float(usd), 6)
