"""Answers of the gateway itself, in the shape of OpenAI's errors.

Every sentence that a client reads from us instead of from a backend has this shape. Nothing here quotes a backend.
"""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(eq=False)  # not frozen: Python itself writes an exception's traceback
class Refusal(Exception):
    """A refusal is an error with which the gateway itself answers a request.

    status: HTTP status.
    code: machine-readable code.
    message: sentence for a person.
    param: field of the request that is to blame, if one is.
    retry_after_s: time after which the client may try again, seconds.
    """

    status: int
    code: str
    message: str
    param: str | None = None
    retry_after_s: float | None = None

    def body(self) -> bytes:
        """Return the JSON document `{"error": {...}}`."""
        return json.dumps({"error": self._error()}).encode()

    def event(self) -> bytes:
        """Return the same document as one event of a stream."""
        return b"data: " + self.body() + b"\n\n"

    def _error(self) -> dict[str, object]:
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"message": self.message, "type": kind, "param": self.param, "code": self.code}
