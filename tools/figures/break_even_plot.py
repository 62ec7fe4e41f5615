"""The cost of a plan over its load, beside all API and self-host only: SVG text, the same bytes for the same plan.

The plan is solved at a few multiples of the load, which are the points; lines between them only guide the eye.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

from planner.plan.plan import Plan
from planner.plan.review import ScalePoint

PLAN_COLOUR, API_COLOUR, OWN_COLOUR = "#1f77b4", "#d62728", "#555555"
BASELINE = "self-host only"


def break_even_svg(plan: Plan, title: str) -> str:
    """The picture of this plan. Needs matplotlib, which is loaded here because it takes most of a second."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    with matplotlib.rc_context({"svg.hashsalt": "spillway", "svg.fonttype": "none", "font.size": 9.0}):
        figure = Figure(figsize=(7.4, 3.6), layout="tight")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        outside = [(p.scale, p.all_api_usd_per_month) for p in plan.break_even if p.all_api_usd_per_month is not None]
        axes.plot(*_line(outside), "--", color=API_COLOUR, label="all API, where data may leave")
        axes.plot(*_line(_costs(plan.break_even)), color=PLAN_COLOUR, linewidth=1.8)
        mixed = _costs(p for p in plan.break_even if not _all_api(p))
        axes.plot(*_line(mixed), "o", color=PLAN_COLOUR, label="the plan: GPUs for the base, the API for the rest")
        bare = _costs(p for p in plan.break_even if _all_api(p))
        label = "the plan: all API is cheapest"
        axes.plot(*_line(bare), "o", color=PLAN_COLOUR, markerfacecolor="white", label=label)
        own = next((b.usd_per_month for b in plan.baselines if b.name == BASELINE), None)
        if own is not None:
            axes.plot([1.0], [float(own)], "^", color=OWN_COLOUR, label=f"{BASELINE}: GPUs for every peak")
        axes.set_xlim(0, None)
        axes.set_ylim(0, None)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda scale, _: f"{scale:g} ×"))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda usd, _: f"${usd:,.0f}"))
        axes.set_xlabel("load, as a multiple of the environment's")
        axes.set_ylabel("cost a month")
        axes.set_title(title)
        axes.grid(color="#eeeeee")
        axes.set_axisbelow(True)
        axes.legend(loc="upper left", frameon=False)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    shorter = re.sub(r"(\d\.\d\d)\d+", r"\1", text.getvalue())  # a hundredth of a pixel is enough
    return "\n".join(line.rstrip() for line in shorter.splitlines()) + "\n"


def _costs(points: Iterable[ScalePoint]) -> list[tuple[Decimal, Decimal]]:
    """(multiple of the load, USD a month) of each point."""
    return [(point.scale, point.usd_per_month) for point in points]


def _line(pairs: Sequence[tuple[Decimal, Decimal]]) -> tuple[list[float], list[float]]:
    """The two coordinates of some points, as matplotlib wants them."""
    return [float(scale) for scale, _ in pairs], [float(usd) for _, usd in pairs]


def _all_api(point: ScalePoint) -> bool:
    """Whether no machine pays where an API may be used."""
    return point.usd_per_month == point.all_api_usd_per_month
