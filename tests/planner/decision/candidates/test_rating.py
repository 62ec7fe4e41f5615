"""Capacities that the simulator vouches for: all of those that a plan rests on, and the others corrected by them."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Never

import pytest

import planner.decision.decide as decider
import planner.decision.optimize as optimizer
from planner.decision.candidates import rating as module
from planner.decision.candidates.demand import demand
from planner.decision.candidates.known import Known
from planner.decision.candidates.market import Market, survey
from planner.decision.candidates.omissions import MissesSlo
from planner.decision.candidates.rating import RatedClasses, Rating
from planner.decision.candidates.ruler import Ruler
from planner.decision.candidates.self_hosted import SelfHosted
from planner.decision.choice.choice import Choice
from planner.decision.choice.limits import BrokenLimit, Contradiction, VcpuQuota
from planner.decision.choice.question import Answer, Infeasible, Question
from planner.decision.choice.search import SearchLimits
from planner.decision.decide import Decision, Refusal, decide
from planner.decision.optimize import optimize
from planner.edges.trace_files import shipped_trace
from planner.performance import capacity_search
from planner.performance.capacity import Capacity, CapacityQuestion, NoCapacity
from planner.performance.capacity_search import CapacitiesByDigest, ReplicaTraffic, digest, highest_rate, search
from planner.plan.fleet import Pool
from planner.plan.plan import Plan
from planner.words.diagnostics import Problems
from planner.words.numbers import figure, six_digits
from tests.planner.decision.test_optimize import GAP, KEPT, inputs, outcome

pytestmark = pytest.mark.usefixtures("alone")

CHAT, EXTRACTION = "chat", "extraction"
REASON = "so says this test"
HOPEFUL = ("quotas:", "planning: {margin: p50}\nquotas:")


@lru_cache(maxsize=1)
def market() -> Market:
    """What the small environment may choose from, screened."""
    return survey(inputs())


def rated(names: Sequence[str]) -> RatedClasses:
    return Rating(market().classes, market().ruler, KEPT).simulate(names)


def capacity_of(classes: Sequence[SelfHosted]) -> dict[str, dict[tuple[str, int], float]]:
    return {c.name: dict(c.replica_class.capacity) for c in classes}


def names_of(route: str) -> list[str]:
    """The classes that serve a route."""
    return [c.name for c in market().classes if route in {name for name, _ in c.replica.rates}]


def test_every_class_of_the_plan_is_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The capacities of its pools are answers of the search, with their latencies, and not of the closed form."""
    answers: list[Capacity | NoCapacity] = []

    def recorded(
        question: CapacityQuestion, traffic: ReplicaTraffic, kept: CapacitiesByDigest
    ) -> Capacity | NoCapacity:
        answers.append(highest_rate(question, traffic, kept))
        return answers[-1]

    monkeypatch.setattr(module, "highest_rate", recorded)
    plan = optimize(inputs(), kept=KEPT).plan
    served = [each for each in answers if isinstance(each, Capacity)]
    told = {(figure(each.requests_per_second), figure(each.tpot_ms_p95), figure(each.ttft_ms_p95)) for each in served}
    assert plan.pools
    for pool in plan.pools:
        assert {(c.requests_per_second, c.tpot_p95_ms, c.ttft_p95_ms) for c in pool.capacity} <= told


def test_the_others_are_corrected_by_the_median_of_their_band() -> None:
    screened = capacity_of(market().classes)
    chosen = names_of(CHAT)[:3] + names_of(EXTRACTION)[:2]
    result = rated(chosen)
    now = capacity_of(result.classes)
    assert set(chosen) <= result.simulated
    others = set(screened) - result.simulated
    assert others
    for band in {band for capacity in screened.values() for band in capacity}:
        ratios = {}
        for c in market().classes:  # one replica on two machines counts once
            if c.name in result.simulated and band in screened[c.name]:
                ratios[id(c.replica)] = now[c.name][band] / screened[c.name][band]
        median = statistics.median_high(ratios.values())
        assert median != 1.0
        for name in others:
            if band in screened[name]:
                assert now[name][band] == six_digits(screened[name][band] * median)
    for c in result.classes:  # what a class may serve is what its replica can
        assert c.replica_class.capacity == c.replica.rates
        if simulated := c.replica.capacities:
            assert c.replica.rates == {key: each.requests_per_second for key, each in simulated.items()}


def test_without_any_simulation_nothing_is_corrected() -> None:
    result = rated([])
    assert capacity_of(result.classes) == capacity_of(market().classes)
    assert (result.simulated, result.omissions) == (frozenset(), ())


