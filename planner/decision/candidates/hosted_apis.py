"""Hosted candidates: which APIs a route's accept list, privacy, residency and accounts admit, and what a request costs.

    USD a request = N·p_in + H·p_cached + O·p_out        means of the band, in the model's own tokens

The prices of long contexts apply to the requests of the band that are longer than the model's threshold. Reasoning
tokens and tokenizer ratios (`domain.model_facts`) and cached input (`price_parts`) are counted as far as they are
known; they are never guessed, and what is unknown is named. A restricted route gets no option at all.

Where long prompts of a route have no price, the API has an input limit for that route, so that none is sent there.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from planner.decision.candidates.api_batches import PARTS, batch_unknowns, batches_at, billed_tokens
from planner.decision.candidates.candidate import Candidate
from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.omissions import (
    Ended,
    NoAccount,
    NoDeployment,
    NoPrice,
    NotCalled,
    Omission,
    OmissionCause,
    RestrictedData,
    TooLittleContext,
)
from planner.decision.candidates.price_parts import Recognised, recognised_prefix
from planner.decision.candidates.terms import ServedAt, doubts, served_at, served_outside, unmet
from planner.decision.choice.question import ApiOption, BandKey
from planner.decision.inputs import Exemption
from planner.domain.apis import ApiModel, PricePart, Provider, is_batch
from planner.domain.catalog import Catalog
from planner.domain.environment import ApiAccounts, ModelFacts
from planner.domain.gaps import Gap
from planner.domain.model_facts import AS_STATED, TokenCounts, token_counts
from planner.domain.prices import Price
from planner.domain.route import Route

MILLION = 1_000_000
CACHE_PARTS: tuple[PricePart, ...] = ("cached-input", "cache-write")
"""Prices of what a provider reads from its cache and writes into it."""


@dataclass(frozen=True)
class HostedApi:
    """A hosted API is an option of the program together with the catalog rows behind it.

    option: the model in the plain numbers of the question.
    row: the model in the catalog.
    host: the provider as it is called: its address, its key, and where it processes requests.
    prices: USD for a million tokens at that address, by the part of a request that is billed.
    counts: how the model counts tokens.
    recognised: what it bills as cached input, by route.
    max_input_tokens: longest prompt that can be billed, tokens as the route states them, by route; a route that is
    absent has a price for all prompts that are planned.
    """

    option: ApiOption
    row: ApiModel
    host: Provider
    prices: Mapping[PricePart, Price]
    counts: TokenCounts = AS_STATED
    recognised: Mapping[str, Recognised] = field(default_factory=dict)
    max_input_tokens: Mapping[str, int] = field(default_factory=dict)

    def tokens_by_part(self, route: RouteDemand, band: int) -> dict[PricePart, float]:
        """Return the mean tokens of a request of a band, as stated by its route, by the part that is billed."""
        cached = self.recognised.get(route.name, Recognised()).tokens
        return billed_tokens(self.row, self.counts.mix(route.bands[band].mix), cached)

    def price_of(self, part: PricePart) -> Price:
        """Return the price of a part of an answer at once; of the same tokens in a batch, where the model is one."""
        return self.prices[PARTS[part] if is_batch(self.row.key) else part]

    def serves(self, route: str) -> bool:
        """Say whether a route may use it."""
        return any(name == route for name, _ in self.option.usd_per_request)


def hosted_apis(
    routes: Sequence[RouteDemand],
    catalog: Catalog,
    accounts: ApiAccounts,
    region: str,
    start: date,
    facts: Mapping[str, ModelFacts] | None = None,
    exemptions: Collection[Exemption] = (),
) -> tuple[tuple[HostedApi, ...], tuple[Omission, ...], tuple[Gap, ...]]:
    """Return the hosted APIs, sorted by key, with the omissions and gaps of this part of the market.

    `start` is the first day of the horizon: a model that ends later may serve until then, and `answer.phases` says what
    follows. `apis_in_order` ranks the APIs for a route. `facts` are what the environment measured of models.
    `exemptions` let a provider in that a rule of a route keeps out.
    """
    served: dict[str, ServedAt] = {}
    users: dict[str, list[RouteDemand]] = {}
    omissions = [*_not_called(catalog, accounts)]
    gaps: set[Gap] = set()
    for route in routes:
        for row in _accepted(route.route, catalog):
            exempt = Exemption("residency", route.name, row.provider) in exemptions
            address = served_outside if exempt else served_at
            at = address(row, route.route.residency, catalog, region, accounts.providers.get(row.provider))
            counted = route.counted(token_counts(row.slug, facts or {}, catalog))
            cause = _set_against(row, counted, catalog, accounts, start)
            if cause is None and at is not None:
                cause = unmet(route, at, accounts.providers[row.provider], catalog.places, exemptions)
            if at is None or cause is not None:
                fell = cause or NoDeployment(row.provider, _deployment_names(row, route.route, catalog))
                omissions.append(Omission(Candidate(api=row.key), fell, route.name))
                continue
            gaps |= set(doubts(route, at))
            at = batches_at(at, counted, catalog) or at
            served[at.row.key] = at
            users.setdefault(at.row.key, []).append(route)
    apis = []
    for key in sorted(served):
        counts = token_counts(served[key].row.slug, facts or {}, catalog)
        api, unpriced = _hosted_api(served[key], users[key], catalog, accounts, counts)
        for route in users[key]:
            fallen, unknown = _without_price(api, route, unpriced, catalog)
            omissions += fallen
            gaps |= unknown
        if api.option.bands:
            apis.append(api)
            at = served[key]
            unknowns = batch_unknowns if is_batch(key) else _unknowns
            gaps |= {*unknowns(at.listed, catalog, accounts), *_unknown_end(at.listed, start)}
    return tuple(apis), tuple(omissions), tuple(sorted(gaps))


def _accepted(route: Route, catalog: Catalog) -> list[ApiModel]:
    """Return the hosted models of a route's accept list, each once, sorted by key."""
    entries = [catalog.accepted_entry(entry) for entry in route.quality.accept]
    rows = {row.key: row for accepted in entries if not isinstance(accepted, Gap) for row in accepted.apis}
    return [rows[key] for key in sorted(rows)]


