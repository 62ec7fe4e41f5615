"""What moves a plan: every figure is the difference of two plans that are made apart, and points the right way.

The environments are those of `cases`. What is told of them is compared to the cent with plans of environments that are
written out as text, each planned alone.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import cache

import pytest

from planner.decision import shifts as shifting
from planner.decision.answer.spend import usd_of
from planner.decision.candidates.known import Known
from planner.decision.choice.search import DEFAULT_LIMITS
from planner.decision.decide import Decision, Refusal, decide
from planner.decision.inputs import Inputs
from planner.decision.kinds import kind_of, other_kinds
from planner.decision.limit_steps import stepped_limits
from planner.decision.sensitivity import instead_words, worth_of
from planner.documents.environment_file import parse
from planner.domain.moved_prices import with_list_prices
from planner.edges import planning
from planner.edges.workspace import Workspace
from planner.plan.worth import LimitWorth, MovedPlan, Worth
from planner.words.diagnostics import Problems
from tests.examples import ROOT
from tests.planner.decision.cases import COEFFICIENTS, KEPT, Case, Road, alone, inputs

CASES = {
    "a quota binds": Case(
        (Road(1.0, "restricted", ("qwen3-8b",), (300, 60)), Road(0.2, "internal", ("gpt-5.4-mini",), (300, 60))),
        limits="{}",
        quotas="{G: 8}",
        budget=20000,
        api_budget=None,
        reserve=True,
    ),
    "an account and an API budget": Case(
        (Road(1.0, "internal", ("llama-3.1-8b-instruct", "gpt-5.4-mini"), (1100, 200)),),
        limits="{limits: {tpm: 20M, rpm: 20k}}",
        quotas="{G: 8, P: 0}",
        budget=None,
        api_budget=2000,
        reserve=True,
    ),
    "no plan": Case(
        (Road(1.0, "restricted", ("qwen3-8b",), (300, 60)),), None, "{G: 4, P: 0}", None, None, reserve=True
    ),
}
EPSILON = Decimal("0.05")
"""USD by which the sums of rounded lines of two equal plans may differ."""


@cache
def worth(name: str) -> Worth | None:
    """What moves a case; None where it has no plan."""
    found = worth_of(inputs(CASES[name]), Known(KEPT))
    return None if isinstance(found, Refusal) else found


def agrees(told: MovedPlan, base: Decimal, expected: Decimal | Problems) -> None:
    """Hold a moved plan against the plan of an environment that states the change."""
    if isinstance(expected, Problems):
        assert (told.usd_per_month, told.more_usd_per_month) == (None, None)
        assert told.why_not
        return
    assert told.usd_per_month == expected
    assert told.more_usd_per_month == expected - base
    assert not told.why_not


def with_quota(case: Case, family: str, vcpus: int) -> Case:
    quotas = parse(case.text, "case.yaml")[0].quotas
    amounts = ", ".join(f"{name}: {vcpus if name == family else amount}" for name, amount in sorted(quotas.items()))
    return replace(case, quotas=f"{{{amounts}}}")


def stepped(case: Case, limit: LimitWorth) -> list[tuple[MovedPlan, Case]]:
    """Each moved plan of a limit with the case that states it."""
    up = Decimal("1.1")
    match limit.limit.split("."):
        case ["quotas", family]:
            more = [int(moved.change.split()[0]) * (1 if " more" in moved.change else -1) for moved in limit.moved]
            assert len(more) == (2 if limit.stated else 1)
            return [
                (m, with_quota(case, family, int(limit.stated) + by)) for m, by in zip(limit.moved, more, strict=True)
            ]
        case ["budget", _]:
            assert case.budget is not None
            return [(limit.moved[0], replace(case, budget=int(case.budget * up)))]
        case ["api", "monthly_budget"]:
            assert case.api_budget is not None
            return [(limit.moved[0], replace(case, api_budget=int(case.api_budget * up)))]
        case [*_, unit]:
            assert case.limits is not None
            old, new = {"tpm": ("100k", "110k"), "rpm": ("600", "660")}[unit]
            if old not in case.limits:
                old, new = {"tpm": ("20M", "22M"), "rpm": ("20k", "22k")}[unit]
            return [(limit.moved[0], replace(case, limits=case.limits.replace(f"{unit}: {old}", f"{unit}: {new}")))]
    raise AssertionError(limit.limit)


@pytest.mark.parametrize("name", CASES)
def test_each_limit_is_worth_what_a_plan_with_more_of_it_saves(name: str) -> None:
    case, found = CASES[name], worth(name)
    base = alone(case)
    if found is None:
        assert isinstance(base, Problems)
        return
    assert found.usd_per_month == base
    stated = parse(case.text, "case.yaml")[0]
    expected = {f"quotas.{family}" for family in stated.quotas if family != "P" or stated.quotas["P"]}
    expected |= {"budget.monthly"} if case.budget else set()
    expected |= {"api.monthly_budget"} if case.api_budget else set()
    accounts = {f"api.providers.openai.limits.{u}" for u in ("tpm", "rpm") if case.limits and u in case.limits}
    assert expected | accounts <= {limit.limit for limit in found.limits}
    for limit in found.limits:
        for moved, text in stepped(case, limit):
            agrees(moved, found.usd_per_month, alone(text))
        looser = limit.moved[0]
        assert looser.more_usd_per_month is not None
        assert looser.more_usd_per_month <= EPSILON, limit.limit  # more of a limit never costs more
        assert limit.binds == (looser.more_usd_per_month < 0)
        assert float(limit.used) <= float(limit.stated) * 1.00001
        for tighter in limit.moved[1:]:
            assert tighter.more_usd_per_month is None or tighter.more_usd_per_month >= -EPSILON


@pytest.mark.parametrize("name", CASES)
def test_each_premium_is_the_difference_of_two_plans(name: str) -> None:
    case, found = CASES[name], worth(name)
    if found is None:
        return
    internal = tuple(replace(road, data="internal") for road in case.roads)
    others = {
        "privacy": replace(case, roads=internal),
        "reserve": replace(case, reserve=False),
        "privacy and reserve": replace(case, roads=internal, reserve=False),
        "uncertainty": replace(case, margin="p50"),
    }
    told = {premium.promise: premium for premium in found.premiums}
    is_restricted = any(road.data == "restricted" for road in case.roads)
    assert ("privacy" in told) == is_restricted
    assert ("reserve" in told) == case.reserve
    assert ("privacy and reserve" in told) == (is_restricted and case.reserve)
    assert "residency" not in told
    for promise, words in (("privacy", "privacy"), ("reserve", "a reserve"), ("residency", "residency")):
        if promise not in told:
            assert any(each.startswith(f"{words} costs nothing: ") for each in found.left_out)
    for promise, premium in told.items():
        expected = alone(others[promise])
        agrees(premium.without, found.usd_per_month, expected)
        assert isinstance(expected, Decimal)  # whoever drops a promise still has the plan that keeps it
        assert premium.usd_per_month == found.usd_per_month - expected
        assert premium.usd_per_month >= -EPSILON


@pytest.mark.parametrize("name", CASES)
def test_more_load_and_dearer_apis_never_cost_less(name: str) -> None:
    case, found = CASES[name], worth(name)
    if found is None:
        return
    for swing in found.swings:
        low, high = swing.low.more_usd_per_month, swing.high.more_usd_per_month
        assert low is not None, swing
        assert low <= EPSILON, swing
        assert high is None or high >= -EPSILON, swing
        assert swing.usd_per_month == (None if high is None else max(Decimal(0), high) - min(Decimal(0), low))
    widths = [swing.usd_per_month for swing in found.swings]
    assert widths == sorted(widths, key=lambda usd: (usd is not None, -(usd or 0)))
    load = next(swing for swing in found.swings if swing.cause == "load")
    for end, factor in ((load.low, 0.8), (load.high, 1.2)):
        roads = tuple(replace(road, rate=road.rate * factor) for road in case.roads)
        agrees(end, found.usd_per_month, alone(replace(case, roads=roads)))


def test_some_limits_bind_and_some_ends_have_no_plan() -> None:
    """The cases are of many kinds, so that the tests above compare more than zeros."""
    every = [found for found in map(worth, CASES) if found is not None]
    assert len(every) == len(CASES) - 1
    limits = [limit for found in every for limit in found.limits]
    assert any(limit.binds for limit in limits)
    assert any(not limit.binds for limit in limits)
    assert any(premium.usd_per_month for found in every for premium in found.premiums)
    assert any(swing.low.instead or swing.high.instead for found in every for swing in found.swings)


ROADS = (
    Road(3.0, "internal", ("qwen3-8b", "gpt-5.4-mini"), (1100, 200)),
    Road(1.0, "restricted", ("qwen3-8b",), (300, 60)),
)
FREE = Case(ROADS, "{}", "{}", None, None, reserve=True)
"""A hybrid route and a restricted one, without a limit."""


def test_what_a_limit_would_have_to_be_is_said_where_less_of_it_leaves_no_plan() -> None:
    tight = worth_of(inputs(replace(CASES["no plan"], quotas="{G: 8, P: 0}")), Known(KEPT))
    assert isinstance(tight, Worth)
    (g, p) = tight.limits
    assert g.used == 8
    assert g.moved[1].usd_per_month is None
    assert g.moved[1].why_not == "the vCPU quota of family G would have to be 8, not 4"
    assert len(p.moved) == 1  # there is nothing less than no quota


def test_the_cost_scales_with_all_prices() -> None:
    free = inputs(FREE)
    one = decide(free, Known(KEPT))
    assert isinstance(one, Decision)
    for factor in (0.5, 3.0):
        catalog = with_list_prices(free.catalog, ("api", "ec2", "platform"), factor)
        other = decide(replace(free, catalog=catalog), Known(KEPT))
        assert isinstance(other, Decision)
        assert other.choice.hosts() == one.choice.hosts()
        assert float(usd_of(other.solved)) == pytest.approx(float(usd_of(one.solved)) * factor, abs=0.2)


def test_prices_of_apis_alone_move_what_apis_cost() -> None:
    only = inputs(replace(FREE, roads=(replace(ROADS[0], accept=("gpt-5.4-mini",)),)))
    one = decide(only, Known(KEPT))
    other = decide(replace(only, catalog=with_list_prices(only.catalog, ("api",), 1.3)), Known(KEPT))
    assert isinstance(one, Decision)
    assert isinstance(other, Decision)
    assert float(usd_of(other.solved)) == pytest.approx(float(usd_of(one.solved)) * 1.3, abs=0.05)


def thinking(tokens: float | None) -> Inputs:
    facts = "" if tokens is None else f"\nmodels: {{qwen3-8b: {{reasoning_tokens: {tokens}, measured: 2026-11-01}}}}"
    text = replace(FREE, limits=None).text + facts
    return replace(inputs(FREE), environment=parse(text, "case.yaml")[0])


def test_reasoning_tokens_are_moved_where_they_are_known() -> None:
    found = worth_of(thinking(200), Known(KEPT))
    assert isinstance(found, Worth)
    (swing,) = [swing for swing in found.swings if swing.cause == "reasoning tokens of qwen3-8b"]
    for end, tokens in ((swing.low, 100), (swing.high, 300)):
        other = decide(thinking(tokens), Known(KEPT))
        assert isinstance(other, Decision)
        assert end.usd_per_month == usd_of(other.solved)
    assert swing.usd_per_month
    silent = worth_of(thinking(None), Known(KEPT))
    assert isinstance(silent, Worth)
    assert not [swing for swing in silent.swings if "reasoning" in swing.cause]
    (told,) = [each for each in silent.left_out if "reasoning" in each]
    assert told == "reasoning tokens of qwen3-8b are not moved: they are not known (`models.NAME` states them)"


def test_one_sigma_lies_between_the_expected_step_and_its_p90() -> None:
    """Without the planning margin, a plan with steps 1.28σ longer is the plan with the margin."""
    careful = decide(inputs(FREE), Known(KEPT))
    expected = replace(inputs(replace(FREE, margin="p50")), step_sigmas=1.2815515655446004)
    slower = decide(expected, Known(KEPT))
    assert isinstance(careful, Decision)
    assert isinstance(slower, Decision)
    margins = [sorted({d.market.ruler.margin(c.shape) for c in d.market.classes}) for d in (careful, slower)]
    assert margins[0] == pytest.approx(margins[1])
    assert usd_of(slower.solved) == usd_of(careful.solved)
    assert COEFFICIENTS.interval("l4")[0] < 1
    faster = replace(expected, step_sigmas=-1.0)
    cheap = decide(faster, Known(KEPT))
    assert isinstance(cheap, Decision)
    assert usd_of(cheap.solved) <= usd_of(careful.solved)


def test_plans_of_another_kind_differ_in_gpus_or_modes() -> None:
    base = inputs(replace(FREE, quotas="{G: 192}"))
    plan, found = decide(base, Known(KEPT)), worth_of(base, Known(KEPT))
    assert isinstance(plan, Decision)
    assert isinstance(found, Worth)
    kinds, asked = [kind_of(plan)], {each.change: each for each in other_kinds(plan)}
    assert found.others
    for other in found.others:
        answer = decide(asked[other.change].inputs, Known(KEPT))
        assert isinstance(answer, Decision)
        assert other.usd_per_month == usd_of(answer.solved)
        assert kind_of(answer) not in kinds
        kinds.append(kind_of(answer))
    assert len(found.others) == 2 or any("of another kind exists" in each for each in found.left_out)


def test_an_environment_without_a_plan_is_refused() -> None:
    refused = worth_of(inputs(replace(FREE, budget=100)), Known(KEPT))
    assert isinstance(refused, Refusal)
    assert "the budget would have to be" in refused.why


def test_each_plan_is_told_as_it_begins() -> None:
    told: list[str] = []
    found = worth_of(inputs(replace(FREE, quotas="{G: 192}")), Known(KEPT), DEFAULT_LIMITS, told.append)
    assert isinstance(found, Worth)
    whole = sum(len(limit.moved) for limit in found.limits) + 2 * len(found.swings) + len(found.premiums)
    whole += len(told) - 1 - whole  # and those of another kind, of which two are told
    assert told[0] == "planning"
    assert sorted(int(each.split()[1]) for each in told[1:]) == list(range(1, whole + 1))
    assert all(f" of {whole}, " in each for each in told[1:])


def test_what_is_certain_or_agreed_is_not_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    own = replace(FREE, limits=None, roads=ROADS[1:])
    text = own.text.replace("margin: p90", "margin: p90, demand_uncertainty: 0%")
    plan = decide(replace(inputs(own), environment=parse(text, "case.yaml")[0]), Known(KEPT))
    assert isinstance(plan, Decision)
    told = list(shifting.shifts(plan))
    assert "the load is not moved: the environment states that it is certain" in told
    assert "prices of APIs are not moved: no route has an API" in told
    assert [each.cause for each in told if not isinstance(each, str)] == ["step times"]
    assert list(stepped_limits(plan)) == []


def test_what_a_plan_has_instead_is_told_by_machines_modes_and_models() -> None:
    plan = decide(inputs(FREE), Known(KEPT))
    apis = decide(inputs(replace(FREE, roads=(replace(ROADS[0], only="hardware: {only: []}"), ROADS[1]))), Known(KEPT))
    assert isinstance(plan, Decision)
    assert isinstance(apis, Decision)
    assert instead_words(plan.choice, plan.choice) == ""
    if plan.choice.mode("r0") != "api":
        assert "r0 " in instead_words(plan.choice, apis.choice)
        assert "→ api" in instead_words(plan.choice, apis.choice)


def test_the_worked_prod_is_told_as_its_lock_and_its_baseline_say() -> None:
    """Plans that were made for the lock, by another command, are the ends of what is told here."""
    workspace = Workspace(ROOT / "examples" / "environments")
    found, plan = planning.worth(workspace, "prod"), workspace.existing_lock("prod").plan
    assert found.usd_per_month == plan.cost.usd_per_month
    (careless,) = [other.usd_per_month for other in plan.baselines if other.name == "no uncertainty margin"]
    assert careless is not None
    premiums = {premium.promise: premium.usd_per_month for premium in found.premiums}
    assert premiums["uncertainty"] == found.usd_per_month - careless
    assert all(usd is not None and usd >= 0 for usd in premiums.values())
    assert [limit.limit for limit in found.limits] == [
        "api.monthly_budget",
        "api.providers.google.limits.tpm",
        "api.providers.google.limits.rpm",
        "quotas.G",
        "quotas.P",
        "budget.monthly",
    ]
    spent = sum(line.usd_per_month for line in plan.cost.lines if line.price.startswith("api/"))
    assert float(found.limits[0].used) == pytest.approx(float(spent), abs=0.05)
    assert all(moved.usd_per_month == found.usd_per_month for limit in found.limits for moved in limit.moved)
    assert {swing.cause for swing in found.swings} == {"load", "list prices of APIs", "step times"}
    for swing in found.swings:
        assert swing.low.usd_per_month is not None
        assert swing.high.usd_per_month is not None
        assert swing.low.usd_per_month < found.usd_per_month < swing.high.usd_per_month
    (without,) = [other.usd_per_month for other in found.others if other.change == "without H100"]
    assert without == next(other.usd_per_month for other in plan.runners_up if other.name == "without p5.4xlarge")