def test_one_replica_on_two_machines_is_simulated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    one = market().classes[0]
    twin = dataclasses.replace(one, replica_class=dataclasses.replace(one.replica_class, name="twin"))
    twins = [one.name, "twin"]
    asked: list[CapacityQuestion] = []

    def counted(question: CapacityQuestion, traffic: ReplicaTraffic, kept: CapacitiesByDigest) -> Capacity | NoCapacity:
        asked.append(question)
        return highest_rate(question, traffic, kept)

    monkeypatch.setattr(module, "highest_rate", counted)
    both = Rating([one, twin], market().ruler, KEPT)
    result = both.simulate(twins[:1])
    bands = len(capacity_of(market().classes)[twins[0]])
    assert set(twins) <= result.simulated
    assert len(asked) == bands
    both.simulate(twins)
    assert len(asked) == bands


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> set[tuple[object, float]]:
    """A simulator that refuses those questions: (batch cap and clock, TPOT target)."""
    refused: set[tuple[object, float]] = set()

    def answered(
        question: CapacityQuestion, traffic: ReplicaTraffic, kept: CapacitiesByDigest
    ) -> Capacity | NoCapacity:
        if ((question.max_num_seqs, question.clock), question.target.tpot_ms) in refused:
            return NoCapacity(REASON, "tpot")
        return highest_rate(question, traffic, kept)

    monkeypatch.setattr(module, "highest_rate", answered)
    return refused


def asked_of(name: str) -> set[tuple[object, float]]:
    """The questions about a class, as `refusing` names them."""
    (c,) = [c for c in market().classes if c.name == name]
    targets = {route.target.tpot_ms for route in c.shape.routes}
    return {((c.replica.max_num_seqs, c.replica.clock), target) for target in targets}


def pools(plan: Plan, privacy: str) -> list[Pool]:
    return [pool for pool in plan.pools if pool.privacy == privacy]


def test_a_class_that_fails_in_simulation_falls_with_its_reason(refusing: set[tuple[object, float]]) -> None:
    (first,) = pools(outcome().plan, "restricted")
    refusing |= asked_of(first.name)
    result = optimize(inputs(), kept=KEPT)
    (second,) = pools(result.plan, "restricted")
    assert second.name != first.name
    assert result.plan.cost.usd_per_month * GAP >= outcome().plan.cost.usd_per_month
    told = [o for o in result.omissions if isinstance(o.cause, MissesSlo) and o.cause.capacity.reason == REASON]
    assert told
    assert {o.route for o in told} == {EXTRACTION}
    assert first.gpu in {o.candidate.gpu for o in told}
    assert {o.candidate.model for o in told} == {"qwen3-8b"}


def test_a_class_that_fails_for_one_band_keeps_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    name = names_of(CHAT)[0]
    bands = capacity_of(market().classes)[name]
    assert len(bands) > 1
    left = iter(range(len(bands)))

    def first_fails(
        question: CapacityQuestion, traffic: ReplicaTraffic, kept: CapacitiesByDigest
    ) -> Capacity | NoCapacity:
        return NoCapacity(REASON, "ttft") if next(left) == 0 else highest_rate(question, traffic, kept)

    monkeypatch.setattr(module, "highest_rate", first_fails)
    result = rated([name])
    assert list(capacity_of(result.classes)[name]) == list(bands)[1:]
    assert {(o.cause, o.route) for o in result.omissions} == {(MissesSlo(NoCapacity(REASON, "ttft"), "short"), CHAT)}


def test_a_route_whose_every_class_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "highest_rate", lambda *_: NoCapacity(REASON, "tpot"))
    with pytest.raises(Problems) as caught:
        optimize(
            inputs(
                ("budget: {monthly: $20000}", "budget: {monthly: $9000000}"),
                ("monthly_budget: $2000", "monthly_budget: $9000000"),
                ("G: 192, P: 384", "G: 9000, P: 9000"),
            )
        )
    (problem,) = caught.value.problems
    assert (problem.code, caught.value.exit_code) == ("INF001", 1)
    assert "route `extraction`" in problem.message
    assert problem.hint.startswith("nearest: qwen3-8b")
    assert problem.hint.endswith("; no plan exists with any single limit less either")


