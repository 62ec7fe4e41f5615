"""Speculative decoding: a route allows it, a plan takes it where it saves, and all that follows states it."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path

import pytest

from infra.values import vllm
from planner.decision.answer.sentences import omission_words
from planner.decision.candidates.market import Market, survey
from planner.decision.candidates.omissions import DrafterNotPlanned
from planner.decision.inputs import Inputs
from planner.decision.optimize import optimize
from planner.documents import routing
from planner.documents.arithmetic import arithmetic
from planner.documents.environment_file import canonical, parse
from planner.domain.environment import Environment
from planner.edges.catalog_files import load_catalog
from planner.edges.own_catalog import read_own_model
from planner.edges.performance_files import load_coefficients
from planner.performance.capacity_search import CapacitiesByDigest
from planner.plan.fleet import Pool, PoolClock
from planner.plan.plan import Plan
from planner.words.diagnostics import Problems
from tests.charts.rendering import container, render
from twin.engine.clock import EngineClock

METRICS = Path(__file__).resolve().parents[2] / "data" / "vllm" / "metrics.json"
KEPT: CapacitiesByDigest = {}
TEXT = """\
version: 1
platform:
  account: "123456789012"
  region: us-east-1
  zones: [use1-az1, use1-az2, use1-az4, use1-az5, use1-az6]
horizon: {start: 2026-12-01, months: 12}
routes:
  chat:
    traffic: {requests_per_second: {mean: 4}}
    tokens: {input: {mean: 1000, p95: 3000}, output: {mean: 500, p95: 1200}}
    slo: {ttft_p95: {base: 2s, per_1k_input: 500ms}, tpot_p95: 25ms}
    data: internal
    hardware: {only: [H100, H200]}
    quality: {accept: [qwen3.6-35b-a3b], source: own evaluation, date: 2026-11-01}
