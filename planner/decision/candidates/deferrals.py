"""Routes whose requests may wait: when they come, how long they may wait, and the levels in which they are worked on.

The last hour of a deadline is that of the answer, of what comes unevenly within an hour, and of a retry. Deadlines are
counted in whole hours, as the week of a plan is.

A plan is solved with what comes, and then told with what is done: `worked` puts the rates at which the work of these
routes is done into the levels, so that the load of pools, the bill and the lock say when their machines are busy.
"""

from __future__ import annotations

import math
from dataclasses import replace

from planner.decision.candidates.demand import Demand, RouteDemand
from planner.decision.choice.question import Deferral, Flow, Question
from planner.words.units import MS_PER_HOUR


def deferrals(demand: Demand) -> dict[str, Deferral]:
    """Return when the requests of each route come that may wait; nothing where a plan has fixed their hours already."""
    return {
        route.name: Deferral(route.week.profile, hours_left(route))
        for route in demand.routes
        if route.route.may_wait and route.name not in demand.worked
    }


def hours_left(route: RouteDemand) -> int:
    """Return the whole hours that a request may wait before it is worked on."""
    return max(0, math.floor((route.route.slo.deadline or 0.0) / MS_PER_HOUR) - 1)


def with_pace(flow: Flow, route: RouteDemand, deferral: Deferral | None) -> Flow:
    """Return a band with the rates of what may wait: its mean in all hours, and its busiest hour where an API takes it.

    deferral: when the route's requests come; None returns the band as it is.
    """
    if deferral is None:
        return replace(flow, waits=route.route.may_wait)
    share, count = route.bands[flow.band].share, len(flow.mean)
    sized = route.load.mean * route.load.capacity_factor * share
    return replace(
        flow,
        mean=(route.load.mean * route.load.usage_factor * share,) * count,
        planned=(sized * max(deferral.arrivals),) * count,
        waits=True,
        paced=sized,
    )


def worked(demand: Demand, question: Question) -> Demand:
    """Return the demand in which the levels say when the work of all routes is done.

    question: that of the plan, with the hours of all work fixed (`deferred.settled`).
    """
    waiting = frozenset(route.name for route in demand.routes if route.route.may_wait)
    if not waiting:
        return demand
    flows = {f.key: f for f in question.flows}
    levels = []
    for t, level in enumerate(demand.levels):
        rates, planned = dict(level.rates), dict(level.planned)
        for name in waiting:
            first = flows[(name, 0)]
            share = demand.route(name).bands[0].share
            rates[name], planned[name] = first.mean[t] / share, first.planned[t] / share
        levels.append(replace(level, rates=rates, planned=planned))
    return replace(demand, levels=tuple(levels), worked=waiting)
