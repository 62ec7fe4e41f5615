"""How full a pool is over the hours of a month, the busiest first: what it has, what it serves, and what spills.

The unit is the pool's own replicas. What lies above the line of its capacity goes to hosted APIs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from planner.documents.hours import LevelOfPool
from planner.faces.figures import count_words, share
from planner.faces.report.canvas import Canvas, plotted
from planner.faces.report.chart import NONE, Chart, Table, chart, columns
from planner.faces.report.svg import slug
from planner.plan.fleet import Pool


def pool_hours(pool: Pool, levels: Sequence[LevelOfPool]) -> Chart:
    """Return the chart of a pool's month. levels: of the pool, the one that wants most first."""
    name, title = slug(f"pool-{pool.name}"), f"The month of {pool.name}"
    says = _says(pool, levels)
    pictures = plotted(name, title, says, 230, lambda canvas: _paint(canvas, pool, levels))
    return chart(name, title, says, pictures, _table(pool, levels))


def _says(pool: Pool, levels: Sequence[LevelOfPool]) -> str:
    hours = sum(level.hours for level in levels)
    busy = sum(level.served * level.hours for level in levels) / sum(level.there * level.hours for level in levels)
    spilled = sum(level.hours for level in levels if level.wanted - level.served > 1e-6)
    said = f"Of {_replicas(pool)} {share(busy)} are busy over the month, at planned rates"
    if not spilled:
        return f"{said}; no hour is planned to spill."
    return f"{said}; in {spilled:,.0f} of {hours:,.0f} hours some requests go to APIs."


def _replicas(pool: Pool) -> str:
    has = pool.replicas
    return count_words(has.max, "replica") if has.week is None else f"{has.words} replicas"


def _paint(canvas: Canvas, pool: Pool, levels: Sequence[LevelOfPool]) -> None:
    edges = [0.0, *accumulate(level.hours for level in levels)]
    served, wanted = [level.served for level in levels], [level.wanted for level in levels]
    canvas.area(edges, [0.0] * len(levels), served, "own", "served by the pool")
    if any(level.wanted - level.served > 1e-6 for level in levels):
        canvas.area(edges, served, wanted, "api", "spilled to APIs")
    has = pool.replicas.max
    if pool.replicas.week is None:
        canvas.across(float(has), "ink", f"capacity: {count_words(has, 'replica')}")
    else:
        steps: list[tuple[float, float | None]] = []
        for level, (begin, end) in zip(levels, pairwise(edges), strict=True):
            steps += [(begin, float(level.there)), (end, float(level.there))]
        canvas.line(steps, "ink", f"capacity: {_replicas(pool)}, by the clock")
    canvas.scales(
        [(float(hour), f"{hour}") for hour in (0, 146, 292, 438, 584, 730)],
        lambda value: f"{value:g}",
        "hours of a month, the busiest first",
        "replicas that are busy",
        whole=max([*wanted, float(has)]) >= 3,
    )
    canvas.limits((0.0, edges[-1]), (0.0, max([*wanted, float(has)]) * 1.1))
    canvas.legend()


def _table(pool: Pool, levels: Sequence[LevelOfPool]) -> Table:
    rows = tuple(
        (
            level.name,
            f"{level.hours:,.2f}",
            f"{level.wanted:.3g}",
            f"{level.served:.3g}",
            NONE if level.wanted - level.served < 1e-6 else f"{level.wanted - level.served:.3g}",
            share(level.served / level.there) if level.there else NONE,
        )
        for level in levels
    )
    names = columns(
        "hours that look alike",
        "hours a month",
        "replicas wanted",
        "replicas busy",
        "replicas' worth that spills",
        "of the pool",
    )
    return Table(f"How full {pool.name} is", names, rows)
