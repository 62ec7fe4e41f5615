"""The greedy planner: what it buys, against all that it could buy, and that the program never pays more."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from random import Random

import pytest

from benchmarks.greedy_planner import CASES, Greedy, Line, greedy, summary
from planner.decision.choice.question import Answer, BandKey, Flow, Question, ReplicaClass
from planner.decision.choice.solve import solve
from planner.words.units import HOURS_PER_MONTH

NIGHT, DAY = 500.0, float(HOURS_PER_MONTH) - 500.0


def pool(name: str, gpu: str, usd: float, capacity: dict[BandKey, float], *, exclusive: bool = False) -> ReplicaClass:
    """A class with two replicas on a node."""
    return ReplicaClass(
        name=name,
        model="model",
        instance_type=f"type-{gpu}",
        gpus_per_node=2,
        gpus_per_replica=1,
        vcpus_per_node=8,
        quota_family="G",
        usd_per_node_hour=usd,
        exclusive=exclusive,
        capacity=capacity,
        weights=f"weights-{name}",
        weights_usd_per_month=5.0,
        gpu=gpu,
    )


def flow(route: str, night: float, day: float, *, may_turn_away: bool = False, band: int = 0) -> Flow:
    return Flow(route, band, (night, day), (night, day), may_spill=False, may_turn_away=may_turn_away)


def asked(flows: tuple[Flow, ...], classes: tuple[ReplicaClass, ...]) -> Question:
    return Question(level_hours=(NIGHT, DAY), flows=flows, classes=classes, apis=(), platform_usd=100.0)


def is_plan(plan: Greedy | None, usd: float, replicas: dict[str, int]) -> bool:
    """Say whether a plan costs so much and buys these replicas."""
    return plan is not None and plan.usd == pytest.approx(usd) and plan.replicas == replicas


A, B = ("a", 0), ("b", 0)


def test_it_takes_as_many_replicas_as_the_peak_asks_for() -> None:
    k = pool("k", "X", 1.0, {A: 2.0})
    plan = greedy(asked((flow("a", 1.0, 4.1),), (k,)), "X")
    assert is_plan(plan, 2 * HOURS_PER_MONTH + 5 + 100, {"k": 3})
    exact = greedy(asked((flow("a", 1.0, 4.0),), (k,)), "X")
    assert exact is not None
    assert exact.replicas == {"k": 2}


def test_what_no_api_helps_stands_the_loss_of_a_node() -> None:
    k = pool("k", "X", 1.0, {A: 2.0}, exclusive=True)
    question = asked((flow("a", 1.0, 1.5),), (k,))
    plan = greedy(question, "X")
    assert is_plan(plan, 2 * HOURS_PER_MONTH + 5 + 100, {"k": 3})
    answer = solve(question)
    assert isinstance(answer, Answer)
    assert plan is not None
    assert answer.usd_per_month == pytest.approx(plan.usd)
    assert answer.replicas == plan.replicas
    without = greedy(replace(question, survives_a_node=False), "X")
    assert without is not None
    assert without.replicas == {"k": 1}


def test_pools_share_nodes_and_routes_share_a_pool() -> None:
    apart = (pool("for-a", "X", 1.0, {A: 2.0}), pool("for-b", "X", 1.0, {B: 2.0}))
    flows = (flow("a", 1.0, 1.0), flow("b", 1.0, 1.0))
    both = greedy(asked(flows, apart), "X")
    assert is_plan(both, HOURS_PER_MONTH + 10 + 100, {"for-a": 1, "for-b": 1})
    one = greedy(asked(flows, (pool("k", "X", 1.0, {A: 2.0, B: 2.0}),)), "X")
    assert is_plan(one, HOURS_PER_MONTH + 5 + 100, {"k": 1})


def test_a_type_falls_that_serves_not_all_or_that_a_quota_does_not_hold() -> None:
    flows = (flow("a", 1.0, 9.0), flow("b", 1.0, 1.0))
    question = asked(flows, (pool("k", "X", 1.0, {A: 2.0}),))
    assert greedy(question, "X") is None
    whole = asked(flows, (pool("k", "X", 1.0, {A: 2.0, B: 2.0}),))
    assert greedy(whole, "X") is not None
    assert greedy(whole, "Y") is None
    assert greedy(replace(whole, quotas={"G": 16.0}), "X") is None
    assert greedy(replace(whole, quotas={"G": 24.0}), "X") is not None


def test_only_what_is_too_long_for_a_class_may_be_turned_away() -> None:
    flows = (flow("a", 1.0, 1.0), flow("a", 1.0, 1.0, may_turn_away=True, band=1))
    k = pool("k", "X", 1.0, {A: 2.0})
    assert greedy(asked(flows, (replace(k, reads=frozenset({A})),)), "X") is not None
    assert greedy(asked(flows, (replace(k, reads=frozenset({A, ("a", 1)})),)), "X") is None


@pytest.mark.parametrize("seed", range(5))
def test_it_is_an_answer_of_the_program_which_never_pays_more(seed: int) -> None:
    random = Random(seed)

    def capacity() -> dict[BandKey, float]:
        return {A: random.uniform(1, 4), B: random.uniform(1, 4)}

    classes = tuple(
        pool(f"{gpu}-{i}", gpu, {"X": 1.0, "Y": 2.2}[gpu] * random.uniform(0.8, 1.2), capacity(), exclusive=True)
        for gpu in "XY"
        for i in range(2)
    )
    question = asked((flow("a", 1.0, random.uniform(1, 12)), flow("b", 1.0, random.uniform(1, 12))), classes)
    answer = solve(question)
    assert isinstance(answer, Answer)
    for gpu in "XY":
        plan = greedy(question, gpu)
        assert plan is not None
        assert answer.usd_per_month <= plan.usd + 0.01
        assert plan.usd == pytest.approx(min(costs(question, gpu, plan)))


def costs(question: Question, gpu: str, plan: Greedy) -> list[float]:
    """What each choice of a class for each route costs that takes the classes of the plan."""
    able = [k for k in question.classes if k.gpu == gpu and k.name in plan.replicas]
    found = []
    for chosen in product(able, repeat=len(question.flows)):
        usd = question.platform_usd
        for k in {each.name: each for each in chosen}.values():
            flows = [f for f, each in zip(question.flows, chosen, strict=True) if each is k]
            load = max(sum(f.planned[t] / k.capacity[f.key] for f in flows) for t in range(2))
            nodes = max(2, math.ceil((math.ceil(load) + 2) / 2))
            usd += nodes * k.usd_per_node_hour * HOURS_PER_MONTH + k.weights_usd_per_month
        if len({each.name for each in chosen}) == len(plan.replicas):
            found.append(usd)
    return found


def test_ours_misses_where_it_costs_more_or_has_no_plan() -> None:
    plan = Greedy("X", 150.0, {"k": 1})
    assert not Line("a", 100.0, plan).misses
    assert Line("a", 151.0, plan).misses
    assert Line("a", None, plan).misses
    assert not Line("a", None, None).misses
    assert not Line("a", 100.0, None).misses
    told = summary([Line("a", 100.0, plan), Line("b", 150.0, plan), Line("c", 100.0, None)])
    assert told == (
        "the greedy plan against ours: median +25%, most +50%, least +0%, in 2 environments; it has no plan in 1"
    )
    assert len({*CASES}) == 10
