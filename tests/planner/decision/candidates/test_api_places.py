"""How hosted models are called from a region: the address, the id on the wire, the price; and what never is called."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.document import parse_policy
from planner.decision.candidates.demand import Demand, demand
from planner.decision.candidates.hosted_apis import HostedApi, hosted_apis
from planner.decision.candidates.market import hosted_market
from planner.decision.candidates.omissions import (
    NoDeployment,
    NoPrice,
    NotCalled,
    Omission,
    OtherResidency,
    RestrictedData,
)
from planner.decision.candidates.terms import ServedAt, served_at, served_outside
from planner.decision.inputs import Inputs
from planner.decision.optimize import optimize
from planner.documents.environment_file import parse
from planner.documents.routing import policy
from planner.domain.apis import PricePart
from planner.domain.environment import ProviderAccount
from planner.domain.prices import PriceSnapshot
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from tests.planner.plans import lock

pytestmark = pytest.mark.usefixtures("alone")

CATALOG = load_catalog()
PLACES = CATALOG.places
REGIONS = sorted(region for place in PLACES.rows.values() for region in place.aws_regions)
AZURE = {row.slug: f"{row.slug}-team" for row in CATALOG.apis if row.provider == "azure-openai"}
DEPLOYED = {f"{slug}{at}": name for slug, name in AZURE.items() for at in ("", "@eu", "@us")}
TEXT = """
version: 1
platform: {account: "123456789012", region: REGION, zones: [a-az1, a-az2]}
horizon: {start: 2026-12-01, months: 1}
routes:
  chat:
    traffic: {profile: flat, requests_per_second: {mean: 0.02}}
    tokens: {input: {mean: 600, p95: 1500, max: 3k}, output: {mean: 150, p95: 300}}
    slo: {ttft_p95: 5s, tpot_p95: 80ms}
    data: DATA
    residency: [RESIDENCY]
    quality: {accept: [ACCEPT], source: a test, date: 2026-11-01}
api: {providers: {ACCOUNTS}}
"""
ACCOUNTS = (
    "openai: {}, bedrock: {}, mistral: {}, azure-openai: {resource: acme-eu, deployments: {gpt-5.4-mini@eu: mini}}"
)


def inputs(
    accept: str, residency: str = "", region: str = "eu-central-1", accounts: str = ACCOUNTS, data: str = "internal"
) -> Inputs:
    text = TEXT.replace("REGION", region).replace("RESIDENCY", residency).replace("ACCEPT", accept)
    text = text.replace("ACCOUNTS", accounts).replace("DATA", data)
    return Inputs(parse(text, "test.yaml")[0], CATALOG, load_coefficients(), {})


def called(asked: Inputs) -> tuple[dict[str, HostedApi], tuple[Omission, ...]]:
    apis, omissions, _ = hosted_market(asked, demand(asked.environment, {}))
    return {api.row.key: api for api in apis}, omissions


def test_an_environment_in_frankfurt_finds_the_apis_of_the_eu_and_no_address_outside() -> None:
    """Mistral's regional address also uses data centres of EFTA, which the route must allow."""
    accept = "claude-haiku-4.5, minimax-m2.5, kimi-k2.5, gpt-5.4-mini, mistral-medium-3.5, llama-3.3-70b-instruct"
    apis, omissions = called(inputs(accept, "eu, efta"))
    bedrock = "https://bedrock-runtime.{}.amazonaws.com/openai/v1"
    assert {
        key: (api.host.base_url, api.row.wire_model, str(api.prices["input"].usd), str(api.prices["output"].usd))
        for key, api in apis.items()
    } == {
        "azure-openai/gpt-5.4-mini@eu": ("https://acme-eu.openai.azure.com/openai/v1", "mini", "0.825", "4.95"),
        "bedrock/claude-haiku-4.5@eu": (
            bedrock.format("eu-central-1"),
            "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
            "1.1",
            "5.5",
        ),
        "bedrock/kimi-k2.5@eu-north-1": (bedrock.format("eu-north-1"), "moonshotai.kimi-k2.5", "0.72", "3.6"),
        "bedrock/minimax-m2.5@eu-central-1": (bedrock.format("eu-central-1"), "minimax.minimax-m2.5", "0.36", "1.44"),
        "mistral/mistral-medium-3.5@eu": ("https://api.eu.mistral.ai/v1", "mistral-medium-2604", "1.65", "8.25"),
        "openai/gpt-5.4-mini@eu": ("https://eu.api.openai.com/v1", "gpt-5.4-mini", "0.825", "4.95"),
    }
    assert all(PLACES.holds_all(("eu", "efta"), api.host.residency) for api in apis.values())
    fell = {omission.candidate.api: omission.cause for omission in omissions}
    assert fell["bedrock/llama-3.3-70b-instruct"] == OtherResidency(("us",))
    within, _ = called(inputs(accept, "eu"))
    assert apis.keys() - within.keys() == {"mistral/mistral-medium-3.5@eu"}


