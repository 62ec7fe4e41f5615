"""Among how many replicas a choice spreads the requests of a session: what decides how often it finds its history."""

from __future__ import annotations

from planner.decision.candidates.demand import Demand
from planner.decision.choice.choice import Choice
from planner.decision.choice.sizing import fleet

LEAST_LOCAL = 1e-3
"""Share of a band below which its pool is as good as not there for a session."""


def sessions_spread(demand: Demand, choice: Choice) -> dict[str, float]:
    """Return the number of replicas over which sessions are spread, by route; routes without histories are absent.

    The gateway draws one at random. A request that an API served leaves no history on any replica, so that a share s
    that goes there spreads a session over 1/(1 − s) times as many. The widest band and level count.
    """
    spread: dict[str, float] = {}
    with_histories = [route for route in demand.routes if route.repeated.session_share]
    if not with_histories:
        return spread
    replicas = fleet(choice).replicas
    for route in with_histories:
        for index in range(len(route.bands)):
            key = (route.name, index)
            local = max(1.0 - max(choice.spilled(key)), LEAST_LOCAL)
            for name in choice.classes_of(key):
                spread[route.name] = max(spread.get(route.name, 1.0), replicas[name] / local)
    return spread
