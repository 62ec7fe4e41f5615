"""Who else sees prompts: providers and addresses that a plan sends a route's requests to and its base did not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from planner.documents.policy.facts import places_of
from planner.documents.review import Place, Risk
from planner.documents.review_figures import Side
from planner.domain.apis import Provider, called_region, catalog_key
from planner.domain.catalog import Catalog
from planner.domain.gaps import Gap
from planner.domain.places import CALLED_REGION
from planner.plan.traffic import FallbackApi
from planner.words.spans import Document


def processor_risks(old: Side | None, new: Side, catalog: Catalog, document: Document) -> Iterator[Risk]:
    """Yield a risk for each provider that is new to a route or processes elsewhere, and for each other address."""
    apis = {api.name: api for api in new.plan.apis}
    former = {api.name: api for api in old.plan.apis} if old else {}
    known = {api.provider for api in former.values()}
    receives = _receivers(old)
    for provider, routes in sorted(_receivers(new).items()):
        if old is not None:
            yield from _elsewhere(provider, [r for r in routes if r in receives.get(provider, ())], old, new, catalog)
        added = [route for route in routes if route not in receives.get(provider, ())]
        if not added:
            continue
        called = [api for name, api in sorted(apis.items()) if api.provider == provider]
        facts = _facts(catalog, provider, called, new.plan.platform.region)
        first = f"{provider} is a new processor of prompts" if provider not in known else f"{provider} receives more"
        what = f"{first}: it gets requests of {' and '.join(added)}; {facts}"
        yield Risk(kind="processor", what=what, where=_where(document, provider, added[0]))
    for name, api in sorted(apis.items()):
        if name in former and former[name].base_url != api.base_url:
            what = f"requests to {name} go to another address: {former[name].base_url} → {api.base_url}"
            yield Risk(kind="processor", what=what, where=_where(document, api.provider, ""))


def _elsewhere(provider: str, routes: Sequence[str], old: Side, new: Side, catalog: Catalog) -> Iterator[Risk]:
    """Yield a risk for each route that a provider may now process in a place that it did not use before."""
    host = catalog.provider(provider)
    if isinstance(host, Gap):
        return
    for route in routes:
        before, after = (_called(provider, side, route) for side in (old, new))
        former = [places_of(api, catalog, old.plan.platform.region) for api in before]
        known = {place for places in former for place in places}
        now = [places_of(api, catalog, new.plan.platform.region) for api in after]
        if all(former) and not all(catalog.places.holds_all(known, places) for places in now):
            was, will = (
                " or ".join(sorted({_places(host, api, side.plan.platform.region) for api in apis}))
                for side, apis in ((old, before), (new, after))
            )
            yield Risk(kind="residency", what=f"{provider} may process {route} in {will}, before in {was}")


def _called(provider: str, side: Side, route: str) -> list[FallbackApi]:
    """Return the addresses of a provider that a route may use."""
    return [api for api in side.plan.apis if api.provider == provider and api.name in side.routes[route].fallback]


def _receivers(side: Side | None) -> Mapping[str, Sequence[str]]:
    """Return the routes of each provider that may receive their requests, sorted."""
    if side is None:
        return {}
    providers = {api.name: api.provider for api in side.plan.apis}
    found: dict[str, list[str]] = {}
    for route in side.plan.routes:
        for provider in sorted({providers.get(name, name.partition("/")[0]) for name in route.hosted}):
            found.setdefault(provider, []).append(route.name)
    return found


def _where(document: Document, provider: str, route: str) -> Place | None:
    """Return the line of the account, or else of what the route accepts."""
    path = ("api", "providers", provider)
    span = document.at(path if path in document.keys else ("routes", route, "quality", "accept"))
    return Place(file=span.file, line=span.line) if span else None


def _facts(catalog: Catalog, key: str, called: Sequence[FallbackApi], region: str) -> str:
    """Say where a provider processes, whether it trains on requests and how long it keeps them."""
    provider = catalog.provider(key)
    if isinstance(provider, Gap):
        return "the catalog does not know where it processes, whether it trains on requests, or how long it keeps them"
    places = sorted({_places(provider, api, region) for api in called}) or ["an unknown place"]
    claimed = " (claimed, not read in its terms)" if "trains_on_data" in provider.unread else ""
    trains = {
        None: "whether it trains on requests is unknown",
        True: "it trains on requests",
        False: f"it does not train on requests{claimed}",
    }[provider.trains_on_data]
    kept = provider.retention or "unknown"
    if provider.retention_days is None:
        kept += "; the longest time is unknown"
    return f"it processes in {' or '.join(places)}; {trains}; it keeps requests: {kept}"


def _places(provider: Provider, api: FallbackApi, region: str) -> str:
    """Return where an address processes, in words."""
    name = api.name.removeprefix(catalog_key(api.name)).removeprefix("@")
    endpoint = provider.endpoints.get(name)
    residency = endpoint.residency if endpoint else provider.residency
    regions = endpoint.regions if endpoint else provider.regions
    if residency is None:
        return "an unknown place"
    claimed = " (claimed, not read in its terms)" if "residency" in provider.unread and not endpoint else ""
    words = ["any place" if each == "global" else each for each in residency]
    return ", ".join(each.replace(CALLED_REGION, called_region(regions, region)) for each in words) + claimed
