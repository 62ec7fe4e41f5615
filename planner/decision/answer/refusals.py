"""Why there is no plan, as problems: one for each route without a candidate, or one for each limit in the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from planner.decision.answer.sentences import JUST_ABOVE, candidate_words, cause_problem, counted_words, omission_words
from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.market import Market
from planner.decision.candidates.omissions import (
    MissesSlo,
    NoPrice,
    Omission,
    OmissionKind,
    OtherResidency,
    RegionOutside,
    TooLittleContext,
    counts_by_kind,
)
from planner.decision.choice.question import Infeasible
from planner.domain.adapters import Adapter
from planner.domain.catalog import Catalog
from planner.domain.models import split_entry
from planner.words.diagnostics import Problem

ABOUT_NO_MACHINE: frozenset[OmissionKind] = frozenset(
    {"privacy", "provider", "not-called", "deployment", "retirement", "residency", "context", "terms", "latency"}
)
"""Kinds of APIs: where the route's own candidates are APIs alone, what machines lack is no reason."""
BARS_MACHINES: Mapping[OmissionKind, str] = {
    "machine": "its open-weight models need a machine, and this plan buys none for the route",
    "region": "its open-weight models would be hosted in a region that the route's residency excludes",
}
"""Kinds by which no machine at all may serve the route, in words. Then nothing else of machines is a reason."""
ABOUT_MACHINES: frozenset[OmissionKind] = frozenset({"zones", "price", "host"})
WITH_A_BETTER_ONE: frozenset[OmissionKind] = frozenset({"dominated", "dear", "screened"})
"""Kinds that never leave a route without a candidate, because another candidate is there in their place."""
RULES_OF_A_TEAM: frozenset[OmissionKind] = frozenset({"latency", "licence", "region", "residency", "terms"})
"""Kinds by which a rule of the environment leaves out what was accepted."""
WITH_SETTINGS: frozenset[OmissionKind] = frozenset({"memory", "slo", "context"})
"""Kinds that settings of the engine can cause."""
KINDS_TOLD = 4
"""Kinds of omissions that a problem counts at most."""


def routes_without_candidates(market: Market, catalog: Catalog) -> tuple[Problem, ...]:
    """Return a problem for each route that has a band which nothing can serve (INF001)."""
    without = (route for route in market.demand.routes if not market.has_candidates(route))
    return tuple(_no_candidate(route, market, catalog) for route in without)


def no_plan(answer: Infeasible, fallen: Iterable[Omission] = ()) -> tuple[Problem, ...]:
    """Return a problem for each cause (INF002, INF003). Several causes stand in the way together, and each says so.

    Of the candidates that fell, those that a rule of the environment leaves out are named: it may be loosened instead.
    """
    left_out = _left_out(fallen)
    problems = tuple(
        replace(problem, hint=f"{problem.hint}{left_out}") for problem in map(cause_problem, answer.causes)
    )
    if len(problems) == 1:
        return problems
    together = f"one of {len(problems)} limits that must move together"
    return tuple(replace(problem, message=f"{problem.message} ({together})") for problem in problems)


def _left_out(fallen: Iterable[Omission]) -> str:
    """Name the hosted models and the models that a rule of the environment leaves out, as the end of a hint."""
    told = dict.fromkeys(
        f"{candidate_words(o.candidate)} ({omission_words(o)})"
        for o in fallen
        if o.kind in RULES_OF_A_TEAM and not o.candidate.gpu and not o.candidate.instance_type
    )
    if not told:
        return ""
    shown = list(told)[:KINDS_TOLD]
    more = f" and {len(told) - len(shown)} more" if len(told) > len(shown) else ""
    return f"; left out: {', '.join(shown)}{more}"


def _no_candidate(route: RouteDemand, market: Market, catalog: Catalog) -> Problem:
    """Return the problem that counts the omissions of the route's candidates by kind, the most frequent first.

    Machines that fell are counted too, unless the route's own candidates are APIs alone.
    """
    bands = [band.name for index, band in enumerate(route.bands) if (route.name, index) not in market.servable]
    own = tuple(_own(route, market, catalog.adapters))
    if (too_long := _too_long(route, market, own, catalog)) is not None:
        return too_long
    reasons = _reasons(own, market) or "none of its models is known"
    message = f"route `{route.name}`: nothing can serve its {' and '.join(bands)} prompts; {reasons}"
    about, way_out = _decisive(route, own, market)
    return Problem("INF001", message, hint=way_out, about=about)


