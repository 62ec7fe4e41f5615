"""What a plan must say of LoRA adapters (CHK012): pools hold them, and each route asks for one that it accepts."""

from __future__ import annotations

from collections.abc import Iterator

from planner.domain.environment import Environment
from planner.domain.models import split_entry
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem


def adapters_held(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """Require that a pool has slots for its adapters, and that no route asks it for one that is not its own.

    A request is answered by the adapter that the gateway names, so that a wrong name is another team's answer.
    """
    pools = {pool.name: pool for pool in plan.pools}
    for pool in plan.pools:
        names = [adapter.name for adapter in pool.adapters]
        slots, rank = pool.engine.max_loras, pool.engine.max_lora_rank
        if len(names) != len({*names, pool.name} - {pool.name}):
            yield Problem("CHK012", f"pool `{pool.name}`: two of its models have one name: {', '.join(names)}")
        if len(names) != slots or any(adapter.rank > rank for adapter in pool.adapters):
            message = f"pool `{pool.name}` has {len(names)} adapters and {slots} slots of rank {rank}"
            yield Problem("CHK012", f"{message}, which do not hold them")
    for route in plan.routes:
        declared = environment.routes.get(route.name)
        accepted = {split_entry(entry)[0] for entry in declared.quality.accept} if declared else set()
        used = {name for band in route.bands for name in band.weights}
        for name, adapter in sorted(route.adapters.items()):
            held = {each.name for each in pools[name].adapters} if name in pools else set()
            if name not in used or adapter not in held:
                message = f"route `{route.name}` asks pool `{name}` for adapter `{adapter}`, which it does not hold"
                yield Problem("CHK012", f"{message} for this route")
            elif adapter not in accepted:
                yield Problem("CHK012", f"route `{route.name}` asks for adapter `{adapter}`, which it does not accept")
        for name in sorted(used - route.adapters.keys() & pools.keys()):
            if pools[name].adapters and pools[name].model not in accepted:
                message = f"route `{route.name}` asks pool `{name}` for `{pools[name].model}` without an adapter"
                yield Problem("CHK012", f"{message}, which it does not accept")
