"""What a team named and the plan cannot use is a warning, with its reason and the price of the plan that has it."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import pytest

from planner.decision.inputs import Inputs
from planner.decision.optimize import optimize
from planner.documents.environment_file import parse
from planner.domain.environment import Hardware
from planner.domain.prices import PriceSnapshot
from planner.domain.route import HardwareRules
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.performance.capacity_search import CapacitiesByDigest
from planner.plan.plan import Plan

KEPT: CapacitiesByDigest = {}
TEXT = """\
version: 1
platform: {{account: "123456789012", region: us-east-1, zones: [use1-az4, use1-az6]}}
horizon: {{start: 2026-12-01, months: 12}}
routes:
  chat:
    traffic: {{profile: flat, requests_per_second: {{mean: 0.02}}}}
    tokens: {{input: {{mean: 600, p95: 1500}}, output: {{mean: 150, p95: 300}}}}
    slo: {{ttft_p95: 2s, tpot_p95: 80ms}}
    data: {data}
    residency: [{residency}]
    quality: {{accept: [{accept}], source: a test, date: 2026-11-01}}
api: {{providers: {{{providers}}}}}
quotas: {{G: 64, P: 0}}
"""


def inputs(accept: str, providers: str = "", data: str = "internal", residency: str = "") -> Inputs:
    text = TEXT.format(accept=accept, providers=providers, data=data, residency=residency)
    return Inputs(parse(text, "test.yaml")[0], load_catalog(), load_coefficients(), {})


@lru_cache(maxsize=32)
def planned(accept: str, providers: str = "", data: str = "internal", residency: str = "") -> Plan:
    return optimize(inputs(accept, providers, data, residency), kept=KEPT).plan


def told(plan: Plan, name: str = "accepted") -> list[str]:
    verdicts = [verdict for verdict in plan.verdicts if verdict.name == name]
    assert all(verdict.state == "warn" for verdict in verdicts)
    return [verdict.message for verdict in verdicts]


def test_an_accepted_model_without_an_account() -> None:
    plan, rich = planned("qwen3-8b, gpt-6.1-terra"), planned("qwen3-8b, gpt-6.1-terra", "openai: {}")
    assert told(plan) == [
        "chat accepts gpt-6.1-terra, and nothing comes of it: `api.providers` has no account at openai; with an "
        "account there the plan would cost "
        f"${rich.cost.usd_per_month:,} a month instead of ${plan.cost.usd_per_month:,}"
    ]
    assert told(rich) == []


def test_two_models_of_one_provider_without_an_account_are_one_line() -> None:
    (line,) = told(planned("qwen3-8b, gpt-6.1-terra, gpt-6.1-sol"))
    assert line.startswith("chat accepts gpt-6.1-sol and gpt-6.1-terra, and nothing comes of it: ")
    assert f"${planned('qwen3-8b, gpt-6.1-terra, gpt-6.1-sol', 'openai: {}').cost.usd_per_month:,} a month" in line


def test_a_model_that_has_ended_before_the_start() -> None:
    """Google ends gemini-2.5-flash on the first day of the horizon; its successor has the same prices."""
    plan = planned("qwen3-8b, gemini-2.5-flash", "google: {}")
    successor = planned("qwen3-8b, gemini-3.5-flash-lite", "google: {}")
    assert told(plan) == [
        "chat accepts gemini-2.5-flash, and nothing comes of it: ended on 2026-12-01 (its provider names "
        f"gemini-3.5-flash-lite instead); with it the plan would cost ${successor.cost.usd_per_month:,} a month "
        f"instead of ${plan.cost.usd_per_month:,}"
    ]
    (accounts,) = told(plan, "accounts")
    assert "google (google/gemini-2.5-flash: ended on 2026-12-01" in accounts
    assert "would cost" not in accounts  # the line above has the price


def test_a_provider_in_another_place() -> None:
    plan = planned("qwen3-8b, gemini-3.5-flash-lite", "google: {}", residency="us")
    (line,) = told(plan)
    assert "processes in global; with it the plan would cost $" in line


def test_a_provider_whose_address_comes_near_is_priced_at_that_address() -> None:
    """Mistral's European address also processes in EFTA, and costs 10 % more than the one of the whole world."""
    accept = ("gpt-5.4, mistral-small-4", "mistral: {}, openai: {}")
    plan, wider = planned(*accept, residency="eu"), planned(*accept, residency="eu, efta")
    assert wider.routes[0].fallback == ("mistral/mistral-small-4@eu", "openai/gpt-5.4@eu")
    assert wider.cost.usd_per_month > planned(*accept).cost.usd_per_month
    (line,) = [line for line in told(plan) if "mistral" in line]
    assert f"with it the plan would cost ${wider.cost.usd_per_month:,} a month" in line