def _reasons(own: tuple[Omission, ...], market: Market) -> str:
    """Count why candidates fell, by kind. That no machine may serve is told once, and not for each machine."""
    kinds = {omission.kind for omission in own}
    barred = [words for kind, words in BARS_MACHINES.items() if kind in kinds]
    needs_no_machine = bool(barred) or kinds <= ABOUT_NO_MACHINE
    machines = [o for o in market.omissions if not o.route and o.kind in ABOUT_MACHINES]
    counted = own if kinds and needs_no_machine else (*own, *machines)
    counts = counts_by_kind(o for o in counted if o.kind not in BARS_MACHINES)
    told = [f"of its candidates {counted_words(counts[:KINDS_TOLD])}"] if counts else []
    return "; ".join([*told, *barred])


def _too_long(route: RouteDemand, market: Market, own: tuple[Omission, ...], catalog: Catalog) -> Problem | None:
    """Return the problem that more requests are too long for every candidate than the route allows; None if none are.

    A band that some candidate reads and serves too slowly, or at a price that nobody knows, is another matter.
    """
    missing = [i for i in range(len(route.bands)) if (route.name, i) not in market.servable]
    read = {omission.cause.band for omission in own if isinstance(omission.cause, MissesSlo | NoPrice)}
    first = missing[0]
    if not first or missing != list(range(first, len(route.bands))) or read & {route.bands[i].name for i in missing}:
        return None
    share, most = route.share_from(first) * 100, route.route.too_long.most * 100
    prompts = f"{share:.2g} % of its requests have prompts over {route.bands[first].over_tokens:,} tokens"
    message = f"route `{route.name}`: {prompts}, too long for every candidate; `too_long.most` allows {most:g} %"
    stretched = _stretched(route, catalog)
    like = f", like {' or '.join(stretched)}" if stretched else ""
    hint = f"accept a model that reads more{like}, or raise `too_long.most`"
    if route.tail_is_assumed:
        hint = f"state `tokens.input.max` if no prompt is that long, {hint}"
    return Problem("INF001", message, hint=hint, about=("routes", route.name))


def _stretched(route: RouteDemand, catalog: Catalog) -> list[str]:
    """Return the entries that run the weights of an accepted model with a longer context, sorted."""
    accepted = {split_entry(entry)[0] for entry in route.route.quality.accept} & catalog.models.keys()
    longer = {key for key in catalog.models for name in accepted if key.startswith(f"{name}-")}
    return sorted(key for key in longer if catalog.models[key].positions is not None)


def _own(route: RouteDemand, market: Market, adapters: Mapping[str, Adapter]) -> Iterator[Omission]:
    """Return the omissions of the route's own candidates, but for those in whose place another one is there."""
    named = (split_entry(entry)[0] for entry in route.route.quality.accept)
    accepted = {adapters[name].base if name in adapters else name for name in named}
    for omission in market.omissions:
        concerns = omission.route == route.name or (not omission.route and omission.candidate.model in accepted)
        in_16_bit = omission.kind == "kv-cache" and "auto" in route.route.quality.kv_cache_dtype
        if concerns and omission.kind not in WITH_A_BETTER_ONE and not in_16_bit:
            yield omission


