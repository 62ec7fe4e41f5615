"""Which charts a report has, in the order of its page, by section."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

from planner.documents.hours import HourOfRoute, levels_of_pool
from planner.documents.review import Review
from planner.faces.report.chart import Chart
from planner.faces.report.charts.alternatives import alternatives
from planner.faces.report.charts.bill_range import bill_range
from planner.faces.report.charts.break_even import break_even
from planner.faces.report.charts.causes import causes
from planner.faces.report.charts.components import components
from planner.faces.report.charts.latency import latency
from planner.faces.report.charts.pool_hours import pool_hours
from planner.faces.report.charts.week import week
from planner.plan.plan import Plan

MOST = 8
"""Routes and pools that are drawn, the dearest first; the page names those that are not."""


@dataclass(frozen=True)
class Charts:
    """The charts of a report; None where there is nothing to draw.

    weeks, pools: one of each route and of each pool, the dearest first.
    not_drawn: names of routes and pools beyond those.
    """

    components: Chart | None
    bill_range: Chart | None
    causes: Chart | None
    latency: Chart | None
    weeks: tuple[Chart, ...]
    pools: tuple[Chart, ...]
    break_even: Chart | None
    alternatives: Chart | None
    not_drawn: tuple[str, ...]

    def all(self) -> tuple[Chart, ...]:
        """Return all of them, in the order of the page."""
        single = (self.components, self.bill_range, self.causes, self.latency)
        last = (self.break_even, self.alternatives)
        return tuple(each for each in chain(single, self.weeks, self.pools, last) if each is not None)


def charts_of(review: Review, plan: Plan, hours: Mapping[str, tuple[HourOfRoute, ...]]) -> Charts:
    """Return the charts of a plan and its review. hours: the week of each route, where it is known."""
    routes = sorted((r for r in plan.routes if r.name in hours), key=lambda r: (-r.usd_per_month, r.name))
    cost = {pool.name: pool.usd_per_month or 0 for pool in review.pools}
    known = [(pool, levels) for pool in plan.pools if (levels := levels_of_pool(plan, pool))]
    known.sort(key=lambda each: (-cost.get(each[0].name, 0), each[0].name))
    return Charts(
        components=components(review.lines, review.base_usd_per_month is None, [r.name for r in review.routes]),
        bill_range=bill_range(plan.cost),
        causes=causes(review.attribution, review.base_usd_per_month, review.usd_per_month),
        latency=latency(review.routes),
        weeks=tuple(week(route.name, hours[route.name]) for route in routes[:MOST]),
        pools=tuple(pool_hours(pool, levels) for pool, levels in known[:MOST]),
        break_even=break_even(plan),
        alternatives=alternatives(plan),
        not_drawn=tuple(sorted([r.name for r in routes[MOST:]] + [pool.name for pool, _ in known[MOST:]])),
    )
