"""A provider account's requests and tokens per minute, kept on our side.

It stands for the provider's rate limit as a token bucket that fills evenly: a request that would not fit is not sent
there (a planned cap spills at once, to the next API of the chain) instead of being answered 429. It counts what this
gateway sends; several gateways on one account share the provider's own limit.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.policy import RateLimits


class Bucket:
    """`limit` units a window, filling evenly; at most one window's worth is saved up."""

    def __init__(self, limit: int, window_s: float, clock: Callable[[], float]) -> None:
        self._limit = float(limit)
        self._per_second = limit / window_s
        self._clock = clock
        self._level = self._limit
        self._at = clock()

    def holds(self, amount: float) -> bool:
        """Whether `amount` units are there now. More than a whole window's worth fits only into a full bucket."""
        now = self._clock()
        self._level = min(self._limit, self._level + (now - self._at) * self._per_second)
        self._at = now
        return self._level >= min(amount, self._limit)

    def draw(self, amount: float) -> None:
        """Take `amount` units; below zero means that later requests wait longer."""
        self._level -= amount


class ApiLimiter:
    """Both limits of one account, shared by all its APIs; null limits always have room."""

    def __init__(self, limits: RateLimits, window_s: float, clock: Callable[[], float]) -> None:
        self._requests = Bucket(limits.rpm, window_s, clock) if limits.rpm else None
        self._tokens = Bucket(limits.tpm, window_s, clock) if limits.tpm else None

    def admit(self, tokens: int) -> bool:
        """Take one request of `tokens` (input and the output it may have) if both limits have room."""
        if self._requests is not None and not self._requests.holds(1):
            return False
        if self._tokens is not None and not self._tokens.holds(tokens):
            return False
        if self._requests is not None:
            self._requests.draw(1)
        if self._tokens is not None:
            self._tokens.draw(tokens)
        return True

    def settle(self, reserved: int, used: int) -> None:
        """Replace an assumption of `reserved` tokens, taken by `admit`, by the `used` ones that were reported."""
        if self._tokens is not None:
            self._tokens.draw(used - reserved)
