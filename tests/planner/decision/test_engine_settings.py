"""Settings of the engine: held ones stand in the plan as they are, or are refused; tokens of a step are chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache

import pytest

import planner.decision.candidates.replicas as replicas_module
from planner.decision.candidates.hardware_rules import machine_rules
from planner.decision.candidates.hosting_rights import hosting_rights
from planner.decision.candidates.known import Known
from planner.decision.candidates.market import Market, survey
from planner.decision.candidates.replicas import BATCHED_TOKENS, Replica, question_of
from planner.decision.candidates.shapes import Shape, Tenancy, shapes
from planner.decision.inputs import Inputs
from planner.decision.optimize import optimize
from planner.documents.environment_file import parse
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.performance.capacity import Capacity
from planner.performance.capacity_search import CapacitiesByDigest, ReplicaTraffic, search
from planner.performance.memory import MemoryFit
from planner.plan.fleet import Pool
from planner.plan.plan import Plan
from planner.words.diagnostics import Problems
from tests.planner import small

pytestmark = pytest.mark.usefixtures("alone")

KEPT: CapacitiesByDigest = {}
CHAT = "slo: {ttft_p95: {base: 1200ms, per_1k_input: 300ms}, tpot_p95: 60ms}"
EXTRACTION = "slo: {ttft_p95: 3s, tpot_p95: 100ms}"
HOSTED_ONLY = ("accept: [qwen3-8b, gpt-5.4-mini]", "accept: [qwen3-8b]")


def inputs(chat: str = "", extraction: str = "", *changes: tuple[str, str]) -> Inputs:
    """The small environment's, with settings that its routes hold."""
    text = small.text()
    for slo, held in ((CHAT, chat), (EXTRACTION, extraction)):
        if held:
            changes = (*changes, (slo, f"{slo}\n    engine: {{{held}}}"))
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    environment, _ = parse(text, "small.yaml")
    return Inputs(environment, load_catalog(), load_coefficients(), {})


@lru_cache(maxsize=8)
def planned(chat: str = "", extraction: str = "", *changes: tuple[str, str]) -> Plan:
    return optimize(inputs(chat, extraction, *changes), kept=KEPT).plan


def pools_of(plan: Plan, route: str) -> list[Pool]:
    return [pool for pool in plan.pools if any(capacity.route == route for capacity in pool.capacity)]


def test_held_settings_stand_in_the_plan_as_they_are() -> None:
    plan = planned("max_num_seqs: 24, max_num_batched_tokens: 3000, max_model_len: 30k", "", HOSTED_ONLY)
    for pool in pools_of(plan, "chat"):
        engine = pool.engine
        assert (engine.max_num_seqs, engine.max_num_batched_tokens, engine.max_model_len) == (24, 3000, 30_000)
    others = pools_of(plan, "extraction")
    assert others
    assert all(pool.engine.max_model_len != 30_000 for pool in others)


def test_a_context_that_is_held_turns_away_only_what_is_longer() -> None:
    """The few prompts behind it are a share of the route, and no reason to refuse the rest of their band."""
    plan = planned("max_model_len: 20k", "", HOSTED_ONLY)
    assert pools_of(plan, "chat")
    (route,) = [route for route in plan.routes if route.name == "chat"]
    assert route.too_long is not None
    assert 16_000 < route.too_long.over_tokens < 20_000
    assert 0 < route.too_long.refused_share < Decimal("0.01")


def test_a_narrower_batch_that_is_held_never_saves() -> None:
    free, held = planned("", "", HOSTED_ONLY), planned("max_num_seqs: 8", "", HOSTED_ONLY)
    assert held.cost.usd_per_month >= free.cost.usd_per_month


SHARED = ("data: restricted", "data: internal")
"""Both routes may then use the same pools, as neither has an API."""


def test_routes_share_a_pool_only_where_they_hold_the_same() -> None:
    def shared(chat: str, extraction: str) -> set[str]:
        plan = planned(chat, extraction, HOSTED_ONLY, SHARED)
        return {pool.name for pool in pools_of(plan, "chat")} & {pool.name for pool in pools_of(plan, "extraction")}

    assert shared("max_num_seqs: 32", "max_num_seqs: 32")
    assert not shared("max_num_seqs: 32", "max_num_seqs: 48")


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (
            "max_model_len: 2k",
            "is held by `engine.max_model_len` and reads 2,000 tokens; long prompts and answers reach",
        ),
        ("max_model_len: 1M", "tokens of context, 1000000 are asked for"),
    ],
)
def test_settings_with_which_nothing_serves_are_refused_with_the_reason(held: str, words: str) -> None:
    with pytest.raises(Problems) as raised:
        planned(held, "", HOSTED_ONLY)
    (problem,) = raised.value.problems
    assert problem.code == "INF001"
    assert problem.about == ("routes", "chat", "engine")
    assert problem.hint.startswith(f"it holds `{held.partition(':')[0]}: ")
    assert words in problem.hint
    free = planned("", "", HOSTED_ONLY).cost.usd_per_month
    assert f"${math.ceil(free):,} a month without these settings (`routes.chat.engine`)" in problem.hint


