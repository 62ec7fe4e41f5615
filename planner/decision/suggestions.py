"""Models that a route could accept, each with the public evidence of how good it is, its licence and its ways to run.

Nothing is recommended: whoever knows the task decides. A model without a score is listed without one.
"""

from __future__ import annotations

from collections.abc import Mapping

from planner.decision.candidates.hosting_rights import licensee, running_release, stays_in_region
from planner.decision.candidates.terms import ServedAt, broken_term, served_at
from planner.domain.apis import ApiModel, PricePart
from planner.domain.catalog import Catalog
from planner.domain.engine import DEPLOYED
from planner.domain.engine_minimum import unserved
from planner.domain.environment import Environment
from planner.domain.licences import forbidden, unsure
from planner.domain.models import Model
from planner.domain.scores import HostedPrice, Metric, Suggestion


def suggestions(
    catalog: Catalog, metrics: Mapping[str, Metric], environment: Environment | None, route: str, metric: str
) -> tuple[Suggestion, ...]:
    """Return the models that a route could be served with in some way: the best in the metric first, then by name.

    environment, route: whose rules hold; None and empty = those of nobody.
    """
    entries = sorted({*catalog.models, *(api.slug for api in catalog.apis)})
    found = [_suggestion(entry, catalog, metrics, environment, route) for entry in entries]
    possible = [s for s in found if s.cheapest is not None or (s.model is not None and not s.against)]
    return tuple(sorted(possible, key=lambda s: (-s.scores[metric].score if metric in s.scores else 0, s.entry)))


def _suggestion(
    entry: str, catalog: Catalog, metrics: Mapping[str, Metric], environment: Environment | None, route: str
) -> Suggestion:
    model = catalog.models.get(entry)
    return Suggestion(
        entry=entry,
        model=model,
        scores={key: metric.scores[entry] for key, metric in sorted(metrics.items()) if entry in metric.scores},
        cheapest=_cheapest(entry, catalog, environment, route),
        against=_against(model, catalog, environment, route),
        asks=_asks(model, catalog, environment),
        accepted=environment is not None and entry in environment.routes[route].quality.accept,
    )


def _cheapest(entry: str, catalog: Catalog, environment: Environment | None, route: str) -> HostedPrice | None:
    """Return the cheapest copy that serves on the first day of the horizon, whose provider keeps the route's terms, at
    an address that the route may reach.
    """
    if environment is not None and not environment.routes[route].may_use_api:
        return None
    found = [
        price
        for api in catalog.apis
        if entry in (api.slug, api.hosts) and api.status == "listed"
        if (price := _price(api, catalog, environment, route)) is not None
    ]
    return min(found, key=lambda price: (price.usd_input + price.usd_output, price.api), default=None)


def _price(api: ApiModel, catalog: Catalog, environment: Environment | None, route: str) -> HostedPrice | None:
    at: ServedAt | None = ServedAt(api, catalog.providers[api.provider])
    if environment is not None:
        asked, account = environment.routes[route], environment.api.providers.get(api.provider)
        residency = asked.residency
        at = served_at(api, residency, catalog, environment.platform.region, account)
        if at is None or account is None or not api.serves_on(environment.horizon.start):
            return None
        if residency and not catalog.places.holds_all(residency, at.host.residency):
            return None
        if broken_term(asked.terms, at.host) is not None:
            return None
    if at is None or at.host.not_called:
        return None
    usd_input, usd_output = (at.price(part, catalog.prices) for part in _PARTS)
    if usd_input is None or usd_output is None:
        return None
    return HostedPrice(at.row.key, float(usd_input.usd), float(usd_output.usd))


_PARTS: tuple[PricePart, PricePart] = ("input", "output")


def _against(model: Model | None, catalog: Catalog, environment: Environment | None, route: str) -> str:
    if model is None:
        return "its weights are closed"
    if model.not_served:
        return model.not_served
    engine = DEPLOYED if environment is None else running_release(environment)
    if (lacking := unserved(model, catalog.engine, deployed=engine)) is not None:
        return lacking.reason
    if environment is None:
        return ""
    if not stays_in_region(environment.routes[route].residency, environment.platform.region, catalog):
        return f"{environment.platform.region} is outside of the route's residency"
    terms = model.licence_terms
    rule = forbidden(terms, licensee(environment, catalog), catalog.places) if terms is not None else None
    return f"its licence forbids it: {rule}" if rule else ""


def _asks(model: Model | None, catalog: Catalog, environment: Environment | None) -> str:
    if model is None or model.licence_terms is None or environment is None:
        return ""
    return unsure(model.licence_terms, licensee(environment, catalog))
