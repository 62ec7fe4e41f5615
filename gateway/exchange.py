"""One request from its arrival to its last byte: what was tried, what was used, and the line that records it.

This module keeps the account of a request. Every attempt is recorded and billed, also one that was given up. The audit
line holds names, counts, times and dollars; it holds no prompt, no answer and no secret.
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
from gateway.policy import BandPolicy, RoutePolicy, TokenPrice
from gateway.request import ChatRequest
from gateway.spill import Trigger

monotonic_s = time.monotonic
"""The gateway's clock: seconds since some moment in the past, never set back."""

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


def new_request_id() -> str:
    """Make an id of the gateway's own: 128 random bits in hexadecimal."""
    return f"{random.getrandbits(128):032x}"


@dataclass(eq=False)
class Attempt:
    """An attempt is one call of one backend.

    backend: `pool/NAME` or `api/NAME`.
    price: the API's price; None means that tokens are counted and dollars are not.
    started_s, ended_s: times of the gateway's clock, seconds.
    status: HTTP status of the answer, None without one.
    outcome: word of a trigger or of a stream's end, or `ok`, `client_error`, `cancelled`.
    usage: tokens of the attempt, None if it cost nothing.
    """

    backend: str
    price: TokenPrice | None
    started_s: float
    ended_s: float | None = None
    status: int | None = None
    outcome: str = "cancelled"
    usage: Usage | None = None

    @property
    def nano_usd(self) -> int:
        """Return what the attempt cost, nano-dollars."""
        return nano_usd(self.usage, self.price) if self.usage is not None and self.price is not None else 0


@dataclass(eq=False, kw_only=True)
class Exchange:
    """An exchange is the life of one request.

    request_id: the client's own id if it sent one, else ours.
    api_request_id: an id that is never the client's words; an API is told this one.
    started_s, first_byte_s, ended_s: times of the gateway's clock, seconds.
    queued_s: time spent waiting for a local place, seconds.
    triggers: why the request left each place it was meant for, in order.
    retry_after_s: longest time that a saturated API asked for, seconds.
    outcome: what became of the request, in one word.
    """

    request_id: str
    started_s: float
    api_request_id: str = field(default_factory=new_request_id)
    client: Client | None = None
    route_name: str = "-"
    route: RoutePolicy | None = None
    band: BandPolicy | None = None
    request: ChatRequest | None = None
    input_tokens: int = 0
    body_bytes: int = 0
    lease: BodyLease | None = None
    attempts: list[Attempt] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)
    spill_reason: Trigger | None = None
    served_by: str | None = None
    queued_s: float = 0.0
    first_byte_s: float | None = None
    ended_s: float | None = None
    retry_after_s: float = 0.0
    status: int = 0
    outcome: str = "client_gone"

    def open_attempt(self, backend: str, price: TokenPrice | None) -> Attempt:
        """Record that a backend is called now."""
        attempt = Attempt(backend, price, monotonic_s())
        self.attempts.append(attempt)
        return attempt

    def forget_body(self) -> None:
        """Free the prompt and its share of the memory for bodies."""
        if self.request is not None:
            self.request.forget_body()
        if self.lease is not None:
            self.lease.release()

    def seconds_left(self) -> float:
        """Return the seconds until the route's deadline; they are negative when it has passed."""
        assert self.route is not None
        return self.started_s + self.route.deadline_ms / 1000 - monotonic_s()

    def overhead_s(self) -> float | None:
        """Return the gateway's own seconds before the first call of a backend. Waiting in the queue does not count."""
        return max(0.0, self.attempts[0].started_s - self.started_s - self.queued_s) if self.attempts else None

    def first_token_is_late(self) -> bool:
        """Tell whether a stream began later than its route promises for a prompt of its length."""
        promise = self.route.first_token if self.route is not None else None
        if promise is None or self.first_byte_s is None:
            return False
        return self.first_byte_s - self.started_s > promise.seconds(self.input_tokens)

    def headers(self) -> dict[str, str]:
        """Build the headers by which every answer says how it came about."""
        headers = {"X-Request-Id": self.request_id}
        if self.served_by is not None:
            headers["X-Spillway-Served-By"] = self.served_by
            if self.spill_reason is not None and self.served_by.startswith("api/"):
                headers["X-Spillway-Spill-Reason"] = self.spill_reason.value
        return headers

    def audit_line(self, wall_clock_s: float) -> str:
        """Write the request as one line of JSON. `wall_clock_s` is the Unix time of its end."""
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
            "first_byte_ms": _ms(self.first_byte_s - self.started_s) if self.first_byte_s is not None else None,
            "total_ms": _ms(self.ended_s - self.started_s) if self.ended_s is not None else None,
            "attempts": [_attempt_line(attempt) for attempt in self.attempts],
        }
        return _ENCODE(line)


def _attempt_line(attempt: Attempt) -> dict[str, Any]:
    usage = attempt.usage
    return {
        "backend": attempt.backend,
        "outcome": attempt.outcome,
        "status": attempt.status,
        "ms": _ms(attempt.ended_s - attempt.started_s) if attempt.ended_s is not None else None,
        "input_tokens": usage.input_tokens if usage else None,
        "cached_tokens": usage.cached_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "estimated": usage.estimated if usage else None,
        "nano_usd": attempt.nano_usd,
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
