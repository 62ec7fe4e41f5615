"""Hosted candidates: a price that is missing costs a route the prompts that need it, and costs no other route."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from functools import lru_cache

import pytest

from gateway.document import parse_policy
from gateway.eligibility import admitted_band, eligible_backends
from gateway.request import parse_chat_request
from planner.decision.candidates.candidate import Candidate
from planner.decision.candidates.market import Market, hosted_market, survey
from planner.decision.candidates.omissions import NoPrice, Omission
from planner.decision.inputs import Inputs
from planner.decision.optimize import optimize
from planner.documents.environment_file import parse
from planner.documents.lock import Lock
from planner.documents.routing import api_name, policy
from planner.domain.environment import ModelFacts
from planner.domain.prices import PriceSnapshot
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.words.diagnostics import Problems
from tests.planner.plans import lock

pytestmark = pytest.mark.usefixtures("alone")

LUNA = "openai/gpt-5.6-luna"
LONG = f"api/{LUNA}/long-input"
TEXT = """
version: 1
platform: {account: "123456789012", region: us-east-1, zones: [use1-az4, use1-az6]}
horizon: {start: 2026-12-01, months: 1}
routes:
  chat:
    traffic: {profile: flat, requests_per_second: {mean: 0.02}}
    tokens: {input: {mean: 600, p95: 1500, max: 3k}, output: {mean: 150, p95: 300}}
    slo: {ttft_p95: 5s, tpot_p95: 80ms}
    data: internal
    quality: {accept: [gpt-5.6-luna], source: a test, date: 2026-11-01}
  read:
    traffic: {profile: flat, requests_per_second: {mean: 0.02}}
    tokens: {input: {histogram: {500: 60%, 20000: 40%}}, output: {mean: 150, p95: 300}}
    slo: {ttft_p95: 5s, tpot_p95: 80ms}
    data: internal
    quality: {accept: [ACCEPT], source: a test, date: 2026-11-01}