def _decisive(route: RouteDemand, own: tuple[Omission, ...], market: Market) -> tuple[tuple[str, ...], str]:
    """Return the key that decides why a route has no candidate, and what to do about it."""
    whole: tuple[str, ...] = ("routes", route.name)
    kinds = {omission.kind for omission in own}
    if not route.route.engine.is_free and kinds & WITH_SETTINGS:
        settings = ", ".join(f"`{name}: {value}`" for name, value in route.route.engine.held.items())
        told = min((o for o in own if o.kind in WITH_SETTINGS), key=_held_first)
        reason = f"it holds {settings}; with that {candidate_words(told.candidate)}: {omission_words(told)}"
        return (*whole, "engine"), reason
    missed = [(_times_over(o), candidate_words(o.candidate), omission_words(o)) for o in own if _misses_slo(o)]
    if missed:
        over, name, reason = min(missed)
        by = f" (by {over:.2g} times)" if JUST_ABOVE <= over < float("inf") else ""
        return whole, f"nearest: {name}: {reason}{by}"
    if kinds == {"privacy"}:
        return whole, "its data is restricted and it accepts hosted models only: accept an open-weight model"
    if "region" in kinds:
        return (*whole, "residency"), _fitting_regions(route, own, market)
    for kind, key, way_out in _BOUND:
        if kind in kinds:
            return (*whole, key), _wider_residency(own) + way_out if kind == "residency" else way_out
    if "provider" in kinds:
        return whole, "add the provider to `api.providers`, or accept an open-weight model"
    return whole, "accept more models, or larger machines through `quotas` and `platform.zones`"


_BOUND: tuple[tuple[OmissionKind, str, str], ...] = (
    ("hardware", "hardware", "allow more hardware, or accept a model that the hardware can serve"),
    ("machine", "hardware", "allow machines for it, or accept a model that a provider hosts"),
    ("terms", "terms", "read the contracts of the providers, or accept a model that own machines serve"),
    ("latency", "slo", "measure the latency again, loosen the target, or accept a model that own machines serve"),
    ("kv-cache", "quality", "allow `auto` in `kv_cache_dtype`, or accept a model that is planned with an FP8 KV cache"),
    ("licence", "quality", "accept a model whose licence allows it, or state another use under `licence:`"),
    (
        "engine",
        "quality",
        "accept a model that the engine serves: `spillway catalog show MODEL` tells from which release on",
    ),
    ("residency", "residency", "name the places where a provider processes requests, or accept an open-weight model"),
)
"""Rules that a team has set: the kind of omission, the key of the route, and what to do, by which is told first."""


def _misses_slo(omission: Omission) -> bool:
    return omission.kind == "slo" and bool(omission.route)


def _times_over(omission: Omission) -> float:
    """Return how many times over its target a candidate is; infinity where that is not known."""
    over = omission.cause.capacity.over if isinstance(omission.cause, MissesSlo) else None
    return float("inf") if over is None else over


def _fitting_regions(route: RouteDemand, own: tuple[Omission, ...], market: Market) -> str:
    """Name the regions of the catalog whose machines keep the route's residency, and where its APIs process."""
    wanted = ", ".join(route.route.residency)
    fitting = market.fitting_regions.get(route.name, ())
    none = f"the catalog has no region in {wanted}"
    regions = f"set `platform.region` to {' or '.join(fitting)}" if fitting else none
    if not route.route.may_use_api:
        if fitting:
            return regions
        here = next(o.cause.region for o in own if isinstance(o.cause, RegionOutside))
        return (
            f"{none}, and no API may serve restricted data: allow the place of a region that it has in `residency` "
            f"(`platform.region` is {here}), or add a region's machines and prices to the catalog"
        )
    apis = sorted({f"{o.candidate.api} {omission_words(o)}" for o in own if o.candidate.api and o.kind == "residency"})
    told = f"; of its APIs {'; '.join(apis)}" if apis else "; accept a hosted model whose provider processes there"
    return f"{_wider_residency(own)}{regions}{told}"


def _wider_residency(own: tuple[Omission, ...]) -> str:
    """Tell what the route would have to state for addresses of providers that come near, as the beginning of a hint."""
    near = {
        f"state `residency: [{', '.join(address.residency)}]` for {o.candidate.api}@{address.name}"
        for o in own
        if isinstance(o.cause, OtherResidency)
        for address in o.cause.further
    }
    return "".join(f"{words}, or " for words in sorted(near))


def _held_first(omission: Omission) -> tuple[bool, str, str]:
    """Return the key that sorts what a held context causes before all else, and then by words."""
    is_held = isinstance(omission.cause, TooLittleContext) and omission.cause.is_held
    return not is_held, candidate_words(omission.candidate), omission_words(omission)
