"""A plan without a limit lets in what the limit keeps out, and nothing else."""

from __future__ import annotations

import pytest

from planner.decision.answer.set_aside import set_aside
from planner.decision.candidates.market import Market, survey
from planner.decision.candidates.omissions import Omission
from planner.decision.inputs import Inputs
from planner.decision.optimize import optimize
from planner.documents.environment_file import parse
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients

TEXT = """\
version: 1
platform: {account: "123456789012", region: us-east-1, zones: [use1-az4, use1-az6]}
horizon: {start: 2026-12-01, months: 1}
routes:
  chat: {ROUTE, RULES}
  talk: {ROUTE, RULES}
api: {providers: {google: {}, groq: {}, openai: {}}}
quotas: {G: 64, P: 0}
"""
ROUTE = """traffic: {profile: flat, requests_per_second: {mean: 0.02}},
    tokens: {input: {mean: 600, p95: 1500}, output: {mean: 150, p95: 300}},
    slo: {ttft_p95: 2s, tpot_p95: 80ms}, data: internal,
    quality: {accept: [qwen3-8b, gpt-5.4-mini, gemini-3.5-flash-lite, gpt-oss-20b], source: a test, date: 2026-11-01}"""


def inputs(rules: str) -> Inputs:
    text = TEXT.replace("ROUTE", ROUTE).replace("RULES", rules)
    return Inputs(parse(text, "x.yaml")[0], load_catalog(), load_coefficients(), {})


def fallen(asked: Inputs, kind: str, name: str) -> Omission:
    """The omission of this kind for the route `chat` of a model or of a hosted model of a provider."""
    found = [o for o in survey(asked).omissions if (o.kind, o.route) == (kind, "chat")]
    return next(o for o in found if name in (o.candidate.model, o.candidate.api.split("/")[0]))


def let_in(market: Market) -> set[tuple[str, str]]:
    """Routes with the providers, and with `own` machines, that may serve them."""
    hosted = {(route, api.row.provider) for api in market.apis for route, _ in api.option.bands}
    return hosted | {(offer.route, "own") for offer in market.offers}


@pytest.mark.parametrize(
    ("rules", "kind", "name", "added"),
    [
        ("residency: [eu]", "region", "qwen3-8b", "own"),
        ("residency: [eu]", "residency", "google", "google"),
        ("residency: [eu]", "residency", "groq", "groq"),
        ("terms: {retention: 24h}", "terms", "groq", "groq"),
        ("terms: {retention: 24h}", "terms", "openai", "openai"),
    ],
)
def test_a_rule_is_set_aside_for_what_it_keeps_out_alone(rules: str, kind: str, name: str, added: str) -> None:
    asked = inputs(rules)
    without = set_aside([fallen(asked, kind, name)], asked)
    assert let_in(survey(without)) - let_in(survey(asked)) == {("chat", added)}
    assert let_in(survey(asked)) <= let_in(survey(without))


def test_the_price_of_machines_outside_a_residency_is_that_of_machines() -> None:
    """An API outside of it would be cheaper, and its place is not what the sentence names."""
    plan = optimize(inputs("residency: [eu]")).plan
    (told,) = [v.message for v in plan.verdicts if v.message.startswith("chat and talk accept qwen3-8b, ")]
    assert "nothing comes of it: machines in us-east-1 (United States) process its data there; with it" in told
    assert told.endswith(f"the plan would cost no less than ${plan.cost.usd_per_month:,} a month")
