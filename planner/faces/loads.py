"""How much load a plan expects of each route, and who takes it when it is highest.

The peak is the highest rate for which the plan sizes pools, bursts included. What pools and APIs take of it is what the
plan sends there in those hours: a pool that routes share counts for each of them with its own requests only. It is no
capacity; how full a pool is then stands in the table of pools.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.text import Text

from planner.faces.figures import rate
from planner.faces.prose import Prose
from planner.plan.plan import Plan
from planner.plan.traffic import PlannedRoute

HARDLY = Decimal("0.01")
"""A rate below it is not told in figures, requests/s: nobody plans with them."""


def loads_view(plan: Plan) -> Iterator[RenderableType]:
    """Yield how the stated load of each route became a rate; nothing for a lock that does not tell."""
    lines: list[RenderableType] = []
    for route in plan.routes:
        if (load := route.load) is not None:
            mean = load.mean_requests_per_second
            busiest = rate(load.busiest_hour_requests_per_second, mean)
            stated = f"{load.stated} = " if load.stated else ""
            told = f"{route.name}: {stated}{rate(mean)} over the week, {busiest} in its busiest hour"
            if any(band.weights for band in route.bands):
                told += f"; {_peak(plan, route, mean)}"
            lines += [Prose(told, "  · ", "    "), *(Prose(note, "    · ", "      ") for note in load.notes)]
    if lines:
        yield Group(Text("load", style="bold"), *lines)


def _peak(plan: Plan, route: PlannedRoute, mean: Decimal) -> str:
    """Return the planned peak of a route with what pools serve of it, APIs take and nobody serves."""
    level = max(plan.levels, key=lambda each: each.planned_requests_per_second[route.name])
    peak = level.planned_requests_per_second[route.name]
    nothing = Decimal(0)
    to_apis = sum((b.share_of_requests * b.spilled(level.name) for b in route.bands), nothing)
    refused = sum((b.share_of_requests * b.refused(level.name) for b in route.bands), nothing)
    told = f"planned peak with bursts {rate(peak, mean)}: "
    if not to_apis and not refused:
        return told + "its pools serve all of it"
    told += f"its pools serve {_part(peak * (1 - to_apis - refused), mean)}"
    if to_apis:
        told += f", APIs {_part(peak * to_apis, mean)}"
    return told + (f", {_part(peak * refused, mean)} are refused as too long" if refused else "")


def _part(requests_per_second: Decimal, mean: Decimal) -> str:
    """Write a part of a peak in the unit of the route's mean rate."""
    if 0 < requests_per_second < HARDLY <= mean:
        return f"less than {rate(HARDLY, mean)}"
    return rate(requests_per_second, mean)
