"""What the plan costs at other loads, beside APIs alone, and where a route changes who serves it.

The plan is solved at a few multiples of the load. These are the points; lines between them only guide the eye, and a
change lies somewhere between two points. A multiple without a plan is a gap, and the table says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from math import log

from planner.faces.figures import money, share
from planner.faces.report.canvas import Canvas, plotted
from planner.faces.report.chart import NONE, Chart, Table, chart, columns
from planner.plan.plan import Plan
from planner.plan.review import ScalePoint

OWN_ONLY = "self-host only"
"""Name of the plan without any API, which is known at today's load alone."""
OUT_OF_SIGHT = 2
"""How many times as dear as all else that plan may be to be drawn; beyond it the curve would lie flat below it."""
NARROWEST = 34
"""Distance of two words below the lower scale, pixels at least."""


@dataclass(frozen=True)
class Switch:
    """A switch lies between two multiples of the load. words: which routes change, from what to what."""

    low: float
    high: float
    words: str


def break_even(plan: Plan) -> Chart | None:
    """Return the chart of a plan's cost over its load; None where it was solved at no other load."""
    if len(plan.break_even) < 2:
        return None
    found = tuple(switches(plan.break_even))
    title = "Cost at other loads"
    pictures = plotted("break-even", title, _says(plan, found), 330, lambda canvas: _paint(canvas, plan, found))
    return chart("break-even", title, _says(plan, found), pictures, _table(plan))


def switches(points: Sequence[ScalePoint]) -> Iterator[Switch]:
    """Yield where routes change between `api`, `hybrid` and `self-host`, from low to high load."""
    for low, high in pairwise(points):
        changed = [
            f"{route} {low.routes[route]} → {mode}"
            for route, mode in sorted(high.routes.items())
            if low.routes.get(route, mode) != mode
        ]
        if changed:
            yield Switch(float(low.scale), float(high.scale), ", ".join(changed))


def _says(plan: Plan, found: Sequence[Switch]) -> str:
    today = next((point for point in plan.break_even if point.scale == 1), None)
    said = f"At today's load the plan costs {money(plan.cost.usd_per_month)} a month"
    if today is not None:
        api = today.all_api_usd_per_month
        said += (
            f"; hosted APIs wherever they may be used cost {money(api)}"
            if api is not None
            else "; no plan uses APIs alone wherever they may be used"
        )
    if not found:
        return f"{said}. No route changes who serves it between these loads."
    listed = "; ".join(
        f"({place}) between {each.low:g} × and {each.high:g} ×: {each.words}" for place, each in enumerate(found, 1)
    )
    return f"{said}. Who serves a route changes {listed}."


def _paint(canvas: Canvas, plan: Plan, found: Sequence[Switch]) -> None:
    points = plan.break_even
    for place, switch in enumerate(found, 1):
        canvas.stripe(
            switch.low, switch.high, f"({place})", f"between {switch.low:g} × and {switch.high:g} ×: {switch.words}"
        )
    holes = [float(hole.scale) for hole in plan.no_plan_at]
    costs: list[tuple[float, float | None]] = [(float(p.scale), float(p.usd_per_month)) for p in points]
    plans = sorted([*costs, *((scale, None) for scale in holes)])
    apis = [(float(p.scale), _number(p)) for p in points]
    if any(cost is not None for _, cost in apis):
        canvas.line(apis, "api", "APIs wherever they may be used", dashed=True)
    canvas.line(plans, "own", "the plan")
    if any(_is_apis_alone(point) for point in points):
        canvas.legend_mark("own", "o", "the plan is the same as those APIs", hollow=True)
    for point in points:
        scale, cost, alone = float(point.scale), point.all_api_usd_per_month, _is_apis_alone(point)
        if cost is not None and not alone:
            canvas.dot(scale, float(cost), "api", f"{scale:g} ×: APIs alone {money(cost)}", hollow=True)
        words = f"{scale:g} ×: {money(point.usd_per_month)} a month, {point.fleet}"
        canvas.dot(scale, float(point.usd_per_month), "own", words, hollow=alone)
    highest = max([float(p.usd_per_month) for p in points] + [cost for _, cost in apis if cost])
    own = _own_alone(plan, highest)
    if own is not None:
        canvas.dot(1.0, float(own), "more", f"own machines alone: {money(own)} a month", shape="^")
        canvas.legend_mark("more", "^", "own machines alone")
    canvas.upright(1.0, "quiet", "today")
    scales = sorted({*(scale for scale, _ in plans), 1.0})
    low, high = scales[0], scales[-1]
    canvas.scales(
        _ticks(scales, canvas.width - 110),
        money_in_short,
        "load ÷ today's, on a logarithmic scale",
        "USD a month",
        logarithmic=True,
    )
    canvas.limits((low / 1.12, high * 1.12), (0.0, max(highest, float(own or 0)) * 1.12))
    canvas.legend()


def money_in_short(value: float) -> str:
    """Write dollars of a scale, like `$25k`."""
    if value >= 1e6:
        return f"${value / 1e6:g}M"
    return f"${value / 1e3:g}k" if value >= 1e3 else f"${value:g}"


def _own_alone(plan: Plan, highest: float) -> Decimal | None:
    """Return the cost of own machines alone at today's load, where it is another one and leaves room for the curve."""
    own = next((each.usd_per_month for each in plan.baselines if each.name == OWN_ONLY), None)
    if own is None or own == plan.cost.usd_per_month or float(own) > OUT_OF_SIGHT * highest:
        return None
    return own


def _is_apis_alone(point: ScalePoint) -> bool:
    return point.all_api_usd_per_month == point.usd_per_month


def _number(point: ScalePoint) -> float | None:
    return None if point.all_api_usd_per_month is None else float(point.all_api_usd_per_month)


def _ticks(scales: Sequence[float], width: float) -> list[tuple[float, str]]:
    """Return the multiples that have room for their words; today's always has."""
    pixels = width / (log(scales[-1] / scales[0]) or 1.0)
    kept: list[float] = [1.0]
    for scale in scales:
        if all(abs(log(scale / other)) * pixels >= NARROWEST for other in kept):
            kept.append(scale)
    return [(scale, f"{scale:g} ×") for scale in sorted(kept)]


def _table(plan: Plan) -> Table:
    rows = [
        (
            point.scale,
            (
                f"{point.scale:f} ×",
                money(point.usd_per_month),
                NONE if point.all_api_usd_per_month is None else money(point.all_api_usd_per_month),
                str(point.gpus),
                share(point.api_share),
                point.fleet or NONE,
                ", ".join(f"{route} {mode}" for route, mode in sorted(point.routes.items())),
            ),
        )
        for point in plan.break_even
    ]
    rows += [
        (hole.scale, (f"{hole.scale:f} ×", "no plan", NONE, NONE, NONE, NONE, hole.why_not)) for hole in plan.no_plan_at
    ]
    names = columns(
        "load",
        "plan, USD a month",
        "APIs wherever they may be used, USD a month",
        "GPUs",
        "requests to APIs",
        words=("machines", "who serves each route"),
    )
    return Table("Cost at other loads", names, tuple(row for _, row in sorted(rows)))