def test_a_step_holds_a_token_of_each_sequence() -> None:
    with pytest.raises(Problems) as raised:
        inputs("max_num_seqs: 512, max_num_batched_tokens: 300")
    assert [(p.code, "the engine would not start" in p.message) for p in raised.value.problems] == [("ENV005", True)]
    wide = planned("max_num_seqs: 4096", "", HOSTED_ONLY)
    assert all(pool.engine.max_num_batched_tokens >= 4096 for pool in pools_of(wide, "chat"))


def test_settings_that_apply_to_nothing_are_said() -> None:
    """Chat accepts a hosted model alone."""
    hosted = (
        ("accept: [qwen3-8b, gpt-5.4-mini]", "accept: [gpt-5.4-mini]"),
        ("monthly_budget: $2000", "monthly_budget: $9000"),
    )
    plan = planned("max_num_seqs: 32", "", *hosted)
    (route,) = [route for route in plan.routes if route.name == "chat"]
    assert "no pool serves it, so that the settings in `engine` apply to nothing" in route.reasons


@lru_cache(maxsize=2)
def market() -> Market:
    return survey(inputs())


def distinct(of: Market) -> list[Replica]:
    return list({id(c.replica): c.replica for c in of.classes}.values())


def simulated(replica: Replica, of: Market) -> float:
    """Requests/s of the mixture of the replica's own bands, by the simulator; 0 where one of them is not served."""
    hours = 0.0
    for key in replica.rates:
        band = replica.shape.route(key[0]).bands[key[1]]
        mix = ReplicaTraffic(band.mix.input_tokens, band.mix.output_tokens, band.mix.weights)
        answer = search(question_of(replica, key, of.ruler), mix)
        if not isinstance(answer, Capacity):
            return 0.0
        hours += band.share / answer.requests_per_second
    return 1 / hours


def test_tokens_of_a_step_are_chosen_where_that_serves_more() -> None:
    """Some class departs from vLLM's default, and no such class serves less in the simulator."""
    found = distinct(market())
    moved = [r for r in found if r.max_num_batched_tokens != r.shape.first_batched_tokens(r.max_num_seqs)]
    assert moved
    assert {r.max_num_batched_tokens for r in moved} <= set(BATCHED_TOKENS)
    for replica in moved[:3]:
        default = replica.shape.first_batched_tokens(replica.max_num_seqs)
        memory = replica.shape.memory(replica.max_num_seqs, default)
        assert isinstance(memory, MemoryFit)
        before = replace(replica, max_num_batched_tokens=default, memory=memory)
        assert simulated(replica, market()) >= 0.99 * simulated(before, market())


def test_no_band_is_lost_for_a_better_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """One A100 with gpt-oss would serve more of the mixture with 1,024 tokens a step, and no long prompt at all."""
    flat = inputs("", "", (CHAT, "slo: {ttft_p95: 2s, tpot_p95: 80ms}"), ("[qwen3-8b, gpt-5.4-mini]", "[gpt-oss-120b]"))
    of = survey(flat)
    routes, environment, catalog = of.demand.routes, flat.environment, flat.catalog
    rights = hosting_rights(routes, environment, catalog)
    rules = machine_rules(environment, catalog, catalog.offerings)
    solo: dict[str, Tenancy] = dict.fromkeys(("chat", "extraction"), "solo")
    loading, _ = shapes(routes, catalog, catalog.gpus.values(), solo, rights, rules, Known())

    def bands() -> dict[tuple[Shape, int], set[tuple[str, int]]]:
        able, _ = replicas_module.replicas(loading, of.ruler, Known())
        return {(r.shape, r.max_num_seqs): set(r.rates) for r in able}

    chosen = bands()
    monkeypatch.setattr(replicas_module, "BATCHED_TOKENS", ())
    default = bands()
    assert chosen.keys() == default.keys()
    assert [key for key in default if not default[key] <= chosen[key]] == []


def test_more_tokens_of_a_step_leave_less_memory_for_the_cache() -> None:
    shape = distinct(market())[0].shape
    budgets = [fit.kv_budget_bytes for fit in (shape.memory(16, tokens) for tokens in BATCHED_TOKENS)]  # type: ignore[union-attr]
    assert budgets == sorted(budgets, reverse=True)
    assert budgets[0] > budgets[-1]


def test_without_others_to_try_the_default_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas_module, "BATCHED_TOKENS", ())
    found: Sequence[Replica] = distinct(survey(inputs()))
    assert all(r.max_num_batched_tokens == r.shape.first_batched_tokens(r.max_num_seqs) for r in found)
