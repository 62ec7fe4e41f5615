"""Counts become machines: all replicas placed, no node overfull, idle GPUs put to use, replicas spread."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.decision.choice.choice import Choice
from planner.decision.choice.question import Answer, Question, ReplicaClass
from planner.decision.choice.sizing import Fleet, fleet
from planner.decision.choice.solve import solve
from tests.planner.decision.choice.instances import EXACT, PAPER, drawn, flow

CHAT = ("chat", 0)


def stocked(machine: str, gpus: int, sizes: dict[str, int], exclusive: bool = False) -> tuple[ReplicaClass, ...]:
    """Classes of these tensor-parallel sizes on one instance type."""
    return tuple(
        ReplicaClass(
            name=name,
            model="m",
            instance_type=machine,
            gpus_per_node=gpus,
            gpus_per_replica=size,
            vcpus_per_node=4 * gpus,
            quota_family="G",
            usd_per_node_hour=float(gpus),
            exclusive=exclusive,
            capacity={(name, 0): 2.0},
            weights="m",
            weights_usd_per_month=0.0,
        )
        for name, size in sizes.items()
    )


def question_of(classes: tuple[ReplicaClass, ...], rates: dict[str, float]) -> Question:
    flows = tuple(flow(name, 0, (rates.get(name, 1.0), 0.1)) for name in sorted({k.name for k in classes}))
    return Question((200.0, 530.0), flows, classes, (), 0.0)


def placed(question: Question, replicas: dict[str, int], nodes: dict[str, int]) -> Fleet:
    """The fleet of an answer that serves every band by the class of its name."""
    served = {((name, 0), name): (1.0, 1.0) for name in replicas}
    return fleet(Choice(question, Answer(0.0, True, 0.0, replicas, nodes, served, {})))


def used(classes: tuple[ReplicaClass, ...], node: dict[str, int]) -> int:
    return sum(k.gpus_per_replica * node.get(k.name, 0) for k in classes)


def test_the_largest_are_placed_first_and_replicas_are_spread() -> None:
    classes = stocked("large", 4, {"one": 1, "two": 2})
    made = placed(question_of(classes, {}), {"one": 4, "two": 2}, {"large": 2})
    assert [dict(node) for node in made.nodes["large"]] == [{"one": 2, "two": 1}, {"one": 2, "two": 1}]


def test_idle_gpus_go_to_the_busiest_pool_that_fits() -> None:
    classes = stocked("large", 4, {"calm": 1, "busy": 1, "wide": 2})
    rates = {"busy": 3.9, "calm": 1.0, "wide": 1.0}
    made = placed(question_of(classes, rates), {"busy": 2, "calm": 1, "wide": 1}, {"large": 2})
    # Busy at 98 %, 65 %, 49 % as it grows; then calm, at 50 %, is the busiest.
    assert made.replicas == {"busy": 4, "calm": 2, "wide": 1}
    assert sum(used(classes, dict(node)) for node in made.nodes["large"]) == 8


@pytest.mark.parametrize("last_bits", [-1e-15, 0.0, 1e-15])
def test_the_last_bits_of_a_load_do_not_decide_who_gets_an_idle_gpu(last_bits: float) -> None:
    rates = {"a": 2.0 * (1.0 + last_bits), "b": 4.0}
    made = placed(question_of(stocked("large", 4, {"a": 1, "b": 1}), rates), {"a": 1, "b": 2}, {"large": 1})
    assert made.replicas == {"a": 1, "b": 3}


def test_what_is_left_stays_idle_when_nothing_fits() -> None:
    classes = stocked("large", 4, {"wide": 2, "whole": 4})
    made = placed(question_of(classes, {}), {"whole": 1, "wide": 1}, {"large": 2})
    assert made.replicas == {"whole": 1, "wide": 2}
    assert sorted(used(classes, dict(node)) for node in made.nodes["large"]) == [4, 4]


def test_groups_are_apart() -> None:
    shared, own = stocked("large", 4, {"a": 1}), stocked("large", 4, {"b": 2}, exclusive=True)
    made = placed(question_of((*shared, *own), {}), {"a": 4, "b": 3}, {"large": 1, "large/b": 2})
    assert [dict(node) for node in made.nodes["large"]] == [{"a": 4}]
    assert [dict(node) for node in made.nodes["large/b"]] == [{"b": 2}, {"b": 2}]
    assert made.replicas == {"a": 4, "b": 4}


def test_no_self_hosting_is_no_fleet() -> None:
    assert placed(PAPER, {}, {}) == Fleet({}, {})


@given(
    st.sampled_from([1, 2, 4, 8]),
    st.integers(1, 6),
    st.integers(1, 4),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_any_counts_that_fit_by_gpus_are_placed(
    gpus: int, nodes: int, kinds: int, draw: random.Random, exclusive: bool
) -> None:
    sizes = {f"k{i}": draw.choice([s for s in (1, 2, 4, 8) if s <= gpus]) for i in range(1 if exclusive else kinds)}
    classes = stocked("box", gpus, sizes, exclusive)
    wanted: Counter[str] = Counter()
    free = gpus * nodes
    while fitting := [k for k in classes if k.gpus_per_replica <= free]:
        chosen = draw.choice(fitting)
        wanted[chosen.name] += 1
        free -= chosen.gpus_per_replica
        if draw.random() < 0.1:
            break
    group = classes[0].node_group
    rates = {k.name: draw.uniform(0.1, 9) for k in classes}
    made = placed(question_of(classes, rates), dict(wanted), {group: nodes})
    standing: Counter[str] = Counter()
    for node in made.nodes[group]:
        assert used(classes, dict(node)) <= gpus
        standing.update(node)
    assert len(made.nodes[group]) == nodes
    assert dict(standing) == dict(made.replicas)
    assert all(made.replicas[name] >= count for name, count in wanted.items())
    idle = gpus * nodes - sum(k.gpus_per_replica * standing[k.name] for k in classes)
    assert idle < min(k.gpus_per_replica for k in classes if k.name in wanted)
    for k in classes:
        if len(sizes) == 1:  # alone on its group, a pool is spread as evenly as can be
            counts = [node.get(k.name, 0) for node in made.nodes[group]]
            assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("seed", range(40))
def test_every_answer_of_the_solver_can_be_placed(seed: int) -> None:
    question = drawn(seed)
    answer = solve(question, EXACT)
    if isinstance(answer, Answer):
        choice = Choice(question, answer)
        made = fleet(choice)
        assert {group: len(nodes) for group, nodes in made.nodes.items()} == dict(answer.nodes)
        for k in question.classes:
            if k.exclusive and k.name in answer.replicas:
                most = max(node.get(k.name, 0) for node in made.nodes[k.node_group])
                assert choice.load(k.name) <= made.replicas[k.name] - most + 1e-4, "what is left must carry the peak"
