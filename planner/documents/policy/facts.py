"""Rules over who sees data and on what terms: hosted APIs and their providers, places, licences, ends of models.

What nobody has stated or read is never a pass: the rule says with `unknown` whether it warns or denies then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from planner.documents.policy.subject import Finding, Subject, above
from planner.domain.apis import called_region, catalog_key
from planner.domain.catalog import Catalog
from planner.domain.places import CALLED_REGION, EVERYWHERE
from planner.domain.policy import (
    HORIZON,
    DataClasses,
    EndLimits,
    FactRule,
    FactState,
    Licences,
    Names,
    PlacesOfData,
    Providers,
    RouteDurations,
    RouteState,
)
from planner.plan.parts import VerdictState
from planner.plan.traffic import FallbackApi
from planner.words.units import MS_PER_DAY

PERMISSIVE = frozenset({"Apache-2.0", "MIT"})
"""Licences that are known to admit commercial use without terms of their own in the catalog."""


def api_data(rule: DataClasses, subject: Subject) -> Iterator[Finding]:
    """Judge the classes of data that may go to hosted APIs."""
    yield from subject.strangers(rule.routes)
    told = False
    for route in subject.routes(rule.routes):
        state: VerdictState = "deny" if route.privacy in rule.deny else "warn" if route.privacy in rule.warn else "pass"
        if route.hosted and state != "pass":
            told = True
            yield Finding(state, f"{route.privacy} data of {route.name} may go to {', '.join(route.hosted)}")
    if not told:
        yield Finding("pass", f"no {' or '.join(sorted({*rule.warn, *rule.deny}))} data may go to a hosted API")


def clear_text(rule: DataClasses, subject: Subject) -> Iterator[Finding]:
    """Judge the classes of data that cross a network in clear text: to a load balancer, or from gateway to pools."""
    yield from subject.strangers(rule.routes)
    platform = subject.plan.platform
    balancer = platform.cluster.load_balancer if platform.cluster else None
    told = False
    for route in subject.routes(rule.routes):
        state: VerdictState = "deny" if route.privacy in rule.deny else "warn" if route.privacy in rule.warn else "pass"
        ways = []
        if platform.pool_tls is None and any(band.weights for band in route.bands):
            ways.append("between the gateway and its pools")
        if balancer is not None and not balancer.encrypted:
            ways.append("to the load balancer")
        if ways and state != "pass":
            told = True
            yield Finding(state, f"{route.privacy} data of {route.name} goes {' and '.join(ways)} in clear text")
    if not told:
        yield Finding("pass", f"no {' or '.join(sorted({*rule.warn, *rule.deny}))} data goes through clear text")


def providers(rule: Providers, subject: Subject) -> Iterator[Finding]:
    """Judge the providers to which requests may go."""
    yield from subject.strangers(rule.routes)
    used = sorted({api.provider for api in subject.apis(rule.routes).values()})
    yield from (_named(rule, name, f"requests may go to {name}") for name in used)
    if not used:
        yield Finding("pass", "no request may go to a provider")


def residency(rule: PlacesOfData, subject: Subject) -> Iterator[Finding]:
    """Judge the places in which requests are processed: those of own machines and of hosted APIs."""
    yield from subject.strangers(rule.routes)
    places, platform = subject.catalog.places, subject.plan.platform
    if platform.cluster is not None or any(route.model for route in subject.routes(rule.routes)):
        place = places.of_region(platform.region)
        yield _placed(rule, subject, f"machines in {platform.region}", () if place is None else (place,))
    for name, api in sorted(subject.apis(rule.routes).items()):
        host = subject.catalog.providers.get(api.provider)
        is_verified = "@" in name or host is None or "residency" not in host.unread
        yield _placed(rule, subject, name, places_of(api, subject.catalog, platform.region), is_verified)


def training(rule: RouteState, subject: Subject) -> Iterator[Finding]:
    """Judge whether providers train models on requests."""
    yield from subject.strangers(rule.routes)
    for name in sorted({api.provider for api in subject.apis(rule.routes).values()}):
        host = subject.catalog.providers.get(name)
        if host is not None and host.trains_on_data:
            yield Finding(rule.state, f"{name} trains on requests")
        elif host is None or host.trains_on_data is None or "trains_on_data" in host.unread:
            yield Finding(rule.unknown, f"not judged: whether {name} trains on requests is not verified")
        else:
            yield Finding("pass", f"{name} does not train on requests")


def retention(rule: RouteDurations, subject: Subject) -> Iterator[Finding]:
    """Judge how long providers keep requests."""
    yield from subject.strangers(rule.routes)
    for name in sorted({api.provider for api in subject.apis(rule.routes).values()}):
        host = subject.catalog.providers.get(name)
        unknown = Finding(rule.unknown, f"not judged: how long {name} keeps requests is not verified")
        if host is None or host.retention_days is None:
            yield unknown
            continue
        words = f"{name} keeps requests for {host.retention_days:g} days"
        found = above(host.retention_days * MS_PER_DAY, rule, words, lambda ms: f"{ms / MS_PER_DAY:g} days")
        if found.state != "pass" and host.zero_retention_possible:
            found = Finding(found.state, f"{found.message}, unless nothing is kept by arrangement")
        yield unknown if found.state == "pass" and "retention_days" in host.unread else found


def retirement(rule: EndLimits, subject: Subject) -> Iterator[Finding]:
    """Judge how soon hosted models end that routes use."""
    rows = {row.key: row for row in subject.catalog.apis}
    for name in sorted({catalog_key(name) for route in subject.plan.routes for name in route.hosted}):
        row = rows.get(name)
        if row is None or (row.retires is None and row.lifecycle is None):
            yield Finding(rule.unknown, f"not judged: nobody has read how long {name} is served")
        elif row.retires is not None:
            days = (row.retires - subject.today).days
            yield _ending(rule, subject, days, f"{name} ends on {row.retires}, in {days} days")
        elif row.lifecycle is not None and row.lifecycle.state == "deprecated":
            yield _ending(rule, subject, 0, f"{name} is being withdrawn, and its last day is not known")
        else:
            yield Finding("pass", f"no end of {name} is announced")
    if not any(route.hosted for route in subject.plan.routes):
        yield Finding("pass", "no hosted model is used")


def licences(rule: Licences, subject: Subject) -> Iterator[Finding]:
    """Judge the licences of the models that run on own machines. Hosted models are their provider's matter."""
    for key in sorted({pool.model for pool in subject.plan.pools}):
        model = subject.catalog.models.get(key)
        if model is None or model.licence is None:
            yield Finding(rule.unknown, f"not judged: the licence of {key} is not verified")
        else:
            yield _named(rule, model.licence, f"{key} is under {model.licence}")
    yield from _drafters(rule, subject)
    if not subject.plan.pools:
        yield Finding("pass", "the plan runs no model")


