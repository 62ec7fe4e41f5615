"""Plans whose longest requests are too long for some candidate: a share of the route, priced, told and deployed.

The environments are small and their loads are their own. Contexts come from the catalog, so that tests ask for what
they need of it and compare figures with each other.
"""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy import Policy
from planner.decision.candidates.market import survey
from planner.decision.inputs import Inputs
from planner.decision.optimize import Outcome, optimize
from planner.documents import routing
from planner.documents.arithmetic import arithmetic
from planner.documents.environment_file import parse
from planner.documents.lock import Digests, Lock
from planner.domain.catalog import Catalog
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.performance.capacity_search import CapacitiesByDigest
from planner.plan.plan import Plan
from planner.plan.traffic import PlannedRoute, TooLongRequests
from planner.words.diagnostics import Problems

pytestmark = pytest.mark.usefixtures("alone")

TEXT = """
version: 1
platform: {account: "123456789012", region: us-east-1, zones: [use1-az2, use1-az4, use1-az6]}
horizon: {start: 2026-12-01, months: 1}
routes:
  ask:
    traffic: {requests_per_second: {mean: 0.3}}
    tokens: {input: INPUT, output: {mean: 150, p95: 350}}
    too_long: RULE
    slo: {ttft_p95: {base: 2s, per_1k_input: 300ms}, tpot_p95: 80ms}
    data: DATA
    quality: {accept: ACCEPT, source: own evaluation, date: 2026-11-01}
api: {providers: {openai: {limits: {tpm: 100M, rpm: 100k}}}}
quotas: {G: 768, P: 768}
"""
SMALL, WIDE = "openai/gpt-5.4-mini", "openai/gpt-5.4-nano"
KEPT: CapacitiesByDigest = {}


@lru_cache(maxsize=8)
def catalog(small: int | None = 32_000, wide: int | None = 400_000) -> Catalog:
    """The catalog with these contexts of two hosted models."""
    contexts = {SMALL: small, WIDE: wide}
    loaded = load_catalog()
    rows = (
        replace(row, context_tokens=contexts[row.key], retires=None, status="listed") if row.key in contexts else row
        for row in loaded.apis
    )
    return replace(loaded, apis=tuple(rows))


STANDARD = catalog()


def planned(
    lengths: str,
    accept: str = "[gpt-5.4-mini]",
    data: str = "internal",
    rule: str = "{}",
    catalog: Catalog = STANDARD,
) -> Outcome:
    text = TEXT
    for name, value in (("INPUT", lengths), ("ACCEPT", accept), ("DATA", data), ("RULE", rule)):
        text = text.replace(name, value)
    environment, _ = parse(text, "x.yaml")
    outcome = optimize(Inputs(environment, catalog, load_coefficients(), {}, None), kept=KEPT)
    assert arithmetic(outcome.plan, environment) == ()
    return outcome


def route_of(outcome: Outcome) -> PlannedRoute:
    return outcome.plan.routes[0]


def usd(outcome: Outcome) -> float:
    return float(outcome.plan.cost.usd_per_month)


def told(outcome: Outcome) -> TooLongRequests:
    requests = route_of(outcome).too_long
    assert requests is not None
    return requests


def test_a_longer_tail_drops_no_provider() -> None:
    """With the same mean, a p95 of 6,000 or of 11,000 makes the same prompts dear; hardly any is too long."""
    near, far = planned("{mean: 3000, p95: 6000}"), planned("{mean: 3000, p95: 10500}")
    assert [route_of(each).spill_share for each in (near, far)] == [1, 1]
    assert [each.plan.pools for each in (near, far)] == [(), ()]
    assert 0.9 * usd(near) < usd(far) < usd(near), "what is too long holds many tokens, and costs nothing"
    assert route_of(near).too_long is None
    assert Decimal("0.0001") < told(far).refused_share < Decimal("0.01")


@settings(max_examples=12, deadline=None)
@given(p95=st.integers(4000, 9500), step=st.integers(1, 40))
def test_the_cost_at_an_api_is_continuous_in_p95(p95: int, step: int) -> None:
    before, after = (usd(planned(f"{{mean: 3000, p95: {p}}}")) for p in (p95, p95 + step))
    assert after == pytest.approx(before, rel=0.01)


def test_the_cost_of_machines_moves_by_a_machine_and_falls_off_no_cliff() -> None:
    """An 8B model on small GPUs whose memory ends within the tail: no class is dropped for it."""
    steps = [planned(f"{{mean: 2400, p95: {p}}}", "[qwen3-8b]", "restricted") for p in range(4500, 8500, 1000)]
    dearest = max(
        sum(line.usd_per_month for line in each.plan.cost.lines if line.component == group.name) / group.max_nodes
        for each in steps
        for group in each.plan.node_groups
    )
    for before, after in pairwise(steps):
        assert abs(usd(after) - usd(before)) <= float(dearest) * 1.01


