"""From an environment to a plan: what may stand in it, how it answers to its inputs, and what is told when none exists.

Everything is asked of the small environment of tests/data, whose loads are its own; figures are compared with each
other, never with numbers.
"""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from functools import lru_cache
from typing import Any

import pytest

import planner.decision.optimize as optimizer
from planner.decision.answer.assemble import Background, assemble
from planner.decision.answer.solved import Solved
from planner.decision.candidates.candidate import Candidate
from planner.decision.candidates.demand import demand
from planner.decision.candidates.market import ask, survey
from planner.decision.candidates.ruler import ruler
from planner.decision.candidates.screening import MOST_CLASSES
from planner.decision.inputs import Inputs
from planner.decision.optimize import Outcome, optimize
from planner.documents.arithmetic import arithmetic
from planner.documents.environment_file import parse
from planner.domain.catalog import Catalog
from planner.domain.prices import PriceSnapshot
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.performance.capacity_search import CapacitiesByDigest
from planner.plan.plan import Plan
from planner.words.diagnostics import Problems
from tests.planner import small

GAP = Decimal("1.01")
"""A plan may be this much dearer than the optimum."""
KEPT: CapacitiesByDigest = {}
"""Simulated capacities that the tests share; `test_rating` shows that they change no plan."""


def inputs(*changes: tuple[str, str], catalog: Catalog | None = None, prior: Plan | None = None) -> Inputs:
    """The small environment's, with some of its texts replaced."""
    text = small.text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    environment, _ = parse(text, "small.yaml")
    return Inputs(environment, catalog or load_catalog(), load_coefficients(), {}, prior)


@lru_cache(maxsize=1)
def outcome() -> Outcome:
    """The plan of the environment as it is."""
    return optimize(inputs(), kept=KEPT)


def usd(*changes: tuple[str, str]) -> Decimal:
    """What the plan costs with some texts of the environment replaced."""
    return optimize(inputs(*changes), kept=KEPT).plan.cost.usd_per_month


def without_prices(start: str) -> Catalog:
    """The shipped catalog without the prices whose key starts so."""
    catalog = load_catalog()
    rows = {key: price for key, price in catalog.prices.rows.items() if not key.startswith(start)}
    assert len(rows) < len(catalog.prices.rows)
    return dataclasses.replace(catalog, prices=PriceSnapshot(catalog.prices.name, rows))


def refused(*changes: tuple[str, str], **given: Any) -> Problems:
    with pytest.raises(Problems) as caught:
        optimize(inputs(*changes, **given), kept=KEPT)
    assert caught.value.exit_code == 1
    return caught.value


def test_it_is_the_plan_that_the_files_give() -> None:
    assert outcome().plan == small.planned().lock.plan
    assert outcome().note == ""


def test_only_accepted_models_serve() -> None:
    plan, environment = outcome().plan, inputs().environment
    pools = {pool.name: pool for pool in plan.pools}
    for route in plan.routes:
        accept = environment.routes[route.name].quality.accept
        assert route.model is None or route.model in accept
        for name in {name for band in route.bands for name in band.weights}:
            assert pools[name].model == route.model
        for api in route.fallback:
            assert api.split("/", 1)[1] in accept


def test_a_restricted_route_is_never_offered_an_api() -> None:
    market = survey(inputs(("accept: [qwen3-8b]", "accept: [qwen3-8b, gpt-5.4-mini]")))
    assert {key[0] for option in market.apis for key in option.option.usd_per_request} == {"chat"}
    barred = {(o.route, o.candidate.api) for o in market.omissions if o.kind == "privacy"}
    assert ("extraction", "openai/gpt-5.4-mini") in barred
    assert {route for route, _ in barred} == {"extraction"}
    for each in market.classes:
        (served,) = {key[0] for key in each.replica.rates}  # never both kinds of data
        assert each.replica_class.exclusive == (served == "extraction")


def test_the_question_is_the_environment_in_figures() -> None:
    asked, environment = inputs(), inputs().environment
    question = ask(environment, survey(asked))
    assert sum(question.level_hours) == pytest.approx(730)
    assert len(question.classes) <= MOST_CLASSES
    assert question.quotas == {"G": 192.0, "P": 384.0}
    assert (question.budget_usd, question.api_budget_usd) == (20000.0, 2000.0)
    for name, route in environment.routes.items():
        volume = sum(
            rate * hours
            for flow in question.flows
            if flow.route == name
            for rate, hours in zip(flow.mean, question.level_hours, strict=True)
        )
        (stated,) = [r.load.mean for r in demand(environment, {}).routes if r.name == name]
        assert volume / 730 == pytest.approx(stated, rel=1e-4)
        assert {flow.may_spill for flow in question.flows if flow.route == name} == {route.may_use_api}
    for flow in question.flows:
        assert all(planned >= mean for planned, mean in zip(flow.planned, flow.mean, strict=True))


