"""What a team says of its data, its licences and its hardware binds: in the market, in the plan, and in refusals."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import pytest

from planner.decision.candidates.market import Market, survey
from planner.decision.candidates.omissions import (
    LicenceForbids,
    MissesSlo,
    NearAddress,
    Omission,
    OtherResidency,
    RegionOutside,
    RuledOut,
    SlowerThanSlo,
    TermsNotMet,
)
from planner.decision.candidates.self_hosted import SelfHosted
from planner.decision.candidates.terms import ServedAt, unmet
from planner.decision.inputs import Inputs
from planner.decision.optimize import Outcome, optimize
from planner.documents.environment_file import parse
from planner.domain.environment import ProviderAccount
from planner.domain.places import Places
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.performance.capacity import LatencyTarget
from planner.performance.capacity_search import CapacitiesByDigest
from planner.words.diagnostics import Problem, Problems

pytestmark = pytest.mark.usefixtures("alone")

KEPT: CapacitiesByDigest = {}
"""Simulated capacities that the tests share."""
CATALOG = replace(load_catalog(), apis=tuple(replace(row, retires=None, lifecycle=None) for row in load_catalog().apis))
"""The shipped catalog without retirements, which are no matter of these tests."""
BASE = """\
version: 1
platform: {account: "123456789012", region: us-east-1, zones: [use1-az4, use1-az6]}
horizon: {start: 2026-12-01, months: 2}
routes:
  chat:
    traffic: {requests_per_second: {mean: 0.2}}
    tokens: {input: {mean: 600, p95: 1500}, output: {mean: 120, p95: 300}}
    slo: {ttft_p95: 3s, tpot_p95: 90ms}
    data: internal
    quality: {accept: [ACCEPT], source: own evaluation, date: 2026-11-01}
"""
ROUTE_END = "    quality:"


def text(accept: str, *, route: str = "", plan: str = "", api: str = "") -> str:
    """The environment of one route, with further keys of the route and of the plan, and with API accounts."""
    accounts = f"api: {{providers: {{{api}}}}}\n" if api else ""
    lines = "".join(f"    {line}\n" for line in route.splitlines())
    return BASE.replace("ACCEPT", accept).replace(ROUTE_END, lines + ROUTE_END) + accounts + plan


def inputs(environment: str) -> Inputs:
    return Inputs(parse(environment, "case.yaml")[0], CATALOG, load_coefficients(), {})


@lru_cache
def market(environment: str) -> Market:
    return survey(inputs(environment))


@lru_cache
def outcome(environment: str) -> Outcome:
    return optimize(inputs(environment), kept=KEPT)


def fell(environment: str, kind: str) -> list[Omission]:
    return [omission for omission in market(environment).omissions if omission.kind == kind]


def refused(environment: str) -> tuple[Problem, ...]:
    with pytest.raises(Problems) as caught:
        optimize(inputs(environment), kept=KEPT)
    return caught.value.problems


def verdict(environment: str, name: str) -> tuple[str, str]:
    (found,) = [v for v in outcome(environment).plan.verdicts if v.name == name]
    return found.state, found.message


# Residency


def test_own_machines_in_another_place_are_no_candidates() -> None:
    """They stand in Virginia, and the data must stay in the EU: the model falls once, with the region's name."""
    asked = text("qwen3-8b, gpt-4.1-mini", route="residency: [eu]", api="openai: {limits: {tpm: 2M, rpm: 1k}}")
    assert [(o.candidate.model, o.cause) for o in fell(asked, "region")] == [
        ("qwen3-8b", RegionOutside("us-east-1 (United States)"))
    ]
    assert market(asked).classes == ()


def test_a_residency_that_nothing_keeps_is_refused_at_its_line_with_regions_that_would() -> None:
    asked = text("qwen3-8b", route="residency: [eu]")
    (problem,) = refused(asked)
    assert (problem.code, problem.about) == ("INF001", ("routes", "chat", "residency"))
    assert problem.hint.startswith("set `platform.region` to eu-central-1 or eu-north-1 or eu-south-2 or eu-west-1")
    (nowhere,) = refused(text("qwen3-8b", route="residency: [ch]"))
    assert nowhere.hint.startswith("the catalog has no region in ch"), "of eu-central-2 no zones are known"
    (elsewhere,) = refused(asked.replace("us-east-1", "us-west-2").replace("use1", "usw2"))
    assert elsewhere.about == ("routes", "chat", "residency")