def test_what_is_too_long_is_told_priced_and_refused_at_the_gateway() -> None:
    outcome = planned("{mean: 3000, p95: 10500}")
    requests, route = told(outcome), route_of(outcome)
    band = route.bands[-1]
    assert band.is_refused
    assert band.share_of_requests == requests.refused_share
    assert route.bands[-2].max_input_tokens == requests.over_tokens
    assert 30_000 < requests.over_tokens < 32_000, "the context without room for the answer"
    assert any(f"over {requests.over_tokens:,} tokens" in reason for reason in route.reasons)
    (verdict,) = (v for v in outcome.plan.verdicts if v.name == "too long")
    assert (verdict.state, "tokens.input.max" in verdict.message) == ("warn", True)
    document = policy(outcome.plan)
    assert document["bands"][-1] == {"max_input_tokens": None, "weights": {}, "api_share": 0.0, "refused": True}
    # refused requests cost nothing
    whole = planned("{mean: 3000, p95: 10500}", catalog=catalog(small=1_000_000))
    saved = float(band.share_of_requests * band.mean_input_tokens) / 3000
    assert usd(whole) * (1 - saved) < usd(outcome) < usd(whole) * (1 - saved / 2), "answers cost something too"


def policy(plan: Plan) -> dict[str, Any]:
    """The route in the gateway's policy, which must load."""
    digest = "sha256:" + "0" * 64
    anything: dict[str, Any] = {}  # the rest of a lock, of which a policy reads nothing
    digests = Digests(environment=digest, facts=digest, prices=digest, calibration=digest, content=digest)
    document = routing.policy(Lock.model_construct(name="x", digests=digests, plan=plan, **anything))
    Policy.model_validate_json(json.dumps(document))
    found: dict[str, Any] = document["routes"]["ask"]
    return found


def test_it_goes_elsewhere_where_an_accepted_model_reads_it() -> None:
    accept = "[gpt-5.4-mini, gpt-5.4-nano]"
    cheap_is_wide = planned("{mean: 3000, p95: 10500}", accept)
    assert route_of(cheap_is_wide).too_long is None
    narrow = catalog(small=400_000, wide=32_000)
    elsewhere = planned("{mean: 3000, p95: 10500}", accept, catalog=narrow)
    assert route_of(elsewhere).too_long is None
    assert {line.name.split()[0] for line in elsewhere.plan.cost.lines} == {SMALL, WIDE}
    refused = planned("{mean: 3000, p95: 10500}", accept, rule="{rule: refuse}", catalog=narrow)
    assert told(refused).refused_share > 0
    assert usd(refused) < usd(elsewhere)


def test_a_rate_limit_refuses_no_part_of_the_longest() -> None:
    """The cheap model's account holds some hours whole and others in part, where the wide one serves the route too."""
    text = TEXT.replace("INPUT", "{mean: 3000, p95: 10500}").replace("RULE", "{rule: refuse}")
    text = text.replace("ACCEPT", "[gpt-5.4-mini, mistral-medium-3.5]").replace("DATA", "internal")
    accounts = "{openai: {limits: {tpm: 40k}}, mistral: {limits: {tpm: 100M}}}"
    environment, _ = parse(text.replace("{openai: {limits: {tpm: 100M, rpm: 100k}}}", accounts), "x.yaml")
    outcome = optimize(Inputs(environment, STANDARD, load_coefficients(), {}, None), kept=KEPT)
    assert arithmetic(outcome.plan, environment) == ()
    assert [(band["api_share"], band.get("refused", False)) for band in policy(outcome.plan)["bands"]] == [
        (1.0, False) for _ in route_of(outcome).bands
    ]
    assert route_of(outcome).too_long is None


@pytest.mark.beside
def test_the_price_of_serving_them_is_that_of_the_plan_that_refuses_none() -> None:
    def serving_all(outcome: Outcome) -> list[float]:
        others = [other for other in outcome.plan.baselines if other.name == "longest served too"]
        return [float(other.usd_per_month) for other in others if other.usd_per_month is not None]

    accept, narrow = "[gpt-5.4-mini, gpt-5.4-nano]", catalog(small=400_000, wide=32_000)
    lengths = "{mean: 3000, p95: 10500}"
    refusing = planned(lengths, accept, rule="{rule: refuse}", catalog=narrow)
    whole = planned(lengths, accept, rule="{rule: refuse, most: 0%}", catalog=narrow)
    assert told(refusing).refused_share > 0
    assert route_of(whole).too_long is None
    assert serving_all(refusing) == [usd(whole)]
    assert usd(whole) > usd(refusing)
    assert serving_all(whole) == [], "it refuses nothing"
    assert serving_all(planned(lengths)) == [], "nobody reads them"


