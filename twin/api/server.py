"""HTTP of the providers: `/PROVIDER/v1/chat/completions` and `/models`, the ledger, the fault switch.

A call that names the host of a provider's own URL is that provider's, at the URL's path. A middleware enters every
request in the ledger before it is routed, so that no path is invisible.
"""

from __future__ import annotations

import asyncio
import hmac
import itertools
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from twin.api.faults import ProviderFault, ProviderFaultState
from twin.api.ledger import Ledger
from twin.api.limits import RateLimit
from twin.api.manners import ProviderRefusal, RefusalKind, provider_refusal
from twin.api.offers import Offer, Offers, Seller
from twin.engine.prompt import PromptError, RequestLengths, lengths_of
from twin.engine.wire import DONE, AnswerSpelling, FinishReason, filler

MAX_BODY_BYTES = 64 * 2**20

_serial = itertools.count(1)


@dataclass(frozen=True)
class _Sale:
    """A sale is an accepted request: it says what is sold, how long the answer will be, and how it will end."""

    name: str
    offer: Offer
    lengths: RequestLengths
    finish_reason: FinishReason
    streamed: bool
    with_usage: bool
    cut_after_tokens: int | None


class _Refused(Exception):
    def __init__(self, answer: ProviderRefusal) -> None:
        self.answer = answer
        super().__init__(str(answer.status))


def application(offers: Offers, ledger: Ledger, speed: float = 1.0, stream_interval: int = 16) -> web.Application:
    """Build one server for every provider of the offers, `speed` times faster than real time."""
    server = _Server(offers, ledger, speed, stream_interval)
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_ledger_middleware(ledger)])
    for path in sorted({seller.place[1] for seller in offers.providers.values() if seller.place is not None}):
        app.router.add_post(f"{path}/chat/completions", server.chat)
    app.router.add_post("/{provider}/v1/chat/completions", server.chat)
    app.router.add_get("/{provider}/v1/models", server.models)
    app.router.add_get("/twin/ledger", server.show_ledger)
    app.router.add_post("/twin/faults", server.strike)
    app.router.add_delete("/twin/faults", server.heal)
    return app


