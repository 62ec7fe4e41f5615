"""What may be asked of a choice, against the numbers of the question that is solved on paper."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.decision.choice.choice import Choice
from planner.decision.choice.question import Answer
from planner.decision.choice.solve import solve
from tests.planner.decision.choice.instances import EXACT, PAPER, api, flow, replica_class

CHAT, VAULT = ("chat", 0), ("vault", 0)


@pytest.fixture(scope="module")
def paper() -> Choice:
    answer = solve(PAPER, EXACT)
    assert isinstance(answer, Answer)
    return Choice(PAPER, answer)


def test_what_was_asked_is_found_by_name(paper: Choice) -> None:
    assert paper.routes == ("chat", "vault")
    assert paper.levels == 2
    assert paper.classes == {k.name: k for k in PAPER.classes}
    assert paper.flows == {CHAT: PAPER.flows[0], VAULT: PAPER.flows[1]}


def test_who_serves_a_band(paper: Choice) -> None:
    """A third of the peak's 6/s and all of the trough's 1/s."""
    assert paper.classes_of(CHAT) == ("chat-small",)
    assert paper.bands_of("chat-small") == (CHAT,)
    assert paper.served(CHAT, "chat-small") == pytest.approx((1 / 3, 1.0))
    assert paper.served(VAULT, "vault-small") == pytest.approx((1.0, 1.0))
    assert paper.classes_of(("code", 0)) == ()
    assert paper.bands_of("nobody") == ()


def test_what_goes_to_apis(paper: Choice) -> None:
    assert paper.spilled(CHAT) == pytest.approx((2 / 3, 0.0))
    ((name, parts),) = paper.spills(CHAT)
    assert name == "api"
    assert parts == pytest.approx((2 / 3, 0.0))
    assert paper.spilled(VAULT) == (0.0, 0.0)
    assert list(paper.spills(VAULT)) == []


def test_the_share_of_a_months_requests(paper: Choice) -> None:
    """4/s of 6/s at peak for 200 h, of (6 · 200 + 1 · 530) requests/s · h of chat, and 0.5 · 730 of the vault."""
    assert paper.api_share("chat") == pytest.approx(800 / 1730)
    assert paper.api_share("vault") == 0
    assert paper.api_share() == pytest.approx(800 / 2095)
    idle = replace(PAPER, flows=(flow("chat", 0, (0.0, 0.0)),))
    assert Choice(idle, replace(paper.answer, spilled={})).api_share() == 0.0


def test_how_busy_the_machines_are(paper: Choice) -> None:
    """The machine of chat is full at both: 2/s at peak. A machine of the vault serves its 0.5/s at 1/s."""
    assert paper.busiest(CHAT, "chat-small") == pytest.approx(2.0)
    assert paper.load("chat-small") == pytest.approx(1.0)
    assert paper.busiest(VAULT, "vault-small") == pytest.approx(0.5)
    assert paper.load("vault-small") == pytest.approx(0.5)


def test_load_is_that_of_the_level_at_which_all_bands_together_are_busiest() -> None:
    """Chat is busy by day, batches by night: 4/2 + 1/4 and 2/2 + 6/4 replicas, and not 4/2 + 6/4."""
    both = replica_class("both", "large", 1, {CHAT: 2.0, ("batch", 0): 4.0})
    question = replace(PAPER, flows=(flow("chat", 0, (4.0, 2.0)), flow("batch", 0, (1.0, 6.0))), classes=(both,))
    served = {(CHAT, "both"): (1.0, 1.0), (("batch", 0), "both"): (1.0, 1.0)}
    choice = Choice(question, Answer(0.0, True, 0.0, {"both": 3}, {"large": 1}, served, {}))
    assert choice.load("both") == pytest.approx(2.5)
    assert choice.bands_of("both") == (("batch", 0), CHAT)
    assert choice.busiest(("batch", 0), "both") == pytest.approx(6.0)


def test_planned_rates_size_and_mean_rates_count(paper: Choice) -> None:
    bursty = Choice(replace(PAPER, flows=(flow("chat", 0, (6.0, 1.0), burst=2.0), PAPER.flows[1])), paper.answer)
    assert bursty.load("chat-small") == pytest.approx(2.0)
    assert bursty.busiest(CHAT, "chat-small") == pytest.approx(4.0)
    assert bursty.api_share("chat") == pytest.approx(800 / 1730)


def test_several_apis_may_take_a_band() -> None:
    question = replace(PAPER, apis=(api({CHAT: 0.1}, name="one"), api({CHAT: 0.2}, name="two")))
    spilled = {(CHAT, "two"): (0.25, 0.0), (CHAT, "one"): (0.5, 0.125)}
    choice = Choice(question, Answer(0.0, True, 0.0, {}, {}, {}, spilled))
    assert list(choice.spills(CHAT)) == [("one", (0.5, 0.125)), ("two", (0.25, 0.0))]
    assert choice.spilled(CHAT) == (0.75, 0.125)


@pytest.mark.parametrize(
    ("share", "mode"),
    [
        (0.0, "self-host"),
        (0.0009, "self-host"),
        (0.0011, "hybrid"),
        (0.5, "hybrid"),
        (0.9989, "hybrid"),
        (0.9991, "api"),
        (1.0, "api"),
    ],
)
def test_a_route_is_served_as_nearly_all_of_it_is(share: float, mode: str) -> None:
    answer = Answer(0.0, True, 0.0, {}, {}, {}, {(CHAT, "api"): (share, share)})
    assert Choice(PAPER, answer).mode("chat") == mode
    assert Choice(PAPER, answer).mode("vault") == "self-host"


def test_what_is_bought(paper: Choice) -> None:
    """Machines of a type are counted together, though the vault's stand apart."""
    assert dict(paper.answer.nodes) == {"small": 1, "small/vault-small": 2}
    assert paper.hosts() == {"small": 3}
    assert paper.gpus == 3
    wide = replica_class("wide", "large", 4, {CHAT: 9.0})
    more = replace(PAPER, classes=(*PAPER.classes, wide))
    choice = Choice(more, replace(paper.answer, nodes={**paper.answer.nodes, "large": 2}))
    assert list(choice.hosts().items()) == [("large", 2), ("small", 3)]
    assert choice.gpus == 3 + 2 * 4
    nothing = Choice(PAPER, replace(paper.answer, nodes={}))
    assert (nothing.hosts(), nothing.gpus) == ({}, 0)