def _not_called(catalog: Catalog, accounts: ApiAccounts) -> Iterator[Omission]:
    """Yield an omission for each account at a provider that plans do not use."""
    for name in sorted(accounts.providers):
        provider = catalog.providers.get(name)
        if provider is not None and provider.not_called:
            yield Omission(Candidate(api=name), NotCalled(provider.not_called, provider.instead))


def _set_against(
    row: ApiModel, route: RouteDemand, catalog: Catalog, accounts: ApiAccounts, start: date
) -> OmissionCause | None:
    """Say why a route may not use a hosted model, wherever it is called; None means that it may."""
    provider = catalog.providers[row.provider]
    if not route.route.may_use_api:
        return RestrictedData()
    if provider.not_called:
        return NotCalled(provider.not_called, provider.instead)
    if row.provider not in accounts.providers:
        return NoAccount(row.provider)
    if not row.serves_on(start):
        return Ended(row.retires, row.status == "delisted", row.successors)
    if row.context_tokens is None or not route.reads(row.context_tokens):
        return TooLittleContext(route.context(0), row.context_tokens)
    return None


def _deployment_names(row: ApiModel, route: Route, catalog: Catalog) -> tuple[str, ...]:
    """Return the names of deployments that would bring a hosted model to a route: `SLUG`, or `SLUG@ENDPOINT`."""
    provider = catalog.providers[row.provider]
    places = {"": provider.residency, **{name: each.residency for name, each in sorted(provider.endpoints.items())}}
    fitting = [name for name, there in places.items() if catalog.places.holds_all(route.residency, there)]
    return tuple(f"{row.slug}@{name}" if name else row.slug for name in (fitting if route.residency else places))


def _hosted_api(
    served: ServedAt, users: Sequence[RouteDemand], catalog: Catalog, accounts: ApiAccounts, counts: TokenCounts
) -> tuple[HostedApi, dict[BandKey, str]]:
    """Return the API for the bands of its routes that it reads and that can be billed.

    With it come the bands that cannot be billed, each with the key of the first price that is missing.
    """
    row = served.row
    known = _prices(served, CACHE_PARTS, catalog)
    caching = catalog.providers[row.provider].prompt_caching
    recognised = {
        route.name: recognised_prefix(row, caching, known, route.repeated.shared_tokens * counts.ratio)
        for route in users
    }
    bands = {
        (route.name, index): counts.mix(band.mix)
        for route in users
        for index, band in enumerate(route.bands[: route.counted(counts).reads(row.context_tokens or 0)])
    }
    billed = {key: billed_tokens(row, mix, recognised[key[0]].tokens) for key, mix in bands.items()}
    prices = _prices(served, sorted({part for parts in billed.values() for part in parts}), catalog)
    unpriced = {
        key: served.price_key(min(parts.keys() - prices.keys()))
        for key, parts in billed.items()
        if not parts.keys() <= prices.keys()
    }
    if "cached-input" in known and not is_batch(row.key):
        prices["cached-input"] = known["cached-input"]
    cost: dict[BandKey, float] = {}
    tokens: dict[BandKey, float] = {}
    for key, mix in bands.items():
        if key in unpriced:
            continue
        cost[key] = sum(count * float(prices[part].usd) for part, count in billed[key].items()) / MILLION
        tokens[key] = mix.mean_input + mix.mean_output
    limits = accounts.providers[row.provider].limits
    option = ApiOption(row.key, row.provider, cost, tokens, limits.tpm, limits.rpm)
    if is_batch(row.key):  # batches have an account of their own, whose limits are none of tokens a minute
        option = replace(option, provider=row.key, tokens_per_minute=None, requests_per_minute=None)
    most = {
        route.name: math.floor(row.long_context_above / counts.ratio)
        for route in users
        if row.long_context_above is not None
        and _lacks_a_price(served, route, counts, recognised[route.name].tokens, catalog)
    }
    return HostedApi(option, row, served.host, prices, counts, recognised, most), unpriced


