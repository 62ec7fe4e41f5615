"""Another currency in which a team reads its bills, by a rate that it states. Plans and locks stay in US dollars."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from planner.words.numbers import cents_of, dollars


@dataclass(frozen=True)
class Currency:
    """A currency and its rate on a day.

    currency: its code of three letters, as in ISO 4217.
    per_usd: what one US dollar is in it.
    source: where the rate was read.
    as_of: the day of the rate.
    """

    currency: str
    per_usd: Decimal
    source: str
    as_of: str

    def of(self, usd: Decimal) -> Decimal:
        """Return an amount of US dollars in this currency, with two decimals."""
        return dollars(usd * self.per_usd)

    def of_parts(self, usd: Iterable[Decimal]) -> list[Decimal]:
        """Return amounts of US dollars in this currency, so rounded that they sum to what their sum is in it."""
        return cents_of(usd, self.per_usd)

    def words(self) -> str:
        """Return the rate as a sentence without its end, like `$1 = 0.92 EUR of 2026-11-01 (ECB)`."""
        return f"$1 = {self.per_usd:f} {self.currency} of {self.as_of} ({self.source})"

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield (key, what is wrong with its value)."""
        if not re.fullmatch(r"[A-Z]{3}", self.currency) or self.currency == "USD":
            yield "currency", f"{self.currency!r} is no code of another currency; write one like EUR"
        if self.per_usd <= 0:
            yield "per_usd", f"a dollar is {self.per_usd:f} {self.currency}; write what one dollar is, above 0"
