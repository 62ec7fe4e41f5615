"""Why there is no plan, as problems: one for each route without a candidate, or one for each limit in the way."""

from __future__ import annotations

from collections.abc import Iterator

from planner.decision.answer.sentences import candidate_words, cause_problem, counted_words, omission_words
from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.market import Market
from planner.decision.candidates.omissions import Omission, counts_by_kind
from planner.decision.choice.question import Infeasible
from planner.domain.models import split_entry
from planner.words.diagnostics import Problem

ABOUT_APIS = {"privacy", "provider", "retirement", "residency", "context"}
ABOUT_MACHINES = {"zones", "price", "host"}
OF_ITSELF = {"dominated", "screened"}
"""Kinds that never leave a route without a candidate: another candidate stands in."""
KINDS_TOLD = 4


def routes_without_candidates(market: Market) -> tuple[Problem, ...]:
    """A problem for each route some of whose bands nothing can serve (INF001)."""
    lost = [route for route in market.demand.routes if not market.has_candidates(route)]
    return tuple(_no_candidate(route, market) for route in lost)


def no_plan(answer: Infeasible) -> tuple[Problem, ...]:
    """A problem for each cause (INF002, INF003)."""
    return tuple(cause_problem(cause) for cause in answer.causes)


def _no_candidate(route: RouteDemand, market: Market) -> Problem:
    """Every reason against the route's own candidates, the most frequent first."""
    bands = [band.name for index, band in enumerate(route.bands) if (route.name, index) not in market.served]
    own = tuple(_own(route, market))
    kinds = {omission.kind for omission in own}
    machines = [o for o in market.omissions if not o.route and o.kind in ABOUT_MACHINES]
    told = own if kinds and kinds <= ABOUT_APIS else (*own, *machines)
    reasons = counted_words(counts_by_kind(told)[:KINDS_TOLD]) or "none of its models is known"
    message = f"route `{route.name}`: nothing can serve its {' and '.join(bands)} prompts; of its candidates {reasons}"
    return Problem("INF001", message, hint=_way_out(route, own), about=("routes", route.name))


def _own(route: RouteDemand, market: Market) -> Iterator[Omission]:
    """The omissions that speak of the route's own candidates."""
    accepted = {split_entry(entry)[0] for entry in route.route.quality.accept}
    for omission in market.omissions:
        concerns = omission.route == route.name or (not omission.route and omission.candidate.model in accepted)
        if concerns and omission.kind not in OF_ITSELF:
            yield omission


def _way_out(route: RouteDemand, own: tuple[Omission, ...]) -> str:
    kinds = {omission.kind for omission in own}
    missed = [(candidate_words(o.candidate), omission_words(o)) for o in own if o.kind == "slo" and o.route]
    if missed:
        return "nearest: {}: {}".format(*min(missed))
    if kinds == {"privacy"}:
        return "its data is restricted and it accepts hosted models only: accept an open-weight model"
    if "provider" in kinds:
        return "add the provider to `api.providers`, or accept an open-weight model"
    return "accept more models, or larger machines through `quotas` and `platform.zones`"
