"""Requests and tokens a minute, as hosted APIs count them: two buckets, a minute's worth deep, that refill evenly.

The module is pure: time is given in seconds of whatever clock the caller scales.
"""

from __future__ import annotations

from twin.api.offers import OfferLimits

MINUTE_S = 60.0


class _Bucket:
    def __init__(self, per_minute: int | None) -> None:
        self.per_minute = per_minute
        self.level = float(per_minute or 0)
        self.filled_s = 0.0

    def wait_s(self, amount: float, now_s: float) -> float:
        """Return the seconds until `amount` is there. An amount above a whole minute's is never there; it waits a
        minute."""
        if self.per_minute is None:
            return 0.0
        rate = self.per_minute / MINUTE_S
        self.level = min(float(self.per_minute), self.level + (now_s - self.filled_s) * rate)
        self.filled_s = now_s
        shortfall = amount - self.level
        return 0.0 if shortfall <= 0 else min(MINUTE_S, shortfall / rate)

    def take(self, amount: float) -> None:
        if self.per_minute is not None:
            self.level -= amount


class RateLimit:
    """A rate limit keeps both limits of one model."""

    def __init__(self, limits: OfferLimits) -> None:
        self._requests = _Bucket(limits.rpm)
        self._tokens = _Bucket(limits.tpm)

    def admit(self, tokens: int, now_s: float) -> float:
        """Count a request that may pass and return 0, or return the seconds to wait. `tokens` are input and output cap
        together."""
        wait_s = max(self._requests.wait_s(1, now_s), self._tokens.wait_s(tokens, now_s))
        if wait_s == 0.0:
            self._requests.take(1)
            self._tokens.take(tokens)
        return wait_s
