"""Whether sizes that follow the clock can be deployed: rules over a plan and a run. The module is pure.

A size that changes needs its hours, and they must be those of its least and its most. AWS must take the hours of nodes,
the zone must be known, no canary may be tried on such a pool, and KEDA must run in the cluster before its pools do.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator

from infra.node_hours import UnschedulableError, actions
from infra.purchases import shares
from infra.settings import StackSettings
from planner.plan.fleet import NodeGroup, Pool
from planner.plan.plan import Plan
from planner.plan.schedule import Schedule
from planner.words.diagnostics import Problem

DEFINITION = "scaledobjects.keda.sh"
INSTALL = (
    "`helm upgrade --install keda keda --repo https://kedacore.github.io/charts --namespace keda --create-namespace`"
)
"""The command that installs KEDA, as its own documentation gives it (keda.sh/docs/latest/deploy)."""


def size_problems(plan: Plan, *, nodes_are_ours: bool) -> Iterator[Problem]:
    """Yield what is wrong with the sizes of node groups and pools.

    nodes_are_ours: whether the nodes are made by this program; those of a cluster that is there already are not given
    back.
    """
    for group in plan.node_groups:
        yield from _group_problems(group, nodes_are_ours)
    for pool in plan.pools:
        yield from _pool_problems(pool)
    canary = plan.platform.engine.canary if plan.platform.engine else None
    for pool in plan.pools:
        if canary is not None and pool.replicas.week is not None and pool.name in canary.replicas:
            message = f"pool `{pool.name}` follows the clock and has a canary, which would keep its places at night"
            hint = "take `platform.engine.canary` out, or plan the pool at a fixed size while the canary runs"
            yield Problem("DEP065", message, hint=hint)


def pools_by_the_clock(plan: Plan) -> list[str]:
    """Return the names of pools whose replicas follow the clock, sorted."""
    return sorted(pool.name for pool in plan.pools if pool.replicas.week is not None)


def waits_for_keda(plan: Plan, chosen: StackSettings) -> bool:
    """Say whether a cluster that this program makes must get KEDA before anything that follows the clock is made."""
    found = any(group.follows_the_clock for group in plan.node_groups) or bool(pools_by_the_clock(plan))
    return found and not chosen.keda and plan.platform.existing is None


def keda_problem(plan: Plan, *, has_pools: bool) -> Problem:
    """Return what a run says that waits for KEDA: an error where pools run already, as none is taken away, else a
    warning.
    """
    names = ", ".join(f"`{name}`" for name in pools_by_the_clock(plan)) or "nodes"
    if has_pools:
        message = f"{names} would follow the clock, and this stack does not say that KEDA runs in its cluster"
        hint = f"{INSTALL}, then `pulumi config set spillway:keda true`"
        return Problem("DEP029", message, hint=hint)
    message = (
        f"{names} will follow the clock, which KEDA does in the cluster: this run ends with the cluster and its system "
        f"nodes, so that no GPU node is paid for around the clock"
    )
    hint = f"with the cluster's kubeconfig: {INSTALL}, then `pulumi config set spillway:keda true`, and `pulumi up`"
    return Problem("DEP029", message, hint=hint, severity="warning")


def _group_problems(group: NodeGroup, nodes_are_ours: bool) -> Iterator[Problem]:
    name = f"node group `{group.name}`"
    if not group.follows_the_clock:
        if group.min_nodes != group.max_nodes or group.max_nodes < 1:
            message = f"{name} has {group.min_nodes} to {group.max_nodes} nodes, and no hours that say when"
            yield Problem("DEP021", message, hint="plan again")
        return
    if not nodes_are_ours:
        message = f"{name} would give nodes of a cluster that is there already back by the clock; nobody does that here"
        yield Problem("DEP021", message, hint="leave its family out of `elastic`, and plan again")
        return
    stated = [each for each in (group.schedule, group.spot_schedule) if each is not None]
    strange = [words for each in stated for words in _zone_problems(each)]
    if len({each.timezone for each in stated}) > 1:
        strange.append("its hours are of two time zones")
    nodes, spot = group.by_hour, group.spot_by_hour
    # The most nodes of each way of buying need not be there in the same hour.
    if min(nodes) != group.min_nodes or not 1 <= max(nodes) <= group.max_nodes:
        strange.append(f"its hours have {min(nodes)} to {max(nodes)} nodes, not {group.min_nodes} to {group.max_nodes}")
    if max(spot) != group.spot or any(not 0 <= few <= many for few, many in zip(spot, nodes, strict=True)):
        strange.append(f"its hours have up to {max(spot)} spot nodes of as many, not {group.spot}")
    if group.warm_seconds <= 0:
        strange.append("nobody says how long its nodes take until they serve")
    for words in strange:
        yield Problem("DEP021", f"{name}: {words}", hint="plan again")
    if strange:
        return
    for share in shares(group):
        try:
            actions(share.hours) if share.hours else ()
        except UnschedulableError as error:
            hint = "let fewer hours differ: state the load of fewer days apart, or leave the family out of `elastic`"
            yield Problem("DEP028", f"{name}: its hours need {error}", hint=hint)


def _pool_problems(pool: Pool) -> Iterator[Problem]:
    name, replicas = f"pool `{pool.name}`", pool.replicas
    if replicas.week is None:
        if replicas.min != replicas.max:
            message = f"{name} has {replicas.min} to {replicas.max} replicas, and no hours that say when"
            yield Problem("DEP021", message, hint="plan again")
        return
    by_hour = replicas.week.by_hour
    strange = list(_zone_problems(replicas.week))
    if (min(by_hour), max(by_hour)) != (replicas.min, replicas.max) or replicas.max < 1:
        strange.append(f"its hours have {min(by_hour)} to {max(by_hour)}, not {replicas.min} to {replicas.max}")
    for words in strange:
        yield Problem("DEP021", f"{name}: {words}", hint="plan again")


def _zone_problems(stated: Schedule) -> Iterator[str]:
    """Yield what is wrong with the zone of hours: AWS and KEDA know those of the IANA database."""
    if stated.timezone not in zoneinfo.available_timezones():
        yield f"nobody knows the time zone `{stated.timezone}`"