def commercial_licence(rule: FactState, subject: Subject) -> Iterator[Finding]:
    """Judge whether the licences of own models forbid commercial use."""
    for key in sorted({pool.model for pool in subject.plan.pools}):
        model = subject.catalog.models.get(key)
        terms = model.licence_terms if model is not None else None
        if terms is not None and terms.non_commercial:
            yield Finding(rule.state, f"the licence of {key} forbids commercial use")
        elif model is None or model.licence is None or (terms is None and model.licence not in PERMISSIVE):
            yield Finding(rule.unknown, f"not judged: whether {key} may be used commercially is not verified")
        else:
            yield Finding("pass", f"{key} may be used commercially ({model.licence})")
    yield from _drafters(rule, subject)
    if not subject.plan.pools:
        yield Finding("pass", "the plan runs no model")


def _drafters(rule: FactRule, subject: Subject) -> Iterator[Finding]:
    """Yield each model with weights of its own that proposes tokens for another: nobody has read its licence."""
    configs = (pool.engine.speculative_config for pool in subject.plan.pools)
    for checkpoint in sorted({config.model for config in configs if config is not None and config.model is not None}):
        yield Finding(rule.unknown, f"not judged: the licence of the drafter {checkpoint} is not verified")


def places_of(api: FallbackApi, catalog: Catalog, region: str) -> tuple[str, ...]:
    """Return where the address of a hosted model processes requests; nowhere where nobody knows.

    region: AWS region of the plan, for a provider that processes in the one that is called.
    """
    host = catalog.providers.get(api.provider)
    address = api.name.partition("@")[2]
    if host is None or (address and address not in host.endpoints):
        return ()
    at = host.endpoints[address] if address else host
    here = catalog.places.of_region(called_region(at.regions, region))
    stated = [here if word == CALLED_REGION else word for word in at.residency or ()]
    return () if None in stated else tuple(word for word in stated if word is not None)


def _named(rule: Names, name: str, words: str) -> Finding:
    if name in rule.deny:
        return Finding("deny", words)
    if name in rule.warn:
        return Finding("warn", words)
    if rule.allow is not None and name not in rule.allow:
        return Finding("deny", f"{words}, which is not allowed")
    return Finding("pass", words)


def _placed(rule: PlacesOfData, subject: Subject, who: str, where: Sequence[str], is_verified: bool = True) -> Finding:
    """Judge where somebody processes. A place that holds a denied one may be that one."""
    places = subject.catalog.places
    unknown = Finding(rule.unknown, f"not judged: where {who} processes is not verified")
    if not where:
        return unknown
    words = f"{who}: {', '.join(where)}"
    if any(places.holds(rule.deny, place) for place in where):
        return Finding("deny", words)
    if rule.allow is not None and not places.holds_all(rule.allow, where):
        return Finding("deny", f"{words}, which is not within {', '.join(rule.allow)}")
    around = [place for place in where if _around(subject, place, rule.deny)]
    if around:
        return Finding(rule.unknown, f"not judged: {words}, which may be in {', '.join(rule.deny)}")
    if any(places.holds(rule.warn, place) or _around(subject, place, rule.warn) for place in where):
        return Finding("warn", words)
    return Finding("pass", words) if is_verified else unknown


def _around(subject: Subject, place: str, named: Iterable[str]) -> bool:
    return any(place in subject.catalog.places.chain(name) for name in named if name != EVERYWHERE)


def _ending(rule: EndLimits, subject: Subject, days: int, words: str) -> Finding:
    """Judge what ends in so many days."""
    horizon = (subject.environment.horizon.end - subject.today).days
    for state, limit in (("deny", rule.deny), ("warn", rule.warn)):
        if limit is not None and days < (horizon if limit == HORIZON else float(limit) / MS_PER_DAY):
            return Finding("deny" if state == "deny" else "warn", words)
    return Finding("pass", words)
