"""Why there is no plan, as problems: one for each route without a candidate, or one for each limit in the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from planner.decision.answer.sentences import candidate_words, cause_problem, counted_words, omission_words
from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.market import Market
from planner.decision.candidates.omissions import MissesSlo, Omission, OmissionKind, counts_by_kind
from planner.decision.choice.question import Infeasible
from planner.domain.models import split_entry
from planner.words.diagnostics import Problem

ABOUT_APIS: frozenset[OmissionKind] = frozenset({"privacy", "provider", "retirement", "residency", "context"})
ABOUT_MACHINES: frozenset[OmissionKind] = frozenset({"zones", "price", "host"})
WITH_A_BETTER_ONE: frozenset[OmissionKind] = frozenset({"dominated", "screened"})
"""Kinds that never leave a route without a candidate, because another candidate is there in their place."""
KINDS_TOLD = 4
"""Kinds of omissions that a problem counts at most."""


def routes_without_candidates(market: Market) -> tuple[Problem, ...]:
    """Return a problem for each route that has a band which nothing can serve (INF001)."""
    return tuple(_no_candidate(route, market) for route in market.demand.routes if not market.has_candidates(route))


def no_plan(answer: Infeasible) -> tuple[Problem, ...]:
    """Return a problem for each cause (INF002, INF003). Several causes stand in the way together, and each says so."""
    problems = tuple(cause_problem(cause) for cause in answer.causes)
    if len(problems) == 1:
        return problems
    together = f"one of {len(problems)} limits that must move together"
    return tuple(replace(problem, message=f"{problem.message} ({together})") for problem in problems)


def _no_candidate(route: RouteDemand, market: Market) -> Problem:
    """Return the problem that counts the omissions of the route's candidates by kind, the most frequent first.

    Machines that fell are counted too, unless the route's own candidates are APIs alone.
    """
    bands = [band.name for index, band in enumerate(route.bands) if (route.name, index) not in market.servable]
    own = tuple(_own(route, market))
    if (too_long := _too_long(route, market, own)) is not None:
        return too_long
    kinds = {omission.kind for omission in own}
    machines = [o for o in market.omissions if not o.route and o.kind in ABOUT_MACHINES]
    counted = own if kinds and kinds <= ABOUT_APIS else (*own, *machines)
    reasons = counted_words(counts_by_kind(counted)[:KINDS_TOLD]) or "none of its models is known"
    message = f"route `{route.name}`: nothing can serve its {' and '.join(bands)} prompts; of its candidates {reasons}"
    return Problem("INF001", message, hint=_way_out(route, own), about=("routes", route.name))


def _too_long(route: RouteDemand, market: Market, own: tuple[Omission, ...]) -> Problem | None:
    """Return the problem that more requests are too long for every candidate than the route allows; None if none are.

    A band that some candidate reads and serves too slowly is another matter.
    """
    missing = [i for i in range(len(route.bands)) if (route.name, i) not in market.servable]
    slow = {omission.cause.band for omission in own if isinstance(omission.cause, MissesSlo)}
    first = missing[0]
    if not first or missing != list(range(first, len(route.bands))) or slow & {route.bands[i].name for i in missing}:
        return None
    share, most = route.share_from(first) * 100, route.route.too_long.most * 100
    prompts = f"{share:.2g} % of its requests have prompts over {route.bands[first].over_tokens:,} tokens"
    message = f"route `{route.name}`: {prompts}, too long for every candidate; `too_long.most` allows {most:g} %"
    hint = "accept a model that reads more, or raise `too_long.most`"
    if route.tail_is_assumed:
        hint = f"state `tokens.input.max` if no prompt is that long, {hint}"
    return Problem("INF001", message, hint=hint, about=("routes", route.name))


def _own(route: RouteDemand, market: Market) -> Iterator[Omission]:
    """Return the omissions of the route's own candidates, but for those in whose place another one is there."""
    accepted = {split_entry(entry)[0] for entry in route.route.quality.accept}
    for omission in market.omissions:
        concerns = omission.route == route.name or (not omission.route and omission.candidate.model in accepted)
        if concerns and omission.kind not in WITH_A_BETTER_ONE:
            yield omission


def _way_out(route: RouteDemand, own: tuple[Omission, ...]) -> str:
    """Say what to do for a route without a candidate."""
    kinds = {omission.kind for omission in own}
    missed = [(candidate_words(o.candidate), omission_words(o)) for o in own if o.kind == "slo" and o.route]
    if missed:
        return "nearest: {}: {}".format(*min(missed))
    if kinds == {"privacy"}:
        return "its data is restricted and it accepts hosted models only: accept an open-weight model"
    if "provider" in kinds:
        return "add the provider to `api.providers`, or accept an open-weight model"
    return "accept more models, or larger machines through `quotas` and `platform.zones`"
