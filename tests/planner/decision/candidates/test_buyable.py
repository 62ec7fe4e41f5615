"""What is too dear is not screened, and no plan is the dearer for that."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import pytest

from planner.decision.candidates import buyable as buying
from planner.decision.candidates import replicas, screening
from planner.decision.candidates.known import Known
from planner.decision.candidates.market import Market, survey
from planner.decision.candidates.omissions import DearerThanPlan
from planner.decision.candidates.screening import DEAR
from planner.decision.choice.choice import Choice
from planner.decision.decide import Decision, decide
from planner.decision.inputs import Inputs
from planner.domain.scaling import scaled
from planner.performance.capacity import CapacityQuestion
from planner.performance.closed_form import are_served
from tests.planner.decision.test_optimize import KEPT, inputs


def at(scale: float) -> Inputs:
    """The small environment at a multiple of its load."""
    asked = inputs()
    return Inputs(scaled(asked.environment, scale), asked.catalog, asked.coefficients, asked.traces)


def only(asked: Inputs, name: str) -> Inputs:
    """The same with one route alone."""
    routes = {name: asked.environment.routes[name]}
    return replace(asked, environment=asked.environment.model_copy(update={"routes": routes}))


def _vcpus(choice: Choice, group: str) -> int:
    return next(k.vcpus_per_node for k in choice.question.classes if k.node_group == group)


@lru_cache
def surveyed(scale: float) -> Market:
    return survey(at(scale))


def chosen(asked: Inputs) -> Decision:
    decision = decide(asked, Known(KEPT))
    assert isinstance(decision, Decision)
    return decision


@pytest.fixture
def nothing_is_too_dear(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, all shapes are screened and none falls for its price alone."""

    def start() -> None:
        monkeypatch.setattr(buying, "DEAR", math.inf)
        monkeypatch.setattr(screening, "DEAR", math.inf)

    return start


@pytest.mark.parametrize("scale", [0.05, 0.5, 1.0, 3.0])
def test_the_plan_is_the_one_among_all_classes(scale: float, nothing_is_too_dear: Callable[[], None]) -> None:
    some = chosen(at(scale)).choice.answer
    nothing_is_too_dear()
    every = chosen(at(scale)).choice.answer
    assert some.usd_per_month == pytest.approx(every.usd_per_month, abs=0.005)
    assert some.replicas == every.replicas


@pytest.mark.parametrize("scale", [0.05, 0.1, 0.3])
def test_what_fell_for_a_plan_that_proved_dearer_comes_back(
    scale: float, nothing_is_too_dear: Callable[[], None]
) -> None:
    """The closed form rates T4 far too high on the long prompts of extraction: 8 of them served 0.1 × of it."""
    asked = only(at(scale), "extraction")
    some = chosen(asked).choice.answer
    nothing_is_too_dear()
    assert some.usd_per_month == pytest.approx(chosen(asked).choice.answer.usd_per_month, abs=0.005)


def test_a_plan_is_not_refused_for_a_class_that_is_too_dear() -> None:
    asked = only(at(0.1), "extraction")
    free = chosen(asked).choice
    vcpus = sum(nodes * _vcpus(free, group) for group, nodes in free.answer.nodes.items())
    tight = asked.environment.model_copy(update={"quotas": {"G": vcpus}})
    assert chosen(replace(asked, environment=tight)).choice.answer.replicas == free.answer.replicas


def test_a_model_that_meets_no_slo_is_no_offer_of_a_machine_that_is_too_dear() -> None:
    """Its machines cost far more than the plan, and they are asked all the same, until one serves it."""
    huge = ("accept: [qwen3-8b, gpt-5.4-mini]", "accept: [qwen3-8b, llama-3.1-405b-instruct, gpt-5.4-mini]")
    for tpot, is_offered in (("8ms", False), ("30ms", False), ("120ms", True)):
        offers = survey(inputs(huge, ("tpot_p95: 60ms", f"tpot_p95: {tpot}"))).offers
        assert (("chat", "llama-3.1-405b-instruct") in {(o.route, o.model) for o in offers}) == is_offered


def test_what_is_left_out_is_told_with_the_plan_that_it_exceeds() -> None:
    market = surveyed(0.05)
    dear = [o for o in market.omissions if isinstance(o.cause, DearerThanPlan)]
    (usd,) = {o.cause.usd_per_month for o in dear if isinstance(o.cause, DearerThanPlan)}
    prices = {row.instance.key: float(row.price.usd) for row in at(1.0).catalog.offerings if row.price is not None}
    assert len(dear) > 10
    assert all(730 * 2 * (prices[o.candidate.instance_type] + 0.1) > DEAR * (usd - 400) for o in dear)


def test_more_load_screens_more() -> None:
    counts = [sum(isinstance(o.cause, DearerThanPlan) for o in surveyed(s).omissions) for s in (0.05, 0.5, 3.0)]
    assert counts[0] > counts[1] > counts[2]


def test_what_is_not_screened_is_offered_all_the_same(nothing_is_too_dear: Callable[[], None]) -> None:
    """What falls on its price could serve its routes, so that its quota is told."""
    some = surveyed(0.05).offers
    nothing_is_too_dear()
    assert {(o.route, o.model, o.family) for o in survey(at(0.05)).offers} <= {
        (o.route, o.model, o.family) for o in some
    }


def test_what_an_idle_replica_serves_is_known_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads share what is known, and a set that is still filled would pass for shapes without hope."""
    known, market = Known(), surveyed(1.0)
    seen: list[int] = []

    def watched(questions: Sequence[CapacityQuestion]) -> list[bool]:
        seen.append(len(known.served))
        return are_served(questions)

    monkeypatch.setattr(replicas, "are_served", watched)
    found = replicas.routes_served([c.shape for c in market.classes], market.ruler, known)
    assert seen == [0]
    assert all(found)
    assert set(found) == set(known.served.values())
