"""From the commit to the last byte: what the client receives of a backend's answer.

After the commit nothing switches any more. Events go out in order and unchanged, usage apart; a cut stream ends with an
error event and without `[DONE]`. No header of a backend goes to the client.
"""

from __future__ import annotations

import asyncio

import aiohttp
from aiohttp import web

from gateway.account import Usage, estimated_stream_usage, usage_of
from gateway.exchange import Attempt, Exchange, monotonic_s
from gateway.forward import OpenStream, UpstreamAnswer
from gateway.settings import GatewaySettings
from gateway.spill import CLIENT_MISTAKES, StreamEnd, closing_event
from gateway.sse import DONE, EventLedger, EventTooLong, error_code, event_payload

_STREAM_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class ClientTooSlow(Exception):
    """The client did not read in time."""


def answer_whole(exchange: Exchange, attempt: Attempt, answer: UpstreamAnswer, reserve: Usage) -> web.Response:
    """Answer the client with the backend's JSON. `reserve` is booked if a good answer reports no usage."""
    exchange.first_byte_s = monotonic_s()
    status = answer.status
    if status == 200 and answer.document is not None and answer.document.get("error"):
        status = error_code(answer.document["error"])
    if status == 200 and answer.document is not None:
        attempt.usage = usage_of(answer.document.get("usage")) or reserve
        attempt.outcome = exchange.outcome = "ok"
    else:
        attempt.usage = None
        attempt.outcome = exchange.outcome = "client_error"
    exchange.status = status
    return web.Response(status=status, body=answer.body, content_type="application/json", headers=exchange.headers())


async def relay_stream(
    http: web.Request, exchange: Exchange, attempt: Attempt, stream: OpenStream, settings: GatewaySettings
) -> web.StreamResponse:
    """Commit a stream and pass it on to its end. Raises ClientTooSlow, or CancelledError when the client left."""
    assert exchange.request is not None
    ledger = EventLedger(exchange.request.usage_asked)
    opening = b"".join(map(ledger.pass_on, stream.blocks))
    if ledger.error_code in CLIENT_MISTAKES:
        return _mistake_response(exchange, attempt, stream, ledger.error_code or 400)
    response = web.StreamResponse(headers=_STREAM_HEADERS | exchange.headers())
    exchange.status = 200
    try:
        async with asyncio.timeout(settings.client_write_s) as limit:
            exchange.forget_body()
            await response.prepare(http)
            exchange.first_byte_s = monotonic_s()
            end = await _pump(response, stream, ledger, opening, limit, settings)
            limit.reschedule(asyncio.get_running_loop().time() + settings.client_write_s)
            closing = closing_event(end)
            if closing is not None:
                await response.write(closing.event())
            await response.write_eof()
    except ConnectionError:
        raise asyncio.CancelledError from None  # the client left while we wrote; the same as a cancelled request
    except TimeoutError:
        attempt.outcome = exchange.outcome = "client_slow"
        raise ClientTooSlow from None
    else:
        attempt.outcome = end.value if end is not StreamEnd.DONE else "ok"
        exchange.outcome = "ok" if end is StreamEnd.DONE else "cut"
        return response
    finally:
        attempt.usage = ledger.usage or estimated_stream_usage(exchange.input_tokens, ledger.data_events)
        stream.close()


async def _pump(
    response: web.StreamResponse,
    stream: OpenStream,
    ledger: EventLedger,
    opening: bytes,
    limit: asyncio.Timeout,
    settings: GatewaySettings,
) -> StreamEnd:
    """Pass events on until the backend ends. `limit` is the client's time to read while we write."""
    now = asyncio.get_running_loop().time
    await response.write(opening)
    content = stream.response.content
    while True:
        limit.reschedule(None)
        try:
            async with asyncio.timeout(settings.chunk_idle_s):
                chunk = await content.readany()
        except TimeoutError:
            return _end(ledger, StreamEnd.IDLE)
        except (aiohttp.ClientError, OSError):
            return _end(ledger, StreamEnd.CUT)
        if not chunk:
            break
        try:
            outgoing = b"".join(map(ledger.pass_on, stream.splitter.feed(chunk)))
        except EventTooLong:
            return StreamEnd.BAD_EVENT
        if outgoing:
            limit.reschedule(now() + settings.client_write_s)
            await response.write(outgoing)
    rest = stream.splitter.rest()
    if event_payload(rest) == DONE:  # a last line without its empty line
        await response.write(ledger.pass_on(rest))
    return _end(ledger, StreamEnd.CUT)


def _end(ledger: EventLedger, stopped: StreamEnd) -> StreamEnd:
    """Say how the answer ended: the events tell first, and only then the way in which the bytes `stopped`."""
    if ledger.error_code is not None:
        return StreamEnd.ERROR_EVENT
    return StreamEnd.DONE if ledger.done else stopped


def _mistake_response(exchange: Exchange, attempt: Attempt, stream: OpenStream, status: int) -> web.Response:
    """Answer a stream whose first event says that the request is wrong. Nothing is committed yet, so it is a plain
    error."""
    stream.close()
    attempt.usage = None
    attempt.outcome = exchange.outcome = "client_error"
    exchange.status = status
    headers = exchange.headers()
    return web.Response(status=status, body=stream.first_payload, content_type="application/json", headers=headers)