@pytest.mark.parametrize(
    ("region", "residency", "key", "wire_model", "called_region"),
    [
        ("us-east-1", "", "bedrock/nova-lite", "us.amazon.nova-lite-v1:0", "us-east-1"),
        ("us-west-2", "us", "bedrock/nova-lite", "us.amazon.nova-lite-v1:0", "us-west-2"),
        ("us-east-1", "eu", "bedrock/nova-lite@eu", "eu.amazon.nova-lite-v1:0", "eu-central-1"),
        ("eu-west-1", "eu", "bedrock/nova-lite@eu", "eu.amazon.nova-lite-v1:0", "eu-west-1"),
        ("eu-west-1", "us", "bedrock/nova-lite", "us.amazon.nova-lite-v1:0", "us-east-1"),
        ("ap-south-1", "ap", "bedrock/nova-lite@apac", "apac.amazon.nova-lite-v1:0", "ap-south-1"),
        ("ap-northeast-1", "jp", "bedrock/claude-haiku-5.5@jp", "jp.anthropic.claude-haiku-5-5", "ap-northeast-1"),
        ("ap-southeast-2", "au", "bedrock/claude-haiku-5.5@au", "au.anthropic.claude-haiku-5-5", "ap-southeast-2"),
        ("ap-south-1", "in", "bedrock/kimi-k3@in", "in.moonshotai.kimi-k3", "ap-south-1"),
        ("eu-central-1", "", "bedrock/claude-haiku-5.5@global", "global.anthropic.claude-haiku-5-5", "eu-central-1"),
        ("eu-west-2", "uk", "bedrock/minimax-m2.5@eu-west-2", "minimax.minimax-m2.5", "eu-west-2"),
        ("us-east-1", "br", "bedrock/deepseek-v3.2@sa-east-1", "deepseek.v3.2", "sa-east-1"),
        ("eu-central-1", "", "bedrock/llama-3.3-70b-instruct", "us.meta.llama3-3-70b-instruct-v1:0", "us-east-1"),
    ],
)
def test_bedrock_is_called_by_the_profile_of_its_place(
    region: str, residency: str, key: str, wire_model: str, called_region: str
) -> None:
    at = served(key.partition("@")[0], tuple(residency.split()), region)
    assert (at.row.key, at.row.wire_model) == (key, wire_model)
    assert at.host.base_url == f"https://bedrock-runtime.{called_region}.amazonaws.com/openai/v1"
    price = at.price("input", CATALOG.prices)
    assert price is not None
    assert price.key == f"api/{key}/input"


def test_an_older_snapshot_does_not_know_what_was_listed_later() -> None:
    """A plan that stays on it still has what it had; a new address falls for its price."""
    older = replace(inputs("claude-haiku-4.5, gpt-5.4-mini", "eu"), catalog=load_catalog("2026-11-21"))
    apis, omissions = called(older)
    assert apis.keys() == {"openai/gpt-5.4-mini@eu"}
    causes = {omission.candidate.api: omission.cause for omission in omissions}
    assert causes["bedrock/claude-haiku-4.5@eu"] == NoPrice("api/bedrock/claude-haiku-4.5@eu/input")
    assert causes["azure-openai/gpt-5.4-mini@eu"] == NoPrice("api/azure-openai/gpt-5.4-mini@eu/input")


