"""Screening: what dominance drops is never needed by itself, the limit holds, and a former plan's classes stay."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import cast

import pytest

from planner.decision.candidates.omissions import DearerThanPlan, Dominated
from planner.decision.candidates.replicas import Replica
from planner.decision.candidates.screening import MOST_CLASSES, affordable, leaders, short_list, without_dominated
from planner.decision.candidates.self_hosted import SelfHosted
from planner.decision.candidates.shapes import Shape, Tenancy
from planner.decision.choice.question import Answer, ApiOption, BandKey, Question, ReplicaClass
from planner.decision.choice.solve import solve
from planner.domain.models import Model
from planner.domain.prices import Price
from planner.edges.catalog_files import load_catalog
from planner.performance.parallelism import Parallelism
from tests.planner.decision.choice.instances import EXACT, MACHINES, api, flow, replica_class

CATALOG = load_catalog()
OFFERING = next(row for row in CATALOG.offerings.in_region("us-east-1") if row.gpu.key == "L40S")
CHAT: BandKey = ("chat", 0)
CODE: BandKey = ("code", 0)


def self_hosted(k: ReplicaClass) -> SelfHosted:
    """The class with a model and a machine, which screening only names."""
    model = CATALOG.model("qwen3-32b")
    assert isinstance(model, Model)
    tenancy: Tenancy = "private" if k.exclusive else "shared"
    shape = Shape(model, model.precisions()[0], OFFERING.gpu, Parallelism(k.gpus_per_replica), tenancy, ())
    return SelfHosted(k, cast(Replica, _Named(shape)), OFFERING, cast(Price, OFFERING.price))


class _Named:
    """A replica of which only the shape is known, with the widest batch cap."""

    variant = ""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape


def kept(*classes: ReplicaClass) -> list[str]:
    return [h.name for h in without_dominated([self_hosted(k) for k in classes])[0]]


def test_a_class_that_does_less_for_no_less_money_falls_with_its_reason() -> None:
    good, bad = replica_class("good", "small", 1, {CHAT: 3.0}), replica_class("bad", "small", 1, {CHAT: 2.0})
    stay, fell = without_dominated([self_hosted(good), self_hosted(bad)])
    assert [h.replica_class for h in stay] == [good]
    assert [(o.candidate, o.cause, o.route) for o in fell] == [
        (self_hosted(bad).identity, Dominated(self_hosted(good).identity), "")
    ]
    assert self_hosted(good).identity.model == "qwen3-32b"


@pytest.mark.parametrize(
    "change",
    [
        {"model": "m2"},
        {"exclusive": True},
        {"quota_family": "P"},
        {"capacity": {CHAT: 1.0, CODE: 1.0}},
        {"usd_per_node_hour": 0.5},
        {"vcpus_per_node": 2},
        {"gpus_per_replica": 1, "gpus_per_node": 2, "usd_per_node_hour": 1.7},
    ],
    ids=["model", "alone", "quota", "band", "money", "vcpus", "per replica"],
)
def test_what_is_better_in_any_respect_stays(change: dict[str, object]) -> None:
    better = replica_class("better", "small", 1, {CHAT: 2.0})
    other = replace(replica_class("other", "small", 1, {CHAT: 1.0}), **change)  # type: ignore[arg-type]
    assert kept(better, other) == ["better", "other"]


def test_of_two_equal_classes_the_first_by_name_stays() -> None:
    twins = [replica_class(name, "small", 1, {CHAT: 2.0}) for name in ("b", "a", "c")]
    assert kept(*twins) == ["a"]


def cost(question: Question) -> float:
    answer = solve(question, EXACT)
    return answer.usd_per_month if isinstance(answer, Answer) else float("inf")


def drawn_classes(draw: random.Random, keys: list[BandKey], exclusive: bool | None) -> tuple[ReplicaClass, ...]:
    found = []
    for index in range(8):
        machine = draw.choice(sorted(MACHINES))
        size = draw.choice([n for n in (1, 2, 4) if n <= MACHINES[machine][0]])
        capacity = {key: round(draw.uniform(1, 4) * size, 1) for key in keys if draw.random() < 0.8} or {keys[0]: 1.0}
        alone = draw.random() < 0.4 if exclusive is None else exclusive
        found.append(replica_class(f"k{index}", machine, size, capacity, draw.choice(["m1", "m2"]), alone))
    return tuple(found)


@pytest.mark.parametrize("seed", range(40))
def test_a_dominated_class_is_never_needed_by_itself(seed: int) -> None:
    """One band that may spill to an API, or bands on nodes of their own: with all classes or without, the same cost."""
    draw = random.Random(seed)
    options: tuple[ApiOption, ...]
    if seed % 2:
        keys, exclusive, options = [CHAT], None, (api({CHAT: round(draw.uniform(0.0001, 0.0006), 6)}),)
    else:
        keys, exclusive, options = [CHAT, CODE], True, ()
    question = Question(
        level_hours=(200.0, 530.0),
        flows=tuple(flow(*key, (draw.uniform(2, 12), draw.uniform(0.2, 3)), bool(options)) for key in keys),
        classes=drawn_classes(draw, keys, exclusive),
        apis=options,
        platform_usd=150.0,
        quotas=draw.choice([{}, {"G": 96.0}]),
    )
    names = frozenset(kept(*question.classes))
    assert cost(question.with_classes(names)) == pytest.approx(cost(question), abs=0.5)


def test_dominance_drops_a_good_part_of_random_classes() -> None:
    total = dropped = 0
    for seed in range(40):
        classes = drawn_classes(random.Random(seed), [CHAT], None)
        total += len(classes)
        dropped += len(classes) - len(kept(*classes))
    assert 0.2 < dropped / total < 0.8


def test_a_preferred_class_falls_only_to_one_that_is_preferred_as_well() -> None:
    good, liked = replica_class("good", "small", 1, {CHAT: 3.0}), replica_class("liked", "small", 1, {CHAT: 2.0})
    classes = [self_hosted(good), self_hosted(liked)]
    bands = frozenset({CHAT})
    assert [h.name for h in without_dominated(classes, {"liked": bands})[0]] == ["good", "liked"]
    assert [h.name for h in without_dominated(classes, {"liked": bands, "good": bands})[0]] == ["good"]
    assert [h.name for h in without_dominated(classes, {"good": bands})[0]] == ["good"]


def test_what_costs_more_than_a_whole_plan_falls_unless_it_is_wanted() -> None:
    cheap, dear = replica_class("cheap", "small", 1, {CHAT: 2.0}), replica_class("dear", "large", 1, {CHAT: 9.0})
    question = Question((730.0,), (flow(*CHAT, (1.0,), may_spill=False),), (cheap, dear), (), 0.0)
    classes = [self_hosted(cheap), self_hosted(dear)]
    stay, fell = affordable(classes, 700.0, question)
    assert [h.name for h in stay] == ["cheap"]
    assert [o.cause for o in fell] == [DearerThanPlan(700.0)]
    for usd, keep in ((700.0, {"dear"}), (2000.0, set[str]()), (float("inf"), set[str]())):
        stay, fell = affordable(classes, usd, question, keep)
        assert ([h.name for h in stay], fell) == (["cheap", "dear"], ())


SHARES = {CHAT: 1.0, CODE: 1.0}


def chosen(classes: list[ReplicaClass], most: int, keep: tuple[str, ...] = ()) -> list[str]:
    stay, fell = short_list([self_hosted(k) for k in classes], SHARES, keep, most)
    assert len(stay) + len(fell) == len(classes)
    assert {o.kind for o in fell} <= {"screened"}
    return [h.name for h in stay]


def test_the_limit_holds_and_the_order_stays() -> None:
    classes = [replica_class(f"k{i:02}", "small", 1, {CHAT: 1.0 + i / 10}) for i in range(60)]
    stay = chosen(classes, MOST_CLASSES)
    assert len(stay) == MOST_CLASSES == 28
    assert stay == sorted(stay)
    assert chosen(classes[:10], MOST_CLASSES) == [k.name for k in classes[:10]]


def test_the_cheapest_by_request_and_the_smallest_footprint_stay() -> None:
    per_request = replica_class("efficient", "large", 1, {CHAT: 9.0})
    footprint = replica_class("tiny", "small", 1, {CHAT: 0.5})
    others = [replica_class(f"other{i}", "medium", 1, {CHAT: 1.0 + i / 100}) for i in range(20)]
    assert {"efficient", "tiny"} <= set(chosen([*others, per_request, footprint], 4))


def test_every_route_keeps_a_class_however_rare_it_is() -> None:
    many = [replica_class(f"chat{i}", "small", 1, {CHAT: 5.0 + i}) for i in range(30)]
    rare = replica_class("only-code", "large", 4, {CODE: 0.1})
    assert "only-code" in chosen([*many, rare], 4)


def test_a_former_plans_classes_stay() -> None:
    classes = [replica_class(f"k{i:02}", "small", 1, {CHAT: 10.0 - i / 10}) for i in range(60)]
    assert "k59" not in chosen(classes, 10)
    stay = chosen(classes, 10, keep=("k59", "gone"))
    assert "k59" in stay
    assert len(stay) == 10


def test_the_leaders_are_the_first_of_every_ranking() -> None:
    """The cheapest by request and the smallest footprint of each route; the same class may lead several."""
    per_request = replica_class("efficient", "large", 1, {CHAT: 9.0})
    footprint = replica_class("tiny", "small", 1, {CHAT: 0.5})
    middling = replica_class("middling", "medium", 1, {CHAT: 1.0})
    rare = replica_class("only-code", "large", 4, {CODE: 0.1})
    classes = [self_hosted(k) for k in (middling, per_request, footprint, rare)]
    assert leaders(classes, SHARES) == {"efficient", "tiny", "only-code"}
    assert leaders([], SHARES) == set()
