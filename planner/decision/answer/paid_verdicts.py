"""What a reader must know of machines that are paid for already: assumed figures, how they join, what a block costs.

Machines of one's own get one line an entry: which machine of the catalog they are taken to be, and every figure that
the team did not state, with its source and the key that states it.
"""

from __future__ import annotations

from collections.abc import Iterator

from planner.decision.answer.solved import Solved
from planner.decision.candidates.existing import owned_machines
from planner.domain.owning import Owned
from planner.plan.review import Verdict
from planner.words.units import HOURS_PER_MONTH

OWNED = "owned machines"
"""Name of the verdicts on machines of one's own."""


def paid_verdicts(solved: Solved) -> Iterator[Verdict]:
    """Yield the lines on machines of one's own, and on capacity blocks."""
    for each in owned_machines(solved.environment, solved.catalog):
        yield _owned(each, solved.places.get(f"purchase.owned[{each.index}]", ""))
    yield from _joined(solved)
    for index, block in enumerate(solved.environment.purchase.capacity_blocks):
        place = solved.places.get(f"purchase.capacity_blocks[{index}]", "")
        message = (
            f"{_at(place)}{block.reservation}, {block.count} × {block.instance_type}, costs ${block.upfront:,} at once "
            f"and is there from {block.start} until {block.end}: ${block.usd_per_hour:,.4f} an hour of each machine"
        )
        yield Verdict(name="capacity blocks", state="pass", message=message)


def _owned(each: Owned, place: str) -> Verdict:
    machines = f"{each.machines} machine{'s' if each.machines > 1 else ''}"
    like = f"{_at(place)}{each.entry.count} × {each.entry.gpu} of your own are taken to be {machines} like"
    message = f"{like} {each.like.key}, with its processors, memory and links between GPUs"
    if not each.assumed:
        return Verdict(name=OWNED, state="pass", message=message)
    told = "; ".join(assumed.told for assumed in each.assumed)
    return Verdict(name=OWNED, state="warn", message=f"{message}; state what is assumed of their cost: {told}")


def _joined(solved: Solved) -> Iterator[Verdict]:
    """Warn where machines of one's own would join a cluster of EKS, which no program here makes them do."""
    if solved.environment.platform.cluster is not None:
        return
    vcpus = sum(
        solved.existing.count(group, "owned") * pools[0].offering.instance.vcpu
        for group, pools in solved.groups.items()
    )
    if vcpus:
        message = (
            "`pulumi up` refuses the plan: it makes no EKS Hybrid Nodes, as which they would join. What AWS asks for "
            f"{vcpus * HOURS_PER_MONTH:,} vCPU-hours of them a month is not on the bill, because no price with a "
            "source is known. State `platform.cluster` to serve on them in a cluster that is there already"
        )
        yield Verdict(name=OWNED, state="warn", message=message)


def _at(place: str) -> str:
    return f"{place}: " if place else ""
