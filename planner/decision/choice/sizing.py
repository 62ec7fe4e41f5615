"""From the solver's counts to machines: which replicas stand on which node, and paid GPUs that are left are put to use.

Tensor-parallel sizes are powers of two that divide the node, so that placing the largest first on the emptiest node
never fragments: when a replica of size p is placed, the free space of every node is a multiple of p.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from planner.decision.choice.choice import Choice
from planner.decision.choice.question import ReplicaClass


@dataclass(frozen=True)
class Fleet:
    """What is bought. replicas: number by class, idle GPUs filled. nodes: by node group, the replicas of each node."""

    replicas: Mapping[str, int]
    nodes: Mapping[str, tuple[Mapping[str, int], ...]]


def fleet(choice: Choice) -> Fleet:
    """Counts → placed replicas."""
    groups: dict[str, list[ReplicaClass]] = {}
    for name in sorted(choice.answer.replicas):
        groups.setdefault(choice.classes[name].node_group, []).append(choice.classes[name])
    replicas = dict(choice.answer.replicas)
    loads = {name: choice.load(name) for name in replicas}
    nodes: dict[str, tuple[Mapping[str, int], ...]] = {}
    for group, classes in sorted(groups.items()):
        _fill(classes, choice.answer.nodes[group], replicas, loads)
        nodes[group] = _place(classes, choice.answer.nodes[group], replicas)
    return Fleet(replicas, nodes)


def _fill(classes: Sequence[ReplicaClass], count: int, replicas: dict[str, int], load: Mapping[str, float]) -> None:
    """Give the GPUs that are paid for and idle to the busiest pool that fits, until none fits."""
    free = count * classes[0].gpus_per_node - sum(k.tensor_parallel_size * replicas[k.name] for k in classes)
    while fitting := [k for k in classes if k.tensor_parallel_size <= free]:
        busiest = max(fitting, key=lambda k: (load[k.name] / replicas[k.name], k.name))
        replicas[busiest.name] += 1
        free -= busiest.tensor_parallel_size


def _place(classes: Sequence[ReplicaClass], count: int, replicas: Mapping[str, int]) -> tuple[Mapping[str, int], ...]:
    nodes: list[Counter[str]] = [Counter() for _ in range(count)]
    free = [classes[0].gpus_per_node] * count
    for k in sorted(classes, key=lambda k: (-k.tensor_parallel_size, k.name)):
        for _ in range(replicas[k.name]):
            emptiest = max(range(count), key=lambda i: (free[i], -nodes[i][k.name], -i))
            nodes[emptiest][k.name] += 1
            free[emptiest] -= k.tensor_parallel_size
    assert min(free, default=0) >= 0, "packing by GPU count is exact for powers of two"
    return tuple(dict(sorted(node.items())) for node in nodes)