def test_a_model_that_an_address_is_not_stated_to_answer_is_a_gap() -> None:
    asked = inputs("claude-haiku-4.5, gpt-oss-120b", region="us-east-1", accounts="bedrock: {}")
    apis, _, gaps = hosted_market(asked, demand(asked.environment, {}))
    assert [api.row.key for api in apis] == ["bedrock/claude-haiku-4.5", "bedrock/gpt-oss-120b"]
    (gap,) = (gap for gap in gaps if gap.kind == "address")
    assert gap.subject == "bedrock/claude-haiku-4.5"
    assert "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1 is not stated" in gap.message


@pytest.mark.parametrize("residency", ["", "us"])
@pytest.mark.parametrize("region", ["us-east-1", "us-east-2", "us-west-2"])
def test_from_the_us_every_model_of_bedrock_keeps_its_own_address(region: str, residency: str) -> None:
    for row in CATALOG.apis:
        if row.provider == "bedrock":
            at = served(row.key, tuple(residency.split()), region)
            assert (at.row, at.host.residency) == (row, ("us",))
            assert at.host.base_url == f"https://bedrock-runtime.{region}.amazonaws.com/openai/v1"


def served(key: str, residency: tuple[str, ...], region: str) -> ServedAt:
    (row,) = (row for row in CATALOG.apis if row.key == key)
    at = served_at(row, residency, CATALOG, region, ProviderAccount())
    assert at is not None
    return at


PARTS: tuple[PricePart, ...] = ("input", "output")
ADDRESSES = [(row.key, name) for row in CATALOG.apis for name in sorted(CATALOG.providers[row.provider].endpoints)]


@pytest.mark.parametrize(
    ("key", "residency", "region", "called", "usd"),
    [
        ("mistral/mistral-large-3", ("eu",), "eu-central-1", "mistral/mistral-large-3@eu", "0.55"),
        ("openai/gpt-5.4-mini", ("ca",), "ca-central-1", "openai/gpt-5.4-mini", "0.75"),
        ("openai/gpt-5.4-mini", ("eu",), "eu-central-1", "openai/gpt-5.4-mini@eu", "0.825"),
    ],
)
def test_outside_of_a_residency_the_address_is_called_that_a_wider_one_would_allow(
    key: str, residency: tuple[str, ...], region: str, called: str, usd: str
) -> None:
    (row,) = (row for row in CATALOG.apis if row.key == key)
    at = served_outside(row, residency, CATALOG, region, ProviderAccount())
    assert at is not None
    price = at.price("input", CATALOG.prices)
    assert (at.row.key, str(price and price.usd)) == (called, usd)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(ADDRESSES),
    st.sampled_from(REGIONS),
    st.lists(st.sampled_from(sorted(PLACES.rows)), min_size=1, max_size=2, unique=True),
)
def test_a_price_without_a_residency_is_that_of_a_route_which_states_what_is_missing(
    address: tuple[str, str], region: str, places: list[str]
) -> None:
    """Whatever the address: the price is never that of another one than the route would then call."""
    (row,) = (row for row in CATALOG.apis if row.key == address[0])
    residency = tuple(places)
    at = served_outside(row, residency, CATALOG, region)
    kept = served_at(row, residency, CATALOG, region)
    assert at is not None
    assert kept is not None
    if PLACES.holds_all(residency, kept.host.residency):
        assert at == kept
        return
    allowed = [
        (),
        *(tuple({*residency, *each.residency}) for each in CATALOG.providers[row.provider].endpoints.values()),
    ]
    assert at in [served_at(row, each, CATALOG, region) for each in allowed]
    prices = [at.price(part, CATALOG.prices) for part in PARTS]
    factor = at.price_factor
    for part, price in zip(PARTS, prices, strict=True):
        listed = CATALOG.prices.price(at.price_key(part))
        if price is not None and listed is not None:
            assert price.usd == listed.usd * Decimal(str(factor or 1))


