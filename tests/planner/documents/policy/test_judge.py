"""Each rule says pass, warn and deny where it should, and what is missing is never a pass."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.documents.policy.judge import JUDGES, STATES, judge
from planner.documents.policy.subject import Base
from planner.domain.apis import Lifecycle
from planner.domain.models import LicenceTerms
from planner.domain.policy import FileRules, Override
from planner.edges.catalog_files import load_catalog
from tests.planner import plans
from tests.planner.documents.policy.subjects import (
    BASE,
    TODAY,
    changed,
    judged,
    rulebook,
    told,
    with_api,
    with_model,
    with_provider,
)

WITHOUT_API: dict[str, Any] = {"routes/0/fallback": []}
SOON = date(2027, 1, 1)
DEPRECATED = Lifecycle(state="deprecated", source="a page", as_of="2026-11-01")
STATED: list[tuple[str, dict[str, Any], str, str]] = [
    ("monthly_cost", {"deny": "$13136.87"}, "pass", "$13,136.87 a month, of $13,136.87"),
    ("monthly_cost", {"warn": "$13136.86", "deny": "$20000"}, "warn", "more than $13,136.86"),
    ("monthly_cost", {"warn": "$1", "deny": "$13136.86"}, "deny", "more than $13,136.86"),
    ("cost_change", {"deny": "$3136.87"}, "pass", "+$3,136.87 a month, of $3,136.87"),
    ("cost_change", {"warn": "$3136.86"}, "warn", "+$3,136.87 a month: more than $3,136.86"),
    ("cost_change", {"warn": "$10", "deny": "$3136.86"}, "deny", "more than $3,136.86"),
    ("cost_change_share", {"deny": "32%"}, "pass", "+31.4% of the base, of 32%"),
    ("cost_change_share", {"warn": "31%", "deny": "150%"}, "warn", "more than 31%"),
    ("cost_change_share", {"deny": "31%"}, "deny", "+31.4% of the base: more than 31%"),
    ("gpus", {"deny": 6}, "pass", "6 GPUs, of 6"),
    ("gpus", {"warn": 5, "deny": 6}, "warn", "6 GPUs: more than 5"),
    ("gpus", {"deny": 5}, "deny", "6 GPUs: more than 5"),
    ("nodes", {"deny": 3}, "pass", "3 GPU nodes, of 3"),
    ("nodes", {"warn": 2}, "warn", "more than 2"),
    ("nodes", {"deny": 0}, "deny", "more than 0"),
    ("quota", {"deny": "67%"}, "pass", "64 of 96 vCPUs of family G, of 67%"),
    ("quota", {"warn": "66%"}, "warn", "more than 66%"),
    ("quota", {"warn": "10%", "deny": "66%"}, "deny", "more than 66%"),
    ("spot_share", {"deny": "0%"}, "pass", "0 of 3 GPU nodes are spot"),
    ("computed_share", {"warn": "100%"}, "pass", "4 of 4 replicas"),
    ("computed_share", {"warn": "99%"}, "warn", "gpt-oss-120b-mxfp4-l40s-2of4"),
    ("computed_share", {"deny": "0%"}, "deny", "is computed"),
    ("api_data", {"deny": ["restricted"]}, "pass", "no restricted data may go"),
    ("api_data", {"warn": ["internal"]}, "warn", "internal data of chat may go to openai/gpt-5.4-mini"),
    ("api_data", {"deny": ["internal"]}, "deny", "internal data of chat"),
    ("api_data", {"deny": ["internal"], "routes": ["extraction"]}, "pass", "no internal data"),
    ("clear_text", {"deny": ["public"]}, "pass", "no public data goes through clear text"),
    ("clear_text", {"warn": ["internal"]}, "warn", "internal data of chat goes between the gateway and its pools in"),
    ("clear_text", {"deny": ["restricted"]}, "deny", "restricted data of extraction goes between the gateway and"),
    ("providers", {"allow": ["openai"]}, "pass", "requests may go to openai"),
    ("providers", {"warn": ["openai"]}, "warn", "openai"),
    ("providers", {"deny": ["openai"]}, "deny", "openai"),
    ("providers", {"allow": ["google"]}, "deny", "openai, which is not allowed"),
    ("providers", {"allow": ["google"], "routes": ["extraction"]}, "pass", "no request may go"),
    ("residency", {"allow": ["us"], "routes": ["extraction"]}, "pass", "machines in us-east-1: us"),
    ("residency", {"allow": ["us"]}, "deny", "openai/gpt-5.4-mini: global, which is not within us"),
    ("residency", {"deny": ["us"]}, "deny", "machines in us-east-1: us"),
    ("residency", {"warn": ["us"], "routes": ["extraction"]}, "warn", "us-east-1"),
    ("residency", {"deny": ["cn"]}, "warn", "openai/gpt-5.4-mini: global, which may be in cn"),
    ("residency", {"deny": ["cn"], "unknown": "deny"}, "deny", "not judged: openai/gpt-5.4-mini"),
    ("training", {"state": "deny"}, "pass", "openai does not train"),
    ("retention", {"deny": "30d"}, "pass", "openai keeps requests for 30 days, of 30 days"),
    ("retention", {"warn": "29d"}, "warn", "unless nothing is kept by arrangement"),
    ("retention", {"deny": "1d"}, "deny", "more than 1 days"),
    ("retirement", {"deny": "horizon"}, "pass", "no end of openai/gpt-5.4-mini is announced"),
    ("licences", {"allow": ["Apache-2.0"]}, "pass", "gpt-oss-120b is under Apache-2.0"),
    ("licences", {"warn": ["Apache-2.0"]}, "warn", "qwen3-32b"),
    ("licences", {"allow": ["MIT"]}, "deny", "under Apache-2.0, which is not allowed"),
    ("commercial_licence", {"state": "deny"}, "pass", "may be used commercially"),
    ("engine_version", {"deny": "0.33"}, "pass", "v0.33.0, at least 0.33"),
    ("engine_version", {"deny": "0.33.0.0"}, "pass", "v0.33.0, at least 0.33.0.0"),
    ("engine_version", {"warn": "0.33.1"}, "warn", "v0.33.0 is below 0.33.1"),
    ("engine_version", {"warn": "0.40", "deny": "0.34"}, "deny", "below 0.34"),
    ("price_age", {"ec2": {"deny": "11d"}}, "pass", "11 days old"),
    ("price_age", {"ec2": {"deny": "11d"}, "platform": {"warn": "10d"}}, "warn", "`platform` is 11 days old"),
    ("price_age", {"api": {"deny": "10d"}}, "deny", "more than 10 days"),
]


@pytest.mark.parametrize(("kind", "rule", "state", "words"), STATED)
def test_a_rule_says(kind: str, rule: dict[str, Any], state: str, words: str) -> None:
    check = judged(kind, rule)
    assert (check.rule, check.state) == (f"team.{kind}", state)
    assert words in check.message
    assert check.where is not None
    assert check.where.file == "environments/policies/team.yaml"


DRAFTED = {
    "pools/0/engine/speculative_config": {"method": "eagle3", "num_speculative_tokens": 3, "model": "nobody/eagle3"}
}
OTHERWISE: dict[str, tuple[str, dict[str, Any], dict[str, Any], str, str]] = {
    "spot": ("spot_share", {"deny": "30%"}, {"lock": {"node_groups/0/spot": 1}}, "deny", "1 of 3"),
    "training": ("training", {"state": "deny"}, {"catalog": {"trains_on_data": True}}, "deny", "openai trains"),
    "training, warned": ("training", {"state": "warn"}, {"catalog": {"trains_on_data": True}}, "warn", "trains"),
    "ending": ("retirement", {"warn": "31d"}, {"api": {"retires": SOON}}, "pass", "in 31 days"),
    "ending soon": ("retirement", {"warn": "32d"}, {"api": {"retires": SOON}}, "warn", "ends on 2027-01-01"),
    "ending in the horizon": ("retirement", {"deny": "horizon"}, {"api": {"retires": SOON}}, "deny", "in 31 days"),
    "after the horizon": ("retirement", {"deny": "horizon"}, {"api": {"retires": date(2027, 12, 1)}}, "pass", ""),
    "withdrawn": ("retirement", {"deny": "1d"}, {"api": {"lifecycle": DEPRECATED}}, "deny", "is being withdrawn"),
    "non-commercial": (
        "commercial_licence",
        {"state": "deny"},
        {"model": {"licence_terms": LicenceTerms(non_commercial=True, source="a page", as_of="2026-11-01")}},
        "deny",
        "forbids commercial use",
    ),
    "a dearer phase": (
        "monthly_cost",
        {"deny": "$14000"},
        {
            "lock": {
                "phases": [
                    {
                        "start": "2027-01-01",
                        "end": "2027-12-01",
                        "ended": [],
                        "routes": [],
                        "fleet": "",
                        "usd_per_month": "14000.01",
                        "why_not": "",
                    }
                ]
            }
        },
        "deny",
        "$14,000.01 a month from 2027-01-01",
    ),
    "less than the base": ("cost_change", {"deny": "$0"}, {"base": Base(Decimal(20_000))}, "pass", "-$6,863.13"),
    "no machines": ("quota", {"deny": "1%"}, {"lock": {"node_groups": [], "pools": []}}, "pass", "no GPU nodes"),
    "no hosted model": ("retirement", {"deny": "1d"}, {"lock": WITHOUT_API}, "pass", "no hosted model is used"),
    # What is missing.
    "no base": ("cost_change", {"deny": "$9000000"}, {"base": None}, "warn", "not judged: there is no base"),
    "no base, in percent": ("cost_change_share", {"deny": "900%"}, {"base": None}, "warn", "there is no base"),
    "a base of nothing": ("cost_change_share", {"deny": "9%"}, {"base": Base(Decimal(0))}, "warn", "costs nothing"),
    "a bill with gaps": (
        "monthly_cost",
        {"deny": "$90000"},
        {"lock": {"verdicts": [{"name": "bill", "state": "warn", "message": "the sum leaves out x"}]}},
        "warn",
        "not judged in full: the sum leaves out x",
    ),
    "no quota": ("quota", {"deny": "99%"}, {"lock": {"node_groups/0/quota_family": "P"}}, "warn", "family P is not st"),
    "training unknown": ("training", {"state": "warn"}, {"catalog": {"trains_on_data": None}}, "warn", "not verified"),
    "training claimed": (
        "training",
        {"state": "warn", "unknown": "deny"},
        {"catalog": {"unread": ("trains_on_data",)}},
        "deny",
        "not judged",
    ),
    "training admitted": (
        "training",
        {"state": "deny"},
        {"catalog": {"trains_on_data": True, "unread": ("trains_on_data",)}},
        "deny",
        "openai trains",
    ),
    "retention unknown": ("retention", {"deny": "99d"}, {"catalog": {"retention_days": None}}, "warn", "not judged"),
    "retention denied": (
        "retention",
        {"deny": "99d", "unknown": "deny"},
        {"catalog": {"unread": ("retention_days",)}},
        "deny",
        "not judged",
    ),
    "place unknown": ("residency", {"allow": ["global"]}, {"catalog": {"residency": None}}, "warn", "not judged"),
    "place claimed": (
        "residency",
        {"allow": ["global"]},
        {"catalog": {"unread": ("residency",)}},
        "warn",
        "not judged",
    ),
    "end unread": ("retirement", {"deny": "1d"}, {"api": {"lifecycle": None}}, "warn", "nobody has read how long"),
    "licence unread": ("licences", {"deny": ["MIT"]}, {"model": {"licence": None}}, "warn", "is not verified"),
    "terms warned of": (
        "commercial_licence",
        {"state": "deny"},
        {"model": {"licence": "Some License"}},
        "warn",
        "not judged",
    ),
    "terms unread": (
        "commercial_licence",
        {"state": "warn", "unknown": "deny"},
        {"model": {"licence": "Some License"}},
        "deny",
        "not judged",
    ),
    "engine of the lock": (
        "engine_version",
        {"deny": "0.34"},
        {"engine": "v0.99.0", "lock": {"platform/engine": {"image": "vllm/vllm-openai:v0.33.0"}}},
        "deny",
        "v0.33.0 is below 0.34",
    ),
    "engine of a canary": (
        "engine_version",
        {"warn": "0.33"},
        {"lock": {"platform/engine": {"canary": {"image": "vllm/vllm-openai:v0.32.0", "replicas": {}}}}},
        "warn",
        "canary: v0.32.0 is below 0.33",
    ),
    "engine unknown": ("engine_version", {"warn": "0.1"}, {"engine": None}, "warn", "not known here"),
    "engine of a tag": (
        "engine_version",
        {"warn": "0.1", "unknown": "deny"},
        {"engine": "latest"},
        "deny",
        "`latest` is none",
    ),
    "engine of a pre-release": ("engine_version", {"deny": "0.33"}, {"engine": "v0.33.0rc1"}, "warn", "not known here"),
    "engine of a pre-release, built": ("engine_version", {"deny": "0.33"}, {"engine": "0.33.0-rc1"}, "warn", "is none"),
    "licence of a drafter": ("licences", {"deny": ["MIT"]}, {"lock": DRAFTED}, "warn", "drafter nobody/eagle3 is not"),
    "use of a drafter": (
        "commercial_licence",
        {"state": "warn", "unknown": "deny"},
        {"lock": DRAFTED},
        "deny",
        "not judged: the licence of the drafter",
    ),
    "an unknown route": ("training", {"state": "deny", "routes": ["caht"]}, {}, "warn", "no route `caht`"),
    "a day that is none": (
        "price_age",
        {kind: {"deny": "99d"} for kind in ("api", "ec2", "platform")},
        {"lock": {"cost/lines/0/as_of": "lately"}},
        "warn",
        "cannot be read",
    ),
}


@pytest.mark.parametrize("case", OTHERWISE)
def test_where_the_facts_are_others(case: str) -> None:
    kind, rule, facts, state, words = OTHERWISE[case]
    arguments: dict[str, Any] = {key: facts[key] for key in ("base", "engine") if key in facts}
    if "lock" in facts:
        arguments["lock"] = changed(facts["lock"])
    if "catalog" in facts:
        arguments["catalog"] = with_provider(**facts["catalog"])
    if "api" in facts:
        arguments["catalog"] = with_api(**facts["api"])
    if "model" in facts:
        arguments["catalog"] = with_model("gpt-oss-120b", **facts["model"])
    check = judged(kind, rule, **arguments)
    assert check.state == state, check.message
    assert words in check.message


def test_every_kind_has_a_judge_and_cases() -> None:
    assert set(JUDGES) == set(FileRules.model_fields)
    assert {kind for kind, *_ in (*STATED, *OTHERWISE.values())} == set(JUDGES)
    for kind in JUDGES:
        states = {s for k, _, s, _ in STATED if k == kind} | {c[3] for c in OTHERWISE.values() if c[0] == kind}
        assert states == {"pass", "warn", "deny"} or kind == "spot_share", kind


def _share(value: int) -> str:
    return f"{value}%"


FALLING: dict[str, Any] = {
    "monthly_cost": lambda n: {"deny": f"${n * 200}"},
    "cost_change": lambda n: {"deny": f"${n * 50}"},
    "cost_change_share": lambda n: {"deny": _share(n)},
    "gpus": lambda n: {"deny": n // 10},
    "nodes": lambda n: {"deny": n // 20},
    "quota": lambda n: {"deny": _share(n)},
    "spot_share": lambda n: {"deny": _share(n)},
    "computed_share": lambda n: {"deny": _share(n)},
    "retention": lambda n: {"deny": f"{n}d"},
    "price_age": lambda n: {"ec2": {"deny": f"{n}d"}},
    "retirement": lambda n: {"deny": f"{100 - n}d"},
    "engine_version": lambda n: {"deny": f"0.{100 - n}"},
    "providers": lambda n: {"allow": ["google", "groq", "openai"][: 1 + n // 40]},
    "residency": lambda n: {"allow": ["eu", "us", "global"][: 1 + n // 40]},
    "licences": lambda n: {"allow": ["MIT", "Apache-2.0"][: 1 + n // 60]},
}
"""A rule of each kind that has an order, the more of `n` the more it lets pass."""


@settings(deadline=None, max_examples=60)
@given(kind=st.sampled_from(sorted(FALLING)), limits=st.lists(st.integers(0, 100), min_size=2, max_size=2))
def test_a_stricter_limit_never_lets_more_pass(kind: str, limits: list[int]) -> None:
    strict, loose = (judged(kind, FALLING[kind](n), changed_api_lock(), catalog=ENDING) for n in sorted(limits))
    assert STATES.index(strict.state) <= STATES.index(loose.state), (strict, loose)


ENDING = with_api(retires=date(2027, 1, 20), lifecycle=None)


def changed_api_lock() -> Any:
    return changed({"node_groups/0/spot": 1})


@settings(deadline=None, max_examples=60)
@given(warn=st.integers(0, 30000), more=st.integers(1, 30000))
def test_a_rule_that_denies_is_beyond_what_warns(warn: int, more: int) -> None:
    state = judged("monthly_cost", {"warn": f"${warn}", "deny": f"${warn + more}"}).state
    usd = plans.lock().plan.cost.usd_per_month
    assert state == ("deny" if usd > warn + more else "warn" if usd > warn else "pass")


def _override(rule: str = "team.gpus", until: date = TODAY) -> Override:
    return Override(rule=rule, reason="launch", by="Jane Doe", until=until)


RULE: Mapping[str, Any] = {"gpus": {"deny": 1, "may_override": "the CTO", "why": "budget 2026"}}


def test_a_denial_names_who_may_override_it() -> None:
    (problem,) = told(rulebook(RULE))
    assert (problem.code, problem.severity) == ("POL010", "error")
    assert problem.message == "denied: team.gpus: 6 GPUs: more than 1 (budget 2026)"
    assert "the CTO may override it" in problem.hint
    (hard,) = told(rulebook({"gpus": {"deny": 1}}))
    assert (hard.code, hard.severity) == ("POL011", "error")
    assert "nobody may override it" in hard.hint


def test_an_override_counts_to_its_last_day_and_is_told() -> None:
    book = rulebook(RULE, _override())
    (problem,) = told(book)
    assert (problem.code, problem.severity) == ("POL013", "warning")
    assert "6 GPUs: more than 1" in problem.message
    assert "launch (Jane Doe, until 2026-12-01)" in problem.message
    (check,) = judge(book, plans.lock(), load_catalog(), TODAY)
    assert (check.state, check.overridden) == ("deny", "launch (Jane Doe, until 2026-12-01)")


def test_an_override_that_ended_is_told_and_counts_no_more() -> None:
    book = rulebook(RULE, _override(until=date(2026, 11, 30)))
    (problem,) = told(book)
    assert (problem.code, problem.severity) == ("POL010", "error")
    assert "its override by Jane Doe ended on 2026-11-30" in problem.message
    (check,) = judge(book, plans.lock(), load_catalog(), TODAY)
    assert (check.state, check.overridden) == ("deny", "")
    (needless,) = told(rulebook({"gpus": {"deny": 99, "may_override": "the CTO"}}, _override(until=date(2026, 11, 30))))
    assert (needless.code, needless.severity) == ("POL014", "warning")


def test_a_rule_that_passes_needs_no_override() -> None:
    book = rulebook({"gpus": {"deny": 99, "may_override": "the CTO"}}, _override())
    (check,) = judge(book, plans.lock(), load_catalog(), TODAY)
    assert (check.state, check.overridden) == ("pass", "")
    assert told(book) == []


def test_what_stood_on_the_base_too_is_standing() -> None:
    book = rulebook({"gpus": {"deny": 1}, "cost_change": {"deny": "$0"}})
    same = Base(plans.lock().plan.cost.usd_per_month, plans.lock())
    change, gpus = judge(book, plans.lock(), load_catalog(), TODAY, same)
    assert (gpus.base_state, gpus.standing) == ("deny", True)
    assert (change.state, change.base_state, change.standing) == ("pass", None, False)
    before = Base(Decimal(1), changed({"node_groups/0/max_nodes": 0, "node_groups/1/max_nodes": 1}))
    _, grown = judge(book, plans.lock(), load_catalog(), TODAY, before)
    assert (grown.state, grown.base_state, grown.standing) == ("deny", "pass", False)
    less = Base(Decimal(1), changed({"node_groups/1/max_nodes": 1}))
    _, more = judge(book, plans.lock(), load_catalog(), TODAY, less)
    assert (more.state, more.base_state, more.standing) == ("deny", "deny", False)
    (alone,) = judge(rulebook({"gpus": {"deny": 1}}), plans.lock(), load_catalog(), TODAY, BASE)
    assert alone.base_state is None


def test_a_lock_whose_environment_cannot_be_read_is_denied() -> None:
    lock = plans.lock().model_copy(update={"environment": {"version": 2}})
    check = judged("quota", {"warn": "1%"}, lock)
    assert (check.state, check.message) == ("deny", "not judged: the environment inside the lock cannot be read")


def test_pools_with_tls_are_no_clear_text_and_a_load_balancer_without_is() -> None:
    rule = {"deny": ["internal", "restricted"]}
    encrypted = {"platform/pool_tls": {"authority": "pool-ca"}}
    assert judged("clear_text", rule, changed(encrypted)).state == "pass"
    balancer = {"scheme": "internal", "cidrs": ["10.0.0.0/8"], "public_addresses": 0, "capacity_units": "1"}
    opened = judged("clear_text", rule, changed({**encrypted, "platform/cluster/load_balancer": balancer}))
    assert (opened.state, "data of chat goes to the load balancer in clear text" in opened.message) == ("deny", True)