def test_what_is_kept_changes_no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty, full, or with half of it: the same plan, and nothing is searched that is kept."""
    kept: CapacitiesByDigest = {}
    cold = optimize(inputs(), kept=kept)
    assert kept

    def never(*_: object) -> Capacity:
        raise AssertionError("a kept capacity was searched again")

    with monkeypatch.context() as patch:
        patch.setattr(capacity_search, "search", never)
        assert optimize(inputs(), kept=dict(kept)) == cold
    searched: set[str] = set()  # two threads may ask one at the same moment

    def counted(question: CapacityQuestion, traffic: ReplicaTraffic) -> Capacity | NoCapacity:
        searched.add(digest(question, traffic))
        return search(question, traffic)

    monkeypatch.setattr(capacity_search, "search", counted)
    half = dict(list(kept.items())[::2])
    lacking = kept.keys() - half.keys()
    assert optimize(inputs(), kept=half) == cold
    assert half == kept
    assert searched == lacking


class Reached(Exception):
    """The loop of rating and choosing has ended: with which choice, and on which simulated classes."""

    def __init__(self, choice: Choice, simulated: frozenset[str]) -> None:
        super().__init__()
        self.choice, self.simulated = choice, simulated


@pytest.fixture
def ratings(monkeypatch: pytest.MonkeyPatch) -> list[Rating]:
    """The rating of a run of `optimize`, which goes no further than its choice."""
    made: list[Rating] = []

    def rating(classes: Sequence[SelfHosted], judged_by: Ruler, kept: CapacitiesByDigest) -> Rating:
        made.append(Rating(classes, judged_by, kept))
        return made[-1]

    def stopped(decision: Decision, limits: object) -> Never:
        raise Reached(decision.choice, made[-1].simulate(()).simulated)

    monkeypatch.setattr(decider, "Rating", rating)
    monkeypatch.setattr(optimizer, "keep", stopped)
    return made


def test_it_ends_even_when_every_answer_names_another_class(
    ratings: list[Rating], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each turn simulates at least one class more, so that there are no more turns than classes."""
    turns: list[Question] = []

    def contrary(question: Question, limits: SearchLimits, likely: frozenset[str]) -> Answer:
        turns.append(question)
        simulated = ratings[-1].simulate(()).simulated
        left = [k.name for k in question.classes if k.name not in simulated]
        named = left[:1] or [question.classes[0].name]
        groups = {k.node_group for k in question.classes if k.name in named}
        return Answer(1.0, True, 0.0, dict.fromkeys(named, 1), dict.fromkeys(groups, 1), {}, {})

    monkeypatch.setattr(decider, "solve", contrary)
    monkeypatch.setattr(decider, "solve_again", lambda asked, limits, _: contrary(asked, limits, frozenset()))
    with pytest.raises(Reached) as reached:
        optimizer.optimize(inputs(), kept=KEPT)
    names = {c.name for c in market().classes}
    assert set(reached.value.choice.answer.replicas) <= reached.value.simulated == names
    assert 1 < len(turns) <= len(names) + 1
    rates = {k.name: k.capacity for k in reached.value.choice.question.classes}
    assert rates == capacity_of(ratings[-1].simulate(()).classes)


