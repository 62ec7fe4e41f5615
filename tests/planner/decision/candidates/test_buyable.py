"""What is too dear is not screened, and no plan is the dearer for that."""

from __future__ import annotations

import math
from functools import lru_cache

import pytest

from planner.decision.candidates import market as markets
from planner.decision.candidates.known import Known
from planner.decision.candidates.market import Market, survey
from planner.decision.candidates.omissions import DearerThanPlan
from planner.decision.candidates.screening import DEAR
from planner.decision.decide import Decision, decide
from planner.decision.inputs import Inputs
from planner.domain.scaling import scaled
from tests.planner.decision.test_optimize import KEPT, inputs


def at(scale: float) -> Inputs:
    """The small environment at a multiple of its load."""
    asked = inputs()
    return Inputs(scaled(asked.environment, scale), asked.catalog, asked.coefficients, asked.traces)


@lru_cache
def surveyed(scale: float) -> Market:
    return survey(at(scale))


def chosen(asked: Inputs) -> Decision:
    decision = decide(asked, Known(KEPT))
    assert isinstance(decision, Decision)
    return decision


@pytest.mark.parametrize("scale", [0.05, 0.5, 1.0, 3.0])
def test_the_plan_is_the_one_among_all_classes(scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    some = chosen(at(scale)).choice.answer
    monkeypatch.setattr(markets, "_dear_from", lambda *_: math.inf)
    every = chosen(at(scale)).choice.answer
    assert some.usd_per_month == pytest.approx(every.usd_per_month, abs=0.005)
    assert some.replicas == every.replicas


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


def test_what_is_not_screened_is_offered_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """What falls on its price could serve its routes, so that its quota is told."""
    some = surveyed(0.05).offers
    monkeypatch.setattr(markets, "_dear_from", lambda *_: math.inf)
    assert {(o.route, o.model, o.family) for o in survey(at(0.05)).offers} <= {
        (o.route, o.model, o.family) for o in some
    }
