"""Every figure beside a plan is the cost of a plan that one gets when one writes its environment down.

Twenty small environments are drawn, the same in each run. What stands beside their plans is compared with plans of
environments that are written out here as text, each planned alone with nothing known but simulated capacities.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import cache

import pytest

from planner.decision import replans
from planner.decision.optimize import optimize
from planner.plan.plan import Plan
from planner.plan.review import Alternative
from planner.words.diagnostics import Problems
from tests.planner.decision.cases import KEPT, Case, alone, drawn, inputs

CASES = 20
LONG = (0, 5, 10)
"""Cases that take as long as all others together."""
SEEDS = [pytest.param(seed, marks=pytest.mark.long if seed in LONG else ()) for seed in range(CASES)]
SCALES = (0.5, 1.0, 2.0)
"""Points of the break-even: fewer than a plan shows, to be quick."""


def scaled(case: Case, factor: float) -> Case:
    return replace(case, roads=tuple(replace(road, rate=road.rate * factor) for road in case.roads))


def on_apis(case: Case) -> Case:
    only = "hardware: {only: []}"
    return replace(case, roads=tuple(replace(r, only="" if r.data == "restricted" else only) for r in case.roads))


def without_model(case: Case, model: str) -> Case:
    roads = (replace(r, accept=tuple(name for name in r.accept if name != model)) for r in case.roads)
    return replace(case, roads=tuple(roads))


def serving_all(case: Case, plan: Plan) -> Case:
    """The case in which no route refuses what the plan refuses for its length."""
    away = {route.name for route in plan.routes if route.too_long and route.too_long.refused_share}
    roads = (replace(r, too_long="{most: 0%}") if f"r{i}" in away else r for i, r in enumerate(case.roads))
    return replace(case, roads=tuple(roads))


def agrees(told: Alternative, expected: Decimal | Problems) -> None:
    if isinstance(expected, Decimal):
        assert told.usd_per_month == expected
        return
    assert told.usd_per_month is None
    assert told.description.startswith("does not exist: ")
    for problem in expected.problems:  # every cause, without the words that only a problem has
        assert problem.message.removeprefix("no plan exists: ").partition(" (one of")[0] in told.description


@pytest.fixture(scope="module", autouse=True)
def few_scales() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replans, "SCALES", SCALES)
        yield


@cache
def planned(seed: int) -> Plan | None:
    """The plan of a drawn case, with all that stands beside it; None where there is none."""
    try:
        return optimize(inputs(drawn(seed)), kept=KEPT).plan
    except Problems:
        return None


@pytest.mark.parametrize("seed", SEEDS)
def test_what_stands_beside_a_plan_is_a_plan(seed: int) -> None:
    case, plan = drawn(seed), planned(seed)
    if plan is None:
        assert isinstance(alone(case), Problems)
        return
    others = {other.name: other for other in (*plan.baselines, *plan.runners_up)}
    agrees(others.pop("all API"), alone(on_apis(case)))
    agrees(others.pop("self-host only"), alone(replace(case, limits=None)))
    whole = serving_all(case, plan)
    if "longest served too" in others:
        assert whole != case
        agrees(others.pop("longest served too"), alone(whole))
    else:
        assert whole == case or isinstance(alone(whole), Problems)
    if plan.pools:
        agrees(others.pop("no uncertainty margin"), alone(replace(case, margin="p50")))
        machine, model = (name.removeprefix("without ") for name in others)
        agrees(others.pop(f"without {machine}"), alone(replace(case, without=machine)))
        other = without_model(case, model)
        told = others.pop(f"without {model}")
        if all(road.accept for road in other.roads):
            agrees(told, alone(other))
        else:
            names = ", ".join(f"r{i}" for i, road in enumerate(other.roads) if not road.accept)
            assert (told.usd_per_month, told.description) == (None, f"does not exist: {names} accepts nothing else")
    assert not others
    points = {float(point.scale): point for point in plan.break_even}
    without = {float(point.scale): point.why_not for point in plan.no_plan_at}
    assert all(without.values())
    assert points[1.0].usd_per_month == plan.cost.usd_per_month
    for scale in SCALES:
        wanted = alone(scaled(case, scale))
        assert (scale in points) == isinstance(wanted, Decimal)
        assert (scale in without) != (scale in points)
        if scale in points:
            assert points[scale].usd_per_month == wanted
            outside = alone(on_apis(scaled(case, scale)))
            assert points[scale].all_api_usd_per_month == (outside if isinstance(outside, Decimal) else None)


def test_the_cases_are_of_many_kinds() -> None:
    """Plans with pools and without, plans that do not exist for several reasons."""
    plans = [plan for seed in range(CASES) if seed not in LONG and (plan := planned(seed)) is not None]
    assert len(plans) > 10
    assert any(plan.pools for plan in plans)
    assert any(not plan.pools for plan in plans)
    told = [o.description for plan in plans for o in (*plan.baselines, *plan.runners_up) if o.usd_per_month is None]
    for words in ("budget would have to be", "quota", "accepts nothing else", "nothing can serve"):
        assert any(words in each for each in told), words


@pytest.mark.parametrize("seed", SEEDS[:8])
def test_more_options_are_never_dearer(seed: int) -> None:
    """A provider, an accepted model, a quota, a budget: where the plan is proven, each of them costs nothing."""
    case = drawn(seed)
    usd = alone(case)
    for freer in (
        replace(case, limits="{}"),
        replace(case, quotas="{}"),
        replace(case, budget=None, api_budget=None),
        replace(case, roads=tuple(replace(r, accept=(*r.accept, "gpt-oss-20b")) for r in case.roads)),
    ):
        more = alone(freer)
        if isinstance(usd, Decimal):
            assert isinstance(more, Decimal)
            assert more <= usd + Decimal("0.05")
