"""The policy document: every broken rule is told, and what is told is enough to mend it."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.document import PolicyError, load_policy, parse_policy

SAMPLE = Path(__file__).parent / "data" / "policy.json"


@pytest.fixture
def sample() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(SAMPLE.read_text())
    return document


def problems_of(document: object) -> str:
    with pytest.raises(PolicyError) as caught:
        parse_policy(json.dumps(document).encode(), "policy.json")
    return str(caught.value)


def test_the_sample_loads() -> None:
    policy = load_policy(SAMPLE).policy
    assert policy.routes["extract"].privacy == "restricted"
    chat = policy.routes["chat"]
    assert [chat.band_index_of(tokens) for tokens in (1, 1024, 1025, 8192, 8193, 10**9)] == [0, 0, 1, 1, 2, 2]
    assert str(policy.apis["openai-gpt-4.1-mini"].usd_per_mtok.input) == "0.40"


def change(path: str, value: object) -> Any:
    """A function that sets `path` (dots and numbers) of a document to `value`; `...` removes it."""

    def apply(document: dict[str, Any]) -> None:
        *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        node: Any = document
        for parent in parents:
            node = node[parent]
        if value is ...:
            del node[last]
        else:
            node[last] = value

    return apply


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("version", "2.0", "another major"),
        ("version", "1", "version"),
        ("extra", 1, "extra: unknown key"),
        ("lock_digest", "abc", "lock_digest"),
        ("routes/extract/fallback", ["openai-gpt-4.1-mini"], "restricted route may have no `fallback`"),
        ("routes/extract/bands/0/api_share", 0.1, "restricted route may have no api_share"),
        ("routes/extract/overflow", "api", "restricted route must have overflow refuse"),
        ("routes/extract/models", {"ghost": "a"}, "models: pool 'ghost' has no weight in any band"),
        ("routes/chat/privacy", "secret", "routes.chat.privacy"),
        ("routes/chat/fallback", ["nowhere"], "unknown API 'nowhere' (known: groq"),
        ("routes/chat/fallback", [], "needs an API in `fallback`"),
        ("routes/chat/fallback", ["groq-llama-3.1-8b", "groq-llama-3.1-8b"], "named twice"),
        ("routes/chat/api_max_input_tokens", {"nowhere": 1}, "api_max_input_tokens: 'nowhere' is not in `fallback`"),
        ("routes/chat/api_max_input_tokens", {"groq-llama-3.1-8b": 0}, "greater than 0"),
        ("routes/extract/api_max_input_tokens", {"groq-llama-3.1-8b": 9}, "is not in `fallback`"),
        ("routes/chat/bands/0/weights", {"pool-x": 1}, "unknown pool 'pool-x' (known: chat-h100"),
        ("routes/chat/bands/0/weights", {}, "no pool has a weight"),
        ("routes/chat/bands/0/weights", {"chat-l40s": 0}, "no pool has a weight"),
        ("routes/chat/bands/0/weights", {"chat-l40s": -1}, "greater than or equal to 0"),
        ("routes/chat/bands/0/refused", True, "the shortest inputs may not be refused"),
        ("routes/chat/bands/1/refused", True, "a refused band has neither weights nor an api_share"),
        ("routes/chat/bands/2/cut_to_tokens", 0, "greater than 0"),
        ("routes/chat/bands/0/api_share", 1.5, "less than or equal to 1"),
        ("routes/chat/bands/0/max_input_tokens", None, "only the last band"),
        ("routes/chat/bands/2/max_input_tokens", 9000, "last band must have max_input_tokens null"),
        ("routes/chat/bands/1/max_input_tokens", 1024, "ordered by rising"),
        ("routes/chat/spill_after_ms", 60000, "must be below deadline_ms"),
        ("routes/chat/queue_ms", 60001, "must not exceed deadline_ms"),
        ("routes/chat/bytes_per_token", 0, "greater than 0"),
        ("pools/chat-l40s/endpoints", ["http://127.0.0.1:1"], "either `address`"),
        ("pools/chat-l40s/address", ..., "either `address`"),
        ("pools/chat-l40s/address", "http://host:8000/", "is not HOST:PORT"),
        ("pools/extract-l40s/endpoints", ["http://127.0.0.1:1/v1"], "not the root of a replica"),
        ("pools/extract-l40s/endpoints", ["https://api.openai.com"], "is the host of API 'openai-gpt-4.1-mini'"),
        ("pools/extract-l40s/endpoints", ["https://api.openai.com:443"], "is the host of API"),
        ("pools/extract-l40s/endpoints", ["https://API.OpenAI.com"], "is the host of API"),
        ("pools/extract-l40s/endpoints", ["https://api.openai.com."], "is the host of API"),
        ("pools/extract-l40s/endpoints", ["http://api.openai.com:80"], "is the host of API"),
        ("pools/chat-l40s/address", "api.openai.com:443", "is the host of API"),
        ("pools/chat-l40s/address", "API.openai.com.:8443", "is the host of API"),
        ("pools/chat-l40s/supports", ["vision"], "unknown feature vision; known: audio"),
        ("pools/chat-l40s/max_in_flight", 0, "greater than 0"),
        ("apis/openai-gpt-4.1-mini/usd_per_mtok/input", 0.4, "decimal strings"),
        ("apis/openai-gpt-4.1-mini/usd_per_mtok/output", "-1", "greater than or equal to 0"),
        ("apis/openai-gpt-4.1-mini/usd_per_mtok/output", "0.0000001", "decimal places"),
        ("apis/openai-gpt-4.1-mini/base_url", "http://api.openai.com/v1", "clear text"),
        ("apis/openai-gpt-4.1-mini/base_url", "ftp://x/v1", "not a base URL"),
        ("apis/openai-gpt-4.1-mini/protocol", "anthropic", "protocol"),
        ("apis/openai-gpt-4.1-mini/refuses", ["messages"], "unknown field messages"),
    ],
)
def test_broken_rules(sample: dict[str, Any], path: str, value: object, told: str) -> None:
    change(path, value)(sample)
    assert told in problems_of(sample)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_on_loopback_another_port_is_another_program(sample: dict[str, Any], host: str) -> None:
    change("apis/openai-gpt-4.1-mini/base_url", "http://127.0.0.1:9000/openai/v1")(sample)
    change("pools/extract-l40s/endpoints", [f"http://{host}:9001"])(sample)
    assert parse_policy(json.dumps(sample).encode()).policy.pools["extract-l40s"].endpoints
    change("pools/extract-l40s/endpoints", [f"http://{host}:9000"])(sample)
    assert "is the host of API 'openai-gpt-4.1-mini'" in problems_of(sample)


@pytest.mark.parametrize("address", ["2001:db8::1:8000", "[2001:db8::1]:8000"])
def test_an_ipv6_address_is_a_host_too(sample: dict[str, Any], address: str) -> None:
    change("apis/openai-gpt-4.1-mini/base_url", "https://[2001:DB8::1]/v1")(sample)
    change("pools/chat-l40s/address", address)(sample)
    assert "is the host of API 'openai-gpt-4.1-mini'" in problems_of(sample)


def test_all_problems_are_told_at_once(sample: dict[str, Any]) -> None:
    broken = copy.deepcopy(sample)
    change("routes/extract/fallback", ["groq-llama-3.1-8b"])(broken)
    change("routes/chat/queue_ms", -1)(broken)
    change("pools/chat-l40s/speed", 3)(broken)
    text = problems_of(broken)
    assert "policy document policy.json is refused" in text
    for told in ("routes.extract:", "routes.chat.queue_ms:", "pools.chat-l40s.speed: unknown key"):
        assert told in text
