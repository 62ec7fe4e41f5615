"""A plan without a limit lets in what the limit keeps out, and nothing else."""

from __future__ import annotations

import pytest

from planner.decision.answer.set_aside import set_aside
from planner.decision.candidates.market import Market, survey
from planner.decision.candidates.omissions import Omission, RuledOut
from planner.decision.inputs import Inputs
from planner.decision.optimize import optimize
from planner.documents.environment_file import parse
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients

pytestmark = pytest.mark.usefixtures("alone")

TEXT = """\
version: 1
platform: {account: "123456789012", region: us-east-1, zones: [use1-az4, use1-az6]}
horizon: {start: 2026-12-01, months: 1}
routes:
  chat: {ROUTE, RULES}
  talk: {ROUTE, RULES}
api: {providers: {google: {LATENCY}, groq: {}, openai: {}}}
quotas: {G: 64, P: 0}
WHOLE
"""
ROUTE = """traffic: {profile: flat, requests_per_second: {mean: 0.02}},
    tokens: {input: {mean: 600, p95: 1500}, output: {mean: 150, p95: 300}},
    slo: {ttft_p95: 2s, tpot_p95: 80ms}, data: internal,
    quality: {accept: [ACCEPT], source: a test, date: 2026-11-01}"""
ACCEPT = "qwen3-8b, gpt-5.4-mini, gemini-3.5-flash-lite, gpt-oss-20b"


def inputs(rules: str, whole: str = "", latency: str = "", accept: str = ACCEPT) -> Inputs:
    """rules: keys of both routes. whole: keys of the plan. latency: that at Google."""
    words = {"ROUTE": ROUTE, "RULES": rules, "WHOLE": whole, "LATENCY": latency, "ACCEPT": accept}
    text = TEXT
    for word, value in words.items():
        text = text.replace(word, value)
    return Inputs(parse(text, "x.yaml")[0], load_catalog(), load_coefficients(), {})


def fallen(asked: Inputs, kind: str, name: str) -> Omission:
    """The omission of this kind for the route `chat` of a model or of a hosted model of a provider."""
    found = [o for o in survey(asked).omissions if (o.kind, o.route) == (kind, "chat")]
    return next(o for o in found if name in (o.candidate.model, o.candidate.api.split("/")[0]))


def let_in(market: Market) -> set[tuple[str, str]]:
    """Routes with the providers, and with `own` machines, that may serve them."""
    hosted = {(route, api.row.provider) for api in market.apis for route, _ in api.option.bands}
    return hosted | {(offer.route, "own") for offer in market.offers}


NO_MACHINE = "hardware: {only: []}"
SLOW = "latency: {ttft_p95: 5s, measured: 2026-11-01}"


@pytest.mark.parametrize(
    ("asked", "kind", "name", "added"),
    [
        (inputs("residency: [eu]"), "region", "qwen3-8b", "own"),
        (inputs("residency: [eu]"), "residency", "google", "google"),
        (inputs("residency: [eu]"), "residency", "groq", "groq"),
        (inputs("terms: {retention: 24h}"), "terms", "groq", "groq"),
        (inputs("terms: {retention: 24h}"), "terms", "openai", "openai"),
        (inputs(NO_MACHINE), "machine", "qwen3-8b", "own"),
        (inputs("residency: []", whole=NO_MACHINE), "machine", "qwen3-8b", "own"),
        (inputs("residency: []", latency=SLOW), "latency", "google", "google"),
    ],
)
def test_a_rule_is_set_aside_for_what_it_keeps_out_alone(asked: Inputs, kind: str, name: str, added: str) -> None:
    without = set_aside([fallen(asked, kind, name)], asked)
    assert let_in(survey(without)) - let_in(survey(asked)) == {("chat", added)}
    assert let_in(survey(asked)) <= let_in(survey(without))


PRECISE = "qwen3-8b@bf16, gpt-5.4-mini"
RULES = {
    "rules": "hardware: {only: [L4, L40S], not: [tp2], prefer: [L4]}",
    "whole": "hardware: {only: [A10G, L4, L40S], not: [fp8], prefer: [tp1]}",
}


def rules_of(market: Market) -> dict[tuple[str, str], Omission]:
    """An omission for each rule on machines, by route and key."""
    found = [(o, o.cause) for o in market.omissions]
    return {(o.route, ".".join(cause.rule)): o for o, cause in found if isinstance(cause, RuledOut)}


@pytest.mark.parametrize(
    "path", ["hardware.only", "hardware.not", "routes.chat.hardware.only", "routes.chat.hardware.not"]
)
def test_one_rule_on_machines_is_set_aside_and_those_beside_it_hold(path: str) -> None:
    asked = inputs(**RULES)
    before = survey(asked)
    without = set_aside([rules_of(before)["chat", path]], asked)
    after = survey(without)
    assert rules_of(before).keys() - rules_of(after).keys() == {("chat", path)}
    assert rules_of(after).keys() <= rules_of(before).keys()
    assert without.environment == asked.environment
    assert before.preferred is not None
    assert after.preferred is not None


@pytest.mark.parametrize(
    ("asked", "groups"),
    [
        (inputs("hardware: {not: [bf16]}", accept=PRECISE), {"chat accepts", "talk accepts"}),
        (inputs("residency: []", "hardware: {not: [bf16]}", accept=PRECISE), {"chat and talk accept"}),
    ],
)
def test_rules_of_two_routes_are_two_limits_and_a_rule_of_the_plan_is_one(asked: Inputs, groups: set[str]) -> None:
    told = [v.message for v in optimize(asked).plan.verdicts if v.name == "accepted"]
    assert {message.partition(" qwen3-8b@bf16, and nothing comes of it: ")[0] for message in told} == groups


def test_the_price_of_machines_outside_a_residency_is_that_of_machines() -> None:
    """An API outside of it would be cheaper, and its place is not what the sentence names."""
    plan = optimize(inputs("residency: [eu]")).plan
    (told,) = [v.message for v in plan.verdicts if v.message.startswith("chat and talk accept qwen3-8b, ")]
    assert "nothing comes of it: machines in us-east-1 (United States) process its data there; with it" in told
    assert told.endswith(f"the plan would cost no less than ${plan.cost.usd_per_month:,} a month")
