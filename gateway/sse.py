"""Server-sent events, passed through event by event and byte by byte.

This is the stream between a backend and a client. `EventSplitter` cuts bytes at event boundaries without changing them.
`EventLedger` reads what the gateway must know (usage, an error, the end), and takes usage out when the client did not
ask for it. The module opens no connection and decides nothing about spilling.

The source is WHATWG's HTML standard, "Server-sent events", on parsing an event stream: lines end with LF, CR or CRLF,
and an empty line ends an event.
"""

from __future__ import annotations

import json
import re
from typing import Any

from gateway.account import Usage, usage_of

DONE = b"[DONE]"

_BOUNDARY = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?!\n))")
_ERROR_NAME = re.compile(rb"(?:^|[\r\n])event: ?error[\r\n]")
_LINE_END = re.compile(rb"\r\n|\n|\r")


class EventTooLong(Exception):
    """An event grew beyond the limit without an end."""


class EventSplitter:
    """A splitter cuts a byte stream after each empty line.

    Blocks and `rest()` joined are the input, however it was chunked.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._pending = b""
        self._carriage_returns = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the events that `chunk` completes, each with its empty line. Raises EventTooLong."""
        self._carriage_returns = self._carriage_returns or b"\r" in chunk
        text = self._pending + chunk if self._pending else chunk
        blocks = self._cut_any(text) if self._carriage_returns else self._cut_lf(text)
        if len(self._pending) > self._limit_bytes:
            raise EventTooLong
        return blocks

    def rest(self) -> bytes:
        """Return what came after the last empty line."""
        return self._pending

    def _cut_lf(self, text: bytes) -> list[bytes]:
        *bodies, self._pending = text.split(b"\n\n")
        return [body + b"\n\n" for body in bodies]

    def _cut_any(self, text: bytes) -> list[bytes]:
        blocks = []
        start = 0
        # A CR at the very end may be half of a CRLF: it is judged when the next byte is here.
        stop = len(text) - 1 if text.endswith(b"\r") else len(text)
        while (match := _BOUNDARY.search(text, start)) is not None and match.end() <= stop:
            blocks.append(text[start : match.end()])
            start = match.end()
        self._pending = text[start:]
        return blocks


def event_payload(block: bytes) -> bytes:
    """Return the `data` of an event: its data lines joined by LF. It is empty for comments and events without data."""
    if block.startswith(b"data: ") and block.find(b"\n") == len(block) - 2 and b"\r" not in block:
        return block[6:-2]  # the form that every backend sends: one data line, LF LF
    lines = []
    for line in _LINE_END.split(block):
        if line == b"data" or line.startswith(b"data:"):
            lines.append(line[5:].removeprefix(b" "))
    return b"\n".join(lines)


class EventLedger:
    """A ledger reads the events of one answer, and says what of each goes to the client. After the stream, it tells the
    rest.

    usage_asked: whether the client asked for usage itself.
    usage: what the backend reported, None if nothing.
    error_code: code of an error event; 0 if it had none, None without an error event.
    done: whether `[DONE]` came.
    data_events: events with data that came before `[DONE]`.
    """

    def __init__(self, usage_asked: bool) -> None:
        self._usage_asked = usage_asked
        self.usage: Usage | None = None
        self.error_code: int | None = None
        self.done = False
        self.data_events = 0

    def pass_on(self, block: bytes) -> bytes:
        """Return what of one event goes to the client.

        That is all of it, all but usage, or nothing (`[DONE]` after an error).
        """
        payload = event_payload(block)
        if not payload:
            return block
        if payload == DONE:
            self.done = True
            return block if self.error_code is None else b""
        self.data_events += 1
        if not block.startswith(b"data:") and b"error" in block and _ERROR_NAME.search(block):
            self.error_code = 0
        # Inside JSON text a quote is escaped, so these tokens are found in no answer's words.
        if b'"usage"' not in payload and b'"error"' not in payload:
            return block
        document = _json_object(payload)
        if document.get("error"):
            self.error_code = error_code(document["error"])
        return self._without_usage(block, document) if "usage" in document else block

    def _without_usage(self, block: bytes, document: dict[str, Any]) -> bytes:
        usage = usage_of(document["usage"])
        if usage is not None:
            self.usage = usage
        if self._usage_asked:
            return block
        if usage is not None and not document.get("choices"):
            self.data_events -= 1
            return b""
        rest = {name: value for name, value in document.items() if name != "usage"}
        return b"data: " + json.dumps(rest, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def error_code(error: object) -> int:
    """Return the HTTP status that an error object claims in `code` or `status`; 0 if it claims none."""
    if not isinstance(error, dict):
        return 0
    for name in ("code", "status", "status_code"):
        value = error.get(name)
        if isinstance(value, str) and value.isdigit():
            value = int(value)
        if isinstance(value, int) and 400 <= value < 600:
            return value
    return 0


def _json_object(payload: bytes) -> dict[str, Any]:
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return {}  # passed on as it is; what cannot be read here is the client's to judge
    return document if isinstance(document, dict) else {}