def test_a_provider_in_an_unknown_place() -> None:
    asked = inputs("qwen3-8b, gpt-6.1-terra", "openai: {}", residency="us")
    rows = asked.catalog.providers
    unknown = {**rows, "openai": replace(rows["openai"], residency=None, endpoints={})}
    plan = optimize(replace(asked, catalog=replace(asked.catalog, providers=unknown)), kept=KEPT).plan
    (line,) = told(plan)
    assert "processes in an unknown place; with it the plan would cost $" in line


def test_a_model_that_serves_at_a_further_address_has_not_fallen() -> None:
    plan = planned("qwen3-8b, gpt-6.1-terra", "openai: {}", residency="us")
    assert plan.routes[0].fallback == ("openai/gpt-6.1-terra@us",)
    assert told(plan) == []
    assert told(plan, "accounts") == []


def test_all_causes_of_one_name_are_told_and_set_aside_together() -> None:
    (line,) = told(planned("qwen3-8b, gemini-2.5-pro", residency="us"))
    assert "`api.providers` has no account at google and ended on 2026-12-01" in line
    assert "and processes in global; with it the plan would cost $" in line


def test_restricted_data_is_not_priced_at_an_api() -> None:
    (line,) = told(planned("qwen3-8b, gpt-6.1-terra", "openai: {}", data="restricted"))
    assert line == (
        "chat accepts gpt-6.1-terra, and nothing comes of it: the route's data is restricted; no price: restricted "
        "data reaches no API, whatever it costs"
    )


def test_a_model_whose_machines_no_quota_holds() -> None:
    """Its weights need a machine of eight large GPUs, and the account may run 64 vCPUs of family G."""
    plan = planned("qwen3-8b, deepseek-v3.2@nvfp4")
    (line,) = told(plan)
    assert "the vCPU quota of family G is 64, and one of its machines takes 192 or more; with a quota for it " in line
    assert f"the plan would cost no less than ${plan.cost.usd_per_month:,} a month" in line


def test_a_model_whose_licence_forbids_the_use() -> None:
    """The price is that of the plan for research, to the cent."""
    plan = planned("qwen3-8b, qwen2.5-3b-instruct")
    asked = inputs("qwen3-8b, qwen2.5-3b-instruct")
    research = optimize(replace(asked, environment=asked.environment.with_non_commercial_use()), kept=KEPT).plan
    assert research.cost.usd_per_month < plan.cost.usd_per_month
    (line,) = told(plan)
    assert line == (
        "chat accepts qwen2.5-3b-instruct, and nothing comes of it: Qwen Research License forbids commercial use; with "
        "another licence or `licence: {use: non-commercial}` the plan would cost "
        f"${research.cost.usd_per_month:,} a month instead of ${plan.cost.usd_per_month:,}"
    )


def test_a_model_whose_licence_ends_at_fewer_users() -> None:
    asked = inputs("qwen3-8b, llama-3.2-1b-instruct")
    licence = asked.environment.licence.model_copy(update={"monthly_users": 10**9})
    many = asked.environment.model_copy(update={"licence": licence})
    plan = optimize(replace(asked, environment=many), kept=KEPT).plan
    (line,) = told(plan)
    assert "ends at 700,000,000 monthly users; the environment states 1,000,000,000; with another licence the" in line
    assert f"${optimize(asked, kept=KEPT).plan.cost.usd_per_month:,} a month" in line