def test_a_restricted_route_is_not_sent_to_an_api() -> None:
    """No API may see its data: only a machine in the place helps, or a place in which there is one."""
    (problem,) = refused(text("qwen3-8b", route="residency: [ch]").replace("data: internal", "data: restricted"))
    assert problem.hint.startswith(
        "the catalog has no region in ch, and no API may serve restricted data: allow the place of a region that it has"
    )
    assert "us-east-1 (United States)" in problem.hint
    assert "hosted model" not in problem.hint


def test_machines_that_may_not_be_used_are_told_once() -> None:
    """Where no machine may serve the route, what single machines lack is no reason."""
    (problem,) = refused(text("qwen3-8b, gpt-4.1-mini", route="residency: [eu]"))
    assert problem.message.endswith(
        "of its candidates 2 × is at a provider without an account in `api.providers`; its open-weight models would be "
        "hosted in a region that the route's residency excludes"
    )


def test_a_refusal_names_the_regions_of_the_catalog_that_fit() -> None:
    wanted = text("qwen3-8b", route="residency: [us]")
    assert market(wanted).fitting_regions == {"chat": ("us-east-1", "us-east-2", "us-west-1", "us-west-2")}
    assert market(wanted).classes
    assert not fell(wanted, "region")
    east = replace(CATALOG.places.rows["de"], aws_regions=("us-east-1",))
    west = replace(CATALOG.places.rows["us"], aws_regions=("us-west-2",))
    moved = replace(CATALOG, places=Places({"de": east, "us": west}))
    with pytest.raises(Problems) as caught:
        optimize(replace(inputs(wanted), catalog=moved), kept=KEPT)
    assert caught.value.problems[0].hint.startswith("set `platform.region` to us-west-2;")


def test_a_provider_s_address_in_the_place_serves_at_its_own_price() -> None:
    """gpt-5.4-mini costs a tenth more at OpenAI's address in the EU; gpt-4.1-mini is older and costs the list price."""
    accounts = "openai: {limits: {tpm: 2M, rpm: 1k}}"
    here = outcome(text("gpt-5.4-mini", api=accounts))
    there = outcome(text("gpt-5.4-mini", route="residency: [eu]", api=accounts))
    (api,) = there.plan.apis
    assert (api.name, api.base_url) == ("openai/gpt-5.4-mini@eu", "https://eu.api.openai.com/v1")
    assert (api.api_key_env, api.model) == ("OPENAI_EU_API_KEY", "gpt-5.4-mini")
    assert float(there.plan.cost.usd_per_month / here.plan.cost.usd_per_month) == pytest.approx(1.1, rel=1e-3)
    assert api.usd_per_million_input_tokens == here.plan.apis[0].usd_per_million_input_tokens * 11 / 10
    older = [outcome(text("gpt-4.1-mini", route=r, api=accounts)).plan.cost for r in ("", "residency: [eu]")]
    assert older[0].usd_per_month == older[1].usd_per_month


def test_an_address_whose_models_are_not_stated_is_told_once() -> None:
    """It is taken to serve both models; the provider's own address, and one that lists its models, leave no doubt."""
    accounts = "openai: {limits: {tpm: 2M, rpm: 1k}}"
    asked = text("gpt-5.4-mini, gpt-4.1-mini", route="residency: [eu]", api=accounts)
    told = "which models the address `eu` of OpenAI serves is not stated, and all are assumed"
    assert verdict(asked, "gap address") == ("warn", told)
    (gap,) = [gap for gap in market(asked).gaps if gap.kind == "address"]
    assert (gap.subject, gap.hint) == (
        "openai@eu",
        "list them as `models:` of `endpoints.eu` in `providers/openai.yaml`",
    )
    assert not [gap for gap in market(text("gpt-5.4-mini", api=accounts)).gaps if gap.kind == "address"]
    openai = CATALOG.providers["openai"]
    listing = {"eu": replace(openai.endpoints["eu"], models=("gpt-4.1-mini",))}
    providers = {**CATALOG.providers, "openai": replace(openai, endpoints={**openai.endpoints, **listing})}
    listed = survey(replace(inputs(asked), catalog=replace(CATALOG, providers=providers)))
    assert [api.row.key for api in listed.apis] == ["openai/gpt-4.1-mini@eu"]
    assert not [gap for gap in listed.gaps if gap.kind == "address"]


