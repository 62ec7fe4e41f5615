"""The same environment with one limit less: each is a question that a team can put when there is no plan.

Privacy is no limit that one drops: a restricted route stays restricted. The functions state environments and plan
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from planner.domain.catalog import Catalog
from planner.domain.environment import Environment, ProviderAccount, ProviderLimits
from planner.domain.gaps import Gap
from planner.domain.route import DataTerms, HardwareRules, HeldSettings, Slo

SLOWER = 2.0
"""Factor by which the latency targets of a route are relaxed."""


@dataclass(frozen=True)
class Relaxation:
    """A relaxation is an environment in which one limit is gone.

    key: path of the limit in the environment file.
    change: what is changed there, in words.
    """

    key: tuple[str, ...]
    change: str
    environment: Environment


def relaxations(environment: Environment, catalog: Catalog) -> Iterator[Relaxation]:
    """Yield the environment without each of its limits: of money, of permissions, of reserves, and of each route."""
    e = environment
    for family in sorted(e.quotas):
        others = {name: quota for name, quota in e.quotas.items() if name != family}
        yield Relaxation(("quotas", family), "without this quota", e.model_copy(update={"quotas": others}))
    if e.budget is not None:
        yield Relaxation(("budget", "monthly"), "without this budget", e.model_copy(update={"budget": None}))
    if e.api.monthly_budget is not None:
        api = e.api.model_copy(update={"monthly_budget": None})
        yield Relaxation(("api", "monthly_budget"), "without this budget", e.model_copy(update={"api": api}))
    for provider, account in sorted(e.api.providers.items()):
        if account.limits != ProviderLimits():
            free = account.model_copy(update={"limits": ProviderLimits()})
            yield Relaxation(
                ("api", "providers", provider, "limits"), "without these limits", e.with_account(provider, free)
            )
    if e.reserve.node:
        reserve = e.reserve.model_copy(update={"node": False, "zone": False})
        yield Relaxation(("reserve", "node"), "without a reserve", e.model_copy(update={"reserve": reserve}))
    if e.reserve.zone:
        reserve = e.reserve.model_copy(update={"zone": False})
        words = "without a reserve for the loss of a zone"
        yield Relaxation(("reserve", "zone"), words, e.model_copy(update={"reserve": reserve}))
    if e.hardware.only is not None or e.hardware.exclude:
        free_of_rules = e.hardware.model_copy(update={"only": None, "exclude": ()})
        yield Relaxation(("hardware",), "without rules on machines", e.model_copy(update={"hardware": free_of_rules}))
    if e.licence.use == "commercial" and _some_model_forbids_it(e, catalog):
        yield Relaxation(("licence", "use"), "for use that is non-commercial", e.with_non_commercial_use())
    for name in sorted(e.routes):
        yield from _of_route(e, name)
    yield from _accounts(e, catalog)


def _of_route(e: Environment, name: str) -> Iterator[Relaxation]:
    route, key = e.routes[name], ("routes", name)
    if route.residency:
        yield Relaxation((*key, "residency"), "wherever data may be processed", e.with_route(name, residency=()))
    if route.terms != DataTerms():
        yield Relaxation((*key, "terms"), "whatever the provider's terms", e.with_route(name, terms=DataTerms()))
    if route.hardware.only is not None or route.hardware.exclude:
        yield Relaxation((*key, "hardware"), "without rules on machines", e.with_route(name, hardware=HardwareRules()))
    if not route.engine.is_free:
        free = HeldSettings(speculative=route.engine.speculative)
        yield Relaxation((*key, "engine"), "without these settings", e.with_route(name, engine=free))
    if route.too_long.most < 1:
        rule = route.too_long.model_copy(update={"most": 1.0})
        yield Relaxation((*key, "too_long", "most"), "however many are too long", e.with_route(name, too_long=rule))
    slower = _slower(route.slo)
    yield Relaxation((*key, "slo"), f"with targets of {SLOWER:g} ×", e.with_route(name, slo=slower))


def _some_model_forbids_it(e: Environment, catalog: Catalog) -> bool:
    """Say whether the licence of some accepted model forbids commercial use."""
    entries = (catalog.accepted_entry(entry) for route in e.routes.values() for entry in route.quality.accept)
    models = (entry.model for entry in entries if not isinstance(entry, Gap))
    return any(model and model.licence_terms and model.licence_terms.non_commercial for model in models)


def _accounts(e: Environment, catalog: Catalog) -> Iterator[Relaxation]:
    """Yield the environment with an account at each further provider that hosts a model of some route."""
    providers: set[str] = set()
    for route in e.routes.values():
        for entry in route.quality.accept if route.may_use_api else ():
            accepted = catalog.accepted_entry(entry)
            if not isinstance(accepted, Gap):
                providers |= {row.provider for row in accepted.apis}
    for provider in sorted(providers - set(e.api.providers)):
        yield Relaxation(
            ("api", "providers"), f"with an account at {provider}", e.with_account(provider, ProviderAccount())
        )


def _slower(slo: Slo) -> Slo:
    """Return the promise with latency targets that are `SLOWER` times as long."""
    changes: dict[str, Any] = {}
    if slo.ttft_p95 is not None:
        target = slo.ttft_p95
        slower = {"base": target.base * SLOWER, "per_1k_input": target.per_1k_input * SLOWER}
        changes["ttft_p95"] = target.model_copy(update=slower)
    for part in ("tpot_p95", "e2e_p95"):
        if (value := getattr(slo, part)) is not None:
            changes[part] = value * SLOWER
    if slo.tokens_per_second is not None:
        changes["tokens_per_second"] = slo.tokens_per_second / SLOWER
    return slo.model_copy(update=changes)
