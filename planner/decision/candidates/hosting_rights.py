"""Which models a route may be served with on machines of its own: the residency of its data, licences and the engine.

Data stays where its machines stand, and so do the logs of the gateway in front of them. Own machines stand in the AWS
region of the environment, so that a residency which excludes that region leaves a route its APIs alone. A licence binds
whoever runs the weights. The release of the engine that plans run may be too old for a model, or for a format of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from planner.decision.candidates.candidate import Candidate
from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.hosted_apis import HostedApi
from planner.decision.candidates.omissions import EngineLacks, LicenceForbids, Omission, OmissionCause, RegionOutside
from planner.decision.inputs import Exemption
from planner.domain.catalog import Catalog
from planner.domain.engine import DEPLOYED, Version
from planner.domain.engine_image import tag_of
from planner.domain.engine_minimum import unserved
from planner.domain.environment import Environment
from planner.domain.gaps import Gap
from planner.domain.licences import Licensee, forbidden
from planner.domain.models import Model, Quantization


@dataclass(frozen=True)
class HostingRights:
    """What may be hosted.

    barred: the models that a route may not host itself, as (route, model).
    unserved: the precisions that the engine does not serve, as (model, precision).
    omissions: why, each once.
    """

    barred: frozenset[tuple[str, str]]
    unserved: frozenset[tuple[str, str]]
    omissions: tuple[Omission, ...]

    def allows(self, route: RouteDemand, model: Model, way: Quantization) -> bool:
        """Say whether a route may be served with a model in a precision on own machines."""
        return (route.name, model.key) not in self.barred and (model.key, way.name) not in self.unserved


def hosting_rights(
    routes: Sequence[RouteDemand],
    environment: Environment,
    catalog: Catalog,
    exemptions: Collection[Exemption] = (),
) -> HostingRights:
    """Return what the residency of each route, the licence of each model that it accepts, and the engine leave.

    exemptions: routes whose machines may stand outside of their residency.
    """
    barred: set[tuple[str, str]] = set()
    without_engine: set[tuple[str, str]] = set()
    omissions: list[Omission] = []
    who, region = licensee(environment, catalog), environment.platform.region
    engine = running_release(environment)
    for route in routes:
        exempt = Exemption("region", route.name) in exemptions
        inside = exempt or stays_in_region(route.route.residency, region, catalog)
        for model, ways in _accepted_models(route, catalog):
            cause: OmissionCause | None = _against(model, who, catalog)
            if not inside:
                cause = RegionOutside(catalog.places.words_for(region))
            if cause is not None:
                barred.add((route.name, model.key))
                omissions.append(Omission(Candidate(model=model.key), cause, route.name))
                continue
            refused = {way.name: unserved(model, catalog.engine, way, engine) for way in ways}
            lacking = {name: why for name, why in refused.items() if why is not None}
            without_engine.update((model.key, name) for name in lacking)
            if lacking and len(lacking) == len(ways):  # told once, and not for each precision
                lacking = {"": lacking[ways[0].name]}
            for name, why in lacking.items():
                omissions.append(Omission(Candidate(model=model.key, quantization=name), EngineLacks(why), route.name))
    return HostingRights(frozenset(barred), frozenset(without_engine), tuple(omissions))


def running_release(environment: Environment) -> str:
    """Return the release of the engine that pools run: that of the stated image where its tag tells one, else that of
    the charts."""
    stated = Version.of_tag(tag_of(environment.platform.engine.image))
    return DEPLOYED if stated is None else stated.text


def stays_in_region(residency: Sequence[str], region: str, catalog: Catalog) -> bool:
    """Say whether data that is processed in an AWS region stays within a residency."""
    if not residency:
        return True
    place = catalog.places.of_region(region)
    return place is not None and catalog.places.holds(residency, place)


def licensee(environment: Environment, catalog: Catalog) -> Licensee:
    """Return who runs the models. A company whose place is not stated is taken to be where its machines are."""
    stated = environment.licence
    based_in = stated.based_in or catalog.places.of_region(environment.platform.region)
    return Licensee(stated.use == "commercial", stated.monthly_users, based_in)


def places_behind(environment: Environment, catalog: Catalog, apis: Iterable[HostedApi]) -> set[str]:
    """Return the keys of the places on which residency and licences were judged: those that are in use, and theirs."""
    used = {place for api in apis for place in api.host.residency or ()} if _some_residency(environment) else set()
    who = licensee(environment, catalog)
    here = catalog.places.of_region(environment.platform.region)
    used |= {place for place in (who.based_in, here) if place is not None}
    return {f"place/{key}" for place in used for key in catalog.places.chain(place) if key in catalog.places.rows}


def _some_residency(environment: Environment) -> bool:
    return any(route.residency for route in environment.routes.values())


def _accepted_models(route: RouteDemand, catalog: Catalog) -> Iterator[tuple[Model, tuple[Quantization, ...]]]:
    """Yield the open-weight models of a route's accept list, each once, with the precisions that it admits."""
    ways: dict[str, dict[str, Quantization]] = {}
    for entry in route.route.quality.accept:
        accepted = catalog.accepted_entry(entry)
        if not isinstance(accepted, Gap) and accepted.model is not None:
            ways.setdefault(accepted.model.key, {}).update({way.name: way for way in accepted.precisions})
    for key, admitted in ways.items():
        yield catalog.models[key], tuple(admitted.values())


def _against(model: Model, who: Licensee, catalog: Catalog) -> LicenceForbids | None:
    terms = model.licence_terms
    rule = forbidden(terms, who, catalog.places) if terms is not None else None
    if terms is None or rule is None:
        return None
    licence = model.licence or terms.source
    if rule == "monthly users":
        return LicenceForbids(licence, rule, f"{who.monthly_users:,}", terms.most_monthly_users or 0)
    return LicenceForbids(licence, rule, who.based_in or "" if rule == "place" else "")