def test_an_address_that_also_processes_outside_is_told_and_not_used() -> None:
    """Mistral's address in Europe also uses data centres of EFTA, which `eu` alone does not hold."""
    accounts = "mistral: {limits: {tpm: 2M, rpm: 1k}}"
    (problem,) = refused(text("mistral-medium-3.5", route="residency: [eu]", api=accounts))
    assert problem.about == ("routes", "chat", "residency")
    (omission,) = fell(text("mistral-medium-3.5", route="residency: [eu]", api=accounts), "residency")
    assert omission.cause == OtherResidency(("global",), (NearAddress("eu", ("efta", "eu"), ("eu", "efta")),))
    assert problem.hint.startswith("state `residency: [eu, efta]` for mistral/mistral-medium-3.5@eu, or ")
    wider = outcome(text("mistral-medium-3.5", route="residency: [eu, efta]", api=accounts)).plan
    assert [api.name for api in wider.apis] == ["mistral/mistral-medium-3.5@eu"]


def test_a_part_does_not_allow_the_whole() -> None:
    """An API that processes somewhere in the EU may leave Germany."""
    asked = text("gpt-5.4-mini", route="residency: [de]", api="openai: {limits: {tpm: 2M, rpm: 1k}}")
    assert [o.kind for o in fell(asked, "residency")] == ["residency"]


def test_the_privacy_verdict_tells_where_data_stays() -> None:
    own = text("qwen3-8b", route="residency: [us]")
    assert verdict(own, "privacy") == (
        "pass",
        "no route is restricted; chat stays in us: own machines in us-east-1 (United States)",
    )


def test_the_gateway_of_a_plan_without_a_cluster_must_stand_in_the_place_too() -> None:
    asked = text("gpt-4.1-mini", route="residency: [eu]", api="openai: {limits: {tpm: 2M, rpm: 1k}}")
    state, message = verdict(asked, "privacy")
    assert state == "warn"
    assert "openai/gpt-4.1-mini@eu (eu)" in message
    (told,) = (reason for reason in outcome(asked).plan.routes[0].reasons if "takes all of it" in reason)
    assert "machines in us-east-1 (United States) are outside its residency" in told
    assert "run the gateway, whose log names the requests, in eu too and not in us-east-1" in message


def test_a_gateway_in_the_cluster_of_another_region_is_denied() -> None:
    """A second route builds a cluster in Virginia, and the first one's requests would pass its gateway."""
    second = """\
  notes:
    traffic: {requests_per_second: {mean: 0.2}}
    tokens: {input: {mean: 600, p95: 1500}, output: {mean: 120, p95: 300}}
    slo: {ttft_p95: 3s, tpot_p95: 90ms}
    data: restricted
    quality: {accept: [qwen3-8b], source: own evaluation, date: 2026-11-01}
"""
    asked = text("gpt-4.1-mini", route="residency: [eu]", api="openai: {limits: {tpm: 2M, rpm: 1k}}")
    state, message = verdict(asked.replace("api:", f"{second}api:"), "privacy")
    assert state == "deny"
    assert "chat must stay in eu, but its gateway and the gateway's log stand in us-east-1" in message


# Terms and latencies


