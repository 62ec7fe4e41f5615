"""Preferred hardware in plain numbers: which bands keep a class, and when an answer needs no second question."""

from __future__ import annotations

from dataclasses import replace

from planner.decision.candidates.preference import is_preferred, with_preferred_alone
from planner.decision.choice.question import Answer, BandKey, Question
from planner.decision.choice.solve import solve
from tests.planner.decision.choice.instances import EXACT, api, flow, replica_class

CHAT: BandKey = ("chat", 0)
CODE: BandKey = ("code", 0)
QUESTION = Question(
    level_hours=(730.0,),
    flows=(flow("chat", 0, (4.0,), False), flow("code", 0, (4.0,), False)),
    classes=(
        replica_class("cheap", "small", 1, {CHAT: 3.0, CODE: 3.0}),
        replica_class("liked", "medium", 1, {CHAT: 3.0, CODE: 3.0}),
    ),
    apis=(),
    platform_usd=100.0,
)
BOTH = frozenset({CHAT, CODE})
LIKED = {"cheap": frozenset({CODE}), "liked": BOTH}
"""Chat prefers one class, and code prefers nothing."""


def answer(question: Question) -> Answer:
    found = solve(question, EXACT)
    assert isinstance(found, Answer)
    return found


def test_a_route_without_a_preference_may_use_every_class() -> None:
    narrowed = with_preferred_alone(QUESTION, LIKED)
    assert {k.name: set(k.capacity) for k in narrowed.classes} == {"cheap": {CODE}, "liked": {CHAT, CODE}}
    assert with_preferred_alone(QUESTION, {"liked": BOTH}).classes == QUESTION.classes[1:]


def test_the_preferred_answer_costs_no_less_and_uses_preferred_classes_alone() -> None:
    free, liked = answer(QUESTION), answer(with_preferred_alone(QUESTION, LIKED))
    assert not is_preferred(free, LIKED)
    assert is_preferred(liked, LIKED)
    assert liked.usd_per_month >= free.usd_per_month
    assert all(name == "liked" for key, name in liked.served if key == CHAT)


def test_an_api_is_no_hardware_and_offends_no_preference() -> None:
    asked = replace(
        QUESTION, flows=tuple(replace(f, may_spill=True) for f in QUESTION.flows), apis=(api({CHAT: 1e-6, CODE: 1e-6}),)
    )
    assert is_preferred(answer(asked), {})