def _lacks_a_price(
    served: ServedAt, route: RouteDemand, counts: TokenCounts, cached_tokens: float, catalog: Catalog
) -> bool:
    """Say whether some prompt of a route needs a price that is missing.

    Bands that the model does not read whole count too, because the gateway may send it their shorter prompts.
    """
    mixes = [counts.mix(band.mix) for band in route.bands]
    parts = {part for mix in mixes for part in billed_tokens(served.row, mix, cached_tokens)}
    return _prices(served, parts, catalog).keys() != parts


def _without_price(
    api: HostedApi, route: RouteDemand, unpriced: Mapping[BandKey, str], catalog: Catalog
) -> tuple[list[Omission], set[Gap]]:
    """Return what a route loses of a hosted model for prices that are missing: all of it, or some bands."""
    candidate = Candidate(api=api.row.key)
    lacking = {index: key for (name, index), key in sorted(unpriced.items()) if name == route.name}
    if not lacking:
        return [], set()
    first = catalog.prices.gap(min(lacking.values()))
    if not api.serves(route.name):
        return [Omission(candidate, NoPrice(first.subject), route.name)], {first}
    bands = {route.bands[index].name: key for index, key in lacking.items()}
    message = f"{first.message}: {route.name} sends {api.row.key} no {' and '.join(bands)} prompts"
    fallen = [Omission(candidate, NoPrice(key, band), route.name) for band, key in bands.items()]
    return fallen, {replace(first, message=message)}


def _prices(served: ServedAt, parts: Iterable[PricePart], catalog: Catalog) -> dict[PricePart, Price]:
    """Return those of some prices that are known at the address that is called."""
    return {part: price for part in parts if (price := served.price(part, catalog.prices)) is not None}


def _unknowns(row: ApiModel, catalog: Catalog, accounts: ApiAccounts) -> list[Gap]:
    """Return what is not known of a hosted model and its provider."""
    account = accounts.providers[row.provider]
    gaps = []
    if account.latency is None:
        hint = f"measure it and set `api.providers.{row.provider}.latency: {{ttft_p95: …, measured: …}}`"
        gaps.append(Gap("latency", row.provider, f"the TTFT of {row.provider} has not been measured", hint))
    open_limits = [
        words for words, limit in (("tokens", account.limits.tpm), ("requests", account.limits.rpm)) if limit is None
    ]
    if open_limits:
        hint = f"set `api.providers.{row.provider}.limits: {{tpm: …, rpm: …}}`"
        what = "rate limits" if len(open_limits) == 2 else f"{open_limits[0]} a minute"
        gaps.append(Gap("limits", row.provider, f"the {what} of {row.provider} are not stated", hint))
    return [*gaps, *catalog.providers[row.provider].gaps()]


def _unknown_end(row: ApiModel, start: date) -> list[Gap]:
    """Return the gap of a hosted model of which nobody can say how long it is served. Not known is never "for ever"."""
    lifecycle, hint = row.lifecycle, "read the provider's page of deprecations"
    if lifecycle is None:
        if row.retires is not None:
            return []
        return [Gap("retirement", row.key, f"how long {row.key} is served has not been read", hint)]
    if lifecycle.weak:
        what = "the day on which it ends" if row.retires is not None else "that no end is announced"
        message = f"{row.key}: {what} rests on weak evidence of {lifecycle.as_of}"
        kind = "retirement" if row.retires is not None else "end"
        return [Gap(kind, row.key, f"{message} ({lifecycle.note})" if lifecycle.note else message, hint)]
    if lifecycle.not_before is not None and lifecycle.not_before <= start:
        message = f"{row.key} was promised until {lifecycle.not_before} only, and its end may be announced any day"
        return [Gap("retirement", row.key, message, hint)]
    return []
