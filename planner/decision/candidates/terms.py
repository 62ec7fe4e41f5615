"""What a route asks of whoever processes its requests: the place, the terms of the provider, the latency.

A route's residency and terms are held against the facts of the catalog. What is not verified never passes: it is told
as the reason, and the contract says what the catalog does not. Where a provider has further addresses that keep
requests in some places, the route uses the cheapest one that stays within its residency, at the price of that address.
An address that is called from the environment's own AWS region goes before one of another region.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.omissions import NearAddress, OmissionCause, OtherResidency, SlowerThanSlo, TermsNotMet
from planner.decision.inputs import Exemption
from planner.domain.apis import RESOURCE, ApiModel, PricePart, Provider, called_region, catalog_key
from planner.domain.catalog import Catalog
from planner.domain.environment import ProviderAccount
from planner.domain.gaps import Gap
from planner.domain.places import CALLED_REGION, Places
from planner.domain.prices import Price, PriceSnapshot
from planner.domain.route import DataTerms
from planner.words.units import MS_PER_DAY


@dataclass(frozen=True)
class ServedAt:
    """A hosted model at the address at which a route would use it.

    row: the model, with the id that is sent there; its key names the address where that is not the provider's own.
    host: the provider, with the address, the key's variable and the places that hold there.
    price_factor: factor on the list prices; None = the address has prices of its own.
    needs: what the account must be given first; empty when it needs nothing.
    address: name of a further address that is called; empty for the provider's own.
    is_stated: whether it is stated that the address serves the model.
    is_near: whether it is called from the environment's own AWS region, or from anywhere.
    """

    row: ApiModel
    host: Provider
    price_factor: float | None = 1.0
    needs: str = ""
    address: str = ""
    is_stated: bool = True
    is_near: bool = True

    @property
    def listed(self) -> ApiModel:
        """Return the model as the catalog lists it, whichever address is called."""
        return replace(self.row, key=catalog_key(self.row.key))

    def price_key(self, part: PricePart) -> str:
        """Return the key of the price that is charged there, or of the list price that it follows from."""
        return f"api/{self.row.key}/{part}" if self.price_factor is None else self.row.price_key(part)

    def price(self, part: PricePart, prices: PriceSnapshot) -> Price | None:
        """Return a price as it is at the address; None where the snapshot has none."""
        price = prices.price(self.price_key(part))
        if price is None or self.price_factor in (None, 1.0):
            return price
        return price.times(Decimal(str(self.price_factor)))

    def rank(self, prices: PriceSnapshot) -> tuple[bool, Decimal, str]:
        """Return what orders addresses: those of the own AWS region first, then the cheaper one, then by name."""
        known = [self.price(part, prices) for part in ("input", "output")]
        usd = sum((price.usd for price in known if price), Decimal(0))
        return not self.is_near, usd if all(known) else Decimal("Infinity"), self.row.key


def served_at(
    row: ApiModel, residency: tuple[str, ...], catalog: Catalog, region: str, account: ProviderAccount | None = None
) -> ServedAt | None:
    """Return the model at the best address that stays within a residency (`ServedAt.rank`).

    Without a residency it is the provider's own, if that is called from the environment's region. Where no address fits
    it is the provider's own too, and `unmet` says why it will not do. None: some would, and the account has no
    deployment there.
    """

    def fits(at: ServedAt) -> bool:
        return not residency or catalog.places.holds_all(residency, at.host.residency)

    host = catalog.providers[row.provider]
    listed = [_own(row, host, catalog.places, region), *_further(row, host, region)]
    addresses = listed if account is None else [at for each in listed if (at := _deployed(each, account)) is not None]
    own = next((each for each in addresses if not each.address), None)
    if own is not None and own.is_near and not residency:
        return own
    fitting = [each for each in addresses if fits(each)]
    if not fitting and any(fits(each) for each in listed):
        return None
    return min(fitting, key=lambda each: each.rank(catalog.prices), default=listed[0])


def served_outside(
    row: ApiModel, residency: tuple[str, ...], catalog: Catalog, region: str, account: ProviderAccount | None = None
) -> ServedAt | None:
    """Return the model at the address that would be called if its provider need not keep a residency.

    Where an address keeps it, that one is called. Else it is the best of those that process in some of the places that
    are allowed, which a wider residency would allow; and the best of all without any.
    """
    at = served_at(row, residency, catalog, region, account)
    if at is None or not residency or catalog.places.holds_all(residency, at.host.residency):
        return at
    wider = [near.residency for near in _near(residency, at, catalog.places)] or [()]
    found = [there for each in wider if (there := served_at(row, each, catalog, region, account)) is not None]
    return min(found, key=lambda each: each.rank(catalog.prices), default=None)


def unmet(
    route: RouteDemand,
    at: ServedAt,
    account: ProviderAccount,
    places: Places,
    exemptions: Collection[Exemption] = (),
) -> OmissionCause | None:
    """Say what of a route's residency, terms and SLO a provider does not keep; None when it keeps all.

    exemptions: providers that need not keep the residency, the terms or the SLO of a route.
    """
    asked, host = route.route, at.host
    outside = asked.residency and not places.holds_all(asked.residency, host.residency)
    if outside and Exemption("residency", route.name, host.key) not in exemptions:
        return OtherResidency(host.residency, _near(asked.residency, at, places))
    broken = broken_term(asked.terms, host)
    if broken is not None and Exemption("terms", route.name, host.key) not in exemptions:
        return broken
    if Exemption("latency", route.name, host.key) in exemptions:
        return None
    return _too_slow(route, account)


def broken_term(terms: DataTerms, host: Provider) -> TermsNotMet | None:
    """Return the first of a route's terms that a provider is not known to keep; None when it keeps all."""
    if terms.no_training and host.trains_on_data is not False:
        return TermsNotMet("no_training", host.trains_on_data is not None)
    if terms.zero_retention:
        if not host.zero_retention_possible:
            return TermsNotMet("zero_retention", host.zero_retention_possible is not None)
    elif terms.retention is not None:
        days = host.retention_days
        if days is None or days * MS_PER_DAY > terms.retention:
            return TermsNotMet("retention", days is not None, days, terms.retention / MS_PER_DAY)
    return None


