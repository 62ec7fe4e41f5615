"""The images of the engine in the plan: which replicas of each pool a canary takes over, and what is told of it.

A canary of k replicas leaves a pool of n at least one of its own: k < n. A pool with fewer has none, and moves when
the image of all pools does.
"""

from __future__ import annotations

from collections.abc import Iterator

from planner.decision.answer.solved import Solved
from planner.domain.engine import DEPLOYED, ENGINE, Version
from planner.domain.engine_image import EngineImage, tag_of
from planner.domain.environment import Environment
from planner.plan.engine import PlannedCanary, PlannedEngine
from planner.plan.plan import Plan
from planner.plan.review import Verdict
from planner.words.diagnostics import Problem


def planned_engine(solved: Solved) -> PlannedEngine | None:
    """Return the images that the pools of a plan run; None where the environment states none, or nothing is hosted."""
    wanted = solved.environment.platform.engine
    if not solved.pools or wanted == EngineImage():
        return None
    taken = _taken(solved)
    canary = PlannedCanary(image=wanted.canary.image, replicas=taken) if wanted.canary and taken else None
    return None if canary is None and wanted.image is None else PlannedEngine(image=wanted.image, canary=canary)


def engine_verdicts(solved: Solved) -> Iterator[Verdict]:
    """Tell which pools have a canary and which cannot, and warn of tags that tell no release."""
    wanted = solved.environment.platform.engine
    if not solved.pools:
        return
    if (taken := _taken(solved)) and wanted.canary is not None:
        all_of = solved.fleet.replicas
        some = ", ".join(f"{count} of {all_of[name]} replicas of {name}" for name, count in taken.items())
        message = f"{wanted.canary.image} runs on {some}; the others, machines and dollars stay as they are"
        yield Verdict(name="engine canary", state="pass", message=message)
        if without := sorted(pool.name for pool in solved.pools if pool.name not in taken):
            yield Verdict(name="engine canary", state="warn", message=_without(without, solved, wanted.canary.replicas))
    for key, image in (("image", wanted.image), ("canary.image", wanted.canary.image if wanted.canary else None)):
        if image is not None and Version.of_tag(tag_of(image)) is None:
            message = f"the tag of platform.engine.{key} `{tag_of(image)}` tells no release of {ENGINE}"
            if key == "image":
                message += f": models are judged by {DEPLOYED}, that of the charts"
            yield Verdict(name="engine", state="warn", message=message)


def without_canary(plan: Plan, environment: Environment) -> Problem | None:
    """Return that no pool of a plan can have the canary that its environment asks for (INF004)."""
    wanted = environment.platform.engine.canary
    if (
        wanted is None
        or not plan.pools
        or (plan.platform.engine is not None and plan.platform.engine.canary is not None)
    ):
        return None
    most = max(plan.pools, key=lambda pool: (pool.replicas.max, pool.name))
    of = f"the largest, {most.name}, has {most.replicas.max}"
    message = f"no pool can have a canary of {wanted.replicas}: each keeps a replica of its own image, and {of}"
    less = "write fewer `replicas`, or " if most.replicas.max > 1 else ""
    hint = f"{less}leave `canary` out: try the image in another environment, then name it in `platform.engine.image`"
    return Problem("INF004", message, hint=hint, about=("platform", "engine", "canary"))


def _taken(solved: Solved) -> dict[str, int]:
    """Return the replicas that the canary takes over, by pool."""
    wanted = solved.environment.platform.engine.canary
    if wanted is None:
        return {}
    counts = {pool.name: solved.fleet.replicas[pool.name] for pool in solved.pools}
    return {name: wanted.replicas for name, count in sorted(counts.items()) if count > wanted.replicas}


def _without(names: list[str], solved: Solved, replicas: int) -> str:
    told = []
    for name in names:
        count = solved.fleet.replicas[name]
        told.append(f"{name} has {count} replica{'s' if count > 1 else ''}")
    why = f"no canary of {replicas} stands beside one of its own"
    return f"{', '.join(told)}: {why}, so that it moves when `platform.engine.image` does"
