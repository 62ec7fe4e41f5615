"""How much of a fleet is on stage: replicas of each pool for 1/k of its own, and the traffic that they stand for.

Every pool has the whole number of replicas that is nearest to 1/k of its own. A pool of which replicas come and go has
so many that the smallest change of it is seen, up to `MOST_FOR_A_CHANGE`.
"""

from __future__ import annotations

import itertools
import math

from planner.documents.outline import Outline, Part, largest_sizes
from planner.plan.plan import Plan
from planner.plan.traffic import PlannedRoute

MOST_FOR_A_CHANGE = 4
"""Replicas of a pool that a stage has at most in order to show a change."""


class Staged:
    """The size of a stage for a play.

    divisor: k.
    """

    def __init__(self, plan: Plan, outline: Outline, divisor: int) -> None:
        self._plan = plan
        self._whole = largest_sizes(plan)
        self._divisor = divisor
        self.casts = {
            name: max(1, round(count / divisor), _least(outline, name, count)) for name, count in self._whole.items()
        }

    def replicas(self, pool: str, count: int) -> int:
        """Return how many replicas stand for `count` of a pool: all for all, none for none, and else some."""
        whole, cast = self._whole[pool], self.casts[pool]
        if count in (0, whole):
            return cast if count else 0
        return min(max(1, cast - 1), max(1, round(count * cast / whole)))

    def shares(self, part: Part) -> dict[str, float]:
        """Return the share of each route's traffic that is on stage in a part."""
        return {route.name: self._share(route, part) for route in self._plan.routes}

    def _share(self, route: PlannedRoute, part: Part) -> float:
        """Return the share of a route's traffic that its pools on stage stand for, or 1/k for a route without pools.

        It is the mean over the route's bands, by their requests and weights.
        """
        weighted = [
            (float(band.share_of_requests) * float(weight), self.replicas(pool, count) / count)
            for band in route.bands
            for pool, weight in band.weights.items()
            if weight > 0 and (count := part.planned_sizes.get(pool, 0))
        ]
        total = sum(weight for weight, _ in weighted)
        return sum(weight * ratio for weight, ratio in weighted) / total if total else 1.0 / self._divisor


def _least(outline: Outline, pool: str, whole: int) -> int:
    """Return the fewest replicas on which the smallest change of a pool is seen; 1 where it does not change."""
    sizes = sorted({part.sizes.get(pool, 0) for part in outline.parts})
    changes = [later - earlier for earlier, later in itertools.pairwise(sizes)]
    if not changes:
        return 1
    return min(whole, MOST_FOR_A_CHANGE, max(2 if sizes[0] else 1, math.ceil(whole / min(changes))))
