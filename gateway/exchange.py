"""One request from arrival to last byte: what was tried, what was used, and the line that records it.

It stands for the accounting of a request. Every attempt is recorded and billed, also those that were given up. The
audit line holds names, counts, times and dollars; it holds no prompt, no answer and no secret.
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass, field
from typing import Any

from gateway.account import NANO_PER_USD, Usage, nano_usd
from gateway.bodies import BodyLease
from gateway.keys import Client
from gateway.policy import Band, Route, TokenPrice
from gateway.request import ChatRequest
from gateway.spill import Trigger

Clock = time.monotonic

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


def new_request_id() -> str:
    """An id of the gateway's own: 128 random bits in hexadecimal."""
    return f"{random.getrandbits(128):032x}"


@dataclass(eq=False)
class Attempt:
    """One call of one backend (`pool/NAME` or `api/NAME`); `price` None: tokens are counted, dollars are not.

    `outcome`: a trigger's or a stream end's word, `ok`, `client_error` or `cancelled`.
    """

    backend: str
    price: TokenPrice | None
    started: float
    ended: float | None = None
    status: int | None = None
    outcome: str = "cancelled"
    usage: Usage | None = None

    @property
    def nano_usd(self) -> int:
        """What the attempt cost in nano-dollars."""
        return nano_usd(self.usage, self.price) if self.usage is not None and self.price is not None else 0


@dataclass(eq=False)
class Exchange:
    """The life of one request; `started` and all later times are seconds of the monotonic clock.

    `request_id` may be the client's own words; `api_request_id` never is, so it is the one that an API is told.
    `retry_after_s`: the longest time that a saturated API asked for.
    """

    request_id: str
    started: float
    api_request_id: str = field(default_factory=new_request_id)
    client: Client | None = None
    route_name: str = "-"
    route: Route | None = None
    band: Band | None = None
    request: ChatRequest | None = None
    input_tokens: int = 0
    body_bytes: int = 0
    lease: BodyLease | None = None
    attempts: list[Attempt] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)
    spill_reason: Trigger | None = None
    served_by: str | None = None
    queued_s: float = 0.0
    first_byte: float | None = None
    ended: float | None = None
    retry_after_s: float = 0.0
    status: int = 0
    outcome: str = "client_gone"

    def open_attempt(self, backend: str, price: TokenPrice | None) -> Attempt:
        """Record that a backend is called now."""
        attempt = Attempt(backend, price, Clock())
        self.attempts.append(attempt)
        return attempt

    def forget_body(self) -> None:
        """Free the prompt and its share of the memory for bodies."""
        if self.request is not None:
            self.request.forget_body()
        if self.lease is not None:
            self.lease.release()

    def seconds_left(self) -> float:
        """Time until the route's deadline; negative when it has passed."""
        assert self.route is not None
        return self.started + self.route.deadline_ms / 1000 - Clock()

    def overhead_s(self) -> float | None:
        """The gateway's own time before the first call of a backend, waiting in the queue not counted."""
        return max(0.0, self.attempts[0].started - self.started - self.queued_s) if self.attempts else None

    def headers(self) -> dict[str, str]:
        """What every answer says of how it came about."""
        headers = {"X-Request-Id": self.request_id}
        if self.served_by is not None:
            headers["X-Spillway-Served-By"] = self.served_by
            if self.spill_reason is not None and self.served_by.startswith("api/"):
                headers["X-Spillway-Spill-Reason"] = self.spill_reason.value
        return headers

    def audit_line(self, wall_clock_s: float) -> str:
        """The request as one line of JSON. `wall_clock_s`: Unix time of the end."""
        total = sum(attempt.nano_usd for attempt in self.attempts)
        line: dict[str, Any] = {
            "time": round(wall_clock_s, 3),
            "request_id": self.request_id,
            "api_request_id": self.api_request_id,
            "client": self.client.id if self.client else None,
            "route": self.route_name,
            "privacy": self.route.privacy if self.route else None,
            "band": self.band.max_input_tokens if self.band else None,
            "stream": self.request.stream if self.request else None,
            "body_bytes": self.body_bytes,
            "input_tokens_estimate": self.input_tokens,
            "status": self.status,
            "outcome": self.outcome,
            "served_by": self.served_by,
            "spill_reason": self.spill_reason,
            "nano_usd": total,
            "usd": f"{total / NANO_PER_USD:.9f}",
            "queued_ms": _ms(self.queued_s),
            "first_byte_ms": _ms(self.first_byte - self.started) if self.first_byte is not None else None,
            "total_ms": _ms(self.ended - self.started) if self.ended is not None else None,
            "attempts": [_attempt_line(attempt) for attempt in self.attempts],
        }
        return _ENCODE(line)


def _attempt_line(attempt: Attempt) -> dict[str, Any]:
    usage = attempt.usage
    return {
        "backend": attempt.backend,
        "outcome": attempt.outcome,
        "status": attempt.status,
        "ms": _ms(attempt.ended - attempt.started) if attempt.ended is not None else None,
        "input_tokens": usage.input_tokens if usage else None,
        "cached_tokens": usage.cached_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "estimated": usage.estimated if usage else None,
        "nano_usd": attempt.nano_usd,
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
