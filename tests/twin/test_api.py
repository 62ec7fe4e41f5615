"""The hosted-API twin over loopback: what it answers, how it says no, and what its ledger remembers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from twin.api.ledger import Ledger, privacy_class
from twin.api.limits import RateLimit
from twin.api.offers import OfferLimits, Offers
from twin.api.server import application
from twin.engine.prompt import hint

OFFERS: dict[str, Any] = {
    "version": "1.0",
    "providers": {
        "openai": {
            "api_key": "sk-test",
            "base_url": "https://api.example.com/v1/openai",
            "models": {
                "gpt-4.1-mini": {
                    "usd_per_mtok": {"input": "0.40", "output": "1.60"},
                    "context_tokens": 10_000,
                    "ttft_ms": 400,
                    "tpot_ms": 10,
                },
                "tight": {
                    "usd_per_mtok": {"input": "1", "output": "1"},
                    "context_tokens": 10_000,
                    "limits": {"rpm": 3, "tpm": 100_000},
                },
            },
        },
        "plain": {
            "manners": "bare",
            "models": {"m": {"usd_per_mtok": {"input": "1", "output": "2"}, "context_tokens": 10_000}},
        },
    },
}
SPEED = 20.0
KEY = {"Authorization": "Bearer sk-test"}

Session = aiohttp.ClientSession


def with_api(check: Callable[[Session], Awaitable[None]]) -> dict[str, Any]:
    """Run `check` against the providers on a free port; the ledger afterwards."""
    ledger = Ledger()

    async def run() -> None:
        app = application(Offers.model_validate(OFFERS), ledger, SPEED)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}", headers=KEY) as session:
                await asyncio.wait_for(check(session), 20)
        finally:
            await runner.cleanup()

    asyncio.run(run())
    return ledger.document()


def chat(model: str, input_tokens: int, output_tokens: int, text: str = "", **fields: Any) -> dict[str, Any]:
    content = f"{hint(input_tokens, output_tokens)} {text}"
    return {"model": model, "messages": [{"role": "user", "content": content}]} | fields


async def post(session: Session, provider: str, body: Any, **options: Any) -> tuple[int, Any, Any]:
    async with session.post(f"/{provider}/v1/chat/completions", json=body, **options) as response:
        text = await response.text()
        return response.status, response.headers, json.loads(text) if not body.get("stream") else text


def test_a_provider_answers_under_its_own_url_too() -> None:
    async def check(session: Session) -> None:
        body, own = chat("gpt-4.1-mini", 10, 5), {"Host": "api.example.com"}
        answers = {}
        for host, path in (("api.example.com", "/v1/openai"), ("other.example.com", "/v1/openai"), ("", "/openai/v1")):
            named = {"Host": host} if host else {}
            async with session.post(f"{path}/chat/completions", json=body, headers=named) as response:
                answers[host, path] = response.status
        assert answers == {
            ("api.example.com", "/v1/openai"): 200,
            ("other.example.com", "/v1/openai"): 404,
            ("", "/openai/v1"): 200,
        }
        async with session.post("/v1/openai/chat/completions", json=body, headers={**own, "Authorization": "no"}) as no:
            assert no.status == 401

    assert with_api(check)["models"]["openai/gpt-4.1-mini"]["requests"] == 2


def test_answers_are_billed_by_token() -> None:
    async def check(session: Session) -> None:
        status, _, answer = await post(session, "openai", chat("gpt-4.1-mini", 1000, 50))
        assert status == 200
        assert answer["usage"] == {
            "prompt_tokens": 1000,
            "completion_tokens": 50,
            "total_tokens": 1050,
            "prompt_tokens_details": None,
        }
        options: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": 30}
        status, _, text = await post(session, "openai", chat("gpt-4.1-mini", 1000, 50, **options))
        assert status == 200
        events = [line.removeprefix("data: ") for line in text.strip().split("\n\n")]
        assert events[-1] == "[DONE]"
        assert json.loads(events[-2])["usage"]["completion_tokens"] == 30
        assert json.loads(events[-3])["choices"][0]["finish_reason"] == "length"

    ledger = with_api(check)
    # 2 · 1,000 · $0.40 + 80 · $1.60 a million
    assert ledger["models"]["openai/gpt-4.1-mini"] == {
        "requests": 2,
        "input_tokens": 2000,
        "output_tokens": 80,
        "usd": "0.000928",
    }
    assert float(ledger["usd"]) == pytest.approx(0.000928)


def test_a_stream_takes_its_time() -> None:
    async def check(session: Session) -> None:
        async with session.get("/openai/v1/models"):
            pass
        loop = asyncio.get_running_loop()
        started = loop.time()
        body = chat("gpt-4.1-mini", 10, 101, stream=True)
        async with session.post("/openai/v1/chat/completions", json=body) as response:
            await response.content.readany()
            first_ms = (loop.time() - started) * 1000 * SPEED
            await response.content.read()
            last_ms = (loop.time() - started) * 1000 * SPEED
        assert 400 <= first_ms < 1000
        assert 1400 <= last_ms < 3000

    with_api(check)


def test_every_class_is_counted_also_what_is_refused_or_lost() -> None:
    async def check(session: Session) -> None:
        for label in ("restricted", "internal", "public"):
            await post(session, "openai", chat("gpt-4.1-mini", 10, 2, f"canary-{label}-0af3"))
        await post(session, "openai", chat("gpt-4.1-mini", 10, 2))
        mixed = chat("gpt-4.1-mini", 10, 2, "canary-public-1 canary-restricted-2")
        status, _, _ = await post(session, "openai", mixed, headers={"Authorization": "Bearer stolen"})
        assert status == 401
        async with session.post("/nobody/v1/embeddings", data=b"canary-restricted-77") as response:
            assert response.status == 404
        async with session.get("/openai/v1/models?leak=1"):
            pass

    ledger = with_api(check)
    assert {name: entry["requests"] for name, entry in ledger["classes"].items()} == {
        "restricted": 3,
        "internal": 1,
        "public": 1,
        "unlabelled": 2,
    }
    assert ledger["requests"] == 7
    assert ledger["bytes"] == sum(entry["bytes"] for entry in ledger["classes"].values())
    assert ledger["statuses"] == {"200": 5, "401": 1, "404": 1}


def test_rate_limits_answer_429_with_a_time() -> None:
    async def check(session: Session) -> None:
        for _ in range(3):
            status, _, _ = await post(session, "openai", chat("tight", 10, 2))
            assert status == 200
        status, headers, answer = await post(session, "openai", chat("tight", 10, 2))
        assert (status, answer["error"]["code"]) == (429, "rate_limit_exceeded")
        assert headers["Retry-After"] == "1"  # 20 s of real time at twenty-fold speed
        await asyncio.sleep(1.05)
        status, _, _ = await post(session, "openai", chat("tight", 10, 2))
        assert status == 200

    with_api(check)


@pytest.mark.parametrize(
    ("provider", "kind", "status", "code"),
    [
        ("openai", "insufficient_quota", 429, "insufficient_quota"),
        ("openai", "server_error", 500, None),
        ("openai", "overloaded", 503, None),
        ("plain", "rate_limited", 429, "absent"),
    ],
)
def test_refusals_in_the_providers_manners(provider: str, kind: str, status: int, code: str | None) -> None:
    async def check(session: Session) -> None:
        model = "m" if provider == "plain" else "gpt-4.1-mini"
        fault = {"provider": provider, "refusal": kind, "retry_after_s": 3}
        async with session.post("/twin/faults", json=fault) as response:
            assert response.status == 200
        got, headers, answer = await post(session, provider, chat(model, 10, 2))
        assert got == status
        assert answer["error"].get("code", "absent") == code
        assert ("Retry-After" in headers) == (provider == "openai")
        got, _, _ = await post(session, provider, chat(model, 10, 2))
        assert got == 200

    with_api(check)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (chat("gpt-5", 10, 2), 404),
        (chat("gpt-4.1-mini", 10_000, 2), 400),
        (chat("gpt-4.1-mini", 9_000, 2, max_tokens=2000), 400),
        ({"model": "gpt-4.1-mini"}, 400),
    ],
)
def test_bad_requests(body: Any, status: int) -> None:
    async def check(session: Session) -> None:
        got, _, answer = await post(session, "openai", body)
        assert got == status
        assert answer["error"]["message"]

    assert with_api(check)["usd"] == "0"


def test_a_cut_stream_is_billed_for_what_was_generated() -> None:
    async def check(session: Session) -> None:
        async with session.post("/twin/faults", json={"provider": "openai", "stroke": "cut", "after_tokens": 20}):
            pass
        with pytest.raises(aiohttp.ClientError):
            await post(session, "openai", chat("gpt-4.1-mini", 10, 500, stream=True))

    assert with_api(check)["models"]["openai/gpt-4.1-mini"]["output_tokens"] == 17  # 1 and one chunk of 16


@given(
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 5000)), max_size=60), st.integers(1, 100), st.integers(1, 20000)
)
def test_no_minute_holds_more_than_a_bucket_and_its_refill(
    arrivals: list[tuple[float, int]], rpm: int, tpm: int
) -> None:
    limit = RateLimit(OfferLimits(rpm=rpm, tpm=tpm))
    now, admitted = 0.0, []
    for gap, tokens in arrivals:
        now += gap
        wait = limit.admit(tokens, now)
        assert 0 <= wait <= 60
        if wait == 0:
            admitted.append((now, tokens))
    for start, _ in admitted:
        window = [tokens for at, tokens in admitted if start <= at < start + 60]
        assert len(window) <= 2 * rpm
        assert sum(window) <= 2 * tpm


def test_the_strictest_canary_names_the_class() -> None:
    assert privacy_class(b"canary-public-1 canary-internal-2") == "internal"
    assert privacy_class(b"canary-restricted-") == "unlabelled"
    assert privacy_class(b"") == "unlabelled"


def test_the_program_says_its_port_and_refuses_a_bad_file(tmp_path: Path) -> None:
    path = tmp_path / "offers.json"
    path.write_text(json.dumps(OFFERS))
    command = [sys.executable, "-m", "twin.api", "--offers", str(path)]
    with subprocess.Popen([*command, "--speed", "20"], stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            ledger_url = f"http://127.0.0.1:{json.loads(program.stdout.readline())['port']}/twin/ledger"

            async def look() -> Any:
                async with aiohttp.ClientSession() as session, session.get(ledger_url) as response:
                    return await response.json()

            assert asyncio.run(look())["requests"] == 0
            program.terminate()
            assert program.wait(10) == 0
        finally:
            program.kill()
    path.write_text("{}")
    run = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert run.returncode == 2
    assert "providers: Field required" in run.stderr
