"""What a reader must know of nodes that are given back: when, what that saves, and what a request meets while none is
there.

What it saves is told against the same machines all week: hours that they do not run, less hours in which they start.
"""

from __future__ import annotations

from collections.abc import Iterator

from planner.decision.answer.sizes import (
    UTC,
    firm_by_level,
    follows_load,
    hours_of,
    nodes_by_level,
    on_demand_by_level,
    schedule_of,
    spot_by_level,
    starts_of,
    time_zone,
    warm_seconds,
)
from planner.decision.answer.solved import Solved
from planner.decision.candidates.existing import paid_machines
from planner.plan.review import Verdict
from planner.words.units import HOURS_PER_MONTH

NAME = "elastic"


def elastic_verdicts(solved: Solved) -> list[Verdict]:
    """Return one line where the environment lets nodes be given back."""
    families = solved.environment.elastic_families
    if not families:
        return []
    following = [group for group in solved.groups if follows_load(solved, group)]
    if not following:
        return [Verdict(name=NAME, state="pass", message=f"no node is given back: {_why_none(solved)}")]
    parts = [_given_back(solved, group) for group in following]
    parts += [*_paid_for_anyway(solved), *_off(solved, following), *_zone(solved)]
    parts.append("on demand, AWS promises no machine for the hour in which it is wanted again")
    return [Verdict(name=NAME, state="pass", message="; ".join(parts))]


def saved_usd(solved: Solved, group: str) -> float:
    """Return what a group costs less than its most nodes would all week, USD a month."""
    k, most = solved.groups[group][0].replica_class, solved.nodes_of(group)
    firm, spot = firm_by_level(solved, group), spot_by_level(solved, group)
    most_spot = solved.spot_of(group)
    disk_usd = k.usd_per_existing_node_hour
    covered = _is_covered(solved, group)
    bought = on_demand_by_level(solved, group)
    usd = (max(bought) * HOURS_PER_MONTH - hours_of(solved, bought)) * (k.usd_per_node_hour - covered * disk_usd)
    usd += ((most - most_spot) * HOURS_PER_MONTH - hours_of(solved, firm)) * covered * disk_usd
    usd += (most_spot * HOURS_PER_MONTH - hours_of(solved, spot)) * (k.usd_per_spot_hour or 0.0)
    warm_hours = warm_seconds(solved, group) / 3600
    usd -= starts_of(solved, firm) * warm_hours * k.usd_per_node_hour
    return usd - starts_of(solved, spot) * warm_hours * (k.usd_per_spot_hour or 0.0)


def _is_covered(solved: Solved, group: str) -> bool:
    return bool(solved.existing.count(group) or solved.committed[group])


def _given_back(solved: Solved, group: str) -> str:
    sizes, nodes = schedule_of(solved, nodes_by_level(solved, group)), nodes_by_level(solved, group)
    instance_type, minutes = solved.groups[group][0].offering.instance_type, warm_seconds(solved, group) / 60
    starts = starts_of(solved, firm_by_level(solved, group)) + starts_of(solved, spot_by_level(solved, group))
    hours = solved.nodes_of(group) * HOURS_PER_MONTH - hours_of(solved, nodes)
    when = f" has {sizes.words}" if sizes else " changes its spot nodes"
    return (
        f"{group}{when} × {instance_type}: {hours:,.0f} node hours a month are given back, which saves "
        f"${saved_usd(solved, group):,.0f} against {solved.nodes_of(group)} all week; {starts:,.0f} starts a month "
        f"are paid for and waited for, {minutes:.0f} minutes each"
    )


def _off(solved: Solved, following: list[str]) -> Iterator[str]:
    """Say what a request meets while a pool has no replica."""
    for group in following:
        nodes = nodes_by_level(solved, group)
        if min(nodes):
            continue
        for route in sorted({route.name for pool in solved.groups[group] for route in solved.routes_of(pool)}):
            if solved.apis_of(route):
                yield f"while it has none, APIs take the requests of {route}"
            elif any(each.name == route and each.route.slo.deadline for each in solved.demand.routes):
                yield f"while it has none, requests of {route} wait, and are answered 503 with Retry-After"
            else:
                yield (
                    f"while it has none, {route} is planned without requests: one that comes all the same is answered "
                    "503 with Retry-After, until the clock brings a node"
                )


def _paid_for_anyway(solved: Solved) -> Iterator[str]:
    """Say which machines are paid for whether they run or not."""
    types = {pools[0].replica_class.instance_type for pools in solved.groups.values()}
    paid: dict[str, int] = {}
    for entry in paid_machines(solved.environment, solved.catalog):
        if entry.instance_type in types:
            paid[entry.instance_type] = paid.get(entry.instance_type, 0) + entry.count
    for (instance_type, _), count in solved.choice.answer.committed.items():
        paid[instance_type] = paid.get(instance_type, 0) + count
    for instance_type, count in sorted(paid.items()):
        yield f"{count} × {instance_type} are paid for whether they run or not, and save nothing when they do not"


def _zone(solved: Solved) -> Iterator[str]:
    """Say why the hours stand in UTC, where some route follows local hours."""
    zones = {route.route.traffic.timezone for route in solved.demand.routes}
    if time_zone(solved) == UTC and len(zones) > 1:
        yield f"hours are those of UTC, because routes follow those of {' and '.join(sorted(zones))}"


def _why_none(solved: Solved) -> str:
    if not solved.pools:
        return "the plan hosts nothing itself"
    if not any(pool.replica_class.is_elastic for pool in solved.pools):
        families = " and ".join(sorted(solved.environment.elastic_families))
        return f"what runs is no machine of family {families} that could be bought again, or shares its nodes"
    return "the load asks for as many machines all week, or to have them again costs more than to keep them"