def test_that_there_is_no_plan_is_believed_of_simulated_classes_alone(
    ratings: list[Rating], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless far better classes would change nothing."""
    turns: list[Question] = []

    def none(question: Question, limits: SearchLimits, likely: frozenset[str] = frozenset()) -> Infeasible:
        turns.append(question)
        best = max(rate for k in question.classes for rate in k.capacity.values())
        helped = len(turns) > 1 and best > 10 * max(r for k in turns[0].classes for r in k.capacity.values())
        return Infeasible((BrokenLimit(VcpuQuota("G"), 8.0, 16.0 if helped else 32.0),))

    monkeypatch.setattr(decider, "solve", none)
    refusal = decide(inputs(), Known(KEPT))
    assert isinstance(refusal, Refusal)
    assert [p.code for p in refusal.problems] == ["INF002"]
    assert ratings[-1].simulate(()).simulated == {c.name for c in survey(inputs(), known_usd=math.inf).classes}
    assert len(turns) == 5  # what was too dear for a plan comes back where there is none


def test_what_no_class_could_help_is_believed_at_once(ratings: list[Rating], monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[Question] = []

    def none(question: Question, limits: SearchLimits, likely: frozenset[str] = frozenset()) -> Infeasible:
        turns.append(question)
        return Infeasible((Contradiction(),))

    monkeypatch.setattr(decider, "solve", none)
    refusal = decide(inputs(), Known(KEPT))
    assert isinstance(refusal, Refusal)
    assert [(p.code, p.message) for p in refusal.problems] == [
        ("INF002", "no plan exists: the limits contradict each other")
    ]
    assert len(turns) == 4  # twice with what was too dear for a plan
    simulated = ratings[-1].simulate(()).simulated
    rates = [{k.name: k.capacity for k in question.classes} for question in turns[2:]]
    assert {name for name in rates[0] if rates[0][name] != rates[1][name]} == rates[0].keys() - simulated


def test_a_search_that_ended_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2: that no plan was found does not say that none exists."""
    with pytest.raises(Problems) as caught:
        optimizer.optimize(inputs(), SearchLimits(nodes=0, proof_nodes=0), KEPT)
    assert ([p.code for p in caught.value.problems], caught.value.exit_code) == (["INF003"], 2)


def premium(plan: Plan) -> Decimal | None:
    """What the plan would cost without a margin; None without such a row."""
    found = [other for other in plan.baselines if other.name == "no uncertainty margin"]
    assert len(found) <= 1
    return found[0].usd_per_month if found else None


@pytest.mark.beside
@pytest.mark.parametrize("load", [1, 3, 8])
def test_a_margin_never_saves_money(load: int) -> None:
    """The same choice without it costs no more, and at some loads less: that is what not knowing costs."""
    change = ("requests_per_second: {mean: 1}", f"requests_per_second: {{mean: {load}}}")
    plan = optimize(inputs(change), kept=KEPT).plan
    without = premium(plan)
    assert without is not None
    assert without <= plan.cost.usd_per_month * GAP
    if load == 8:
        assert without < plan.cost.usd_per_month * Decimal("0.95")


def test_a_plan_without_a_margin_has_no_premium() -> None:
    plan = optimize(inputs(HOPEFUL), kept=KEPT).plan
    assert plan.pools
    assert premium(plan) is None


def test_a_plan_without_pools_has_no_premium() -> None:
    api_alone = (
        ("requests_per_second: {mean: 1}", "requests_per_second: {mean: 0.05}"),
        ("requests_per_second: {mean: 0.2}", "requests_per_second: {mean: 0.05}"),
        ("data: restricted", "data: internal"),
        ("accept: [qwen3-8b]", "accept: [qwen3-8b, gpt-5.4-mini]"),
    )
    plan = optimize(inputs(*api_alone), kept=KEPT).plan
    assert plan.pools == ()
    assert premium(plan) is None


@pytest.mark.beside
def test_the_premium_compares_like_with_like() -> None:
    """With margins of 1 the row costs what the plan costs: unsimulated classes are as corrected there as here."""
    asked = inputs()
    coefficients = asked.coefficients
    residuals = {
        kind: {name: dataclasses.replace(told, p50=1.0, p90=1.0) for name, told in metrics.items()}
        for kind, metrics in coefficients.residuals.items()
    }
    sure = dataclasses.replace(asked, coefficients=dataclasses.replace(coefficients, residuals=residuals))
    plan = optimize(sure, kept=KEPT).plan
    without = premium(plan)
    assert without is not None
    assert abs(without / plan.cost.usd_per_month - 1) <= GAP - 1


def shape_of(*requests: int, seconds: float | None = None) -> tuple[float, ...]:
    """The minutes that chat is simulated with if its trace has so many requests in each of its own."""
    trace = shipped_trace("azure-conv-2023")
    trace = dataclasses.replace(
        trace, minutes=tuple((n, 0, 0) for n in requests), duration_s=seconds or 60.0 * len(requests)
    )
    rate = "requests_per_second: {mean: 1}"
    asked = inputs((rate, rate + "\n      trace: azure-conv-2023"))
    shapes = {route.name: route.minutes for route in demand(asked.environment, {"azure-conv-2023": trace}).routes}
    assert shapes[EXTRACTION] == (1.0,)  # a route without a trace is Poisson
    return shapes[CHAT]


def test_bursts_are_the_busiest_five_minutes_of_the_trace() -> None:
    """Over their mean; the last minute counts only when it is whole, and a short trace has fewer."""
    assert shape_of(1, 9, 4, 0, 6, 6, 0, 3, 9) == pytest.approx((1.8, 0.8, 0.0, 1.2, 1.2))
    assert shape_of(2, 2, 2, 2, 2, 50, seconds=301.0) == pytest.approx((1.0,) * 5)
    assert shape_of(3, 1, 5, seconds=150.0) == pytest.approx((1.5, 0.5))
    assert shape_of(7, seconds=20.0) == (1.0,)
