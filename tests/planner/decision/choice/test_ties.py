"""APIs of equal cost are filled in the order in which the gateway asks them, as far as their limits admit."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from planner.decision.choice.question import Answer, ApiOption, Question, apis_in_order
from planner.decision.choice.solve import solve
from tests.planner.decision.choice.brute_force import broken_rules
from tests.planner.decision.choice.instances import CHAT, EXACT, api, flow, only, replica_class

FIRST, SECOND, THIRD = (api({CHAT: 0.0004}, name=name) for name in ("first", "second", "third"))


def answer(question: Question) -> Answer:
    found = solve(question, EXACT)
    assert isinstance(found, Answer)
    assert broken_rules(question, found) == []
    return found


@pytest.mark.parametrize("apis", list(permutations((FIRST, SECOND, THIRD))))
def test_the_first_takes_all_whichever_the_solver_filled(apis: tuple[ApiOption, ...]) -> None:
    found = answer(only(classes=(), apis=apis))
    assert [a.name for a in apis_in_order(apis, "chat")] == ["first", "second", "third"]
    assert found.spilled == {(CHAT, "first"): (1.0,)}
    assert found.usd_per_month == pytest.approx(4 * 3600 * 730 * 0.0004)


@pytest.mark.parametrize("apis", list(permutations((replace(FIRST, requests_per_minute=60.0), SECOND, THIRD))))
def test_a_limit_leaves_the_rest_to_the_next(apis: tuple[ApiOption, ...]) -> None:
    """60 requests a minute are a quarter of four a second."""
    found = answer(only(classes=(), apis=apis))
    assert {name: shares for (_, name), shares in found.spilled.items()} == {
        "first": pytest.approx((0.25,)),
        "second": pytest.approx((0.75,)),
    }


@pytest.mark.parametrize("names", [("first", "second"), ("second", "first")])
def test_the_reserve_for_a_lost_node_is_kept(names: tuple[str, str]) -> None:
    """The account of the first holds what it takes beside what a node served; 2 of 4 a second stay on the machine."""
    limited = {"first": 180.0, "second": None}
    apis = tuple(api({CHAT: 0.0004}, rpm=limited[name], name=name) for name in names)
    found = answer(only(apis=apis, classes=(replica_class("k", "small", 1, {CHAT: 2.0}),), quotas={"G": 4.0}))
    assert found.served == {(CHAT, "k"): pytest.approx((0.5,))}
    assert {name: shares for (_, name), shares in found.spilled.items()} == {
        "first": pytest.approx((0.25,)),
        "second": pytest.approx((0.25,)),
    }


def test_a_cheaper_api_is_never_left_for_the_first() -> None:
    """The order is by the mean over the bands; a band whose own price differs stays where it is cheaper."""
    other = ("chat", 1)
    first = api({CHAT: 0.0004, other: 0.0001}, name="first")
    second = api({CHAT: 0.0003, other: 0.0006}, name="second")
    flows = (flow("chat", 0, (4.0,)), flow("chat", 1, (1.0,)))
    found = answer(replace(only(classes=(), apis=(first, second)), flows=flows))
    assert found.spilled == {(CHAT, "second"): (1.0,), (other, "first"): (1.0,)}
