"""The HTTP face: it tells who asks and for what, and it closes and records every answer.

This module authenticates, reads and refuses. It makes two small applications: the public one (chat completions, models,
probes) and the admin one (metrics, digest of the policy). What happens to a request behind it is in `dispatch`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from gateway.bodies import BodyBudget, BodyLease, read_body
from gateway.dispatch import Dispatcher
from gateway.document import LoadedPolicy
from gateway.errors import Refusal
from gateway.exchange import Exchange, monotonic_s, new_request_id
from gateway.keys import ANYONE, Client, Keys
from gateway.metrics import Metrics
from gateway.relay import ClientTooSlow
from gateway.request import ChatRequest, parse_chat_request
from gateway.settings import KIB, GatewaySettings

_log = logging.getLogger("spillway.gateway")

_UNBLOCKED_BYTES = 16 * KIB
"""An answer of this size goes into the connection's write buffer at once, so that it needs no time limit."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


@dataclass(eq=False, kw_only=True)
class Front:
    """The front holds what the two applications need, and what they are doing now.

    loaded: the policy in force, with its digest.
    keys: keys of clients; None lets everybody use every route.
    write_audit: takes one line without its newline.
    budget: memory for request bodies.
    ready: whether the gateway listens.
    draining: whether it takes no new connections.
    in_flight: requests that are being answered.
    idle: set while no request is in flight.
    """

    loaded: LoadedPolicy
    keys: Keys | None
    settings: GatewaySettings
    dispatcher: Dispatcher
    metrics: Metrics
    write_audit: Callable[[str], None]
    budget: BodyBudget
    ready: bool = False
    draining: bool = False
    in_flight: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    def public(self) -> web.Application:
        """Build the application for clients."""
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._endpoint(self._chat))
        app.router.add_get("/v1/models", self._endpoint(self._models))
        app.router.add_post("/v1/responses", self._endpoint(self._not_implemented))
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_route("*", "/{path:.*}", self._endpoint(self._not_found))
        return app

    def admin(self) -> web.Application:
        """Build the application for operators. It must be bound where clients cannot reach it."""
        app = web.Application()
        app.router.add_get("/metrics", self._metrics_text)
        app.router.add_get("/policy", self._policy_digest)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        return app

    def _endpoint(
        self, serve: Callable[[web.Request, Exchange], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Wrap a path, so that every answer has a request id, JSON refusals, a time limit for its last byte, and a
        record."""

        async def endpoint(http: web.Request) -> web.StreamResponse:
            exchange = Exchange(request_id=_request_id(http), started_s=monotonic_s())
            self.in_flight += 1
            self.idle.clear()
            try:
                try:
                    response = await serve(http, exchange)
                except Refusal as refusal:
                    response = _refusal_response(exchange, refusal)
                except ClientTooSlow:
                    raise
                except Exception:
                    _log.exception("request %s failed inside the gateway", exchange.request_id)
                    exchange.outcome = "internal_error"
                    if exchange.first_byte_s is not None:
                        raise  # committed: the connection is all that can still be closed
                    response = _refusal_response(
                        exchange, Refusal(500, "internal_error", "the gateway failed; it is logged")
                    )
                if self.draining:
                    response.force_close()
                if not response.prepared:
                    await self._send(http, exchange, response)
                return response
            except ClientTooSlow:
                if http.transport is not None:
                    http.transport.abort()
                raise asyncio.CancelledError from None
            finally:
                self._close(exchange)

        return endpoint

    async def _send(self, http: web.Request, exchange: Exchange, response: web.StreamResponse) -> None:
        if (response.content_length or 0) <= _UNBLOCKED_BYTES:
            await _write(http, response)
            return
        try:
            async with asyncio.timeout(self.settings.client_write_s):
                await _write(http, response)
        except TimeoutError:
            exchange.outcome = "client_slow"
            raise ClientTooSlow from None

    def _close(self, exchange: Exchange) -> None:
        exchange.forget_body()
        exchange.ended_s = monotonic_s()
        self.in_flight -= 1
        if self.in_flight == 0:
            self.idle.set()
        self.metrics.count_request(exchange)
        self.write_audit(exchange.audit_line(time.time()))

    async def _chat(self, http: web.Request, exchange: Exchange) -> web.StreamResponse:
        client = self._authenticate(http, exchange)
        exchange.lease = BodyLease(self.budget)
        raw = await read_body(http, exchange.lease, self.settings)
        exchange.body_bytes = len(raw)
        request = await self._parse(raw)
        del raw
        route = self.loaded.policy.routes.get(request.route)
        if route is None or not client.may_use(request.route):
            raise self._unknown_route(client)
        exchange.request, exchange.route_name, exchange.route = request, request.route, route
        return await self.dispatcher.serve(http, exchange, request)

    async def _parse(self, raw: bytes) -> ChatRequest:
        if len(raw) > self.settings.inline_parse_bytes:
            return await asyncio.to_thread(parse_chat_request, raw)
        return parse_chat_request(raw)

    async def _models(self, http: web.Request, exchange: Exchange) -> web.StreamResponse:
        client = self._authenticate(http, exchange)
        models = [{"id": name, "object": "model", "owned_by": "spillway"} for name in self._routes_of(client)]
        exchange.status, exchange.outcome = 200, "ok"
        return web.json_response({"object": "list", "data": models}, headers=exchange.headers())

    async def _not_implemented(self, http: web.Request, exchange: Exchange) -> web.StreamResponse:
        self._authenticate(http, exchange)
        raise Refusal(501, "not_implemented", "/v1/responses is not served; use /v1/chat/completions")

    async def _not_found(self, http: web.Request, exchange: Exchange) -> web.StreamResponse:
        raise Refusal(404, "path_unknown", f"no {http.method} of this path here; use POST /v1/chat/completions")

    def _authenticate(self, http: web.Request, exchange: Exchange) -> Client:
        client = ANYONE if self.keys is None else self.keys.client_of(http.headers.get("Authorization"))
        if client is None:
            raise Refusal(401, "key_invalid", "send a valid key as Authorization: Bearer sk-sw-ID-SECRET")
        exchange.client = client
        return client

    def _routes_of(self, client: Client) -> list[str]:
        return sorted(name for name in self.loaded.policy.routes if client.may_use(name))

    def _unknown_route(self, client: Client) -> Refusal:
        names = ", ".join(self._routes_of(client)) or "none"
        return Refusal(404, "model_not_found", f"no such model for this key; it may use: {names}", param="model")

    async def _livez(self, http: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, http: web.Request) -> web.Response:
        """Say whether requests are taken.

        Backends do not count: without them, requests spill, and the gateway stays.
        """
        if self.ready and not self.draining:
            return web.Response(text="ok\n")
        return web.Response(status=503, text="draining\n" if self.draining else "starting\n")

    async def _metrics_text(self, http: web.Request) -> web.Response:
        return web.Response(body=self.metrics.render(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _policy_digest(self, http: web.Request) -> web.Response:
        policy = self.loaded.policy
        return web.json_response(
            {
                "digest": self.loaded.digest,
                "lock_digest": policy.lock_digest,
                "environment": policy.environment,
                "version": policy.version,
            }
        )


async def _write(http: web.Request, response: web.StreamResponse) -> None:
    await response.prepare(http)
    await response.write_eof()


def _request_id(http: web.Request) -> str:
    requested_id = http.headers.get("X-Request-Id", "")
    return requested_id if _REQUEST_ID.fullmatch(requested_id) else new_request_id()


def _refusal_response(exchange: Exchange, refusal: Refusal) -> web.Response:
    exchange.status = refusal.status
    exchange.outcome = refusal.code
    headers = exchange.headers()
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(refusal.retry_after_s)))
    return web.Response(status=refusal.status, body=refusal.body(), content_type="application/json", headers=headers)