@pytest.mark.parametrize(
    ("accept", "provider", "terms", "causes"),
    [
        ("gpt-4.1-mini", "openai", "{no_training: true}", []),
        ("deepseek-v4-flash", "deepseek", "{no_training: true}", [TermsNotMet("no_training", True)]),
        ("gpt-4.1-mini", "openai", "{retention: 30d}", []),
        ("gpt-4.1-mini", "openai", "{retention: 29d}", [TermsNotMet("retention", True, 30.0, 29.0)]),
        ("gemini-2.5-flash-lite", "google", "{retention: 90d}", [TermsNotMet("retention", False, None, 90.0)]),
        ("gemini-2.5-flash-lite", "google", "{retention: 1d, zero_retention: true}", []),
        ("deepseek-v4-flash", "deepseek", "{zero_retention: true}", [TermsNotMet("zero_retention", True)]),
        ("gpt-oss-20b", "groq", "{retention: 0ms}", [TermsNotMet("retention", True, 30.0, 0.0)]),
        ("gpt-oss-20b", "bedrock", "{retention: 0ms}", []),
    ],
)
def test_terms_of_a_provider_are_held_against_the_route(
    accept: str, provider: str, terms: str, causes: list[TermsNotMet]
) -> None:
    asked = text(accept, route=f"terms: {terms}", api=f"{provider}: {{limits: {{tpm: 2M, rpm: 1k}}}}")
    assert f"{provider}/{accept}" in {row.key for row in CATALOG.apis}
    assert [o.cause for o in fell(asked, "terms") if o.candidate.api == f"{provider}/{accept}"] == causes


def test_nothing_kept_only_once_it_is_arranged_warns() -> None:
    asked = text("gpt-4.1-mini", route="terms: {zero_retention: true}", api="openai: {limits: {tpm: 2M, rpm: 1k}}")
    state, message = verdict(asked, "gap terms")
    assert state == "warn"
    assert message.startswith("OpenAI keeps nothing only once that is arranged")


@pytest.mark.parametrize(
    ("slo", "measured", "allowed", "first_token"),
    [
        ("{ttft_p95: 3s, tpot_p95: 90ms}", "3100ms", 3_000.0, True),
        ("{ttft_p95: 3s, tpot_p95: 90ms}", "3s", None, True),
        ("{ttft_p95: {base: 1s, per_1k_input: 400ms}, tpot_p95: 90ms}", "9s", 1_000.0 + 0.4 * 1_500, True),
        ("{ttft_p95: {base: 1s, per_1k_input: 400ms}, tpot_p95: 90ms}", "1500ms", None, True),
    ],
)
def test_a_stated_latency_is_held_against_the_target_of_the_p95_prompt(
    slo: str, measured: str, allowed: float | None, first_token: bool
) -> None:
    account = f"openai: {{limits: {{tpm: 2M, rpm: 1k}}, latency: {{ttft_p95: {measured}, measured: 2026-11-01}}}}"
    asked = text("gpt-4.1-mini, qwen3-8b", api=account).replace("{ttft_p95: 3s, tpot_p95: 90ms}", slo)
    causes = [o.cause for o in fell(asked, "latency")]
    assert bool(market(asked).apis) == (allowed is None)
    if allowed is None:
        assert causes == []
    else:
        (cause,) = causes
        assert isinstance(cause, SlowerThanSlo)
        assert cause.allowed_ms == pytest.approx(allowed, rel=0.05)  # a bin of lengths is an eighth of an octave wide
        assert cause.prompt_tokens == pytest.approx(1_500, rel=0.1)


def test_without_a_target_of_the_first_token_the_whole_answer_is_one() -> None:
    (route,) = market(text("qwen3-8b")).demand.routes
    asked = replace(route, target=LatencyTarget(e2e_ms=2_000.0))
    (row,) = (row for row in CATALOG.apis if row.key == "openai/gpt-4.1-mini")
    openai = ServedAt(row, CATALOG.providers["openai"])
    for ttft_ms, misses in ((1_999.0, False), (2_001.0, True)):
        account = ProviderAccount.model_validate({"latency": {"ttft_p95": f"{ttft_ms}ms", "measured": "2026-11-01"}})
        cause = unmet(asked, openai, account, CATALOG.places)
        assert cause == (SlowerThanSlo(ttft_ms, 2_000.0, round(route.prompt_p95), False) if misses else None)


