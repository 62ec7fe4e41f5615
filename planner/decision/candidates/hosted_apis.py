"""Hosted candidates: which APIs a route's accept list, privacy, residency and accounts admit, and what a request costs.

    USD a request = S·p_in + O·p_out        S, O: mean input and output tokens of the band

Tokenizer ratios, reasoning tokens and cache hits are not known: they are named as gaps and never guessed. Long-context
prices apply to the share of the band above the threshold. Restricted routes get no option at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.omissions import (
    Candidate,
    NoAccount,
    NoPrice,
    Omission,
    OtherResidency,
    RestrictedData,
    Retires,
    TooLittleContext,
)
from planner.decision.choice.question import ApiOption, BandKey
from planner.domain.apis import ApiModel, PricePart
from planner.domain.catalog import Catalog
from planner.domain.environment import ApiAccounts, Route
from planner.domain.gaps import Gap
from planner.domain.prices import Price
from planner.domain.workload import Mix

MILLION = 1_000_000


@dataclass(frozen=True)
class HostedApi:
    """An API option and the rows behind it."""

    option: ApiOption
    row: ApiModel
    base_url: str
    prices: Mapping[PricePart, Price]


def hosted_apis(
    routes: Sequence[RouteDemand], catalog: Catalog, accounts: ApiAccounts, region: str, until: date
) -> tuple[tuple[HostedApi, ...], tuple[Omission, ...], tuple[Gap, ...]]:
    """Options, what fell and why, and what is not known. `until`: the last day of the horizon.

    Options are sorted by key; `ApiOption.cost_of` ranks them for a route.
    """
    rows: dict[str, ApiModel] = {}
    users: dict[str, list[RouteDemand]] = {}
    omitted: list[Omission] = []
    gaps: set[Gap] = set()
    for route in routes:
        for row in _accepted(route.route, catalog):
            reason = _refusal(row, route, catalog, accounts, until)
            if reason is not None:
                omitted.append(reason)
                continue
            rows[row.key] = row
            users.setdefault(row.key, []).append(route)
    found = []
    for key in sorted(rows):
        option = _option(rows[key], users[key], catalog, accounts, region)
        if isinstance(option, Gap):
            gaps.add(option)
            omitted += [Omission(Candidate(api=key), NoPrice(option.subject), route.name) for route in users[key]]
        else:
            found.append(option)
            gaps |= set(_unknowns(rows[key], catalog, accounts))
    return tuple(found), tuple(omitted), tuple(sorted(gaps))


def _accepted(route: Route, catalog: Catalog) -> list[ApiModel]:
    found: dict[str, ApiModel] = {}
    for entry in route.quality.accept:
        accepted = catalog.accepted_entry(entry)
        if not isinstance(accepted, Gap):
            found.update({row.key: row for row in accepted.apis})
    return [found[key] for key in sorted(found)]


def _refusal(
    row: ApiModel, route: RouteDemand, catalog: Catalog, accounts: ApiAccounts, until: date
) -> Omission | None:
    candidate = Candidate(api=row.key)
    if not route.route.may_use_api:
        return Omission(candidate, RestrictedData(), route.name)
    if row.provider not in accounts.providers:
        return Omission(candidate, NoAccount(row.provider), route.name)
    if not row.serves_until(until):
        retires = None if row.status == "delisted" else row.retires
        return Omission(candidate, Retires(retires, until), route.name)
    residency = catalog.providers[row.provider].residency
    if route.route.residency and (residency is None or not set(residency) <= set(route.route.residency)):
        return Omission(candidate, OtherResidency(residency), route.name)
    longest = route.workload.mix.input_quantile(1.0)
    if row.context_tokens is None or row.context_tokens < longest:
        return Omission(candidate, TooLittleContext(round(longest), row.context_tokens), route.name)
    return None


def _option(
    row: ApiModel, users: Sequence[RouteDemand], catalog: Catalog, accounts: ApiAccounts, region: str
) -> HostedApi | Gap:
    prices: dict[PricePart, Price] = {}
    bands = {(route.name, i): band for route in users for i, band in enumerate(route.bands)}
    for part in sorted({part for band in bands.values() for part in tokens_by_price_part(row, band.mix)}):
        price = catalog.prices.price(row.price_key(part))
        if price is None:
            return catalog.prices.gap(row.price_key(part))
        prices[part] = price
    cached = catalog.prices.price(row.price_key("cached-input"))
    if cached is not None:
        prices["cached-input"] = cached
    cost: dict[BandKey, float] = {}
    tokens: dict[BandKey, float] = {}
    for key, band in bands.items():
        parts = tokens_by_price_part(row, band.mix)
        cost[key] = sum(count * float(prices[part].usd) for part, count in parts.items()) / MILLION
        tokens[key] = band.mix.mean_input + band.mix.mean_output
    limits = accounts.providers[row.provider].limits
    option = ApiOption(row.key, row.provider, cost, tokens, limits.tpm, limits.rpm)
    return HostedApi(option, row, catalog.providers[row.provider].base_url.replace("{region}", region), prices)


def tokens_by_price_part(row: ApiModel, mix: Mix) -> dict[PricePart, float]:
    """Mean tokens of a request by the price part that they are billed at."""
    above = row.long_context_above
    parts: dict[PricePart, float] = {"input": 0.0, "output": 0.0}
    for tokens_in, tokens_out, weight in zip(mix.input_tokens, mix.output_tokens, mix.weights, strict=True):
        long = above is not None and tokens_in > above
        keys: tuple[PricePart, PricePart] = ("long-input", "long-output") if long else ("input", "output")
        parts[keys[0]] = parts.get(keys[0], 0.0) + weight * tokens_in
        parts[keys[1]] = parts.get(keys[1], 0.0) + weight * tokens_out
    return parts


def _unknowns(row: ApiModel, catalog: Catalog, accounts: ApiAccounts) -> list[Gap]:
    account = accounts.providers[row.provider]
    found = []
    if account.latency is None:
        hint = f"measure it and set `api.providers.{row.provider}.latency: {{ttft_p95: …, measured: …}}`"
        found.append(Gap("latency", row.provider, f"the TTFT of {row.provider} has not been measured", hint))
    if account.limits.tpm is None or account.limits.rpm is None:
        hint = f"set `api.providers.{row.provider}.limits: {{tpm: …, rpm: …}}`"
        found.append(Gap("limits", row.provider, f"the rate limits of {row.provider} are not stated", hint))
    if row.reasoning is not False:
        message = f"{row.key} may think before it answers; its reasoning tokens are not in the estimate"
        found.append(Gap("reasoning", row.key, message, "measure them on your own prompts"))
    return [*found, *catalog.providers[row.provider].gaps()]