@pytest.mark.parametrize(
    "change",
    [
        ("accept: [qwen3-8b, gpt-5.4-mini]", "accept: [qwen3-8b, gpt-oss-20b, gpt-5.4-mini]"),
        ("zones: [use1-az1, use1-az5]", "zones: [use1-az1, use1-az5, use1-az2]"),
        ("tpot_p95: 60ms", "tpot_p95: 90ms"),
    ],
    ids=["a model", "a zone", "a looser SLO"],
)
def test_more_freedom_never_costs_more(change: tuple[str, str]) -> None:
    assert usd(change) <= outcome().plan.cost.usd_per_month * GAP


@pytest.mark.parametrize(
    "change",
    [
        ("requests_per_second: {mean: 0.2}", "requests_per_second: {mean: 0.8}"),
        ("tpot_p95: 100ms", "tpot_p95: 50ms"),
        ("quotas: {G: 192, P: 384}", "quotas: {G: 8, P: 0}"),
        ("data: internal", "data: restricted"),
    ],
    ids=["more load", "a tighter SLO", "a small quota", "no API"],
)
def test_more_demands_never_cost_less(change: tuple[str, str]) -> None:
    loosened = ("  monthly_budget: $2000\n", "")
    assert usd(change, loosened) * GAP >= outcome().plan.cost.usd_per_month


def test_care_costs_money() -> None:
    assert usd(("quotas:", "planning: {margin: p50}\nquotas:")) < outcome().plan.cost.usd_per_month


def test_the_margin_is_a_factor_on_the_clock() -> None:
    careful = ruler(inputs())
    hopeful = ruler(inputs(("quotas:", "planning: {margin: p50}\nquotas:")))
    shapes = [c.shape for c in survey(inputs()).classes]
    assert {hopeful.margin(shape) for shape in shapes} == {1.0}
    assert all(careful.margin(shape) >= 1 for shape in shapes)
    assert any(careful.margin(shape) > 1 for shape in shapes)


def test_what_a_plan_rests_on_is_named() -> None:
    found, catalog = outcome(), load_catalog()
    assert found.facts == tuple(sorted(set(found.facts)))
    assert found.prices == tuple(sorted(set(found.prices)))
    sold = {f"offering/{row.region}/{row.instance_type}" for row in catalog.offered_in("us-east-1")}
    unpublished = {f"failure/nodes/{group.gpu}" for group in found.plan.node_groups}
    assert set(found.facts) <= {*catalog.rows, *sold, *unpublished}
    assert {
        key.replace("instance/", "offering/us-east-1/") for key in found.facts if key.startswith("instance/")
    } <= sold
    assert all(catalog.prices.price(key) is not None for key in found.prices)
    assert {line.price for line in found.plan.cost.lines} <= set(found.prices)


def test_an_slo_that_nobody_meets_names_the_nearest() -> None:
    problems = refused(("tpot_p95: 100ms", "tpot_p95: 1ms")).problems
    assert {problem.code for problem in problems} == {"INF001"}
    assert all("route `extraction`" in problem.message for problem in problems)
    assert all(problem.hint.startswith("nearest: qwen3-8b") for problem in problems)


@pytest.mark.parametrize(
    ("change", "reason", "hint"),
    [
        (("quotas: {G: 192, P: 384}", "quotas: {G: 4, P: 0}"), "quota of family G", "raise the quota"),
        (("budget: {monthly: $20000}", "budget: {monthly: $100}"), "the budget", "raise `budget:`"),
    ],
)
def test_limits_that_leave_no_plan_are_named(change: tuple[str, str], reason: str, hint: str) -> None:
    (problem,) = refused(change).problems
    assert problem.code == "INF002"
    assert reason in problem.message
    assert problem.hint.startswith(hint)


def test_a_price_that_every_plan_needs() -> None:
    problems = refused(catalog=without_prices("platform/us-east-1/")).problems
    assert {problem.code for problem in problems} == {"ENV020"}
    assert len(problems) > 1  # all of them in one run
    assert any("eks-control-plane" in problem.message for problem in problems)