def test_more_than_the_route_allows_is_a_refusal_that_names_share_and_key() -> None:
    with pytest.raises(Problems) as raised:
        planned("{mean: 8000, p95: 28000}")
    (problem,) = raised.value.problems
    assert problem.code == "INF001"
    assert "% of its requests have prompts over" in problem.message
    assert "`too_long.most` allows 1 %" in problem.message
    assert "tokens.input.max" in problem.hint
    allowed = planned("{mean: 8000, p95: 28000}", rule="{most: 6%}")
    assert Decimal("0.01") < told(allowed).refused_share < Decimal("0.06")


def test_a_stated_longest_prompt_ends_the_tail() -> None:
    outcome = planned("{mean: 8000, p95: 28000, max: 31k}")
    assert route_of(outcome).too_long is None
    assert route_of(outcome).bands[-1].max_input_tokens is None
    assert not [v for v in outcome.plan.verdicts if v.name == "too long"]


def test_work_at_the_full_context_of_a_model_is_planned() -> None:
    """120k of prompt and 1.5k of answer fit a model of 131,072 tokens."""
    lengths = "{histogram: {8000: 60%, 119999: 39%, 120000: 1%}}"
    outcome = planned(lengths, catalog=catalog(small=131_072))
    assert route_of(outcome).too_long is None
    text = TEXT.replace("output: {mean: 150, p95: 350}", "output: {mean: 600, p95: 1500, max: 1500}")
    text = text.replace("INPUT", "{mean: 60000, p95: 119000, max: 120000}").replace("ACCEPT", "[llama-3.1-8b-instruct]")
    environment, _ = parse(
        text.replace("DATA", "restricted").replace("RULE", "{}").replace("base: 2s", "base: 20s"), "x"
    )
    plan = optimize(Inputs(environment, load_catalog(), load_coefficients(), {}, None), kept=KEPT).plan
    assert {pool.engine.max_model_len for pool in plan.pools} <= {122_880, 131_072}
    assert plan.routes[0].too_long is None


def test_prompts_are_cut_for_pools_and_refused_at_apis() -> None:
    lengths, accept = "{mean: 2400, p95: 8500}", "[qwen3-8b]"
    cut = planned(lengths, accept, "restricted", "{rule: truncate}")
    requests, band = told(cut), route_of(cut).bands[-1]
    assert (float(requests.refused_share), requests.cut_share) == (0.0, band.share_of_requests)
    assert band.cut_to_tokens == requests.over_tokens
    assert cut.plan.pools[0].engine.max_model_len > requests.over_tokens
    last = policy(cut.plan)["bands"][-1]
    assert (last["cut_to_tokens"], len(last["weights"])) == (requests.over_tokens, 1)
    hosted = planned("{mean: 3000, p95: 10500}", rule="{rule: truncate}")
    assert told(hosted).cut_share == 0 < told(hosted).refused_share
    assert any("an API cuts no prompt" in v.message for v in hosted.plan.verdicts)


@pytest.mark.parametrize("ratio", [0.8, 1.0, 1.25])
def test_a_pool_is_told_to_cut_in_the_tokens_of_its_model(ratio: float) -> None:
    """vLLM counts as its model does; what is too long is told as the route states it."""
    text = TEXT.replace("INPUT", "{mean: 2400, p95: 8500}").replace("ACCEPT", "[qwen3-8b]")
    text = text.replace("DATA", "restricted").replace("RULE", "{rule: truncate, most: 5%}")
    text += f"models: {{qwen3-8b: {{tokenizer_ratio: {ratio}, measured: 2026-11-20}}}}\n"
    environment, _ = parse(text, "x.yaml")
    outcome = optimize(Inputs(environment, STANDARD, load_coefficients(), {}, None), kept=KEPT)
    band, context = route_of(outcome).bands[-1], outcome.plan.pools[0].engine.max_model_len
    over = told(outcome).over_tokens
    assert policy(outcome.plan)["bands"][-1]["cut_to_tokens"] == band.cut_to_tokens == int(over * ratio)
    assert band.cut_to_tokens + float(band.mean_output_tokens) * ratio < context


