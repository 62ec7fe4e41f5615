"""A stage for gateway tests: backends with a script on real loopback sockets, and a gateway in front of them.

A `Backend` records every byte that reaches it and answers as its `script` says. Nothing here imitates an engine's or
a provider's manners; a script says exactly what one test needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from gateway.document import parse_policy
from gateway.keys import KeyEntry, Keys
from gateway.service import Gateway
from gateway.settings import GatewaySettings

DIGEST = "sha256:" + "0" * 64
USAGE = {"prompt_tokens": 20, "completion_tokens": 2, "total_tokens": 22}

Script = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


def run(test: Coroutine[Any, Any, Any]) -> Any:
    """Run one test's coroutine, bounded in time."""
    return asyncio.run(asyncio.wait_for(test, 20))


@dataclass(eq=False)
class Backend:
    """A listening backend. `bodies` and `headers` are what arrived; `left` counts clients that hung up on it."""

    script: Script
    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    left: int = 0
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def calls(self) -> int:
        return len(self.bodies)

    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.bodies]

    async def answer(self, http: web.Request) -> web.StreamResponse:
        body = await http.read()
        self.bodies.append(body)
        self.headers.append(http.headers)
        self.paths.append(http.path)
        self.arrived.set()
        try:
            return await self.script(http, json.loads(body))
        except (asyncio.CancelledError, ConnectionError):
            self.left += 1
            self.hung_up.set()
            raise


@contextlib.asynccontextmanager
async def backends(*scripts: Script, encryption: ssl.SSLContext | None = None) -> AsyncIterator[list[Backend]]:
    """One listening backend for each script, all with TLS or none."""
    listening: list[Backend] = []
    async with contextlib.AsyncExitStack() as closing:
        for script in scripts:
            backend = Backend(script)
            app = web.Application(client_max_size=64 * 1024 * 1024)
            app.router.add_route("*", "/{path:.*}", backend.answer)
            runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            closing.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=encryption).start()
            backend.url = f"{'https' if encryption else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
            listening.append(backend)
        yield listening


@dataclass(eq=False)
class Stage:
    """A running gateway, a client for it, and its audit."""

    gateway: Gateway
    http: aiohttp.ClientSession
    audit: list[dict[str, Any]]
    lines: list[str]

    async def chat(self, route: str = "chat", headers: dict[str, str] | None = None, **fields: Any) -> Reply:
        """Ask for a chat completion and read the whole answer."""
        body = {"model": route, "messages": [{"role": "user", "content": "hello"}], **fields}
        return await self.post(json.dumps(body).encode(), headers)

    async def post(
        self, body: bytes, headers: dict[str, str] | None = None, path: str = "/v1/chat/completions"
    ) -> Reply:
        async with self.http.post(path, data=body, headers=headers) as response:
            raw = await response.read()
            return Reply(response.status, response.headers, raw)

    async def get(self, path: str, headers: dict[str, str] | None = None) -> Reply:
        async with self.http.get(path, headers=headers) as response:
            return Reply(response.status, response.headers, await response.read())

    async def admin(self, path: str) -> Reply:
        url = f"http://127.0.0.1:{self.gateway.admin_port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return Reply(response.status, response.headers, await response.read())

    async def metric(self, sample: str) -> float:
        """The value of one sample, such as `spillway_spill_total{reason="connect",route="chat"}`; 0 if absent."""
        text = (await self.admin("/metrics")).raw.decode()
        values = [line.rpartition(" ")[2] for line in text.splitlines() if line.rpartition(" ")[0] == sample]
        return float(values[0]) if values else 0.0


