"""The line between inside and outside."""

import json
from pathlib import Path

import pytest

from gateway.document import load_policy, parse_policy
from gateway.forward import open_session
from gateway.policy import Policy, RateLimits
from gateway.settings import GatewaySettings
from gateway.upstreams import MissingSecret, account_limits, api_chains, chained_apis, read_secrets
from tests.gateway.stage import api, document, pool, restricted, route, run

SAMPLE = load_policy(Path(__file__).parent / "data" / "policy.json").policy


def test_a_restricted_route_has_no_api_client() -> None:
    async def test() -> None:
        async with open_session(GatewaySettings()) as session:
            chains = api_chains(SAMPLE, session, {}, 60, lambda: 0.0)
            assert chains.keys() == {"chat", "batch"}
            assert list(chains["chat"]) == ["groq-llama-3.1-8b", "openai-gpt-4.1-mini"]
            assert chains["chat"]["openai-gpt-4.1-mini"].limiter is chains["batch"]["openai-gpt-4.1-mini"].limiter

    run(test())


def test_the_apis_of_a_provider_share_one_account_and_its_smallest_limits() -> None:
    apis = {
        "small": api("http://127.0.0.1:2", limits={"rpm": 9, "tpm": 100}),
        "large": api("http://127.0.0.1:2", limits={"rpm": 3}),
        "idle": api("http://127.0.0.1:2", limits={"tpm": 90}),
        "other": api("http://127.0.0.1:3", provider="other", limits={"rpm": 7}),
    }
    text = json.dumps(
        document({"near": pool("http://127.0.0.1:1")}, apis, chat=route(fallback=["small", "large", "other"]))
    )
    policy = parse_policy(text.encode()).policy
    assert account_limits(policy, "fake") == RateLimits(rpm=3, tpm=90)
    assert account_limits(policy, "other") == RateLimits(rpm=7)

    async def test() -> None:
        async with open_session(GatewaySettings()) as session:
            chain = api_chains(policy, session, {}, 60, lambda: 0.0)["chat"]
            assert chain["small"].limiter is chain["large"].limiter
            assert chain["small"].limiter is not chain["other"].limiter
            assert [chain[name].limiter.admit(0) for name in ("small", "large", "small", "large")] == [True] * 3 + [
                False
            ]
            assert chain["other"].limiter.admit(0)

    run(test())


def test_a_policy_of_restricted_routes_chains_no_api() -> None:
    text = json.dumps(
        document({"near": pool("http://127.0.0.1:1")}, {"a": api("http://127.0.0.1:2")}, keep=restricted())
    )
    policy = parse_policy(text.encode()).policy
    assert chained_apis(policy) == frozenset()
    assert read_secrets(policy, {}) == {}


def test_restriction_wins_even_over_a_document_that_was_never_validated() -> None:
    chat = SAMPLE.routes["chat"].model_copy(update={"privacy": "restricted"})
    broken: Policy = SAMPLE.model_copy(update={"routes": {"chat": chat}})
    assert chat.fallback
    assert chained_apis(broken) == frozenset()

    async def test() -> None:
        async with open_session(GatewaySettings()) as session:
            assert api_chains(broken, session, {}, 60, lambda: 0.0) == {}

    run(test())


def test_secrets_come_from_the_environment_and_all_that_are_missing_are_named() -> None:
    assert read_secrets(SAMPLE, {"OPENAI_API_KEY": "k1\n", "GROQ_API_KEY": "k2", "OTHER": "x"}) == {
        "openai-gpt-4.1-mini": "Bearer k1",
        "groq-llama-3.1-8b": "Bearer k2",
    }
    with pytest.raises(MissingSecret, match=r"GROQ_API_KEY \(API groq-llama-3.1-8b\), OPENAI_API_KEY"):
        read_secrets(SAMPLE, {"OPENAI_API_KEY": " "})


def test_an_api_without_a_key_needs_none() -> None:
    text = json.dumps(document({"near": pool("http://127.0.0.1:1")}, {"away": api("http://127.0.0.1:2")}, chat=route()))
    assert read_secrets(parse_policy(text.encode()).policy, {}) == {}
