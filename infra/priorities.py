"""Which replica may take whose place: pools, the larger ones of a group, and canaries below all of them.

In a group whose nodes have room for as many replicas of every pool as one node may hold of it,

    sum over pools of (most replicas on a node × GPUs of a replica) ≤ GPUs of a node,

each pool leaves the others their places wherever its replicas stand: a chart bounds them per node, old and new ones of
a rollout together (one that is ending keeps its GPUs until it is gone, and its successor waits). There all pools have
one priority, and none drives another away. Elsewhere small replicas could fragment nodes for good, and larger ones
displace them. The scheduler then does not wait for a predecessor that is still ending: when a large replica restarts,
small ones lose their places for a moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from planner.plan.fleet import NodeGroup, Pool
from planner.plan.plan import Plan

BASE = 100_000
"""Lowest priority of a pool's replica: above ordinary pods (0), and far below the system's own (2,000,000,000)."""
CANARY_BASE = BASE // 2
"""The same for a canary: any replica of a pool takes its place when it has none."""


@dataclass(frozen=True)
class Priority:
    """A priority is a priority class of Kubernetes. The higher value goes before."""

    name: str
    value: int
    description: str


EQUAL = Priority("spillway-replica", BASE, "vLLM replicas that leave each other their places")


def priority_of(pool: Pool, plan: Plan) -> Priority:
    """Return the priority of a pool's replicas."""
    (group,) = [group for group in plan.node_groups if group.name == pool.node_group]
    gpus = pool.engine.gpus
    if leaves_places(group, plan.pools):
        return EQUAL
    return Priority(f"spillway-tp-{gpus}", BASE + gpus, f"vLLM replicas of {gpus} GPUs")


def priority_of_canary(pool: Pool) -> Priority:
    """Return the priority of a canary's replicas. Nothing bounds them all per node, so that larger ones go before."""
    gpus = pool.engine.gpus
    what = f"vLLM replicas of {gpus} GPUs that try an image; pools take the places back"
    return Priority(f"spillway-tp-{gpus}-canary", CANARY_BASE + gpus, what)


def leaves_places(group: NodeGroup, pools: Iterable[Pool]) -> bool:
    """Say whether a node of the group has room for the most replicas of every pool at once."""
    wanted = sum(most_on_a_node(group, pool) * pool.engine.gpus for pool in pools)
    return wanted <= group.gpus_per_node


def most_on_a_node(group: NodeGroup, pool: Pool) -> int:
    """Return the most replicas of a pool that stand on one node of the group."""
    return max((placement.replicas.get(pool.name, 0) for placement in group.placement), default=0)


def priorities(plan: Plan, tried: Iterable[str]) -> Iterator[Priority]:
    """Yield the priorities that a plan uses, each once. tried: pools with a canary."""
    names = frozenset(tried)
    found = {priority_of(pool, plan) for pool in plan.pools}
    found |= {priority_of_canary(pool) for pool in plan.pools if pool.name in names}
    yield from sorted(found, key=lambda each: (each.value, each.name))
