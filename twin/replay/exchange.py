"""One HTTP/1.1 connection that sends a request and times the answer, at a few microseconds an event.

It is a client's socket, not an HTTP library: POST only, bodies by `Content-Length` or chunks, keep-alive. A load
generator that shares two cores with what it measures must cost less than that; aiohttp's client costs more a request
than the gateway itself.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import cast

TAIL_BYTES = 2048
"""Bytes that are kept of every body's end: the usage event and `[DONE]`, or an error document."""

_COMPLETION_TOKENS = re.compile(rb'"completion_tokens": ?(\d+)')


class BrokenAnswer(Exception):
    """The connection ended, or spoke something else than HTTP/1.1, before the answer was whole."""


@dataclass
class TimedAnswer:
    """A timed answer is what came back. Times are `time.monotonic` seconds.

    first_event_s: time of the first event, None when no event or body arrived.
    tail: the last bytes of the body.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    first_event_s: float | None = None
    last_byte_s: float | None = None
    tail: bytes = b""

    @property
    def completion_tokens(self) -> int | None:
        """Return the tokens by the answer's own usage, the last one stated."""
        counts = _COMPLETION_TOKENS.findall(self.tail)
        return int(counts[-1]) if counts else None

    @property
    def whole(self) -> bool:
        """Tell whether a 200 answer reached its end without an error event."""
        if self.status != 200 or b'"error":' in self.tail:
            return False
        streamed = self.headers.get("content-type", "").startswith("text/event-stream")
        return not streamed or b"data: [DONE]" in self.tail


class Connection(asyncio.Protocol):
    """A connection carries one exchange at a time. `reusable` says whether the next may follow."""

    def __init__(self) -> None:
        self.reusable = True
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._answer = TimedAnswer()
        self._answer_future: asyncio.Future[TimedAnswer] | None = None
        self._buffer = b""
        self._in_body = False
        self._left: int | None = None
        """Bytes to the end of the body or of the current chunk; None when a chunk size is next."""
        self._chunked = False

    @property
    def at_rest(self) -> bool:
        """Tell whether no exchange is under way."""
        return self._answer_future is None or (self._answer_future.done() and not self._answer_future.cancelled())

    async def post(self, head: bytes, body: bytes) -> TimedAnswer:
        """Send a request and wait for the whole answer. Raises BrokenAnswer (with `.args[1]` the part that came)."""
        assert self._transport is not None
        self._answer, self._buffer, self._in_body = TimedAnswer(), b"", False
        self._answer_future = self._loop.create_future()
        self._transport.write(head + body)
        return await self._answer_future

    def close(self) -> None:
        """Drop the connection, whatever it is doing."""
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has the methods but not the base class

    def connection_lost(self, exc: Exception | None) -> None:
        self.reusable = False
        if self._answer_future is not None and not self._answer_future.done():
            self._answer_future.set_exception(BrokenAnswer(str(exc or "the connection was closed"), self._answer))

    def data_received(self, data: bytes) -> None:
        if self._answer_future is None or self._answer_future.done():
            return
        now_s = time.monotonic()  # uvloop's own clock counts whole milliseconds
        self._buffer = self._buffer + data if self._buffer else data
        try:
            if not self._in_body and not self._read_head():
                return
            body, ended = self._read_body()
        except ValueError as error:
            self._answer_future.set_exception(BrokenAnswer(f"not HTTP/1.1: {error}", self._answer))
            self.close()
            return
        answer = self._answer
        if body:
            answer.last_byte_s = now_s
            if answer.first_event_s is None and (answer.status != 200 or not body.startswith(b":")):
                answer.first_event_s = now_s
            answer.tail = (answer.tail + body)[-TAIL_BYTES:]
        if ended:
            self._answer_future.set_result(answer)

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        status_line, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        self._buffer = self._buffer[end + 4 :]
        version, status, *_ = status_line.split(" ")
        if version != "HTTP/1.1":
            raise ValueError(status_line)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self._answer.status, self._answer.headers = int(status), headers
        self._chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        self._left = None if self._chunked else int(headers.get("content-length", "0"))
        if headers.get("connection", "").lower() == "close":
            self.reusable = False
        self._in_body = True
        return True

    def _read_body(self) -> tuple[bytes, bool]:
        """Return the body bytes that can be read now, and whether they are the last."""
        if not self._chunked:
            assert self._left is not None
            body, self._buffer = self._buffer[: self._left], self._buffer[self._left :]
            self._left -= len(body)
            return body, self._left == 0
        parts: list[bytes] = []
        while True:
            if self._left is None:
                size, separator, rest = self._buffer.partition(b"\r\n")
                if not separator:
                    break
                length = int(size.split(b";")[0], 16)
                if length == 0:
                    if not rest.startswith(b"\r\n"):  # the empty line after the last chunk (no trailers) is under way
                        break
                    self._buffer = b""
                    return b"".join(parts), True
                self._left, self._buffer = length + 2, rest
            if len(self._buffer) < self._left:
                break
            parts.append(self._buffer[: self._left - 2])
            self._buffer, self._left = self._buffer[self._left :], None
        return b"".join(parts), False
