"""A provider account's requests and tokens per minute, kept on our side.

The provider's rate limit is imitated by a token bucket that fills evenly. A request that would not fit is not sent to
be answered 429; it goes at once to the next API of the chain. The bucket counts what this gateway sends; several
gateways on one account share the provider's own limit.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.policy import RateLimits


class Bucket:
    """A bucket holds `limit` units a window and fills evenly. It saves up at most one window's worth."""

    def __init__(self, limit: int, window_s: float, clock: Callable[[], float]) -> None:
        self._limit = float(limit)
        self._per_second = limit / window_s
        self._clock = clock
        self._level = self._limit
        self._at = clock()

    def holds(self, amount: float) -> bool:
        """Tell whether `amount` units are there now. More than a whole window's worth fits only into a full bucket."""
        now = self._clock()
        self._level = min(self._limit, self._level + (now - self._at) * self._per_second)
        self._at = now
        return self._level >= min(amount, self._limit)

    def draw(self, amount: float) -> None:
        """Take `amount` units. A level below zero means that later requests wait longer."""
        self._level -= amount


class ApiLimiter:
    """A limiter keeps both limits of one account, which all its APIs share. A null limit always has room."""

    def __init__(self, limits: RateLimits, window_s: float, clock: Callable[[], float]) -> None:
        self._requests = Bucket(limits.rpm, window_s, clock) if limits.rpm else None
        self._tokens = Bucket(limits.tpm, window_s, clock) if limits.tpm else None

    def admit(self, tokens: int) -> bool:
        """Take one request of `tokens`, the input and the output that it may have, if both limits have room."""
        if self._requests is not None and not self._requests.holds(1):
            return False
        if self._tokens is not None and not self._tokens.holds(tokens):
            return False
        if self._requests is not None:
            self._requests.draw(1)
        if self._tokens is not None:
            self._tokens.draw(tokens)
        return True

    def settle(self, reserved_tokens: int, used_tokens: int) -> None:
        """Replace the tokens that `admit` reserved on an assumption by those that were reported."""
        if self._tokens is not None:
            self._tokens.draw(used_tokens - reserved_tokens)
