"""Request bodies within bounds.

There are two limits: one for each body, and one for all bodies that are held at once. A body counts while it arrives,
because a client need not say its length, and until its lease is released: at the commit of the answer, or at the end.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web

from gateway.errors import Refusal
from gateway.settings import GatewaySettings


class BodyBudget:
    """The budget counts the bytes of request bodies that are held now; they never exceed `limit_bytes`."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0


@dataclass(eq=False)
class BodyLease:
    """A lease is one request's part of the budget."""

    budget: BodyBudget
    held_bytes: int = 0

    def grow(self, more_bytes: int) -> bool:
        """Hold more bytes. The answer is False, and nothing more is held, when the budget is used up."""
        if self.budget.held_bytes + more_bytes > self.budget.limit_bytes:
            return False
        self.budget.held_bytes += more_bytes
        self.held_bytes += more_bytes
        return True

    def release(self) -> None:
        """Give everything back. Further calls change nothing."""
        self.budget.held_bytes -= self.held_bytes
        self.held_bytes = 0


async def read_body(http: web.Request, lease: BodyLease, settings: GatewaySettings) -> bytes:
    """Read the whole body and count it on `lease`.

    Raises Refusal: 413 if the body is too large, 503 if the budget is used up, 408 if the client is too slow.
    """
    if http.content_length is not None and http.content_length > settings.body_bytes:
        raise _too_large(settings)
    if http.content.is_eof():  # all of it came with the headers, so there is nothing to wait for
        return await _read_within_budget(http, lease, settings)
    try:
        async with asyncio.timeout(settings.body_read_s):
            return await _read_within_budget(http, lease, settings)
    except TimeoutError:
        raise Refusal(408, "body_too_slow", "the body did not arrive in time") from None


async def _read_within_budget(http: web.Request, lease: BodyLease, settings: GatewaySettings) -> bytes:
    parts: list[bytes] = []
    while part := await http.content.readany():
        if lease.held_bytes + len(part) > settings.body_bytes:
            raise _too_large(settings)
        if not lease.grow(len(part)):
            message = "too many request bodies at once; try again"
            raise Refusal(503, "overloaded", message, retry_after_s=settings.retry_after_s)
        parts.append(part)
    return b"".join(parts)


def _too_large(settings: GatewaySettings) -> Refusal:
    return Refusal(413, "body_too_large", f"the body is larger than {settings.body_bytes} bytes")