@dataclass(frozen=True)
class Reply:
    """What the client received."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> str:
        return str(self.document["error"]["code"])

    @property
    def served_by(self) -> str | None:
        return self.headers.get("X-Spillway-Served-By")

    @property
    def spill_reason(self) -> str | None:
        return self.headers.get("X-Spillway-Spill-Reason")


@contextlib.asynccontextmanager
async def staged(
    policy: dict[str, Any],
    keys: Keys | None = None,
    settings: GatewaySettings | None = None,
    secrets: dict[str, str] | None = None,
    pool_trust: ssl.SSLContext | None = None,
) -> AsyncIterator[Stage]:
    """A gateway with this policy document in front of whatever the document names."""
    lines: list[str] = []
    audit: list[dict[str, Any]] = []

    def write(line: str) -> None:
        lines.append(line)
        audit.append(json.loads(line))

    loaded = parse_policy(json.dumps(policy).encode())
    gateway = Gateway(loaded, keys, settings or GatewaySettings(), secrets or {}, write, seed=7, pool_trust=pool_trust)
    await gateway.start("127.0.0.1", 0, 0)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{gateway.port}") as http:
            yield Stage(gateway, http, audit, lines)
    finally:
        await gateway.stop()


def pool(*urls: str, **changes: Any) -> dict[str, Any]:
    return {
        "model": "served-name",
        "endpoints": list(urls),
        "max_in_flight": 8,
        "max_model_len": 8192,
        "supports": ["tools", "vllm"],
        **changes,
    }


def api(url: str, **changes: Any) -> dict[str, Any]:
    return {
        "provider": "fake",
        "protocol": "openai",
        "base_url": url + "/v1",
        "model": "api-name",
        "api_key_env": None,
        "supports": ["tools"],
        "usd_per_mtok": {"input": "0.40", "cached_input": "0.10", "output": "1.60"},
        "context_tokens": 100_000,
        **changes,
    }


def route(
    weights: dict[str, float] | None = None, fallback: Iterable[str] = ("away",), **changes: Any
) -> dict[str, Any]:
    band = {"max_input_tokens": None, "weights": weights or {"near": 1.0}, "api_share": changes.pop("api_share", 0.0)}
    return {
        "privacy": "internal",
        "bytes_per_token": 4.0,
        "bands": [band],
        "fallback": list(fallback),
        "spill_after_ms": 2000,
        "deadline_ms": 8000,
        "queue_ms": 0,
        **changes,
    }


def restricted(weights: dict[str, float] | None = None, **changes: Any) -> dict[str, Any]:
    return route(weights, fallback=(), privacy="restricted", **changes)


def document(pools: dict[str, Any], apis: dict[str, Any] | None = None, **routes: Any) -> dict[str, Any]:
    return {
        "version": "1.0",
        "environment": "test",
        "lock_digest": DIGEST,
        "pools": pools,
        "apis": apis or {},
        "routes": routes,
    }


def keys_of(**routes: list[str]) -> tuple[Keys, dict[str, str]]:
    """Keys by ID, and each ID's Authorization header."""
    texts = {id_: f"sk-sw-{id_}-{hashlib.sha256(id_.encode()).hexdigest()}" for id_ in routes}
    entries = {
        id_: KeyEntry(sha256=hashlib.sha256(text.encode()).hexdigest(), routes=tuple(routes[id_]))
        for id_, text in texts.items()
    }
    return Keys(entries), {id_: f"Bearer {text}" for id_, text in texts.items()}


# Scripts.


def chunk(text: str | None = None, **changes: Any) -> dict[str, Any]:
    delta = {"content": text} if text is not None else {}
    return {"id": "c-1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta}], **changes}


def event(document: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


USAGE_EVENT = event(chunk(choices=[], usage=USAGE))
DONE_EVENT = b"data: [DONE]\n\n"
GOOD_STREAM = (event(chunk("Hel")), event(chunk("lo")), USAGE_EVENT, DONE_EVENT)
WHOLE = {
    "id": "c-1",
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": USAGE,
}


def good() -> Script:
    """Answers whole or as a stream, as asked."""

    async def script(http: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if body.get("stream"):
            return await streams(*GOOD_STREAM)(http, body)
        return web.json_response(WHOLE)

    return script


def says(status: int, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None) -> Script:
    """Answers with a status at once."""

    async def script(http: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(
            body or {"error": {"message": "backend words", "code": status}}, status=status, headers=headers
        )

    return script


def streams(*pieces: bytes | float | type[ConnectionError]) -> Script:
    """Writes pieces of a stream as they are; a number sleeps that many seconds, ConnectionError cuts the connection."""

    async def script(http: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(http)
        for piece in pieces:
            if isinstance(piece, bytes):
                await response.write(piece)
            elif isinstance(piece, type):
                await asyncio.sleep(0.05)
                assert http.transport is not None
                http.transport.abort()
                return response
            else:
                await asyncio.sleep(piece)
        await response.write_eof()
        return response

    return script


def hangs(seconds: float = 15.0) -> Script:
    """Sends nothing, not even headers."""

    async def script(http: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return web.json_response(WHOLE)

    return script


def breaks() -> Script:
    """Closes the connection without an answer."""

    async def script(http: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        assert http.transport is not None
        http.transport.abort()
        return web.Response()

    return script


def held_until(release: asyncio.Event) -> Script:
    """Answers only after `release` is set."""

    async def script(http: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        await release.wait()
        return await good()(http, body)

    return script
