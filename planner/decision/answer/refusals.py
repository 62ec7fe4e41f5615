"""Why there is no plan, as problems: one for each route without a candidate, or one for each limit in the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from planner.decision.answer.sentences import candidate_words, cause_problem, counted_words, omission_words
from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.market import Market
from planner.decision.candidates.omissions import Omission, OmissionKind, counts_by_kind
from planner.decision.choice.question import Infeasible
from planner.domain.models import split_entry
from planner.words.diagnostics import Problem

ABOUT_APIS: frozenset[OmissionKind] = frozenset({"privacy", "provider", "retirement", "residency", "context"})
ABOUT_MACHINES: frozenset[OmissionKind] = frozenset({"zones", "price", "host"})
WITH_A_BETTER_ONE: frozenset[OmissionKind] = frozenset({"dominated", "dear", "screened"})
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
    kinds = {omission.kind for omission in own}
    machines = [o for o in market.omissions if not o.route and o.kind in ABOUT_MACHINES]
    counted = own if kinds and kinds <= ABOUT_APIS else (*own, *machines)
    reasons = counted_words(counts_by_kind(counted)[:KINDS_TOLD]) or "none of its models is known"
    message = f"route `{route.name}`: nothing can serve its {' and '.join(bands)} prompts; of its candidates {reasons}"
    return Problem("INF001", message, hint=_way_out(route, own), about=("routes", route.name))


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