@pytest.mark.parametrize(
    ("deployments", "residency", "key", "wire_model", "usd"),
    [
        ({"gpt-4.1-mini": "mini"}, "", "azure-openai/gpt-4.1-mini", "mini", "0.4"),
        ({"gpt-4.1-mini": "mini", "gpt-4.1-mini@eu": "here"}, "", "azure-openai/gpt-4.1-mini", "mini", "0.4"),
        ({"gpt-4.1-mini": "mini", "gpt-4.1-mini@eu": "here"}, "eu", "azure-openai/gpt-4.1-mini@eu", "here", "0.44"),
        ({"gpt-4.1-mini@us": "there"}, "", "azure-openai/gpt-4.1-mini@us", "there", "0.44"),
    ],
)
def test_azure_is_called_by_deployment(
    deployments: dict[str, str], residency: str, key: str, wire_model: str, usd: str
) -> None:
    accounts = f"azure-openai: {{resource: acme, deployments: {str(deployments).replace(chr(39), '')}}}"
    apis, _ = called(inputs("gpt-4.1-mini", residency, accounts=accounts))
    (api,) = apis.values()
    assert (api.row.key, api.row.wire_model, str(api.prices["input"].usd)) == (key, wire_model, usd)
    assert api.host.base_url == "https://acme.openai.azure.com/openai/v1"


def test_a_model_that_is_not_deployed_where_the_route_may_go_is_told_with_what_to_deploy() -> None:
    accounts = "azure-openai: {resource: acme, deployments: {gpt-4.1-mini: mini}}"
    apis, omissions = called(inputs("gpt-4.1-mini, gpt-5.4-nano", "eu", accounts=accounts))
    assert apis == {}
    causes = {omission.candidate.api: omission.cause for omission in omissions}
    assert causes["azure-openai/gpt-4.1-mini"] == NoDeployment("azure-openai", ("gpt-4.1-mini@eu",))
    assert causes["azure-openai/gpt-5.4-nano"] == NoDeployment("azure-openai", ("gpt-5.4-nano@eu",))
    anywhere, omissions = called(inputs("gpt-4.1-mini, gpt-5.4-nano", accounts=accounts))
    assert anywhere.keys() == {"azure-openai/gpt-4.1-mini"}
    (told,) = (o.cause for o in omissions if o.candidate.api == "azure-openai/gpt-5.4-nano")
    assert told == NoDeployment("azure-openai", ("gpt-5.4-nano", "gpt-5.4-nano@eu", "gpt-5.4-nano@us"))


@pytest.mark.parametrize("provider", sorted(key for key, row in CATALOG.providers.items() if row.not_called))
def test_an_account_at_a_provider_that_plans_do_not_use_is_one_omission_with_what_to_do(provider: str) -> None:
    row = CATALOG.providers[provider]
    apis, omissions = called(inputs("gpt-4.1-mini", accounts=f"openai: {{}}, {provider}: {{}}"))
    assert apis.keys() == {"openai/gpt-4.1-mini"}
    (told,) = (omission for omission in omissions if omission.kind == "not-called")
    assert (told.candidate.api, told.cause) == (provider, NotCalled(row.not_called, row.instead))
    assert row.instead


def test_plans_use_only_providers_that_bill_by_the_token_and_speak_the_language_of_the_gateway() -> None:
    used = {key for key, row in CATALOG.providers.items() if not row.not_called}
    assert {(CATALOG.providers[key].billing, CATALOG.providers[key].protocol) for key in used} == {("token", "openai")}
    assert {row.provider for row in CATALOG.apis} <= used
    billed = {row.billing for row in CATALOG.providers.values()}
    assert billed == {"token", "second", "hour"}


def test_restricted_data_reaches_no_api_in_any_place() -> None:
    asked = inputs("claude-haiku-4.5, gpt-5.4-mini, minimax-m2.5", "eu", data="restricted")
    apis, omissions = called(asked)
    assert apis == {}
    assert {type(omission.cause) for omission in omissions} == {RestrictedData}


@lru_cache
def everything() -> Demand:
    """Return the demand of a route that accepts all hosted models."""
    return demand(inputs("gpt-4.1-mini").environment, {})


