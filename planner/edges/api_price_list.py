"""Prices of hosted models by the package genai-prices, whose maintainers follow the providers' price pages.

The list has no day of its own. The newest day from which one of its prices holds is its day here: it cannot be older,
so that no price looks fresher than it is. A price that depends on the hour of the day, one for another length of prompt
than the catalog knows, and one that is not above zero are told and written nowhere.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from planner.domain.apis import ApiModel, PricePart
from planner.domain.price_lists import HOSTED_MODELS
from planner.edges.aws_account import REFRESH_EXTRA
from planner.words.diagnostics import Problem, Problems

SOURCE_NAME = HOSTED_MODELS
UNIT = "Mtok"
CALLED: Mapping[str, str] = {"bedrock": "aws"}
"""Providers that the list calls otherwise."""
PARTS: Mapping[PricePart, str] = {
    "input": "input_mtok",
    "cached-input": "cache_read_mtok",
    "cache-write": "cache_write_mtok",
    "output": "output_mtok",
}
"""Fields of the list by what they price."""
LONG: Mapping[PricePart, PricePart] = {
    "input": "long-input",
    "cached-input": "long-cached-input",
    "output": "long-output",
}
"""Parts that have a price of their own for long prompts."""


@dataclass(frozen=True)
class ApiPriceList:
    """The list.

    version: of the package.
    as_of: newest day from which one of its prices holds; empty when none states a day.
    providers: its providers by their ids, as the package has them.
    """

    version: str
    as_of: str
    providers: Mapping[str, Any] = field(repr=False)

    @property
    def source(self) -> str:
        """Return how rows name the list."""
        return f"{HOSTED_MODELS} {self.version}"


@dataclass(frozen=True)
class HostedPrices:
    """Prices of hosted models, USD per million tokens, by `(provider/slug, part)`, and what was left out."""

    usd: Mapping[tuple[str, PricePart], Decimal]
    told: tuple[Problem, ...]


def open_price_list(today: datetime.date) -> ApiPriceList:
    """Return the installed list. Raises `Problems` REF001 without the package."""
    try:
        from importlib.metadata import version

        from genai_prices.data_snapshot import get_snapshot
    except ImportError as error:
        problem = Problem("REF001", "the package genai-prices is not installed", hint=REFRESH_EXTRA)
        raise Problems([problem]) from error
    providers = {provider.id: provider for provider in get_snapshot().providers}
    days = [day for provider in providers.values() for day in _start_days(provider) if day <= today]
    return ApiPriceList(version(HOSTED_MODELS), max(days).isoformat() if days else "", providers)


def hosted_prices(prices: ApiPriceList, models: Iterable[ApiModel], today: datetime.date) -> HostedPrices:
    """Return what the list says of hosted models on a day."""
    usd: dict[tuple[str, PricePart], Decimal] = {}
    told: list[Problem] = []
    missing: defaultdict[str, list[str]] = defaultdict(list)
    for model in models:
        provider = prices.providers.get(CALLED.get(model.provider, model.provider))
        listed = provider.find_model(model.wire_model) if provider is not None else None
        if listed is None:
            missing[model.provider].append(model.slug)
            continue
        if _by_the_hour(listed):
            told.append(_told("REF005", f"genai-prices has prices by the hour of the day for {model.key}"))
            continue
        at = datetime.datetime.combine(today, datetime.time(), datetime.UTC)
        for part, price, doubt in _parts(model, listed.get_prices(at)):
            if doubt:
                told.append(_told("REF005", f"{model.key} {part}: {doubt}"))
            else:
                usd[model.key, part] = price
    for name, slugs in sorted(missing.items()):
        told.append(_told("REF006", f"genai-prices does not price these models of {name}: {', '.join(sorted(slugs))}"))
    return HostedPrices(usd, tuple(told))


def _parts(model: ApiModel, listed: Any) -> Iterator[tuple[PricePart, Decimal, str]]:
    """Yield (part, USD, why it cannot be used)."""
    for part, name in PARTS.items():
        price = getattr(listed, name, None)
        if price is None:
            continue
        base, tiers = getattr(price, "base", price), getattr(price, "tiers", ())
        yield part, base, "" if base > 0 else f"genai-prices says {base}, and nothing is free"
        if not tiers or part not in LONG:
            continue
        starts = [tier.start for tier in tiers]
        if starts != [model.long_context_above]:
            known = f"{model.long_context_above:,} tokens" if model.long_context_above else "no such length"
            listed_at = ", ".join(f"{start:,}" for start in starts)
            yield LONG[part], base, f"genai-prices has another price above {listed_at} tokens; the catalog has {known}"
            continue
        (tier,) = tiers
        yield LONG[part], tier.price, "" if tier.price > 0 else f"genai-prices says {tier.price}"


def _by_the_hour(model: Any) -> bool:
    return isinstance(model.prices, list) and any(hasattr(row.constraint, "start_time") for row in model.prices)


def _start_days(provider: Any) -> Iterator[datetime.date]:
    for model in provider.models:
        for row in model.prices if isinstance(model.prices, list) else ():
            if (day := getattr(row.constraint, "start_date", None)) is not None:
                yield day


def _told(code: str, message: str) -> Problem:
    return Problem(code, message, hint="the price that plans use stays as it is", severity="warning")
