"""What an environment and a plan must say of the images of the engine.

`engine_problems` works on the values as they were read, like `contradictions`, which asks it; `canaries_held` works on
a plan, like `arithmetic`.
"""

from __future__ import annotations

from collections.abc import Iterator

from planner.domain.environment import Environment
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem
from planner.words.spans import Document, mapping_at

ENGINE = ("platform", "engine")


def engine_problems(document: Document) -> Iterator[Problem]:
    """Refuse a canary that is the image itself (ENV005)."""
    engine = mapping_at(document.value, *ENGINE)
    canary = mapping_at(document.value, *ENGINE, "canary")
    image = canary.get("image")
    if image is not None and image == engine.get("image"):
        message = "the canary is the image that all pools run already"
        hint = "name another image in `canary.image`; a canary that is promoted leaves `canary` out"
        yield Problem("ENV005", message, document.at((*ENGINE, "canary", "image")), hint)


def canaries_held(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """Require that a canary takes replicas of pools that there are, and leaves each of them one of its own."""
    engine = plan.platform.engine
    canary = engine.canary if engine is not None else None
    counts = {pool.name: pool.replicas.max for pool in plan.pools}
    for name, replicas in sorted(canary.replicas.items()) if canary is not None else ():
        if name not in counts:
            yield Problem("CHK001", f"the engine's canary names pool `{name}`, which is not in the plan")
        elif not 0 < replicas < counts[name]:
            message = f"the engine's canary takes {replicas} of the {counts[name]} replicas of pool `{name}`"
            yield Problem("CHK002", f"{message}; it takes one or more, and one stays")
