"""Everything that reached a provider: requests and bytes by privacy class, tokens and dollars by model.

A body has the class of the strictest canary in it: `canary-restricted-…` is stricter than `canary-internal-…`, and that
than `canary-public-…`. Without a canary it is `unlabelled`. A body is counted on arrival, before anything may refuse
it, because what was sent was disclosed.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from twin.api.offers import OfferPrice

PrivacyClass = Literal["restricted", "internal", "public", "unlabelled"]
CLASSES: tuple[PrivacyClass, ...] = ("restricted", "internal", "public", "unlabelled")

_CANARY = re.compile(rb"canary-(restricted|internal|public)-[0-9a-f]+")
_MILLION = Decimal(1_000_000)


def privacy_class(body: bytes) -> PrivacyClass:
    """Return the strictest class that a canary in the body claims."""
    claimed = set(_CANARY.findall(body))
    for name in CLASSES[:-1]:
        if name.encode() in claimed:
            return name
    return "unlabelled"


@dataclass
class _Sales:
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: Decimal = Decimal(0)


@dataclass
class Ledger:
    """A ledger counts since its start."""

    _requests: Counter[PrivacyClass] = field(default_factory=Counter)
    _bytes: Counter[PrivacyClass] = field(default_factory=Counter)
    _statuses: Counter[int] = field(default_factory=Counter)
    _sales: dict[str, _Sales] = field(default_factory=dict)

    def enter_arrival(self, body: bytes, other_bytes: int = 0) -> PrivacyClass:
        """Enter a request by its body. `other_bytes` are those of its path and query, which may tell things too."""
        name = privacy_class(body)
        self._requests[name] += 1
        self._bytes[name] += len(body) + other_bytes
        return name

    def enter_answer(self, status: int) -> None:
        """Count an answer by its HTTP status."""
        self._statuses[status] += 1

    def enter_sale(self, model: str, price: OfferPrice, input_tokens: int, output_tokens: int) -> None:
        """Bill one answer, whole or broken off: its input, and the output that was generated."""
        sales = self._sales.setdefault(model, _Sales())
        sales.requests += 1
        sales.input_tokens += input_tokens
        sales.output_tokens += output_tokens
        sales.usd += (price.input * input_tokens + price.output * output_tokens) / _MILLION

    def document(self) -> dict[str, Any]:
        """Return the ledger as JSON. Dollars are decimal strings."""
        models = {
            name: {
                "requests": sales.requests,
                "input_tokens": sales.input_tokens,
                "output_tokens": sales.output_tokens,
                "usd": f"{sales.usd:f}",
            }
            for name, sales in sorted(self._sales.items())
        }
        return {
            "requests": sum(self._requests.values()),
            "bytes": sum(self._bytes.values()),
            "classes": {name: {"requests": self._requests[name], "bytes": self._bytes[name]} for name in CLASSES},
            "statuses": {str(status): count for status, count in sorted(self._statuses.items())},
            "models": models,
            "usd": f"{sum((sales.usd for sales in self._sales.values()), Decimal(0)):f}",
        }