def test_a_refusal_for_money_names_the_api_that_fell() -> None:
    account = "openai: {limits: {tpm: 2M, rpm: 1k}, latency: {ttft_p95: 9s, measured: 2026-11-01}}"
    (problem,) = refused(text("gpt-4.1-mini, qwen3-8b", api=account, plan="budget: {monthly: $100}\n"))
    assert problem.code == "INF002"
    assert "left out: openai/gpt-4.1-mini (its p95 to the first token was measured as 9.00 s" in problem.hint


# Licences


@pytest.mark.parametrize(
    ("model", "licence", "rule"),
    [
        ("qwen2.5-3b-instruct", "", "commercial use"),
        ("qwen2.5-3b-instruct", "{use: non-commercial}", None),
        ("llama-4-scout", "", None),
        ("llama-4-scout", "{based_in: de}", "place"),
        ("llama-4-scout", "{based_in: uk}", None),
        ("llama-3.1-8b-instruct", "{based_in: de, monthly_users: 700M}", None),
        ("llama-3.1-8b-instruct", "{monthly_users: 701M}", "monthly users"),
    ],
)
def test_a_licence_rules_its_model_out(model: str, licence: str, rule: str | None) -> None:
    asked = text(f"qwen3-8b, {model}", plan=f"licence: {licence}\n" if licence else "")
    found = [(o.candidate.model, o.cause.rule) for o in fell(asked, "licence") if isinstance(o.cause, LicenceForbids)]
    assert found == ([(model, rule)] if rule else [])
    assert not (rule and any(c.shape.model.key == model for c in market(asked).classes))


def test_a_hosted_copy_is_its_provider_s_matter() -> None:
    """`licence:` binds whoever runs the weights; see decision 0031."""
    plan = "licence: {monthly_users: 800M}\n"
    asked = text("llama-3.3-70b-instruct", plan=plan, api="bedrock: {limits: {tpm: 2M, rpm: 1k}}")
    assert [o.candidate.model for o in fell(asked, "licence")] == ["llama-3.3-70b-instruct"]
    assert [api.row.key for api in market(asked).apis] == ["bedrock/llama-3.3-70b-instruct"]


def test_a_limit_of_users_that_are_not_stated_warns_in_one_line() -> None:
    asked = text("llama-3.1-8b-instruct")
    assert verdict(asked, "licence") == (
        "warn",
        "the licence of llama-3.1-8b-instruct ends at 700,000,000 monthly users; state `licence.monthly_users`",
    )
    stated = outcome(text("llama-3.1-8b-instruct", plan="licence: {monthly_users: 5M}\n"))
    assert "licence" not in {v.name for v in stated.plan.verdicts}


# The reserve


def test_without_a_reserve_one_node_is_enough() -> None:
    """It was two, though the environment asks for no node that may be lost."""
    with_reserve, without = text("qwen3-8b"), text("qwen3-8b", plan="reserve: {node: false}\n")
    assert sum(group.max_nodes for group in outcome(with_reserve).plan.node_groups) == 2
    assert sum(group.max_nodes for group in outcome(without).plan.node_groups) == 1
    assert outcome(without).plan.cost.usd_per_month < outcome(with_reserve).plan.cost.usd_per_month
    alone, pair = (outcome(each).plan.routes[0].availability for each in (without, with_reserve))
    assert alone is not None
    assert pair is not None
    assert alone.costliest.startswith("the loss of a machine of ")
    assert alone.share < pair.share  # type: ignore[operator]


def test_restricted_data_keeps_two_nodes_whatever_the_reserve() -> None:
    asked = text("qwen3-8b", plan="reserve: {node: false}\n").replace("data: internal", "data: restricted")
    (group,) = outcome(asked).plan.node_groups
    assert (group.exclusive, group.max_nodes) == (True, 2)


# Hardware


def gpus(environment: str) -> set[str]:
    return {c.shape.gpu.key for c in market(environment).classes}


