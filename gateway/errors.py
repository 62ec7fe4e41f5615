"""Answers of the gateway itself, in the shape of OpenAI's errors.

It stands for every sentence that a client reads from us instead of from a backend. Nothing here quotes a backend.
"""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(eq=False)  # not frozen: Python itself writes an exception's traceback
class Refusal(Exception):
    """A request that is answered by the gateway: HTTP status, machine-readable code, sentence, blamed field."""

    status: int
    code: str
    message: str
    param: str | None = None
    retry_after_s: float | None = None

    def body(self) -> bytes:
        """The JSON document `{"error": {...}}`."""
        return json.dumps({"error": self._error()}).encode()

    def event(self) -> bytes:
        """The same as one event of a stream."""
        return b"data: " + self.body() + b"\n\n"

    def _error(self) -> dict[str, object]:
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"message": self.message, "type": kind, "param": self.param, "code": self.code}
