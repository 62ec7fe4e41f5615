"""One attempt at one backend: send a request, and tell what came back before anything is committed.

This is the client side of HTTP. It follows no redirect, trusts no proxy of the environment, and sends an allow-list of
headers with a body that we wrote ourselves. It closes the connection of every attempt that is given up, so that the
backend stops working on it. It retries nothing and decides nothing; `spill` does.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp

from gateway.settings import KIB, GatewaySettings
from gateway.spill import FirstEvent, Lost, Signal, Status, Trigger
from gateway.sse import DONE, EventSplitter, EventTooLong, error_code, event_payload

_ERROR_BODY_BYTES = 64 * KIB
_TOO_LONG_WORDS = ("context_length_exceeded", "maximum context length", "maximum model length")


@dataclass(frozen=True)
class UpstreamCall:
    """A call says what to send: the full URL, the headers and the body.

    server_name: name that the certificate of the server must have; None takes the host of the URL.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    server_name: str | None = None


@dataclass(frozen=True)
class Patience:
    """The patience says how long to wait, and what the end of that time means.

    seconds: time for a whole answer or for a first event.
    trigger: what it means when that time is over.
    """

    seconds: float
    trigger: Literal[Trigger.SLOW, Trigger.DEADLINE]


@dataclass(frozen=True)
class UpstreamAnswer:
    """An upstream answer is a complete HTTP answer.

    document: the JSON object of the body, None if the body is none.
    retry_after: the header `Retry-After` as it came.
    """

    status: int
    body: bytes
    document: dict[str, Any] | None
    retry_after: str | None = None


@dataclass(frozen=True)
class OpenStream:
    """An open stream is one whose first event is here. The caller must `close()` it.

    blocks: the events that were read so far.
    first_payload: data of the first event that has any.
    """

    response: aiohttp.ClientResponse
    splitter: EventSplitter
    blocks: tuple[bytes, ...]
    first_payload: bytes

    def close(self) -> None:
        """Drop the connection unless the stream was read to its end."""
        self.response.release() if self.response.content.at_eof() else self.response.close()


UpstreamOutcome = UpstreamAnswer | OpenStream | Lost


def open_session(settings: GatewaySettings, trust: ssl.SSLContext | None = None) -> aiohttp.ClientSession:
    """Open a client without cookies, proxies, redirects or a limit on connections; the gate is the limit.

    trust: whose certificates are taken; None trusts the authorities of the system.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=settings.idle_connection_s, ssl=trust or True),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.connect_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        headers={"User-Agent": "spillway-gateway"},
    )


async def ask_whole(
    session: aiohttp.ClientSession, call: UpstreamCall, patience: Patience, settings: GatewaySettings
) -> UpstreamOutcome:
    """Send a request whose answer is one JSON document, and read all of it."""
    return await _outcome_within(_ask_whole(session, call, settings), patience)


async def ask_stream(
    session: aiohttp.ClientSession, call: UpstreamCall, patience: Patience, settings: GatewaySettings
) -> UpstreamOutcome:
    """Send a request whose answer is a stream, and read up to its first event with data.

    Headers and comments (`: keep-alive`) do not count as a first event. An answer other than 200 is read whole.
    """
    return await _outcome_within(_ask_stream(session, call, settings), patience)


def signal_of(outcome: UpstreamOutcome) -> Signal:
    """Say the outcome in the words of the decision table."""
    match outcome:
        case Lost():
            return outcome
        case OpenStream(first_payload=payload):
            return FirstEvent(_claimed_error(payload))
        case UpstreamAnswer(status=200, document=None):
            return Lost(Trigger.BAD_ANSWER)
        case UpstreamAnswer(status=200, document=dict(document)) if document.get("error"):
            return FirstEvent(error_code(document["error"]))
        case UpstreamAnswer(status=status, body=body):
            return Status(status, too_long=status == 400 and _speaks_of_length(body))


async def _outcome_within(work: Any, patience: Patience) -> UpstreamOutcome:
    """Run one attempt under its patience. Every way to fail becomes a `Lost`."""
    try:
        async with asyncio.timeout(patience.seconds):
            outcome: UpstreamOutcome = await work
            return outcome
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        return Lost(Trigger.CONNECT)
    except TimeoutError:
        return Lost(patience.trigger)
    except (EventTooLong, _AnswerTooLong):
        return Lost(Trigger.BAD_ANSWER)
    except (aiohttp.ClientError, OSError):
        return Lost(Trigger.RESET)


async def _ask_whole(session: aiohttp.ClientSession, call: UpstreamCall, settings: GatewaySettings) -> UpstreamOutcome:
    async with await _post(session, call) as response:
        return await _read_answer(response, settings.answer_bytes)


async def _ask_stream(session: aiohttp.ClientSession, call: UpstreamCall, settings: GatewaySettings) -> UpstreamOutcome:
    response = await _post(session, call)
    try:
        if response.status != 200:
            async with response:
                return await _read_answer(response, _ERROR_BODY_BYTES)
        if response.content_type != "text/event-stream":
            response.close()
            return Lost(Trigger.BAD_ANSWER)
        return await _read_first_event(response, settings)
    except BaseException:
        response.close()
        raise


async def _post(session: aiohttp.ClientSession, call: UpstreamCall) -> aiohttp.ClientResponse:
    return await session.post(
        call.url, data=call.body, headers=call.headers, allow_redirects=False, server_hostname=call.server_name
    )


async def _read_first_event(response: aiohttp.ClientResponse, settings: GatewaySettings) -> UpstreamOutcome:
    splitter = EventSplitter(settings.event_bytes)
    blocks: list[bytes] = []
    while chunk := await response.content.readany():
        fresh = splitter.feed(chunk)
        blocks += fresh
        payload = next(filter(None, map(event_payload, fresh)), b"")
        if payload == DONE:
            break
        if payload:
            return OpenStream(response, splitter, tuple(blocks), payload)
    response.close()
    return Lost(Trigger.BAD_ANSWER)


class _AnswerTooLong(Exception):
    """An answer exceeds the size limit."""


async def _read_answer(response: aiohttp.ClientResponse, limit_bytes: int) -> UpstreamAnswer:
    parts: list[bytes] = []
    size = 0
    while part := await response.content.readany():
        size += len(part)
        if size > limit_bytes:
            raise _AnswerTooLong
        parts.append(part)
    body = b"".join(parts)
    return UpstreamAnswer(response.status, body, _json_object(body), response.headers.get("Retry-After"))


def _claimed_error(payload: bytes) -> int | None:
    if b'"error"' not in payload:
        return None
    document = _json_object(payload)
    error = document.get("error") if document else None
    return error_code(error) if error else None


def _speaks_of_length(body: bytes) -> bool:
    text = body.decode(errors="replace").lower()
    return any(words in text for words in _TOO_LONG_WORDS)


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