def test_only_words_of_each_kind_must_match() -> None:
    asked = text("qwen3-8b", route="hardware: {only: [L40S, L4, tp1]}")
    assert gpus(asked) <= {"L40S", "L4"}
    assert {c.shape.parallelism.tensor_parallel_size for c in market(asked).classes} == {1}
    assert {o.cause for o in fell(asked, "hardware")} >= {
        RuledOut(("routes", "chat", "hardware", "only"), ("L40S", "L4")),
        RuledOut(("routes", "chat", "hardware", "only"), ("tp1",)),
    }


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        ("{only: [g6e]}", lambda c: c.offering.instance.family == "g6e"),
        ("{only: [g6e.4xlarge]}", lambda c: c.offering.instance.key == "g6e.4xlarge"),
        ("{only: [gpus4]}", lambda c: c.offering.instance.gpu_count == 4),
        ("{only: [fp8]}", lambda c: c.shape.quantization.name == "fp8"),
        ("{not: [L40S, g6]}", lambda c: c.shape.gpu.key != "L40S" and c.offering.instance.family != "g6"),
        ("{only: [L40S, L4], not: [L4]}", lambda c: c.shape.gpu.key == "L40S"),
    ],
)
@pytest.mark.parametrize("level", ["route", "plan"])
def test_a_rule_leaves_what_it_allows_and_something(rules: str, kept: Callable[[SelfHosted], bool], level: str) -> None:
    asked = text("qwen3-8b", **{level: f"hardware: {rules}\n"})
    assert market(asked).classes
    assert all(kept(c) for c in market(asked).classes)


def test_a_dearer_machine_is_a_candidate_where_it_alone_is_allowed() -> None:
    """g6e.4xlarge has the GPU of g6e.xlarge and costs more, so that it is taken only where a rule asks for it."""
    free = {c.offering.instance.key for c in market(text("qwen3-8b")).classes}
    assert "g6e.4xlarge" not in free
    plan = outcome(text("qwen3-8b", route="hardware: {only: [g6e.4xlarge]}")).plan
    assert {group.instance_type for group in plan.node_groups} == {"g6e.4xlarge"}


def test_no_machine_at_all_leaves_the_apis() -> None:
    accounts = "openai: {limits: {tpm: 2M, rpm: 1k}}"
    plan = outcome(text("qwen3-8b, gpt-4.1-mini", route="hardware: {only: []}", api=accounts)).plan
    assert (plan.pools, [api.name for api in plan.apis]) == ((), ["openai/gpt-4.1-mini"])
    assert any("`hardware.only` allows no machine" in reason for reason in plan.routes[0].reasons)
    (problem,) = refused(text("qwen3-8b", route="hardware: {only: []}"))
    assert (problem.code, problem.about) == ("INF001", ("routes", "chat", "hardware"))


def test_rules_of_the_plan_and_of_a_route_hold_together() -> None:
    asked = text("qwen3-8b", route="hardware: {not: [tp1]}", plan="hardware: {only: [L40S]}\n")
    assert gpus(asked) == {"L40S"}
    assert 1 not in {c.shape.parallelism.tensor_parallel_size for c in market(asked).classes}


TWO = """\
  notes:
    traffic: {requests_per_second: {mean: 0.2}}
    tokens: {input: {mean: 600, p95: 1500}, output: {mean: 120, p95: 300}}
    slo: {ttft_p95: 3s, tpot_p95: 90ms}
    data: internal
    hardware: {not: [T4, g6]}
    quality: {accept: [qwen3-8b], source: own evaluation, date: 2026-11-01}
"""


def test_a_shared_class_serves_only_the_routes_that_allow_it() -> None:
    asked = text("qwen3-8b") + TWO
    for c in market(asked).classes:
        routes = {route for route, _ in c.replica_class.capacity}
        assert routes == {route for route, _ in c.replica.rates}
        if c.shape.gpu.key == "T4" or c.offering.instance.family == "g6":
            assert routes == {"chat"}, c.name
    plan = outcome(asked).plan
    families = {group.name: group.instance_type.split(".")[0] for group in plan.node_groups}
    for pool in plan.pools:
        if any(capacity.route == "notes" for capacity in pool.capacity):
            assert pool.gpu != "T4"
            assert families[pool.node_group] != "g6"


# Preferences


