"""What there is to say of pools with LoRA adapters, and of adapters that a route accepts and nobody is asked for."""

from __future__ import annotations

from collections.abc import Iterator

from planner.decision.answer.fleet import adapters_of
from planner.decision.answer.solved import Solved
from planner.domain.models import split_entry
from planner.performance.adapters import SLOWER, SLOWER_SOURCE
from planner.plan.review import Verdict


def adapter_verdicts(solved: Solved) -> Iterator[Verdict]:
    """Warn of pools whose speed rests on what others publish of adapters, and tell which adapters are not used."""
    for pool in solved.pools:
        if adapters := adapters_of(solved, pool):
            message = (
                f"{pool.name} holds {', '.join(f'{a.key} (rank {a.rank})' for a in adapters)} beside "
                f"{pool.shape.model.key}; each step is taken to last {SLOWER:g} times as long ({SLOWER_SOURCE}), and "
                "its capacity rests on that and on no run, with the margin of computed figures: measure one replica "
                "before you rely on it"
            )
            yield Verdict(name="adapters", state="warn", message=message)
    for route in solved.demand.routes:
        pools = solved.pools_of(route.name)
        asked = {a.key for pool in pools if (a := pool.shape.asked(route.name)) is not None}
        bases = {pool.shape.model.key for pool in pools}
        accepted = dict.fromkeys(split_entry(entry)[0] for entry in route.route.quality.accept)
        known = solved.catalog.adapters
        spare = [name for name in accepted if name in known and known[name].base in bases and name not in asked]
        if spare:
            served = ", ".join(sorted(asked)) or "the model itself"
            why = f"its requests ask for {served}, which stands before it in the list or is cheaper"
            yield Verdict(name="adapters", state="pass", message=f"{route.name} accepts {', '.join(spare)} too; {why}")
