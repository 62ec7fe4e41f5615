"""Hard eligibility, with reasons."""

import json
from typing import Any

import pytest

from gateway.document import parse_policy
from gateway.eligibility import (
    EligibleBackends,
    Exclusion,
    ExclusionCause,
    admitted_band,
    eligible_backends,
    no_backend_fits,
)
from gateway.errors import Refusal
from gateway.request import parse_chat_request
from tests.gateway.stage import api, document, pool, route


def eligible_for(
    pools: dict[str, Any], apis: dict[str, Any], changes: dict[str, Any], **fields: Any
) -> EligibleBackends:
    weights = dict.fromkeys(pools, 1.0)
    text = json.dumps(document(pools, apis, chat=route(weights, fallback=list(apis), **changes))).encode()
    policy = parse_policy(text).policy
    body = {"model": "chat", "messages": [{"role": "user", "content": "x" * 400}], **fields}
    chat = policy.routes["chat"]
    return eligible_backends(policy, chat, chat.bands[0], parse_chat_request(json.dumps(body).encode()))


NEAR = "http://127.0.0.1:1"


def test_features_rule_out() -> None:
    pools = {"plain": pool(NEAR, supports=[]), "rich": pool(NEAR, supports=["tools", "n"])}
    apis = {"away": api(NEAR + "1", supports=["tools"], refuses=["temperature"])}
    result = eligible_for(pools, apis, {}, tools=[], n=2)
    assert result.weights == {"rich": 1.0}
    assert result.chain == ()
    assert result.excluded_pools == (Exclusion("plain", ExclusionCause.FIELD, ("n", "tools")),)
    assert result.excluded_apis == (Exclusion("away", ExclusionCause.FIELD, ("n",)),)
    assert eligible_for(pools, apis, {}, temperature=0).chain == ()
    assert eligible_for(pools, apis, {}).chain == ("away",)


@pytest.mark.parametrize(
    ("context", "fields", "route_cap", "fits"),
    [
        # 400 bytes at 4 bytes a token are 100 tokens, 80 within the tolerance
        (80, {}, None, False),
        (81, {}, None, True),
        (180, {"max_tokens": 101}, None, False),
        (180, {"max_tokens": 100}, None, True),
        (180, {"max_tokens": 5000}, 100, True),
        (180, {}, 101, False),
    ],
)
def test_length(context: int, fields: dict[str, Any], route_cap: int | None, fits: bool) -> None:
    result = eligible_for({"near": pool(NEAR, max_model_len=context)}, {}, {"max_output_tokens": route_cap}, **fields)
    assert bool(result.weights) == fits
    assert result.pools_lack_length_only != fits


def test_a_pool_without_weight_is_not_asked() -> None:
    text = json.dumps(document({"a": pool(NEAR), "b": pool(NEAR)}, {}, chat=route({"a": 1, "b": 0}, fallback=[])))
    policy = parse_policy(text.encode()).policy
    chat = policy.routes["chat"]
    request = parse_chat_request(b'{"model": "chat", "messages": [{"content": "x"}]}')
    assert eligible_backends(policy, chat, chat.bands[0], request).weights == {"a": 1}


def test_the_client_reads_fields_and_no_backend_names() -> None:
    result = eligible_for({"near": pool(NEAR, supports=[])}, {}, {}, tools=[], top_k=1)
    refusal = no_backend_fits(result.exclusions)
    assert (refusal.status, refusal.code, refusal.param) == (400, "field_unsupported", "tools")
    assert "near" not in refusal.message
    result = eligible_for({"near": pool(NEAR, max_model_len=10)}, {}, {})
    assert no_backend_fits(result.exclusions).code == "context_length_exceeded"


BANDS = [
    {"max_input_tokens": 1000, "weights": {"near": 1.0}, "api_share": 0.0},
    {"max_input_tokens": None, "weights": {}, "api_share": 0.0, "refused": True},
]


@pytest.mark.parametrize(
    ("tokens", "refused"), [(1000, False), (1001, False), (1250, False), (1251, True), (9000, True)]
)
def test_a_refused_band_refuses_what_is_clearly_in_it(tokens: int, refused: bool) -> None:
    """Near its bound the estimate may be wrong, and the backend has the last word."""
    text = json.dumps(document({"near": pool(NEAR)}, {}, chat=route({}, fallback=[], bands=BANDS))).encode()
    chat = parse_policy(text).policy.routes["chat"]
    if not refused:
        assert admitted_band(chat, tokens) is chat.bands[0]
        return
    with pytest.raises(Refusal) as raised:
        admitted_band(chat, tokens)
    assert (raised.value.status, raised.value.code) == (400, "context_length_exceeded")


def test_a_pool_that_cuts_prompts_reads_any_length() -> None:
    bands = [{"max_input_tokens": None, "weights": {"near": 1.0}, "api_share": 0.0, "cut_to_tokens": 60}]
    pools = {"near": pool(NEAR, max_model_len=70)}
    assert eligible_for(pools, {}, {"bands": bands}).weights == {"near": 1.0}
    assert eligible_for(pools, {"away": api(NEAR + "1", context_tokens=70)}, {"bands": bands}).chain == ()


@pytest.mark.parametrize(
    ("prompt_bytes", "fields", "sent"),
    [
        (4000, {}, True),
        (3996, {"max_tokens": 500_000}, False),  # its context still counts the answer
        (3996, {"max_tokens": 99_000}, True),
        (4001, {"max_tokens": 1}, False),
        (4400, {"max_tokens": 1}, False),
        (4400, {}, False),
    ],
)
def test_an_input_limit_has_no_tolerance_and_leaves_the_answer_out(
    prompt_bytes: int, fields: dict[str, Any], sent: bool
) -> None:
    """1,000 tokens at 4 bytes each may be billed; the context holds 100,000."""
    apis = {"limited": api(NEAR + "1"), "open": api(NEAR + "2", context_tokens=1_000_000)}
    changes = {"api_max_input_tokens": {"limited": 1000}}
    messages = [{"role": "user", "content": "x" * prompt_bytes}]
    result = eligible_for({"near": pool(NEAR)}, apis, changes, messages=messages, **fields)
    assert result.chain == (("limited", "open") if sent else ("open",))
    assert result.excluded_apis == (() if sent else (Exclusion("limited", ExclusionCause.LENGTH),))


def test_an_input_limit_holds_for_its_route_alone() -> None:
    routes = {"long": route(api_max_input_tokens={"away": 1000}), "short": route()}
    text = json.dumps(document({"near": pool(NEAR)}, {"away": api(NEAR + "1")}, **routes)).encode()
    policy = parse_policy(text).policy
    request = parse_chat_request(json.dumps({"model": "long", "messages": [{"content": "x" * 4400}]}).encode())
    chains = {
        name: eligible_backends(policy, each, each.bands[0], request).chain for name, each in policy.routes.items()
    }
    assert chains == {"long": (), "short": ("away",)}


def test_a_field_is_told_before_an_input_limit() -> None:
    apis = {"away": api(NEAR + "1", refuses=["temperature"])}
    changes = {"api_max_input_tokens": {"away": 10}}
    result = eligible_for({}, apis, {**changes, "bands": ALL_AWAY}, temperature=0)
    assert result.excluded_apis == (Exclusion("away", ExclusionCause.FIELD, ("temperature",)),)
    result = eligible_for({}, apis, {**changes, "bands": ALL_AWAY})
    assert no_backend_fits(result.exclusions).code == "context_length_exceeded"


ALL_AWAY: list[dict[str, Any]] = [{"max_input_tokens": None, "weights": {}, "api_share": 1.0}]
