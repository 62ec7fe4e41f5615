"""Hosted candidates: which APIs a route's accept list, privacy, residency and accounts admit, and what a request costs.

    USD a request = S·p_in + O·p_out        S, O: mean input and output tokens of the band

The prices of long contexts apply to the requests of the band that are longer than the model's threshold. Tokenizer
ratios, reasoning tokens and cache hits are not known; they are never guessed, and what is unknown is named as a gap.
A restricted route gets no option at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.omissions import (
    Candidate,
    NoAccount,
    NoPrice,
    Omission,
    RestrictedData,
    Retires,
    TooLittleContext,
)
from planner.decision.candidates.terms import ServedAt, doubts, served_at, unmet
from planner.decision.choice.question import ApiOption, BandKey
from planner.domain.apis import ApiModel, PricePart, Provider
from planner.domain.catalog import Catalog
from planner.domain.environment import ApiAccounts
from planner.domain.gaps import Gap
from planner.domain.prices import Price
from planner.domain.route import Route
from planner.domain.workload import Mix

MILLION = 1_000_000


@dataclass(frozen=True)
class HostedApi:
    """A hosted API is an option of the program together with the catalog rows behind it.

    option: the model in the plain numbers of the question.
    row: the model in the catalog.
    host: the provider as it is called: its address, its key, and where it processes requests.
    prices: USD for a million tokens at that address, by the part of a request that is billed.
    """

    option: ApiOption
    row: ApiModel
    host: Provider
    prices: Mapping[PricePart, Price]


def hosted_apis(
    routes: Sequence[RouteDemand], catalog: Catalog, accounts: ApiAccounts, region: str, until: date
) -> tuple[tuple[HostedApi, ...], tuple[Omission, ...], tuple[Gap, ...]]:
    """Return the hosted APIs, sorted by key, with the omissions and gaps of this part of the market.

    `until` is the last day of the horizon. `apis_in_order` ranks the APIs for a route.
    """
    served: dict[str, ServedAt] = {}
    users: dict[str, list[RouteDemand]] = {}
    omissions: list[Omission] = []
    gaps: set[Gap] = set()
    for route in routes:
        for row in _accepted(route.route, catalog):
            at = served_at(row, route.route.residency, catalog, region)
            omission = _omission(row, route, catalog, accounts, until)
            if omission is None and (cause := unmet(route, at.host, accounts.providers[row.provider], catalog.places)):
                omission = Omission(Candidate(api=row.key), cause, route.name)
            if omission is not None:
                omissions.append(omission)
                continue
            gaps |= set(doubts(route, at))
            served[at.row.key] = at
            users.setdefault(at.row.key, []).append(route)
    apis = []
    for key in sorted(served):
        api = _hosted_api(served[key], users[key], catalog, accounts)
        if isinstance(api, Gap):
            gaps.add(api)
            omissions += [Omission(Candidate(api=key), NoPrice(api.subject), route.name) for route in users[key]]
        else:
            apis.append(api)
            gaps |= set(_unknowns(served[key].listed, catalog, accounts))
    return tuple(apis), tuple(omissions), tuple(sorted(gaps))


def tokens_by_price_part(row: ApiModel, mix: Mix) -> dict[PricePart, float]:
    """Return the mean tokens of a request by the price part that they are billed at."""
    above = row.long_context_above
    parts: dict[PricePart, float] = {"input": 0.0, "output": 0.0}
    for tokens_in, tokens_out, weight in zip(mix.input_tokens, mix.output_tokens, mix.weights, strict=True):
        long = above is not None and tokens_in > above
        keys: tuple[PricePart, PricePart] = ("long-input", "long-output") if long else ("input", "output")
        parts[keys[0]] = parts.get(keys[0], 0.0) + weight * tokens_in
        parts[keys[1]] = parts.get(keys[1], 0.0) + weight * tokens_out
    return parts


def _accepted(route: Route, catalog: Catalog) -> list[ApiModel]:
    """Return the hosted models of a route's accept list, each once, sorted by key."""
    entries = [catalog.accepted_entry(entry) for entry in route.quality.accept]
    rows = {row.key: row for accepted in entries if not isinstance(accepted, Gap) for row in accepted.apis}
    return [rows[key] for key in sorted(rows)]


def _omission(
    row: ApiModel, route: RouteDemand, catalog: Catalog, accounts: ApiAccounts, until: date
) -> Omission | None:
    """Say why a route may not use a hosted model; None means that it may."""
    candidate = Candidate(api=row.key)
    if not route.route.may_use_api:
        return Omission(candidate, RestrictedData(), route.name)
    if row.provider not in accounts.providers:
        return Omission(candidate, NoAccount(row.provider), route.name)
    if not row.serves_until(until):
        retires = None if row.status == "delisted" else row.retires
        return Omission(candidate, Retires(retires, until), route.name)
    longest = route.workload.mix.input_quantile(1.0)
    if row.context_tokens is None or row.context_tokens < longest:
        return Omission(candidate, TooLittleContext(round(longest), row.context_tokens), route.name)
    return None


def _hosted_api(
    served: ServedAt, users: Sequence[RouteDemand], catalog: Catalog, accounts: ApiAccounts
) -> HostedApi | Gap:
    """Return the API for the routes that use it, or the gap of the first price that is missing."""
    row, prices = served.row, dict[PricePart, Price]()
    bands = {(route.name, i): band for route in users for i, band in enumerate(route.bands)}
    for part in sorted({part for band in bands.values() for part in tokens_by_price_part(row, band.mix)}):
        price = catalog.prices.price(row.price_key(part))
        if price is None:
            return catalog.prices.gap(row.price_key(part))
        prices[part] = _at_address(price, served)
    cached = catalog.prices.price(row.price_key("cached-input"))
    if cached is not None:
        prices["cached-input"] = _at_address(cached, served)
    cost: dict[BandKey, float] = {}
    tokens: dict[BandKey, float] = {}
    for key, band in bands.items():
        parts = tokens_by_price_part(row, band.mix)
        cost[key] = sum(count * float(prices[part].usd) for part, count in parts.items()) / MILLION
        tokens[key] = band.mix.mean_input + band.mix.mean_output
    limits = accounts.providers[row.provider].limits
    option = ApiOption(row.key, row.provider, cost, tokens, limits.tpm, limits.rpm)
    return HostedApi(option, row, served.host, prices)


def _at_address(price: Price, served: ServedAt) -> Price:
    """Return a list price as it is at the address that is called."""
    if served.price_factor == 1.0:
        return price
    return replace(price, usd=price.usd * Decimal(str(served.price_factor)))


def _unknowns(row: ApiModel, catalog: Catalog, accounts: ApiAccounts) -> list[Gap]:
    """Return what is not known of a hosted model and its provider."""
    account = accounts.providers[row.provider]
    gaps = []
    if account.latency is None:
        hint = f"measure it and set `api.providers.{row.provider}.latency: {{ttft_p95: …, measured: …}}`"
        gaps.append(Gap("latency", row.provider, f"the TTFT of {row.provider} has not been measured", hint))
    if account.limits.tpm is None or account.limits.rpm is None:
        hint = f"set `api.providers.{row.provider}.limits: {{tpm: …, rpm: …}}`"
        gaps.append(Gap("limits", row.provider, f"the rate limits of {row.provider} are not stated", hint))
    if row.reasoning is not False:
        message = f"{row.key} may think before it answers; its reasoning tokens are not in the estimate"
        gaps.append(Gap("reasoning", row.key, message, "measure them on your own prompts"))
    return [*gaps, *catalog.providers[row.provider].gaps()]
