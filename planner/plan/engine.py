"""Which image of the engine each pool runs: one for all of them, and a canary on some replicas of those that have one.

A canary takes over replicas of its pool, with the pool's own settings. So it is a part of no sum: machines, dollars
and capacities are those of the plan without it.
"""

from __future__ import annotations

from dataclasses import dataclass

from planner.plan.parts import PlanPart
from planner.words.fields import left_out_at
from planner.words.names import bounded

SUFFIX = "-canary"
MOST = 48 - len(SUFFIX)
"""Characters of a pool's name in that of its canary: a Helm release, `vllm-NAME`, has 53 at most."""


class PlannedCanary(PlanPart):
    """A planned canary is another image of the engine.

    image: the image, REPOSITORY:TAG with its digest.
    replicas: replicas that run it, by pool; a pool that is not named has none.
    """

    image: str
    replicas: dict[str, int]


class PlannedEngine(PlanPart):
    """The planned engine is the images that pools run.

    image: the image of all replicas but the canary's; None runs that of the charts.
    canary: None where no image is tried.
    """

    image: str | None = left_out_at(None)
    canary: PlannedCanary | None = left_out_at(None)


@dataclass(frozen=True)
class PoolCanary:
    """A pool's canary runs on some of its replicas.

    name: the name under which traffic finds it.
    replicas: replicas that run its image; the pool's own image has the others.
    """

    name: str
    image: str
    replicas: int


def canary_of(engine: PlannedEngine | None, pool: str) -> PoolCanary | None:
    """Return the canary of a pool; None where it has none."""
    canary = engine.canary if engine is not None else None
    replicas = canary.replicas.get(pool, 0) if canary is not None else 0
    if canary is None or not replicas:
        return None
    return PoolCanary(f"{bounded(pool, MOST)}{SUFFIX}", canary.image, replicas)