def test_an_api_without_a_price_is_a_gap_and_no_candidate() -> None:
    changes = (("accept: [qwen3-8b, gpt-5.4-mini]", "accept: [qwen3-8b, gpt-5.4-mini, gpt-5.4]"),)
    market = survey(inputs(*changes, catalog=without_prices("api/openai/gpt-5.4-mini/")))
    assert [option.row.key for option in market.apis] == ["openai/gpt-5.4"]
    assert any(o.kind == "price" and o.candidate == Candidate(api="openai/gpt-5.4-mini") for o in market.omissions)
    assert any("openai/gpt-5.4-mini" in gap.message for gap in market.gaps)


def test_least_churn_keeps_the_locked_pools_until_it_pays() -> None:
    more = ("requests_per_second: {mean: 1}", "requests_per_second: {mean: 6}")
    locked = {pool.name for pool in outcome().plan.pools}
    free = optimize(inputs(more), kept=KEPT).plan
    assert {pool.name for pool in free.pools} != locked, "choose a load at which another mix is cheaper"
    held = ("quotas:", "planning: {replan_threshold: 90%}\nquotas:")
    patient = optimize(inputs(more, held, prior=outcome().plan), kept=KEPT)
    assert {pool.name for pool in patient.plan.pools} == locked
    assert patient.note.startswith("kept the locked pools; ")
    saving = 1 - free.cost.usd_per_month / patient.plan.cost.usd_per_month
    assert (free.solver.status, free.solver.gap) == ("proven optimal", Decimal(0))
    assert patient.plan.solver.status == "best found"
    assert saving <= patient.plan.solver.gap < saving + Decimal("0.011")  # in whole percents, rounded up
    assert patient.plan.cost.usd_per_month > free.cost.usd_per_month
    free_to_move = ("quotas:", "planning: {replan_threshold: 0%}\nquotas:")
    eager = optimize(inputs(more, free_to_move, prior=outcome().plan), kept=KEPT)
    assert (eager.plan.cost, eager.note) == (free.cost, "")


@pytest.mark.parametrize("load", ["1", "8", "0.05"])
def test_the_bill_is_what_the_solver_minimised(load: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes, disks, tokens, stored weights and the cluster, to the cents that lines are rounded to."""
    solved: list[Solved] = []

    def recorded(each: Solved, background: Background) -> Plan:
        solved.append(each)
        return assemble(each, background)

    monkeypatch.setattr(optimizer, "assemble", recorded)
    plan = optimize(
        inputs(("requests_per_second: {mean: 1}", f"requests_per_second: {{mean: {load}}}")), kept=KEPT
    ).plan
    assert float(plan.cost.usd_per_month) == pytest.approx(solved[0].choice.answer.usd_per_month, abs=0.05)


def test_each_checkpoint_is_stored_once() -> None:
    """Both pools quantize the same published weights while they load them: 8.2 billion parameters of two bytes."""
    plan = outcome().plan
    assert len(plan.pools) == 2
    assert {(pool.hf_id, pool.engine.quantization) for pool in plan.pools} == {("Qwen/Qwen3-8B", "fp8")}
    cluster = plan.platform.cluster
    assert cluster is not None
    assert float(cluster.model_bucket.weights_gb) == pytest.approx(2 * 8.19, rel=0.01)
    weights = {c.replica_class.weights: c.replica_class.weights_usd_per_month for c in survey(inputs()).classes}
    assert weights["Qwen/Qwen3-8B/bf16"] == pytest.approx(0.023 * 16.39, rel=0.01)


def test_a_request_every_eleven_days_is_planned_like_any_other() -> None:
    plan = optimize(inputs(("mean: 1}", "mean: 0.000001}"), ("mean: 0.2}", "mean: 0.000001}")), kept=KEPT).plan
    assert not arithmetic(plan, inputs().environment)
    (private,) = [pool for pool in plan.pools if pool.privacy == "restricted"]
    assert private.replicas.min >= 2  # one is left when a node is lost, however little comes
    assert {route.name: route.spill_share for route in plan.routes} == {"chat": 1, "extraction": 0}
    assert plan.cost.usd_per_month < outcome().plan.cost.usd_per_month


def test_a_growing_load_buys_what_its_third_month_needs() -> None:
    grown = optimize(inputs(("mean: 0.2}", "mean: 0.2}\n      growth_per_month: 50%")), kept=KEPT).plan
    as_if = optimize(inputs(("mean: 0.2}", "mean: 0.45}")), kept=KEPT).plan
    assert grown.pools == as_if.pools
    assert [route.load and route.load.plan_again_by for route in grown.routes] == [None, "2027-03-01"]
