"""Judgements on who sees the data and where, and on what the licences of the models ask."""

from __future__ import annotations

from planner.decision.answer.solved import Solved
from planner.decision.candidates.hosting_rights import licensee, stays_in_region
from planner.domain.licences import unsure
from planner.domain.places import UNKNOWN
from planner.plan.parts import VerdictState
from planner.plan.review import Verdict


def privacy_of(solved: Solved) -> Verdict:
    """Judge restricted data and residency.

    Requests of a route pass its gateway, whoever answers them, and its log stands beside it. Where the plan builds a
    cluster, both are in the environment's region; where it builds none, they are wherever the team runs the gateway.
    """
    told, state = [_restricted(solved)], "pass"
    for route in solved.demand.routes:
        wanted = route.route.residency
        if not wanted:
            told += _leaves(solved, route.name)
            continue
        places = ", ".join(wanted)
        region = solved.catalog.places.words_for(solved.region)
        if stays_in_region(wanted, solved.region, solved.catalog):
            told.append(f"{route.name} stays in {places}: {_who(solved, route.name)}")
        elif solved.pools:
            state = "deny"
            told.append(
                f"{route.name} must stay in {places}, but its gateway and the gateway's log stand in {region}: plan "
                "it in an environment of its own, in a region there"
            )
        else:
            state = "warn" if state == "pass" else state
            told.append(
                f"{route.name} stays in {places} at {_who(solved, route.name)}; this plan builds no cluster, so run "
                f"the gateway, whose log names the requests, in {places} too and not in {region}"
            )
    states: dict[str, VerdictState] = {"pass": "pass", "warn": "warn", "deny": "deny"}
    return Verdict(name="privacy", state=states[state], message="; ".join(told))


def licence_doubts(solved: Solved) -> list[Verdict]:
    """Warn of limits in the licences of hosted models that the environment does not let us judge, in one line."""
    who = licensee(solved.environment, solved.catalog)
    models = {pool.shape.model.key: pool.shape.model for pool in solved.pools}
    doubts: dict[str, list[str]] = {}
    for key, model in sorted(models.items()):
        if model.licence_terms is not None and (what := unsure(model.licence_terms, who)):
            doubts.setdefault(what, []).append(key)
    if not doubts:
        return []
    message = "; ".join(f"the licence of {' and '.join(names)} {what}" for what, names in sorted(doubts.items()))
    hint = "; state `licence.monthly_users`" if who.monthly_users is None and "monthly users" in message else ""
    return [Verdict(name="licence", state="warn", message=f"{message}{hint}")]


def _restricted(solved: Solved) -> str:
    restricted = [route.name for route in solved.demand.routes if not route.route.may_use_api]
    return f"no API exists for {', '.join(restricted)}" if restricted else "no route is restricted"


def _leaves(solved: Solved, route: str) -> list[str]:
    """Say to which parts of the world the prompts of a route without a residency go that are not the cluster's."""
    places, region = solved.catalog.places, solved.region
    here = places.of_region(region)
    home = places.outermost(here) if here else None
    away: dict[str, list[str]] = {}
    for api in solved.hosted_of(route):
        there = {places.outermost(place) for place in api.host.residency or ()}
        for place in sorted(there - {home}) if there else [UNKNOWN]:
            away.setdefault(places.name_of(place), []).append(api.row.key)
    if not away:
        return []
    goals = ", ".join(f"{name} ({', '.join(apis)})" for name, apis in sorted(away.items()))
    return [f"{route} states no residency: from {places.words_for(region)} its prompts may go to {goals}"]


def _who(solved: Solved, route: str) -> str:
    """Say who serves a route, and where each of them processes its requests."""
    own = [f"own machines in {solved.catalog.places.words_for(solved.region)}"] if solved.pools_of(route) else []
    apis = [f"{api.row.key} ({', '.join(api.host.residency or ())})" for api in solved.hosted_of(route)]
    return ", ".join([*own, *apis])