@settings(deadline=None, max_examples=60)
@given(
    residency=st.lists(st.sampled_from(PLACES.words), max_size=3, unique=True).map(tuple),
    region=st.sampled_from(REGIONS),
    deployments=st.sets(st.sampled_from(sorted(DEPLOYED)), min_size=1).map(sorted),
)
def test_no_address_of_a_route_lies_outside_its_residency(
    residency: tuple[str, ...], region: str, deployments: list[str]
) -> None:
    """Whatever the region and the deployments, all addresses are whole, and all prices are those of the address."""
    accounts = inputs("gpt-4.1-mini").environment.api
    azure = ProviderAccount(resource="acme", deployments={name: DEPLOYED[name] for name in deployments})
    every = {key: ProviderAccount() for key in CATALOG.providers} | {"azure-openai": azure}
    (route,) = everything().routes
    quality = route.route.quality.model_copy(update={"accept": tuple(sorted({row.slug for row in CATALOG.apis}))})
    asked = replace(route, route=route.route.model_copy(update={"residency": residency, "quality": quality}))
    start = inputs("gpt-4.1-mini").environment.horizon.start
    everyone = accounts.model_copy(update={"providers": every})
    apis, _, _ = hosted_apis([asked], CATALOG, everyone, region, start)
    for api in apis:
        assert api.host.base_url
        assert "{" not in api.host.base_url
        assert not CATALOG.providers[api.row.provider].not_called
        if residency:
            assert PLACES.holds_all(residency, api.host.residency), api.row.key
        if api.row.provider == "azure-openai":
            assert api.row.key.removeprefix("azure-openai/") in deployments
        if api.row.provider == "bedrock":
            assert api.prices["input"].key == f"api/{api.row.key}/input"


def test_the_gateway_is_given_the_id_and_the_address_of_the_place() -> None:
    """Prices of machines in Frankfurt stand in for those that the snapshot may lack; the plan buys none."""
    rows = {key.replace("us-east-1", "eu-central-1"): price for key, price in CATALOG.prices.rows.items()}
    there = {key: replace(price, key=key) for key, price in rows.items()}
    prices = PriceSnapshot(CATALOG.prices.name, {**there, **CATALOG.prices.rows})
    asked = replace(inputs("claude-haiku-4.5, gpt-5.4-mini", "eu"), catalog=replace(CATALOG, prices=prices))
    document = policy(lock(optimize(asked).plan))
    assert parse_policy(json.dumps(document).encode()).policy is not None
    apis = document["apis"]
    assert sorted(apis) == [
        "azure-openai.gpt-5.4-mini.eu",
        "bedrock.claude-haiku-4.5.eu",
        "openai.gpt-5.4-mini.eu",
    ]
    assert apis["bedrock.claude-haiku-4.5.eu"]["model"] == "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
    assert apis["azure-openai.gpt-5.4-mini.eu"]["model"] == "mini"
    assert apis["azure-openai.gpt-5.4-mini.eu"]["base_url"] == "https://acme-eu.openai.azure.com/openai/v1"
    assert apis["azure-openai.gpt-5.4-mini.eu"]["renames"] == {"max_tokens": "max_completion_tokens"}


@pytest.mark.parametrize(
    ("accept", "region", "residency", "words"),
    [
        (
            "gpt-oss-120b",
            "eu-central-1",
            "",
            "chat states no residency: from eu-central-1 (Germany) its prompts may go to United States "
            "(bedrock/gpt-oss-120b)",
        ),
        ("claude-haiku-5.5", "us-east-1", "", ""),
        ("claude-haiku-5.5", "us-east-1", "us", ""),
        ("gpt-5.4-mini", "us-east-1", "", "its prompts may go to anywhere (openai/gpt-5.4-mini)"),
    ],
    ids=["over the ocean", "at home", "stated", "without a place"],
)
def test_prompts_that_leave_the_clusters_part_of_the_world_are_told(
    accept: str, region: str, residency: str, words: str
) -> None:
    plan = optimize(inputs(accept, residency, region=region, accounts="bedrock: {}, openai: {}")).plan
    (verdict,) = [verdict for verdict in plan.verdicts if verdict.name == "privacy"]
    assert verdict.state == "pass"
    assert ("states no residency" in verdict.message) == bool(words)
    assert words in verdict.message