quotas: {G: 768, P: 5000}
reserve: {node: false}
"""
"""A tight time per output token, which one GPU keeps only with a drafter."""
QUALITY = "    quality:"
ALLOWED = TEXT.replace(QUALITY, "    engine: {speculative: allow}\n    quality:")
NEVER = TEXT.replace(QUALITY, "    engine: {speculative: never}\n    quality:")


def environment(told: str) -> Environment:
    return parse(told, "chat.yaml")[0]


def inputs(told: str) -> Inputs:
    return Inputs(environment(told), load_catalog(), load_coefficients(), {})


@lru_cache(maxsize=4)
def planned(told: str) -> Plan:
    return optimize(inputs(told), kept=KEPT).plan


@lru_cache(maxsize=4)
def market(told: str) -> Market:
    return survey(inputs(told))


def pool_of(plan: Plan) -> Pool:
    (pool,) = plan.pools
    return pool


def drafters(told: str) -> set[tuple[str, frozenset[str]]]:
    """The words of drafters in the market, with the routes that share each."""
    return {(c.shape.identity.drafter, frozenset(route.name for route in c.shape.routes)) for c in market(told).classes}


def test_without_consent_nothing_changes() -> None:
    assert "engine" not in canonical(environment(TEXT))["routes"]["chat"]
    assert canonical(environment(NEVER)) == canonical(environment(TEXT))
    assert planned(NEVER).model_dump_json() == planned(TEXT).model_dump_json()
    pool = pool_of(planned(TEXT)).model_dump(mode="json")
    assert "speculative_config" not in pool["engine"]
    assert "tokens_per_sequence" not in pool["clock"]
    assert {word for word, _ in drafters(TEXT)} == {""}


def test_what_is_allowed_makes_the_plan_cheaper() -> None:
    plain, plan = planned(TEXT), planned(ALLOWED)
    assert plan.cost.usd_per_month < plain.cost.usd_per_month
    pool = pool_of(plan)
    assert pool.name.endswith("-mtp1")
    assert pool.engine.model_dump(mode="json")["speculative_config"] == {"method": "mtp", "num_speculative_tokens": 1}
    assert float(pool.clock.tokens_per_sequence) == pytest.approx(2 / 1.88, rel=1e-5)
    assert {capacity.provenance for capacity in pool.capacity} == {"analytic"}
    assert arithmetic(plan, environment(ALLOWED)) == ()
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_the_plan_says_on_what_it_rests_and_what_it_saves() -> None:
    plain, plan = planned(TEXT), planned(ALLOWED)
    (told,) = (verdict for verdict in plan.verdicts if verdict.name == "speculative decoding")
    assert told.state == "warn"
    assert "proposes 1 token a step by `mtp`, of which 0.88 are taken to be accepted" in told.message
    assert "llama.cpp pull request 22673 (comment), 2026-05-05" in told.message
    metrics = json.loads(METRICS.read_text(encoding="utf-8"))
    assert set(re.findall(r"vllm:\w+", told.message)) <= set(metrics["metrics"])
    assert not [verdict for verdict in plan.verdicts if verdict.name == "provenance"]
    without = {baseline.name: baseline.usd_per_month for baseline in plan.baselines}
    assert without["no speculative decoding"] == plain.cost.usd_per_month
    assert "no speculative decoding" not in {baseline.name for baseline in plain.baselines}


def test_a_drafter_that_saves_nothing_is_not_taken() -> None:
    """With 100 ms a token, one GPU serves the load without a drafter too."""
    slower = ALLOWED.replace("tpot_p95: 25ms", "tpot_p95: 100ms")
    assert "mtp1" in {word for word, _ in drafters(slower)}
    assert pool_of(planned(slower)).engine.speculative_config is None


def test_routes_share_a_drafter_only_where_each_allows_it() -> None:
    chat = TEXT[TEXT.index("  chat:") : TEXT.index("quotas:")]
    for consent, shared in (("allow", {"", "mtp1"}), ("never", {""})):
        other = chat.replace("  chat:", "  mail:").replace(
            QUALITY, f"    engine: {{speculative: {consent}}}\n    quality:"
        )
        found = drafters(ALLOWED.replace("quotas:", f"{other}quotas:"))
        assert {word for word, routes in found if routes == {"chat", "mail"}} == shared
        assert "mtp1" in {word for word, routes in found if "chat" in routes}
        assert ("mtp1" in {word for word, routes in found if "mail" in routes}) == (consent == "allow")


def test_a_restricted_route_may_allow_it_like_any_other() -> None:
    """It needs a second node in any case, so that a drafter saves only at a higher load."""
    plan = planned(ALLOWED.replace("data: internal", "data: restricted").replace("mean: 4", "mean: 12"))
    assert pool_of(plan).engine.speculative_config is not None
    assert pool_of(plan).privacy == "restricted"


def test_a_drafter_with_a_checkpoint_of_its_own_falls_with_that_reason() -> None:
    told = ALLOWED.replace("qwen3.6-35b-a3b", "llama-3.1-8b-instruct")
    fallen = [o for o in market(told).omissions if isinstance(o.cause, DrafterNotPlanned)]
    assert {o.candidate.drafter for o in fallen} == {"eagle3-3"}
    assert "plans use drafters that are built in alone" in omission_words(fallen[0])
    assert {word for word, _ in drafters(told)} == {""}


def test_own_weights_of_the_shape_of_a_model_have_not_its_drafter() -> None:
    """Who tuned the model may have left the layer out, and what it accepts of other answers is not known."""
    own = "base: deepseek-r1\nhf_id: acme/support\nsource: own\nas_of: 2026-11-01\n...\n"
    catalog = load_catalog()
    assert catalog.models["deepseek-r1"].drafters
    assert read_own_model("acme-support", own, "acme-support.yaml", catalog).drafters == ()


def test_the_twin_gets_a_clock_of_received_tokens() -> None:
    pool = pool_of(planned(ALLOWED))
    clock = EngineClock.model_validate(routing.clock(pool))
    cap, budget = pool.engine.max_num_seqs, pool.engine.max_num_batched_tokens
    assert clock.max_num_batched_tokens == cap + int((budget - 2 * cap) / 1.88)
    assert clock.step.tokens_per_sequence == float(pool.clock.tokens_per_sequence)
    assert set(clock.step.model_dump()) == set(PoolClock.model_fields)


@pytest.mark.charts
def test_the_engine_is_started_with_it() -> None:
    plan = planned(ALLOWED)
    pool = pool_of(plan)
    values = vllm(
        pool,
        plan.node_groups[0],
        bucket="models",
        region="us-east-1",
        store_cidrs=["10.0.0.0/16"],
        image=None,
    )
    arguments = container(render("vllm", values))["args"]
    (given,) = (text for text in arguments if text.startswith("--speculative-config="))
    assert given == '--speculative-config={"method":"mtp","num_speculative_tokens":1}'
    assert vllm_of(planned(TEXT)).get("speculativeConfig") is None


def vllm_of(plan: Plan) -> dict[str, object]:
    pool = pool_of(plan)
    told = vllm(
        pool,
        plan.node_groups[0],
        bucket="models",
        region="us-east-1",
        store_cidrs=[],
        image=None,
    )
    engine: dict[str, object] = told["engine"]
    return engine


def test_other_words_are_refused_at_their_line() -> None:
    told = ALLOWED.replace("speculative: allow", "speculative: always")
    with pytest.raises(Problems) as raised:
        environment(told)
    (problem,) = raised.value.problems
    assert problem.code == "ENV004"
    assert problem.message.startswith("routes.chat.engine.speculative: `always` is not known here")
    assert problem.where is not None
    assert "speculative: always" in told.splitlines()[problem.where.line - 1]


def test_consent_holds_nothing() -> None:
    allowed = environment(ALLOWED).routes["chat"].engine
    assert allowed.is_free
    assert allowed.held == {}
    held = environment(ALLOWED.replace("speculative: allow", "speculative: allow, max_num_seqs: 32")).routes["chat"]
    assert held.engine.held == {"max_num_seqs": 32}
    assert not held.engine.is_free