def _ledger_middleware(ledger: Ledger) -> Any:
    @web.middleware
    async def enter(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path.startswith("/twin/"):
            return await handler(request)
        ledger.enter_arrival(await request.read(), len(request.raw_path))
        try:
            response = await handler(request)
        except web.HTTPException as error:
            ledger.enter_answer(error.status)
            raise
        ledger.enter_answer(response.status)
        return response

    return enter


class _Server:
    def __init__(self, offers: Offers, ledger: Ledger, speed: float, stream_interval: int) -> None:
        self.offers = offers
        self.ledger = ledger
        self.speed = speed
        self.stream_interval = stream_interval
        self.faults = ProviderFaultState()
        self.limits = {
            (provider, model): RateLimit(offer.limits)
            for provider, seller in offers.providers.items()
            for model, offer in seller.models.items()
        }

    def _called(self, request: web.Request) -> str:
        """Return the name of the provider that a call is for: by its own URL, or by the path."""
        host = request.host.partition(":")[0]
        for name, seller in self.offers.providers.items():
            if seller.place is not None and host == seller.place[0] and request.path.startswith(f"{seller.place[1]}/"):
                return name
        return str(request.match_info.get("provider", ""))

    async def chat(self, request: web.Request) -> web.StreamResponse:
        name = self._called(request)
        seller = self.offers.providers.get(name)
        if seller is None:
            raise web.HTTPNotFound(text=f"no provider {name}; known: {', '.join(sorted(self.offers.providers))}")
        fault = self.faults.spend(name)
        if fault is not None and fault.stroke == "hang":
            await asyncio.Event().wait()
        try:
            sale = self._accept(name, seller, fault, request, await request.read())
        except _Refused as refused:
            return web.json_response(
                refused.answer.body, status=refused.answer.status, headers=dict(refused.answer.headers)
            )
        return await self._answer(request, sale)

    def _accept(
        self, name: str, seller: Seller, fault: ProviderFault | None, request: web.Request, raw: bytes
    ) -> _Sale:
        def no(kind: RefusalKind, retry_after_s: float | None = None, detail: str = "") -> _Refused:
            return _Refused(provider_refusal(seller.manners, kind, retry_after_s, detail))

        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if seller.api_key is not None and not hmac.compare_digest(key.encode(), seller.api_key.encode()):
            raise no("unauthorized")
        if fault is not None and fault.stroke == "refuse":
            raise no(fault.refusal, fault.retry_after_s)
        try:
            body = json.loads(raw)
            full_lengths = lengths_of(body)
        except (ValueError, TypeError, PromptError) as error:
            raise no("bad_request", detail=str(error)) from error
        offer = seller.models.get(str(body.get("model")))
        if offer is None:
            raise no("unknown_model", detail=f"The model `{body.get('model')}` does not exist.")
        cap = body.get("max_completion_tokens") or body.get("max_tokens")
        room = offer.context_tokens - full_lengths.prompt_tokens
        if room < 1 or (isinstance(cap, int) and cap > room):
            raise no("bad_request", detail=f"This model's maximum context length is {offer.context_tokens} tokens.")
        output_tokens = min(full_lengths.output_tokens, cap if isinstance(cap, int) else room)
        counted_tokens = full_lengths.prompt_tokens + (cap if isinstance(cap, int) else output_tokens)
        now_s = time.monotonic() * self.speed
        if wait_s := self.limits[name, body["model"]].admit(counted_tokens, now_s):
            raise no("rate_limited", retry_after_s=wait_s / self.speed)
        options = body.get("stream_options")
        return _Sale(
            name=f"{name}/{body['model']}",
            offer=offer,
            lengths=RequestLengths(full_lengths.prompt_tokens, output_tokens),
            finish_reason="stop" if output_tokens == full_lengths.output_tokens else "length",
            streamed=body.get("stream") is True,
            with_usage=isinstance(options, dict) and options.get("include_usage") is True,
            cut_after_tokens=fault.after_tokens if fault is not None and fault.stroke == "cut" else None,
        )

    async def _answer(self, request: web.Request, sale: _Sale) -> web.StreamResponse:
        started_s = time.monotonic()
        answer = AnswerSpelling(
            "chat", f"chatcmpl-api{next(_serial):08x}", sale.name.partition("/")[2], int(time.time())
        )
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        generated, output_tokens = 0, sale.lengths.output_tokens
        try:
            if sale.streamed:
                await response.prepare(request)
            while generated < output_tokens:
                tokens = 1 if generated == 0 else min(self.stream_interval, output_tokens - generated)
                if sale.cut_after_tokens is not None and generated + tokens > sale.cut_after_tokens:
                    if request.transport is not None:
                        request.transport.abort()
                    return response
                await self._until(started_s, sale.offer, generated + tokens)
                if sale.streamed:
                    head = answer.first_chunk() if generated == 0 else b""
                    await response.write(head + answer.chunk(filler(generated, tokens), None))
                generated += tokens
            if not sale.streamed:
                body = answer.whole(
                    filler(0, output_tokens), sale.finish_reason, sale.lengths.prompt_tokens, output_tokens
                )
                return web.Response(body=body, content_type="application/json")
            tail = answer.usage_chunk(sale.lengths.prompt_tokens, output_tokens) if sale.with_usage else b""
            await response.write(answer.chunk("", sale.finish_reason) + tail + DONE)
            await response.write_eof()
            return response
        except ConnectionResetError as error:  # the client left between two writes: the same as a cancelled request
            raise asyncio.CancelledError from error
        finally:  # also when the client has left: what was generated is billed
            self.ledger.enter_sale(sale.name, sale.offer.usd_per_mtok, sale.lengths.prompt_tokens, generated)

    async def _until(self, started_s: float, offer: Offer, tokens: int) -> None:
        """Sleep until token number `tokens` of an answer is due, measured from the answer's start."""
        due_s = started_s + (offer.ttft_ms + (tokens - 1) * offer.tpot_ms) / 1000 / self.speed
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))

    async def models(self, request: web.Request) -> web.Response:
        seller = self.offers.providers.get(request.match_info["provider"])
        if seller is None:
            raise web.HTTPNotFound(text="no such provider")
        cards = [{"id": name, "object": "model", "owned_by": "twin"} for name in sorted(seller.models)]
        return web.json_response({"object": "list", "data": cards})

    async def show_ledger(self, _: web.Request) -> web.Response:
        return web.json_response(self.ledger.document())

    async def strike(self, request: web.Request) -> web.Response:
        try:
            fault = ProviderFault.model_validate_json(await request.read())
        except ValidationError as error:
            return web.json_response({"error": {"message": str(error)}}, status=400)
        if fault.provider not in self.offers.providers:
            known = ", ".join(sorted(self.offers.providers))
            return web.json_response(
                {"error": {"message": f"no provider {fault.provider}; known: {known}"}}, status=400
            )
        self.faults.apply(fault)
        return web.json_response(fault.model_dump())

    async def heal(self, _: web.Request) -> web.Response:
        self.faults.clear()
        return web.json_response({})