api: {providers: {openai: {}}}
quotas: {G: 64, P: 0}
"""


def inputs(*missing: str, accept: str = "gpt-5.6-luna", above: int = 12_288) -> Inputs:
    """Return two routes at one hosted model that has prices of its own for prompts over `above` tokens, less some."""
    loaded = load_catalog()
    long = {
        f"api/{LUNA}/long-{part}": replace(price, key=f"api/{LUNA}/long-{part}", usd=2 * price.usd)
        for part in ("input", "output")
        for price in [loaded.prices.rows[f"api/{LUNA}/{part}"]]
    }
    rows = {key: price for key, price in {**loaded.prices.rows, **long}.items() if key not in missing}
    apis = tuple(replace(row, long_context_above=above) if row.key == LUNA else row for row in loaded.apis)
    poor = replace(loaded, apis=apis, prices=PriceSnapshot(loaded.prices.name, rows))
    return Inputs(parse(TEXT.replace("ACCEPT", accept), "x.yaml")[0], poor, load_coefficients(), {})


@lru_cache(maxsize=8)
def market(*missing: str) -> Market:
    return survey(inputs(*missing))


def test_without_a_price_of_long_prompts_a_route_keeps_its_short_ones() -> None:
    whole, poor = market(), market(LONG)
    long = [i for i, band in enumerate(whole.demand.routes[1].bands) if band.from_tokens >= 12_288]
    assert long
    (api,) = poor.apis
    assert whole.apis[0].option.bands - api.option.bands == {("read", index) for index in long}
    assert dict(api.option.usd_per_request) == {
        key: usd for key, usd in whole.apis[0].option.usd_per_request.items() if key in api.option.bands
    }
    names = [whole.demand.routes[1].bands[index].name for index in long]
    told = [o for o in poor.omissions if o.kind == "price" and o.candidate.api]
    assert told == [Omission(Candidate(api=LUNA), NoPrice(LONG, name), "read") for name in names]
    (gap,) = [gap for gap in poor.gaps if gap.kind == "price"]
    assert gap.subject == LONG
    assert gap.message.endswith(f": read sends {LUNA} no {' and '.join(names)} prompts")


def test_a_route_all_of_whose_prompts_need_the_price_loses_the_model_alone() -> None:
    asked = inputs(LONG, above=4000)
    apis, omissions, gaps = hosted_market(asked, survey(asked).demand)
    assert [api.row.key for api in apis] == [LUNA]
    assert {route for route, _ in apis[0].option.bands} == {"chat"}
    assert Omission(Candidate(api=LUNA), NoPrice(LONG), "read") in omissions
    assert any(gap.subject == LONG for gap in gaps)


def test_without_the_price_of_any_prompt_nobody_has_the_model() -> None:
    poor = market(f"api/{LUNA}/output")
    assert poor.apis == ()
    told = [o for o in poor.omissions if o.kind == "price" and o.candidate.api]
    assert told == [
        Omission(Candidate(api=LUNA), NoPrice(f"api/{LUNA}/output"), "chat"),
        Omission(Candidate(api=LUNA), NoPrice(f"api/{LUNA}/output"), "read"),
    ]


def test_what_has_no_price_goes_where_it_has_one_and_the_plan_says_so() -> None:
    plan = optimize(inputs(LONG, accept="gpt-5.6-luna, gpt-5.4-mini")).plan
    lines = {(line.component, line.name.split()[0]) for line in plan.cost.lines if line.kind == "usage"}
    assert lines == {("chat", LUNA), ("read", LUNA), ("read", "openai/gpt-5.4-mini")}
    whole = optimize(inputs(accept="gpt-5.6-luna, gpt-5.4-mini")).plan
    for each, limits in ((plan, {"chat": {}, "read": {LUNA: 12_288}}), (whole, {"chat": {}, "read": {}})):
        assert {route.name: route.api_max_input_tokens for route in each.routes} == limits
        assert {api.name: api.context_tokens for api in each.apis}[LUNA] == 922_000, "it is what the model reads"
    assert "api_max_input_tokens" not in whole.model_dump_json()
    (verdict,) = [verdict for verdict in plan.verdicts if verdict.name == "gap price"]
    assert f"no price for {LONG}" in verdict.message
    assert "read sends" in verdict.message


def test_without_another_candidate_the_refusal_names_the_price_and_no_length() -> None:
    with pytest.raises(Problems) as raised:
        optimize(inputs(LONG))
    (problem,) = raised.value.problems
    assert (problem.code, problem.about[:2]) == ("INF001", ("routes", "read"))
    assert "has no price" in problem.message
    assert "too long" not in problem.message


@pytest.mark.parametrize(("ratio", "most"), [(1.0, 12_288), (1.5, 8192), (0.7, 17_554)])
def test_the_limit_counts_the_tokens_that_the_route_states(ratio: float, most: int) -> None:
    """The threshold of a price counts the model's own tokens, and the gateway estimates those that a route states."""
    asked = inputs(LONG)
    facts = {"gpt-5.6-luna": ModelFacts(tokenizer_ratio=ratio, measured=date(2026, 11, 1))}
    asked = replace(asked, environment=asked.environment.model_copy(update={"models": facts}))
    (api,) = hosted_market(asked, survey(asked).demand)[0]
    assert api.max_input_tokens == {"read": most}
    assert api.row.context_tokens == 922_000


def test_the_limit_stands_where_the_context_ends_just_behind_it() -> None:
    """No band falls for its price, as none that is read needs it. The gateway bends contexts, and would send more."""
    asked = inputs(LONG)
    rows = tuple(replace(row, context_tokens=12_500) if row.key == LUNA else row for row in asked.catalog.apis)
    asked = replace(asked, catalog=replace(asked.catalog, apis=rows))
    apis, omissions, _ = hosted_market(asked, survey(asked).demand)
    assert [api.max_input_tokens for api in apis] == [{"read": 12_288}]
    assert not [omission for omission in omissions if omission.kind == "price"]


@pytest.mark.parametrize(
    ("tokens", "answer", "sent"),
    [(12_000, 4096, True), (12_288, 200, True), (12_289, 1, False), (13_517, 200, False), (15_000, 200, False)],
)
def test_the_gateway_of_the_plan_sends_what_can_be_billed_and_nothing_else(
    tokens: int, answer: int, sent: bool
) -> None:
    loaded = parse_policy(json.dumps(policy(planned_lock())).encode()).policy
    route = loaded.routes["read"]
    body = {"model": "read", "max_tokens": answer, "messages": [{"role": "user", "content": "x" * (4 * tokens)}]}
    request = parse_chat_request(json.dumps(body).encode())
    chain = eligible_backends(loaded, route, admitted_band(route, tokens), request).chain
    assert (api_name(LUNA) in chain) is sent
    assert api_name("openai/gpt-5.4-mini") in chain


@lru_cache(maxsize=1)
def planned_lock() -> Lock:
    return lock(optimize(inputs(LONG, accept="gpt-5.6-luna, gpt-5.4-mini")).plan)
