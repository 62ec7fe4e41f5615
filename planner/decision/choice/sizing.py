"""From the solver's counts to machines: which replicas stand on which node, and paid GPUs that are left are put to use.

Tensor-parallel sizes are powers of two that divide the node, so that placing the largest first on the emptiest node
never fragments: when a replica of size p is placed, the free space of every node is a multiple of p.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from planner.decision.choice.question import Answer, Question, ReplicaClass


@dataclass(frozen=True)
class Fleet:
    """What is bought. replicas: by class, idle GPUs filled; nodes: by node group, each a (class → replicas) mapping."""

    replicas: Mapping[str, int]
    nodes: Mapping[str, tuple[Mapping[str, int], ...]]

    def most_on_one_node(self, name: str) -> int:
        """Replicas of a class that one node holds at the most: what its loss takes."""
        return max((node.get(name, 0) for nodes in self.nodes.values() for node in nodes), default=0)


def fleet(question: Question, answer: Answer) -> Fleet:
    """Counts → placed replicas."""
    by_name = {k.name: k for k in question.classes}
    groups: dict[str, list[ReplicaClass]] = {}
    for name in sorted(answer.replicas):
        groups.setdefault(by_name[name].node_group, []).append(by_name[name])
    replicas = dict(answer.replicas)
    nodes: dict[str, tuple[Mapping[str, int], ...]] = {}
    for group, classes in sorted(groups.items()):
        _fill(classes, answer.nodes[group], replicas, _load(question, answer))
        nodes[group] = _place(classes, answer.nodes[group], replicas)
    return Fleet(replicas, nodes)


def peak_load(question: Question, answer: Answer, name: str) -> float:
    """Replicas of a class that are busy at its busiest level."""
    return _load(question, answer).get(name, 0.0)


def _load(question: Question, answer: Answer) -> dict[str, float]:
    flows = {f.key: f for f in question.flows}
    classes = {k.name: k for k in question.classes}
    by_level: dict[str, list[float]] = {}
    for (key, name), shares in answer.served.items():
        busy = by_level.setdefault(name, [0.0] * len(question.level_hours))
        for t, share in enumerate(shares):
            busy[t] += flows[key].planned[t] * share / classes[name].capacity[key]
    return {name: max(busy) for name, busy in by_level.items()}


def _fill(classes: Sequence[ReplicaClass], count: int, replicas: dict[str, int], load: Mapping[str, float]) -> None:
    """Give the GPUs that are paid for and idle to the busiest pool that fits, until none fits."""
    free = count * classes[0].gpus_per_node - sum(k.tensor_parallel_size * replicas[k.name] for k in classes)
    while fitting := [k for k in classes if k.tensor_parallel_size <= free]:
        busiest = max(fitting, key=lambda k: (load.get(k.name, 0.0) / replicas[k.name], k.name))
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
