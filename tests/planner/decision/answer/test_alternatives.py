"""What else could have been done: forced baselines, plans that differ in kind, the same question at other loads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.decision.answer.alternatives import (
    SCALES,
    baselines,
    break_even,
    machines_words,
    runners_up,
    without_margin,
)
from planner.decision.choice.choice import Choice
from planner.decision.choice.question import Answer, Question
from planner.decision.choice.solve import solve
from tests.planner.decision.choice.instances import EXACT, PAPER, api, replica_class

CHAT = ("chat", 0)


def answered(question: Question) -> Answer:
    answer = solve(question, EXACT)
    assert isinstance(answer, Answer)
    return answer


def chosen(question: Question) -> Choice:
    return Choice(question, answered(question))


def test_machines_are_counted_by_type() -> None:
    choice = chosen(PAPER)
    assert machines_words(choice) == "3 × small"
    wide = replace(PAPER, classes=(*PAPER.classes, replica_class("wide", "large", 4, {CHAT: 9.0})))
    more = replace(choice.answer, nodes={**choice.answer.nodes, "large": 2})
    assert machines_words(Choice(wide, more)) == "2 × large + 3 × small"
    assert machines_words(Choice(PAPER, replace(choice.answer, nodes={}))) == "no machines"


def test_baselines_are_forced_and_leave_permissions_aside() -> None:
    all_api, self_host = baselines(replace(PAPER, budget_usd=1.0, quotas={"G": 0.0}), EXACT)
    assert (all_api.name, self_host.name) == ("all API", "self-host only")
    # The vault's two machines and the platform, and 1730 · 3600 requests at the API.
    assert all_api.usd_per_month == pytest.approx(150 + 1314 + 1730 * 3600 * 0.0004)
    assert self_host.usd_per_month == pytest.approx(150 + 5 * 657)
    best = answered(PAPER).usd_per_month
    assert all(each.usd_per_month is not None and each.usd_per_month >= best for each in (all_api, self_host))


def test_a_baseline_that_does_not_exist_says_why() -> None:
    _, self_host = baselines(replace(PAPER, classes=PAPER.classes[1:]), EXACT)
    assert self_host.usd_per_month is None
    assert self_host.description == "does not exist: 100% of route chat finds no place"


def test_runners_up_differ_in_instance_type_and_in_model() -> None:
    other = replica_class("chat-medium", "medium", 1, {CHAT: 2.5}, "m2")
    vault = replica_class("vault-medium", "medium", 1, {("vault", 0): 1.0}, "m2", exclusive=True)
    question = replace(PAPER, classes=(*PAPER.classes, other, vault))
    choice = chosen(question)
    without_machine, without_model = runners_up(choice, EXACT)
    assert without_machine.name == "without small"
    assert "small" not in without_machine.description
    assert without_model.name == "without m1"
    for alternative in (without_machine, without_model):
        assert alternative.usd_per_month is not None
        assert alternative.usd_per_month >= choice.answer.usd_per_month


def test_runners_up_are_looked_for_among_few_classes_first() -> None:
    """And among all of them where the few have no plan, so that none is said not to exist that does."""
    other = replica_class("chat-medium", "medium", 1, {CHAT: 2.5}, "m2")
    vault = replica_class("vault-medium", "medium", 1, {("vault", 0): 1.0}, "m2", exclusive=True)
    question = replace(PAPER, classes=(*PAPER.classes, other, vault))
    choice = chosen(question)
    bought = choice.answer.replicas
    whole = runners_up(choice, EXACT)
    for names in (frozenset(bought), frozenset({*bought, "vault-medium"})):
        few = question.with_classes(names)
        found = runners_up(choice, EXACT, few)
        assert all(other.usd_per_month is not None for other in found)
        assert [other.name for other in found] == [other.name for other in whole]
    assert found[0].usd_per_month is not None
    assert whole[0].usd_per_month is not None
    assert found[0].usd_per_month >= whole[0].usd_per_month  # the API took what chat-medium was too far away for


def test_no_margin_is_the_same_question_with_other_capacities() -> None:
    doubled = {k.name: {band: 2 * rate for band, rate in k.capacity.items()} for k in PAPER.classes}
    same = without_margin(PAPER, {k.name: k.capacity for k in PAPER.classes}, EXACT)
    faster = without_margin(PAPER, doubled, EXACT)
    assert same.name == faster.name == "no uncertainty margin"
    assert same.usd_per_month == pytest.approx(answered(PAPER).usd_per_month)
    assert faster.usd_per_month is not None
    assert faster.usd_per_month < answered(PAPER).usd_per_month
    broke = without_margin(replace(PAPER, budget_usd=1.0), doubled, EXACT)
    assert broke.usd_per_month is None  # it obeys limits as the plan does


def test_runners_up_obey_limits() -> None:
    tight = replace(PAPER, quotas={"G": 12.0})
    for other in runners_up(chosen(tight), EXACT):
        assert other.usd_per_month is None
        assert other.description == "does not exist: 100% of route vault finds no place"


def test_a_plan_without_machines_has_no_runner_up() -> None:
    question = replace(PAPER, flows=PAPER.flows[:1], classes=(), apis=(api({CHAT: 0.0001}),))
    assert runners_up(chosen(question), EXACT) == ()


def test_the_break_even_is_resolved_at_every_scale() -> None:
    points = break_even(replace(PAPER, budget_usd=1.0), EXACT)
    assert tuple(point.scale for point in points) == SCALES
    assert len(SCALES) >= 8
    costs = [point.choice.answer.usd_per_month for point in points]
    assert costs == sorted(costs)
    for point in points:
        assert point.all_api_usd is not None
        assert point.choice.answer.usd_per_month <= point.all_api_usd + 0.5
        assert point.choice.mode("vault") == "self-host"
        assert point.choice.answer == answered(PAPER.scaled(point.scale))
        assert point.choice.question.flows == PAPER.scaled(point.scale).flows
    assert points[0].choice.mode("chat") == "api"
    assert {point.choice.mode("chat") for point in points} == {"api", "hybrid"}
    shares = [point.choice.api_share() for point in points]
    assert shares[0] > shares[-1]


def test_where_no_route_may_use_an_api_the_break_even_compares_with_none() -> None:
    alone = replace(PAPER, flows=PAPER.flows[1:], classes=PAPER.classes[1:], apis=())
    assert {point.all_api_usd for point in break_even(alone, EXACT)} == {None}
    assert baselines(alone, EXACT)[0].usd_per_month is None
    assert baselines(alone, EXACT)[0].description == "does not exist: no route may use an API"


def test_a_scale_without_a_plan_is_left_out() -> None:
    unservable = replace(PAPER, classes=(), apis=PAPER.apis)
    assert break_even(unservable, EXACT) == ()
