"""The HTTP face of one replica: vLLM's OpenAI server as far as a gateway can tell, and the twin's fault switch.

Every refusal that vLLM makes before streaming (unknown model, context length, full queue) leaves as a plain status.
After the headers, only the stream itself can fail. `n` above 1 is refused: the twin answers one choice a request.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from dataclasses import replace
from typing import Any, Literal

from aiohttp import web
from pydantic import ValidationError

from twin.engine.faults import BrokenStreams, ReplicaFaults
from twin.engine.prompt import PromptError, RequestLengths, lengths_of
from twin.engine.replica import EngineReplica, ReplicaQueueFull, Ticket
from twin.engine.wire import DONE, AnswerSpelling, FinishReason, error_body, event, filler, model_list

MAX_BODY_BYTES = 64 * 2**20
VLLM_VERSION = "0.33.0"

_serial = itertools.count(1)


class _Refusal(Exception):
    """The answer is an error, before any byte of a stream."""

    def __init__(self, status: int, message: str, kind: str | None = None) -> None:
        self.status = status
        self.body = error_body(status, message, kind)
        super().__init__(message)


def application(replica: EngineReplica) -> web.Application:
    """Build the routes of one replica."""
    server = _Server(replica)
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_post("/v1/chat/completions", server.chat)
    app.router.add_post("/v1/completions", server.text)
    app.router.add_get("/v1/models", server.models)
    app.router.add_get("/health", server.health)
    app.router.add_get("/version", server.version)
    app.router.add_get("/metrics", server.metrics)
    app.router.add_get("/twin/state", server.state)
    app.router.add_post("/twin/faults", server.strike)
    app.router.add_delete("/twin/faults", server.heal)
    return app


class _Server:
    def __init__(self, replica: EngineReplica) -> None:
        self.replica = replica
        self.started_s = int(time.time())

    # -- inference -----------------------------------------------------------------------------------------------------

    async def chat(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, "chat")

    async def text(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, "text")

    async def _answer(self, request: web.Request, kind: Literal["chat", "text"]) -> web.StreamResponse:
        try:
            body = _json_object(await request.read())
            lengths, finish_reason = self._judge(body)
            streamed = body.get("stream") is True
            try:
                ticket = self.replica.submit(lengths.prompt_tokens, lengths.output_tokens, streamed)
            except ReplicaQueueFull as full:
                raise _Refusal(503, str(full), "ServiceUnavailableError") from full
        except _Refusal as refusal:
            return web.json_response(refusal.body, status=refusal.status)
        prefix = "chatcmpl" if kind == "chat" else "cmpl"
        answer = AnswerSpelling(kind, f"{prefix}-twin{next(_serial):08x}", body["model"], int(time.time()))
        cut = self.replica.faults.spend_cut()
        try:
            if streamed:
                options = body.get("stream_options") or {}
                with_usage = isinstance(options, dict) and options.get("include_usage") is True
                return await self._stream(request, ticket, answer, finish_reason, with_usage, cut)
            return await self._whole(request, ticket, answer, finish_reason, cut)
        except ConnectionResetError as error:  # the client left between two writes: the same as a cancelled request
            raise asyncio.CancelledError from error
        finally:
            ticket.leave()

    def _judge(self, body: dict[str, Any]) -> tuple[RequestLengths, FinishReason]:
        """Return the lengths of the answer to come. Raises the refusal that vLLM would give."""
        status = self.replica.faults.spend_refusal()
        if status is not None:
            raise _Refusal(status, "EngineCore encountered an issue. See stack trace (above) for the root cause.")
        clock = self.replica.clock
        if body.get("model") not in (clock.model, *clock.adapters):
            raise _Refusal(404, f"The model `{body.get('model')}` does not exist.", "NotFoundError")
        if body.get("n") not in (None, 1):
            raise _Refusal(400, "n above 1 is not served here: send one request a choice", "BadRequestError")
        try:
            full_lengths = lengths_of(body)
        except PromptError as error:
            raise _Refusal(400, str(error), "BadRequestError") from error
        cap = body.get("max_completion_tokens") or body.get("max_tokens")
        if cap is not None and (not isinstance(cap, int) or isinstance(cap, bool) or cap < 1):
            raise _Refusal(400, f"max_tokens must be at least 1, got {cap}.", "BadRequestError")
        kept = body.get("truncate_prompt_tokens")
        if isinstance(kept, int) and not isinstance(kept, bool) and kept >= 1:
            full_lengths = replace(full_lengths, prompt_tokens=min(full_lengths.prompt_tokens, kept))
        room = clock.max_model_len - full_lengths.prompt_tokens
        if room < (cap or 1):
            raise _Refusal(
                400,
                f"This model's maximum context length is {clock.max_model_len} tokens. However, your request has "
                f"{full_lengths.prompt_tokens} input tokens and asks for {cap or 1} output tokens. "
                "Please reduce either.",
                "BadRequestError",
            )
        output_tokens = min(full_lengths.output_tokens, cap if cap is not None else room)
        return (
            RequestLengths(full_lengths.prompt_tokens, output_tokens),
            "stop" if output_tokens == full_lengths.output_tokens else "length",
        )

    async def _stream(
        self,
        request: web.Request,
        ticket: Ticket,
        answer: AnswerSpelling,
        finish_reason: FinishReason,
        with_usage: bool,
        cut: BrokenStreams | None,
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        sent_tokens = 0
        async for emission in ticket:
            head = answer.first_chunk() if sent_tokens == 0 else b""
            if cut is not None and sent_tokens + emission.tokens > cut.after_tokens:
                return await self._break(request, response, cut)
            text = filler(sent_tokens, emission.tokens)
            sent_tokens += emission.tokens
            if not emission.finished:
                await response.write(head + answer.chunk(text, None))
                continue
            self.replica.metrics.count_finish(ticket.sequence, finish_reason)
            tail = answer.usage_chunk(ticket.sequence.prompt_tokens, sent_tokens) if with_usage else b""
            await response.write(head + answer.chunk(text, finish_reason) + tail + DONE)
        await response.write_eof()
        return response

    async def _break(
        self, request: web.Request, response: web.StreamResponse, cut: BrokenStreams
    ) -> web.StreamResponse:
        self.replica.metrics.finished["error"].inc()
        if cut.manner == "reset":
            _abort(request)
            return response
        await response.write(
            event(error_body(500, "EngineCore died while it generated.", "InternalServerError")) + DONE
        )
        await response.write_eof()
        return response

    async def _whole(
        self,
        request: web.Request,
        ticket: Ticket,
        answer: AnswerSpelling,
        finish_reason: FinishReason,
        cut: BrokenStreams | None,
    ) -> web.StreamResponse:
        tokens = 0
        async for emission in ticket:
            tokens += emission.tokens
            if cut is not None and tokens > cut.after_tokens:
                _abort(request)
                return web.Response()
        self.replica.metrics.count_finish(ticket.sequence, finish_reason)
        body = answer.whole(filler(0, tokens), finish_reason, ticket.sequence.prompt_tokens, tokens)
        return web.Response(body=body, content_type="application/json")

    # -- everything else -----------------------------------------------------------------------------------------------

    async def models(self, _: web.Request) -> web.Response:
        clock = self.replica.clock
        return web.json_response(model_list(clock.model, clock.max_model_len, self.started_s, clock.adapters))

    async def health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": VLLM_VERSION})

    async def metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=self.replica.metrics.exposition(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    async def state(self, _: web.Request) -> web.Response:
        scheduler = self.replica.scheduler
        return web.json_response(
            {
                "pool": self.replica.clock.pool,
                "now_ms": self.replica.now_ms,
                "steps": scheduler.steps,
                "running": scheduler.running,
                "waiting": scheduler.waiting,
                "kv_tokens_used": scheduler.kv_tokens_used,
                "preemptions": scheduler.preemptions,
                "slow_down": scheduler.slow_down,
                "hanging": self.replica.hanging,
            }
        )

    async def strike(self, request: web.Request) -> web.Response:
        try:
            faults = ReplicaFaults.model_validate_json(await request.read())
        except ValidationError as error:
            return web.json_response(error_body(400, str(error)), status=400)
        self.replica.strike(faults)
        return web.json_response(faults.model_dump(exclude_none=True))

    async def heal(self, _: web.Request) -> web.Response:
        self.replica.heal()
        return web.json_response({})


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise _Refusal(400, f"the body is not JSON: {error}", "BadRequestError") from error
    if not isinstance(body, dict):
        raise _Refusal(400, "the body must be a JSON object", "BadRequestError")
    return body


def _abort(request: web.Request) -> None:
    """Reset the client's connection without an end of stream."""
    if request.transport is not None:
        request.transport.abort()
