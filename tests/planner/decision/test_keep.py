"""Locked pools stay while others save little, and the plan claims no more of them than was proven."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import pytest

from planner.decision.candidates.demand import Demand
from planner.decision.candidates.market import Market
from planner.decision.candidates.screening import PreferredBands
from planner.decision.choice.choice import Choice
from planner.decision.choice.question import Answer, Question
from planner.decision.choice.solve import solve
from planner.decision.decide import Decision
from planner.decision.inputs import Inputs
from planner.decision.optimize import keep
from planner.documents.environment_file import parse
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from tests.planner.decision.choice.instances import CHAT, EXACT, flow, replica_class
from tests.planner.plans import ENVIRONMENT, plan


def question(locked_usd_per_hour: float) -> Question:
    """One replica of either class serves the chat; `new` costs 0.9 USD an hour, `locked` what is given."""
    classes = tuple(replica_class(name, "small", 1, {CHAT: 2.0}) for name in ("locked", "new"))
    priced = (replace(classes[0], instance_type="other", usd_per_node_hour=locked_usd_per_hour), classes[1])
    return Question((730.0,), (flow(*CHAT, (1.0,), may_spill=False),), priced, (), 0.0)


@dataclass(frozen=True)
class _Market:
    """A market of which only the demand is known, and what is preferred."""

    demand: Demand
    preferred: PreferredBands | None


def kept(
    asked: Question, best: Answer, threshold: float, preferred: PreferredBands | None = None
) -> tuple[Answer, str]:
    """The answer and the note when `locked` is the only pool of the lock."""
    environment, _ = parse(ENVIRONMENT, "prod.yaml")
    planning = environment.planning.model_copy(update={"replan_threshold": threshold})
    prior = plan()
    prior = prior.model_copy(update={"pools": (prior.pools[0].model_copy(update={"name": "locked"}),)})
    environment = environment.model_copy(update={"planning": planning})
    inputs = Inputs(environment, load_catalog(), load_coefficients(), {}, prior)
    market = cast(Market, _Market(Demand((), ()), preferred))  # no route has sessions
    held, note = keep(Decision(inputs, market, Choice(asked, best)), EXACT)
    return held.choice.answer, note.words if note else ""


def new_mix(asked: Question) -> Answer:
    answer = solve(asked.with_classes(frozenset({"new"})), EXACT)
    assert isinstance(answer, Answer)
    assert answer.proven
    return answer


def test_locked_pools_give_way_to_hardware_that_is_preferred() -> None:
    cheaper = question(0.85)
    best = new_mix(cheaper)
    assert kept(cheaper, best, 0.05)[0].replicas == {"locked": 1}
    assert kept(cheaper, best, 0.05, {"new": frozenset({CHAT})}) == (best, "")
    assert kept(cheaper, best, 0.05, {"locked": frozenset({CHAT})})[0].replicas == {"locked": 1}


@pytest.mark.parametrize("last_bits", [-1e-15, 0.0, 1e-15])
@pytest.mark.parametrize("threshold", [0.0, 0.05])
def test_at_equal_cost_the_locked_pools_stay_whatever_the_last_bits_say(last_bits: float, threshold: float) -> None:
    asked = question(0.9)
    best = new_mix(asked)
    best = replace(best, usd_per_month=best.usd_per_month * (1.0 + last_bits))
    answer, note = kept(asked, best, threshold)
    assert (dict(answer.replicas), note) == ({"locked": 1}, "")
    assert (answer.proven, answer.gap) == (True, 0.0)


def test_an_optimum_of_the_locked_pools_alone_is_no_proof() -> None:
    asked = question(0.9)
    answer, note = kept(asked, replace(new_mix(asked), proven=False, gap=0.03), 0.05)
    assert (dict(answer.replicas), note) == ({"locked": 1}, "")
    assert not answer.proven
    assert answer.gap == pytest.approx(0.03)


def test_what_is_not_saved_adds_to_what_was_not_proven() -> None:
    asked = question(1.0)
    answer, note = kept(asked, replace(new_mix(asked), proven=False, gap=0.03), 0.2)
    assert dict(answer.replicas) == {"locked": 1}
    assert note == "kept the locked pools; new would save $73 a month, below 20%"
    assert answer.gap == pytest.approx(1 - 0.97 * 0.9)


def test_others_are_taken_when_they_save_enough() -> None:
    asked = question(1.0)
    best = new_mix(asked)
    assert kept(asked, best, 0.05) == (best, "")
