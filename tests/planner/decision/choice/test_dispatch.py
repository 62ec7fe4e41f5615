"""A dispatch over machines that are there: as the plan said at the load of the plan, and right on paper elsewhere."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.decision.choice.choice import Choice
from planner.decision.choice.dispatch import dispatch
from planner.decision.choice.question import Answer, Question
from planner.decision.choice.solve import solve
from tests.planner.decision.choice.instances import CHAT, EXACT, api, drawn, flow, replica_class

ONE_MACHINE = Question(
    level_hours=(100.0, 630.0),
    flows=(flow(*CHAT, (4.0, 1.0)),),
    classes=(replica_class("k", "small", 1, {CHAT: 2.0}),),
    apis=(api({CHAT: 0.0008}),),
    platform_usd=0.0,
)
"""One replica serves 2 requests/s; 4 come in 100 hours and 1 in the others."""


def chosen(question: Question) -> Choice:
    answer = solve(question, EXACT)
    assert isinstance(answer, Answer)
    return Choice(question, answer)


def api_usd(choice: Choice, question: Question) -> float:
    """What the answer itself sends to APIs, USD a month."""
    prices = {a.name: a.usd_per_request for a in question.apis}
    return sum(
        share * f.mean[t] * hours * 3600 * prices[name][key]
        for f in question.flows
        for (key, name), shares in choice.answer.spilled.items()
        if key == f.key
        for t, (share, hours) in enumerate(zip(shares, question.level_hours, strict=True))
    )


def test_on_paper() -> None:
    choice = chosen(ONE_MACHINE)
    assert dict(choice.answer.replicas) == {"k": 1}
    usual = dispatch(choice, ONE_MACHINE)
    assert usual.api_usd_per_month == pytest.approx(2 * 100 * 3600 * 0.0008)
    assert dict(usual.unplaced) == {}
    doubled = dispatch(choice, ONE_MACHINE.scaled(2))
    assert doubled.api_usd_per_month == pytest.approx(6 * 100 * 3600 * 0.0008)
    slow = replace(ONE_MACHINE, classes=(replica_class("k", "small", 1, {CHAT: 1.0}),))
    assert dispatch(choice, slow).api_usd_per_month == pytest.approx(3 * 100 * 3600 * 0.0008)


def test_what_no_api_may_take_finds_no_place() -> None:
    choice = chosen(ONE_MACHINE)
    alone = replace(ONE_MACHINE, apis=())
    found = dispatch(choice, alone)
    assert found.api_usd_per_month == 0
    assert found.unplaced[CHAT] == pytest.approx((0.5, 0.0))


def test_an_account_takes_no_more_than_its_limit() -> None:
    choice = chosen(ONE_MACHINE)
    limited = replace(ONE_MACHINE, apis=(api({CHAT: 0.0008}, rpm=60.0),))
    found = dispatch(choice, limited)
    assert found.unplaced[CHAT] == pytest.approx((0.25, 0.0))


def test_a_class_that_serves_nothing_any_more_leaves_all_to_the_api() -> None:
    choice = chosen(ONE_MACHINE)
    broken = replace(ONE_MACHINE, classes=(replica_class("k", "small", 1, {CHAT: 0.0}),))
    assert dispatch(choice, broken).api_usd_per_month == pytest.approx((4 * 100 + 1 * 630) * 3600 * 0.0008)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_at_the_load_of_the_plan_it_costs_no_more_than_the_plan_says(seed: int) -> None:
    """It may cost less: a plan also keeps room at API accounts for the loss of a node."""
    question = drawn(seed)
    answer = solve(question, EXACT)
    if isinstance(answer, Answer):
        choice = Choice(question, answer)
        found = dispatch(choice, question)
        assert found.api_usd_per_month <= api_usd(choice, question) * (1 + 1e-6) + 0.02
        assert dict(found.unplaced) == {}
        relaxed = replace(question, survives_a_node=False, budget_usd=None, api_budget_usd=None)
        if not question.survives_a_node and question.budget_usd is None and question.api_budget_usd is None:
            assert found.api_usd_per_month == pytest.approx(api_usd(choice, relaxed), rel=1e-5, abs=0.05)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(1.0, 3.0))
def test_more_load_is_never_cheaper(seed: int, factor: float) -> None:
    """What finds no place is not paid for, so that it is counted at the price of the dearest request."""
    question = drawn(seed)
    answer = solve(question, EXACT)
    if isinstance(answer, Answer):
        choice = Choice(question, answer)
        less, more = dispatch(choice, question), dispatch(choice, question.scaled(factor))
        if not more.unplaced:
            assert more.api_usd_per_month >= less.api_usd_per_month * (1 - 1e-6) - 0.01