@pytest.mark.parametrize("figures", ["tokenizer_ratio: 0.8", "tokenizer_ratio: 1.2", "reasoning_tokens: 9000"])
@pytest.mark.parametrize(("allowed", "has_plan"), [(1.02, True), (0.98, False)])
def test_most_binds_at_the_reach_in_the_models_own_tokens(figures: str, allowed: float, has_plan: bool) -> None:
    """The share that is too long is that beyond its reach, and no more, however the model counts."""
    text = TEXT.replace("INPUT", "{mean: 3000, p95: 10500}").replace("ACCEPT", "[gpt-5.4-mini]")
    text = text.replace("DATA", "internal") + f"models: {{gpt-5.4-mini: {{{figures}, measured: 2026-11-20}}}}\n"

    def asked(most: float) -> Inputs:
        environment, _ = parse(text.replace("RULE", f"{{most: {most:.6f}%}}"), "x.yaml")
        return Inputs(environment, STANDARD, load_coefficients(), {}, None)

    requests = told(optimize(asked(10), kept=KEPT))
    (api,) = survey(asked(10)).apis
    (route,) = survey(asked(10)).demand.routes
    counted = route.counted(api.counts)
    assert requests.over_tokens == (32_000 - counted.workload.room) // Decimal(str(api.counts.ratio))
    assert float(requests.refused_share) == pytest.approx(route.workload.mix.share_over(requests.over_tokens), rel=1e-4)
    most = float(requests.refused_share) * 100 * allowed
    if has_plan:
        assert told(optimize(asked(most), kept=KEPT)) == requests
    else:
        with pytest.raises(Problems, match="too long for every candidate"):
            optimize(asked(most), kept=KEPT)


def test_an_unknown_context_is_an_omission() -> None:
    with pytest.raises(Problems):
        planned("{mean: 300, p95: 600}", catalog=catalog(small=None))


@pytest.mark.parametrize(("share", "refused"), [("0.5", "1"), ("0", "0.5"), ("0.5", "0.5"), ("1", "1")])
def test_check_finds_a_band_that_no_policy_can_refuse_in_part(share: str, refused: str) -> None:
    plan = planned("{mean: 3000, p95: 10500}").plan
    text = TEXT.replace("INPUT", "{mean: 3000, p95: 10500}").replace("ACCEPT", "[gpt-5.4-mini]")
    environment, _ = parse(text.replace("DATA", "internal").replace("RULE", "{}"), "x.yaml")
    route = plan.routes[0]
    levels = {level.name: Decimal(refused) for level in plan.levels}
    spilled = {name: 1 - Decimal(refused) for name in levels}
    changes = {"api_share": Decimal(share), "refused_by_level": levels, "spill_by_level": spilled}
    part = route.bands[-1].model_copy(update=changes)
    broken = plan.model_copy(update={"routes": (route.model_copy(update={"bands": (*route.bands[:-1], part)}),)})
    told = [problem.message for problem in arithmetic(broken, environment)]
    assert any("without a pool the API takes all of it, or it is refused whole" in message for message in told)


def test_check_counts_what_is_refused() -> None:
    plan = planned("{mean: 3000, p95: 10500}").plan
    text = TEXT.replace("INPUT", "{mean: 3000, p95: 10500}").replace("ACCEPT", "[gpt-5.4-mini]")
    text = text.replace("DATA", "internal")
    hushed = plan.model_copy(update={"routes": (plan.routes[0].model_copy(update={"too_long": None}),)})
    allowed, _ = parse(text.replace("RULE", "{}"), "x.yaml")
    stricter, _ = parse(text.replace("RULE", "{most: 0.01%}"), "x.yaml")
    assert [p.code for p in arithmetic(plan, allowed)] == []
    assert "the plan says 0.0000%" in arithmetic(hushed, allowed)[0].message
    assert "`too_long.most` allows 0.01%" in arithmetic(plan, stricter)[0].message


@pytest.mark.parametrize("accept", ["[gpt-oss-20b]", "[gpt-oss-20b, gpt-5.4-mini]"])
def test_what_is_too_long_for_every_candidate_is_too_long_for_the_one_that_reads_the_most(accept: str) -> None:
    """The model reads 131,072 tokens and the API 128,000: the API moves nothing, though next to no prompt lies between.

    The answers have room of 542 tokens.
    """
    lengths, near = "{mean: 20000, p95: 55000, max: 200k}", catalog(128_000)
    with pytest.raises(Problems) as raised:
        planned(lengths, accept, rule="{most: 0.3%}", catalog=near)
    told = "route `ask`: 0.34 % of its requests have prompts over 130,530 tokens, too long for every candidate; "
    assert [p.message for p in raised.value.problems] == [told + "`too_long.most` allows 0.3 %"]
    assert planned(lengths, accept, rule="{most: 0.36%}", catalog=near).plan.routes[0].too_long is not None