def doubts(route: RouteDemand, served: ServedAt) -> Iterator[Gap]:
    """Return what a route relies on at a provider that is a claim, is assumed, or holds only once it is arranged."""
    terms, host = route.route.terms, served.host
    used = {
        "residency": bool(route.route.residency),
        "trains_on_data": terms.no_training,
        "retention_days": terms.retention is not None and not terms.zero_retention,
        "zero_retention_possible": terms.zero_retention,
    }
    for fact in host.unread:
        if used[fact]:
            message = f"{host.name}: {_FACTS[fact]} is claimed or remembered, and was read in no terms"
            yield Gap("terms", host.key, message, "read its contract")
    if terms.zero_retention and host.retention_days != 0:
        message = f"{host.name} keeps nothing only once that is arranged: {host.zero_retention}"
        yield Gap("terms", host.key, message, "arrange it before the route is live")
    if not served.is_stated:
        address = f"the address `{served.address}` of {host.name}"
        message = f"which models {address} serves is not stated, and all are assumed"
        hint = f"list them as `models:` of `endpoints.{served.address}` in `providers/{host.key}.yaml`"
        yield Gap("address", f"{host.key}@{served.address}", message, hint)
    if host.stated_models is not None and served.row.slug not in host.stated_models:
        message = f"that {host.name} answers {served.row.slug} at {host.base_url} is not stated, and is assumed"
        yield Gap("address", served.listed.key, message, "send it one request before the route is live")
    if served.needs:
        yield Gap("terms", host.key, f"{served.row.key} needs {served.needs}", "arrange it before the route is live")


_FACTS = {
    "residency": "where it processes requests",
    "trains_on_data": "whether it trains on requests",
    "retention_days": "how long it keeps requests",
    "zero_retention_possible": "whether it can keep nothing",
}


def _near(residency: tuple[str, ...], at: ServedAt, places: Places) -> tuple[NearAddress, ...]:
    """Return the further addresses of a model that process in some of the places that are allowed, and in others."""

    def wider(there: tuple[str, ...]) -> tuple[str, ...]:
        return (*residency, *(place for place in there if not places.holds(residency, place)))

    return tuple(
        NearAddress(name, endpoint.residency, wider(endpoint.residency))
        for name, endpoint in sorted(at.host.endpoints.items())
        if (endpoint.served is None or at.row.slug in endpoint.served)
        and any(places.holds(residency, place) for place in endpoint.residency)
    )


def _own(row: ApiModel, host: Provider, places: Places, region: str) -> ServedAt:
    """Return the model at the provider's own address, as it is called from an AWS region."""
    called = called_region(host.regions, region)
    here = places.of_region(called)
    stated = host.residency
    if stated is not None and CALLED_REGION in stated:
        stated = None if here is None else tuple(here if word == CALLED_REGION else word for word in stated)
    there = replace(host, base_url=_address(host.base_url, called), residency=stated)
    return ServedAt(row, there, is_near=called == region)


def _further(row: ApiModel, host: Provider, region: str) -> Iterator[ServedAt]:
    """Yield the model at each further address that serves it."""
    for name, endpoint in sorted(host.endpoints.items()):
        if endpoint.served is None or row.slug in endpoint.served:
            called = called_region(endpoint.regions, region)
            yield ServedAt(
                row=replace(
                    row, key=f"{row.key}@{name}", wire_model=endpoint.wire_models.get(row.slug, row.wire_model)
                ),
                host=replace(
                    host,
                    base_url=_address(endpoint.base_url, called),
                    api_key_variable=endpoint.api_key_variable,
                    residency=endpoint.residency,
                ),
                price_factor=endpoint.factor(row.slug),
                needs=endpoint.needs,
                address=name,
                is_stated=endpoint.served is not None,
                is_near=called == region,
            )


def _address(base_url: str | None, region: str) -> str | None:
    return base_url and base_url.replace(CALLED_REGION, region)


def _deployed(at: ServedAt, account: ProviderAccount) -> ServedAt | None:
    """Return a model under the name and the resource that an account has for it; None where it has none.

    A provider whose accounts have no deployments serves its models as they are.
    """
    if not at.host.has_deployments:
        return at
    name = account.deployment(at.row.slug + (f"@{at.address}" if at.address else ""))
    if name is None:
        return None
    address = (at.host.base_url or "").replace(RESOURCE, account.resource or RESOURCE)
    return replace(
        at, row=replace(at.row, wire_model=name or at.row.wire_model), host=replace(at.host, base_url=address)
    )


def _too_slow(route: RouteDemand, account: ProviderAccount) -> SlowerThanSlo | None:
    """Hold the latency that the team measured against the target of the route's 95th-percentile prompt.

    The first token may not take longer than the whole answer may, either.
    """
    if account.latency is None:
        return None
    target, prompt = route.target, route.prompt_p95
    first_token = target.ttft_ms + target.ttft_ms_per_1k_input * prompt / 1000
    allowed = min(first_token, target.e2e_ms)
    if account.latency.ttft_p95 <= allowed:
        return None
    return SlowerThanSlo(account.latency.ttft_p95, allowed, round(prompt), first_token <= target.e2e_ms)
