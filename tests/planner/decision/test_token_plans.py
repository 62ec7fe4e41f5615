"""Plans of routes whose prompts repeat, whose models think, and whose models count otherwise: own small environments.

Figures are compared with each other, or follow from the load by hand:

    requests a month   0.5/s · 730 h · 3600 s/h = 1,314,000
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import lru_cache

import pytest

from planner.decision.candidates.known import Known
from planner.decision.candidates.sessions import sessions_spread
from planner.decision.decide import Decision, decide, wider_spread
from planner.decision.inputs import Inputs
from planner.decision.optimize import optimize
from planner.documents.arithmetic import arithmetic
from planner.documents.environment_file import parse
from planner.domain.route import DeclaredTokens
from planner.domain.traces import PrefixReuse
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.edges.trace_files import shipped_trace
from planner.performance.capacity_search import CapacitiesByDigest
from planner.plan.plan import Plan

KEPT: CapacitiesByDigest = {}
REQUESTS = Decimal(1_314_000)
TEMPLATE = """\
version: 1
platform: {{account: "123456789012", region: us-east-1, zones: [use1-az4, use1-az6]}}
horizon: {{start: 2026-12-01, months: 1}}
routes:
  assist:
    traffic: {{requests_per_second: {{mean: {rate}}}}}
    tokens:
      input: {{mean: 2600, p95: 4400}}
      output: {{mean: 160, p95: 320}}
{repeats}
    slo: {{ttft_p95: 900ms, tpot_p95: 40ms}}
    data: internal
    quality: {{accept: [{accept}], source: own evaluation, date: 2026-11-01}}
