"""Inputs in which limits are set aside that keep a model from a route.

They are an account, an end, a place, terms, a licence, a rule on machines, a latency and a quota. A plan of such inputs
says what the limit costs. It is never deployed. A rule, or a latency, is set aside for one route, and for the machines
or the provider that it keeps out. It holds for all others, and so does every rule beside it. Restricted data is no
limit that could be set aside, and neither is a context that is too short or a price that nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from planner.decision.candidates.market import Market, hosted_market, survey
from planner.decision.candidates.omissions import (
    Ended,
    LicenceForbids,
    NoAccount,
    NoPrice,
    Omission,
    OtherResidency,
    OverQuota,
    RegionOutside,
    RuledOut,
    SlowerThanSlo,
    TermsNotMet,
)
from planner.decision.inputs import Exemption, Inputs
from planner.domain.apis import catalog_key
from planner.domain.catalog import AcceptedEntry
from planner.domain.environment import ProviderAccount

MOST_CAUSES = 4
"""Causes that are looked for one behind the other."""


_CAN_BE_SET_ASIDE = (
    NoAccount,
    Ended,
    LicenceForbids,
    OtherResidency,
    OverQuota,
    RegionOutside,
    RuledOut,
    SlowerThanSlo,
    TermsNotMet,
)


def can_be_set_aside(omission: Omission) -> bool:
    """Say whether a plan without this limit can be asked for."""
    return isinstance(omission.cause, _CAN_BE_SET_ASIDE)


def causes_of(api: str, route: str, market: Market, inputs: Inputs) -> tuple[Omission, ...]:
    """Return all causes for which a route cannot use a hosted model, each found with the ones before it set aside."""
    causes: list[Omission] = []
    while len(causes) < MOST_CAUSES:
        _, omissions, _ = hosted_market(set_aside(causes, inputs), market.demand)
        whole = (o for o in omissions if o.route == route and not _is_of_a_band(o))
        found = next((o for o in whole if catalog_key(o.candidate.api) == api), None)
        if found is None:
            break
        causes.append(found)
        if not can_be_set_aside(found):
            break
    return tuple(causes)


def _is_of_a_band(omission: Omission) -> bool:
    """Say whether the route still has the hosted model, for its other bands."""
    return isinstance(omission.cause, NoPrice) and bool(omission.cause.band)


def rules_against(accepted: AcceptedEntry, route: str, market: Market, inputs: Inputs) -> tuple[Omission, ...]:
    """Return rules that keep an accepted model from machines of a route, each found with the ones before it set aside.

    The search ends with the first machine that may serve. None are returned where no rule is in the way.
    """
    rules: list[Omission] = []
    while len(rules) < MOST_CAUSES and not market.offers_of(route, accepted):
        found = next((o for o in market.omissions if _keeps_from_machines(o, accepted, route)), None)
        if found is None:
            break
        rules.append(found)
        market = survey(set_aside(rules, inputs))
    return tuple(rules)


def _keeps_from_machines(omission: Omission, accepted: AcceptedEntry, route: str) -> bool:
    """Say whether an omission is a rule that keeps an accepted model from machines of a route."""
    if accepted.model is None or (omission.candidate.model, omission.route) != (accepted.model.key, route):
        return False
    ways = {"", *(way.name for way in accepted.precisions)}
    is_rule = isinstance(omission.cause, LicenceForbids | RegionOutside | RuledOut)
    return is_rule and omission.candidate.quantization in ways


def set_aside(causes: Iterable[Omission], inputs: Inputs) -> Inputs:
    """Return the inputs without the limits behind these omissions."""
    for omission in causes:
        provider = omission.candidate.api.split("/")[0]
        match omission.cause:
            case NoAccount():
                inputs = replace(inputs, environment=inputs.environment.with_account(provider, ProviderAccount()))
            case Ended():
                inputs = _without_end(inputs, omission.candidate.api)
            case OtherResidency():
                inputs = _exempt(inputs, Exemption("residency", omission.route, provider))
            case TermsNotMet():
                inputs = _exempt(inputs, Exemption("terms", omission.route, provider))
            case RegionOutside():
                inputs = _exempt(inputs, Exemption("region", omission.route))
            case LicenceForbids(rule="commercial use"):
                inputs = replace(inputs, environment=inputs.environment.with_non_commercial_use())
            case LicenceForbids():
                inputs = _without_licence_terms(inputs, omission.candidate.model)
            case RuledOut(rule):
                inputs = _exempt(inputs, Exemption("hardware", omission.route, rule=rule))
            case SlowerThanSlo():
                inputs = _exempt(inputs, Exemption("latency", omission.route, provider))
            case OverQuota(family):
                inputs = _without_quota(inputs, family)
            case _:
                pass
    return inputs


def _without_end(inputs: Inputs, api: str) -> Inputs:
    rows = tuple(
        replace(row, retires=None, lifecycle=None, status="listed") if row.key == api else row
        for row in inputs.catalog.apis
    )
    return replace(inputs, catalog=replace(inputs.catalog, apis=rows))


def _without_licence_terms(inputs: Inputs, key: str) -> Inputs:
    model = replace(inputs.catalog.models[key], licence_terms=None)
    return replace(inputs, catalog=replace(inputs.catalog, models={**inputs.catalog.models, key: model}))


def _exempt(inputs: Inputs, exemption: Exemption) -> Inputs:
    return replace(inputs, exemptions=inputs.exemptions | {exemption})


def _without_quota(inputs: Inputs, family: str) -> Inputs:
    quotas = {name: quota for name, quota in inputs.environment.quotas.items() if name != family}
    return replace(inputs, environment=inputs.environment.model_copy(update={"quotas": quotas}))