def test_a_preference_wins_within_the_threshold_and_says_what_it_costs() -> None:
    cheapest = outcome(text("qwen3-8b"))
    (bought,) = {group.gpu for group in cheapest.plan.node_groups}
    other = next(gpu for gpu in ("L4", "A10G", "T4") if gpu != bought)
    wide = "planning: {replan_threshold: 60%}\n"
    asked = text("qwen3-8b", route=f"hardware: {{prefer: [{other}]}}", plan=wide)
    assert {group.gpu for group in outcome(asked).plan.node_groups} == {other}
    more = outcome(asked).plan.cost.usd_per_month - cheapest.plan.cost.usd_per_month
    state, message = verdict(asked, "hardware")
    found = re.fullmatch(
        rf"hardware\.prefer {other} is followed: it costs \$([\d,]+) more a month than the cheapest plan \([\d.]+%\)",
        message,
    )
    assert state == "pass"
    assert found is not None
    assert float(found[1].replace(",", "")) == pytest.approx(float(more), abs=1.0)


def test_a_preference_beyond_the_threshold_is_told_and_not_followed() -> None:
    asked = text("qwen3-8b", route="hardware: {prefer: [H100]}")
    assert outcome(asked).plan.cost.usd_per_month == outcome(text("qwen3-8b")).plan.cost.usd_per_month
    state, message = verdict(asked, "hardware")
    assert state == "pass"
    assert "hardware.prefer H100 is not followed: it would cost $" in message
    assert message.endswith("not within 5%")


def test_a_preference_is_not_followed_by_buying_nothing() -> None:
    """Where the API costs hardly more than the machine that is bought, it is no H100 either."""
    accounts = "openai: {limits: {tpm: 2M, rpm: 1k}}"
    wide = "planning: {replan_threshold: 90%}\n"
    busy = "requests_per_second: {mean: 0.2}", "requests_per_second: {mean: 0.5}"
    asked = text("qwen3-8b, gpt-5.4-mini", route="hardware: {prefer: [H100]}", api=accounts, plan=wide).replace(*busy)
    assert outcome(asked).plan.pools
    assert verdict(asked, "hardware") == (
        "pass",
        "hardware.prefer H100 is not followed: it would cost less to buy no machine than to buy these",
    )


def test_a_preference_says_that_no_machine_is_bought() -> None:
    accounts = "openai: {limits: {tpm: 2M, rpm: 1k}}"
    quiet = "requests_per_second: {mean: 0.2}", "requests_per_second: {mean: 0.01}"
    asked = text("qwen3-8b, gpt-5.4-mini", route="hardware: {prefer: [H100]}", api=accounts).replace(*quiet)
    assert not outcome(asked).plan.pools
    assert verdict(asked, "hardware")[1].endswith("it would cost less to buy no machine than to buy these")


def test_a_preference_for_what_is_bought_anyway_says_nothing() -> None:
    plain = outcome(text("qwen3-8b"))
    (bought,) = {group.gpu for group in plain.plan.node_groups}
    asked = outcome(text("qwen3-8b", plan=f"hardware: {{prefer: [{bought}]}}\n"))
    assert asked.plan.pools == plain.plan.pools
    assert "hardware" not in {v.name for v in asked.plan.verdicts}


# The nearest candidate


def test_the_nearest_candidate_is_the_one_that_misses_by_least() -> None:
    """A small model on a fast GPU is nearer to 2 ms a token than a large one on a slow GPU, whatever their names."""
    asked = text("qwen3-8b").replace("tpot_p95: 90ms", "tpot_p95: 2ms")
    (problem,) = refused(asked)
    causes = (o.cause for o in market(asked).omissions)
    overs = [cause.capacity.over or 0.0 for cause in causes if isinstance(cause, MissesSlo)]
    found = re.match(
        r"nearest: (\S+) \((\S+)\) on (\d) × (\S+): .* \(by ([\d.]+) times\); (?:nearest|no) plan", problem.hint
    )
    assert found is not None
    assert 1.0 < min(overs) < max(overs)
    assert float(found[5]) == pytest.approx(min(overs), rel=0.06)