def test_a_model_behind_two_rules_on_machines_has_the_price_of_both() -> None:
    """Neither rule lets a machine in alone. The rule beside them holds, and so does the preference."""
    asked = inputs("qwen3-8b@bf16, qwen3-32b@fp8")
    only, bars = ({"only": ["fp8", "L40S"]}, {"not": ["bf16", "A10G"]})

    def plan_of(whole: dict[str, list[str]], own: dict[str, list[str]]) -> Plan:
        environment = asked.environment.with_route("chat", hardware=HardwareRules.model_validate(own))
        rules = Hardware.model_validate({"prefer": ["tp1"], **whole})
        environment = environment.model_copy(update={"hardware": rules})
        return optimize(replace(asked, environment=environment), kept=KEPT).plan

    plan, free = plan_of(only, bars), plan_of({}, {})
    assert free.cost.usd_per_month < plan.cost.usd_per_month
    (line,) = told(plan)
    assert line.startswith("chat accepts qwen3-8b@bf16, and nothing comes of it: of its machines ")
    assert line.endswith(
        f"with it the plan would cost ${free.cost.usd_per_month:,} a month instead of ${plan.cost.usd_per_month:,}"
    )


def test_a_team_that_wrote_no_rule_on_machines_is_not_told_of_one() -> None:
    """The all-API plan buys no machines: that is why nothing can serve, and no key of the file is."""
    (told,) = [other.description for other in planned("qwen3-8b").baselines if other.name == "all API"]
    assert told.startswith("does not exist: route `chat`: nothing can serve its short and medium and long prompts")
    assert told.endswith("; its open-weight models need a machine, and this plan buys none for the route")
    assert " × " not in told
    assert "hardware" not in told


def test_a_model_that_fits_no_machine() -> None:
    asked = inputs("qwen3-8b, kimi-k3")
    smaller = {key: row for key, row in asked.catalog.instances.items() if row.family != "p6-b300"}
    without_the_largest = replace(asked, catalog=replace(asked.catalog, instances=smaller))
    (line,) = told(optimize(without_the_largest, kept=KEPT).plan)
    assert line.startswith("chat accepts kimi-k3, and nothing comes of it: of its machines ")
    assert "does not fit the GPU's memory" in line


def test_a_price_that_nobody_knows_is_said_to_be_unknown() -> None:
    asked = inputs("qwen3-8b, gpt-6.1-terra", "openai: {}")
    rows = {k: price for k, price in asked.catalog.prices.rows.items() if not k.startswith("api/openai/gpt-6.1-terra/")}
    poor = replace(asked.catalog, prices=PriceSnapshot(asked.catalog.prices.name, rows))
    (line,) = told(optimize(replace(asked, catalog=poor), kept=KEPT).plan)
    assert "the price snapshot has no api/openai/gpt-6.1-terra/input; price unknown: " in line


@pytest.mark.parametrize("accept", ["qwen3-8b, gpt-6.1-terra, gpt-6.1-sol", "qwen3-8b, qwen3-32b, gpt-6.1-sol"])
def test_what_merely_lost_on_price_is_not_told(accept: str) -> None:
    plan = planned(accept, "openai: {}")
    assert plan.pools == ()
    assert told(plan) == []
    assert told(plan, "accounts") == []


def test_a_hosted_copy_that_fell_is_not_told_where_the_model_can_be_hosted() -> None:
    """The entry yields candidates: Groq's copy has ended, and the machines are there."""
    assert told(planned("llama-3.1-8b-instruct")) == []


def test_an_account_that_no_route_can_use() -> None:
    (line,) = told(planned("qwen3-8b, gpt-6.1-terra", "openai: {}, mistral: {}"), "accounts")
    assert (
        line == "no route can use these accounts of `api.providers`: mistral (no route accepts a model that it hosts)"
    )


def test_an_account_whose_copies_have_ended_has_a_price() -> None:
    (line,) = told(planned("llama-3.1-8b-instruct", "groq: {}"), "accounts")
    assert line.startswith(
        "no route can use these accounts of `api.providers`: groq (groq/llama-3.1-8b-instruct: ended on 2026-08-16 "
        "(its provider names gpt-oss-20b instead); with it the plan would cost $"
    )


def test_a_long_list_of_fallen_names_is_told_whole_and_priced_in_part() -> None:
    """Seven groups of names; the question is solved again for six of them."""
    names = "claude-opus-5.5, codestral-2508, gemini-2.5-pro, gemini-3.8-flash, gpt-6.1-terra, nova-lite, o3, gpt-4"
    lines = told(planned(f"qwen3-8b, {names}", "deepseek: {}"))
    assert len(lines) == 7
    assert sum("6 other names are priced already" in line for line in lines) == 1
    assert all(any(name in line for line in lines) for name in names.split(", "))