api: {{providers: {{{providers}}}}}
quotas: {{G: 768, P: 384}}
{models}
"""
OWN, HOSTED = "llama-3.1-8b-instruct", "gpt-4.1-mini"


@lru_cache
def inputs(accept: str, repeats: str = "", models: str = "", rate: float = 0.5) -> Inputs:
    lines = "\n".join(f"      {line}" for line in repeats.split("; ") if line)
    providers = "openai: {limits: {tpm: 50M, rpm: 50k}}" if "gpt" in accept else ""
    text = TEMPLATE.format(accept=accept, repeats=lines, models=models, rate=rate, providers=providers)
    environment, _ = parse(text, "assist.yaml")
    return Inputs(environment, load_catalog(), load_coefficients(), {})


@lru_cache
def plan(accept: str, repeats: str = "", models: str = "", rate: float = 0.5) -> Plan:
    asked = inputs(accept, repeats, models, rate)
    made = optimize(asked, kept=KEPT).plan
    assert arithmetic(made, asked.environment) == ()
    return made


def said(made: Plan, name: str) -> str:
    """The line of a check; empty without it."""
    return next((verdict.message for verdict in made.verdicts if verdict.name == name), "")


def tokens(made: Plan, part: str) -> Decimal:
    """Tokens a month of a price part at the hosted model."""
    return sum((line.quantity for line in made.cost.lines if line.price.endswith(f"/{part}")), Decimal(0)) * 1_000_000


def usd(made: Plan) -> Decimal:
    return made.cost.usd_per_month


def load(made: Plan) -> Decimal:
    """GPUs that are busy at the busiest level."""
    return sum((pool.peak_utilization * pool.replicas.max for pool in made.pools), Decimal(0))


def test_a_prefix_that_all_prompts_share_lowers_the_load_of_the_same_machines_or_the_bill() -> None:
    plain, shared = plan(OWN, rate=4), plan(OWN, "shared_prefix: 1600", rate=4)
    assert usd(shared) <= usd(plain)
    assert usd(shared) < usd(plain) or load(shared) < load(plain) * Decimal("0.9")
    assert said(shared, "prefix reuse") == "assist: 1,600 shared tokens of a prompt are held once a replica"
    assert said(plain, "prefix reuse") == ""


def test_histories_are_counted_with_the_replicas_that_the_plan_has() -> None:
    asked = inputs(OWN, "session_hit: 60%", rate=12)
    decision = decide(asked, Known(KEPT))
    assert isinstance(decision, Decision)
    (route,) = decision.market.demand.routes
    assert sessions_spread(decision.market.demand, decision.choice)["assist"] <= route.spread
    assert wider_spread(decision) == {}
    assert route.spread >= 2
    made = plan(OWN, "session_hit: 60%", rate=12)
    assert usd(made) <= usd(plan(OWN, rate=12))
    words = said(made, "prefix reuse")
    assert "60% of the prompt tokens were sent before in the same session" in words
    assert f"spreads a session over {route.spread:.3g} replicas without affinity" in words
    assert "a session is taken to pause 60 s" in words


def test_a_reuse_that_is_guessed_says_so_and_what_the_plan_costs_without_it() -> None:
    trace = shipped_trace("azure-conv-2023")
    sessions = replace(trace, prefix=PrefixReuse(None, 0.4, "sessions"))
    asked = inputs(OWN, rate=12)
    declared = asked.environment.routes["assist"]
    traffic = declared.traffic.model_copy(update={"trace": trace.name})

    def planned(tokens: DeclaredTokens | None) -> Plan:
        route = declared.model_copy(update={"traffic": traffic, "tokens": tokens})
        environment = asked.environment.model_copy(update={"routes": {"assist": route}})
        return optimize(replace(asked, environment=environment, traces={trace.name: sessions}), kept=KEPT).plan

    guessed, without = planned(None), planned(DeclaredTokens.model_validate({"session_hit": "0%"}))
    words = said(guessed, "prefix reuse")
    assert "assist: 40% of the prompt tokens are guessed to be sent again in a session" in words
    assert "no hashes measured it (`tokens.session_hit` overrides it; the alternative `no guessed reuse` is" in words
    assert said(without, "prefix reuse") == ""
    (other,) = [baseline for baseline in guessed.baselines if baseline.name == "no guessed reuse"]
    assert other.usd_per_month == usd(without)
    assert other.description.endswith("; every prompt of assist is new (`tokens: {session_hit: 0%}`)")
    assert not any(baseline.name == "no guessed reuse" for baseline in without.baselines)


def test_a_model_with_linear_attention_finds_nothing_and_says_so() -> None:
    model = "qwen3-next-80b-a3b-instruct"
    words = f"assist: {model} keeps no prompts, because linear attention caches no tokens"
    assert said(plan(model, "shared_prefix: 1600"), "prefix reuse") == words


def test_a_shared_prefix_is_billed_as_cached_input_and_what_it_saves_is_told() -> None:
    plain, shared = plan(HOSTED), plan(HOSTED, "shared_prefix: 1400")
    cached = tokens(shared, "cached-input")
    assert tokens(shared, "input") + cached == pytest.approx(tokens(plain, "input"), rel=Decimal("1e-5"))
    assert Decimal("0.9") < cached / (REQUESTS * 1280) <= 1  # 1,024 and two steps of 128; a few prompts are shorter
    saved = usd(plain) - usd(shared)
    assert saved == pytest.approx(cached * Decimal("0.3") / 1_000_000, rel=Decimal("1e-3"))
    assert f"which saves ${saved:,.2f} a month" in said(shared, "prompt caching")
    assert said(plain, "prompt caching") == ""


def test_an_api_whose_caching_is_not_known_gives_no_discount_and_says_so() -> None:
    made = plan("gpt-5.6-luna", "shared_prefix: 1400")
    assert tokens(made, "cached-input") == 0
    assert said(made, "prompt caching") == "no discount at openai/gpt-5.6-luna: cache writes are billed too"


def test_reasoning_tokens_are_paid_for_as_output() -> None:
    unknown = plan("gpt-5.4-mini")
    known = plan("gpt-5.4-mini", models="models: {gpt-5.4-mini: {reasoning_tokens: 500, measured: 2026-11-01}}")
    added = tokens(known, "output") - tokens(unknown, "output")
    assert added == pytest.approx(500 * REQUESTS, rel=Decimal("1e-4"))
    words = said(unknown, "gap tokens")
    assert words.startswith("reasoning tokens and tokenizer ratio of gpt-5.4-mini are not known: 0 and 1 are assumed")
    told = Decimal(words.partition("would add $")[2].partition(" ")[0].replace(",", ""))
    assert told == pytest.approx((usd(known) - usd(unknown)) / 5, abs=Decimal("0.05"))
    assert said(known, "gap tokens").startswith("the tokenizer ratio of gpt-5.4-mini is not known: 1 is assumed")


def test_a_tokenizer_ratio_scales_what_an_api_bills() -> None:
    plain = plan(HOSTED)
    more = plan(HOSTED, models="models: {gpt-4.1-mini: {tokenizer_ratio: 1.25, measured: 2026-11-01}}")
    for part in ("input", "output"):
        assert tokens(more, part) == pytest.approx(tokens(plain, part) * Decimal("1.25"), rel=Decimal("1e-5"))
    assert said(more, "gap tokens") == ""


@pytest.mark.parametrize("figure", ["reasoning_tokens: 300", "tokenizer_ratio: 1.3"])
def test_a_model_of_ones_own_thinks_and_counts_too(figure: str) -> None:
    plain = plan(OWN, rate=4)
    more = plan(OWN, models=f"models: {{{OWN}: {{{figure}, measured: 2026-11-01}}}}", rate=4)
    assert usd(more) >= usd(plain)
    assert load(more) > load(plain) * Decimal("1.1") or usd(more) > usd(plain)
    assert more.routes[0].bands[0].max_input_tokens == plain.routes[0].bands[0].max_input_tokens


def test_a_plan_without_apis_and_with_known_tokens_has_no_line_about_them() -> None:
    assert said(plan(OWN, rate=4), "gap tokens") == ""


def test_unknown_tokens_are_one_line() -> None:
    words = said(plan(f"qwen3-8b, {HOSTED}"), "gap tokens")
    assert words.startswith(
        "reasoning tokens of qwen3-8b are not known: 0 are assumed; the tokenizer ratio of gpt-4.1-mini"
    )
    assert "input bands assume 4 bytes a token" in words
    assert not [v for v in plan(HOSTED).verdicts if v.name in ("gap tokenizer", "gap reasoning")]


def test_figures_of_a_model_that_no_route_accepts_are_named() -> None:
    made = plan(HOSTED, models="models: {qwen3-8b: {reasoning_tokens: 300, measured: 2026-11-01}}")
    assert said(made, "models") == "`models:` has figures of qwen3-8b, which no route accepts; they are not used"
    assert usd(made) == usd(plan(HOSTED))
