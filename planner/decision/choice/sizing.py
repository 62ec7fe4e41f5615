"""From the solver's counts to machines: which replicas stand on which node. Paid GPUs that are left are put to use.

Replicas are placed largest first, each on the emptiest node. Tensor-parallel sizes are powers of two that divide the
node, so that no GPU is lost between them: when a replica of size p is placed, the number of free GPUs of every node is
a multiple of p.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace

from planner.decision.choice.choice import Choice
from planner.decision.choice.question import ReplicaClass
from planner.words.numbers import six_digits


@dataclass(frozen=True)
class Fleet:
    """The fleet is what is bought.

    replicas: number by class; the GPUs that were left idle hold some of them.
    nodes: for each node group, number of replicas by class of each of its nodes.
    """

    replicas: Mapping[str, int]
    nodes: Mapping[str, tuple[Mapping[str, int], ...]]


def fleet(choice: Choice) -> Fleet:
    """Return the machines of a choice with their replicas."""
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
    """Give the GPUs that are paid for and idle to the busiest class that fits, until none fits."""
    free = count * classes[0].gpus_per_node - sum(k.gpus_per_replica * replicas[k.name] for k in classes)
    while fitting := [k for k in classes if k.gpus_per_replica <= free]:
        # Equally busy classes, such as full ones, differ in the last bits of their load, which must not decide.
        busiest = max(fitting, key=lambda k: (six_digits(load[k.name] / replicas[k.name]), k.name))
        replicas[busiest.name] += 1
        free -= busiest.gpus_per_replica


def _place(classes: Sequence[ReplicaClass], count: int, replicas: Mapping[str, int]) -> tuple[Mapping[str, int], ...]:
    """Return the number of replicas by class on each of `count` nodes."""
    nodes: list[Counter[str]] = [Counter() for _ in range(count)]
    free = [classes[0].gpus_per_node] * count
    for k in sorted(classes, key=lambda k: (-k.gpus_per_replica, k.name)):
        # A heap of all nodes. Of equally empty ones, the first is the one with the fewest replicas of the class.
        emptiest_first = [(-free[i], 0, i) for i in range(count)]
        heapify(emptiest_first)
        for _ in range(replicas[k.name]):
            _, _, i = emptiest_first[0]
            nodes[i][k.name] += 1
            free[i] -= k.gpus_per_replica
            heapreplace(emptiest_first, (-free[i], nodes[i][k.name], i))
    assert min(free, default=0) >= 0, "packing by GPU count is exact for powers of two"
    return tuple(dict(sorted(node.items())) for node in nodes)
