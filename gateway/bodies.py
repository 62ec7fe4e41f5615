"""Request bodies within bounds.

It stands for two limits: of one body, and of all bodies that are held at once. A body is counted while it arrives (a
client need not say its length) and until its lease is released: at the commit of the answer, or at the end.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web

from gateway.errors import Refusal
from gateway.settings import Settings


class BodyBudget:
    """Bytes of request bodies held now, at most `limit_bytes`."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0


@dataclass(eq=False)
class BodyLease:
    """One request's part of the budget."""

    budget: BodyBudget
    held_bytes: int = 0

    def grow(self, more_bytes: int) -> bool:
        """Hold more; False, and nothing held, when the budget is used up."""
        if self.budget.held_bytes + more_bytes > self.budget.limit_bytes:
            return False
        self.budget.held_bytes += more_bytes
        self.held_bytes += more_bytes
        return True

    def release(self) -> None:
        """Give everything back; further calls change nothing."""
        self.budget.held_bytes -= self.held_bytes
        self.held_bytes = 0


async def read_body(http: web.Request, lease: BodyLease, settings: Settings) -> bytes:
    """The whole body, counted on `lease`. Raises Refusal: 413 too large, 503 budget used up, 408 too slow."""
    if http.content_length is not None and http.content_length > settings.body_bytes:
        raise _too_large(settings)
    if http.content.is_eof():  # all of it came with the headers, so there is nothing to wait for
        return await _read_counted(http, lease, settings)
    try:
        async with asyncio.timeout(settings.body_read_s):
            return await _read_counted(http, lease, settings)
    except TimeoutError:
        raise Refusal(408, "body_too_slow", "the body did not arrive in time") from None


async def _read_counted(http: web.Request, lease: BodyLease, settings: Settings) -> bytes:
    parts: list[bytes] = []
    while part := await http.content.readany():
        if lease.held_bytes + len(part) > settings.body_bytes:
            raise _too_large(settings)
        if not lease.grow(len(part)):
            message = "too many request bodies at once; try again"
            raise Refusal(503, "overloaded", message, retry_after_s=settings.retry_after_s)
        parts.append(part)
    return b"".join(parts)


def _too_large(settings: Settings) -> Refusal:
    return Refusal(413, "body_too_large", f"the body is larger than {settings.body_bytes} bytes")
