"""Inputs in which limits are set aside that keep a model from a route.

They are an account, an end, a place, terms, a licence, a rule on machines, a latency and a quota. A plan of such inputs
says what the limit costs. It is never deployed. A rule of a route is set aside for the machines or the provider that it
keeps out, and holds for all others. Restricted data is no limit that could be set aside, and neither is a context that
is too short or a price that nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from planner.decision.candidates.market import Market, hosted_market
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
from planner.domain.environment import ProviderAccount
from planner.domain.route import HardwareRules

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
            case RuledOut():
                inputs = _on_any_machine(inputs, omission.route)
            case SlowerThanSlo():
                inputs = _without_latency(inputs, provider)
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


def _with_route(inputs: Inputs, name: str, **changes: Any) -> Inputs:
    return replace(inputs, environment=inputs.environment.with_route(name, **changes))


def _on_any_machine(inputs: Inputs, name: str) -> Inputs:
    free = {"only": None, "exclude": ()}
    inputs = _with_route(inputs, name, hardware=HardwareRules())
    whole = inputs.environment.hardware.model_copy(update=free)
    return replace(inputs, environment=inputs.environment.model_copy(update={"hardware": whole}))


def _without_latency(inputs: Inputs, provider: str) -> Inputs:
    account = inputs.environment.api.providers[provider].model_copy(update={"latency": None})
    return replace(inputs, environment=inputs.environment.with_account(provider, account))


def _without_quota(inputs: Inputs, family: str) -> Inputs:
    quotas = {name: quota for name, quota in inputs.environment.quotas.items() if name != family}
    return replace(inputs, environment=inputs.environment.model_copy(update={"quotas": quotas}))
