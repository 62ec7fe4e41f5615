"""A spot reclaim as a play: AWS takes the spot nodes of one zone back, and others come when they are warm.

One zone is what AWS takes at once, and what a plan with spot counts with (decision 0076): ⌈spot nodes ÷ zones⌉ nodes. A
lock does not say which nodes are spot, so that those are taken on which most replicas of the pool stand. What else
stands on them goes too. AWS ends the machines two minutes after its notice; EKS evicts their pods soon after it, all at
once.
"""

from __future__ import annotations

import math
from collections import Counter

from planner.documents.outline import NoPlay, Outline, Part, largest_sizes, mean_usd_per_hour, nodes_usd_per_hour
from planner.documents.scenes import STEADY
from planner.performance.loading import NODE_SECONDS
from planner.plan.fleet import NodeGroup, Pool
from planner.plan.plan import Plan

NOTICE_S = 120.0
"""Time from AWS's notice to the end of the machines, seconds (AWS, "Spot Instance interruption notices")."""
EVICTION_S = 5.0
"""Time from the notice until the pods of a node are evicted, seconds. It is assumed, because EKS says no number. What
is left of the two minutes is more than the grace of the chart."""
STEADY_S, AFTER_S = 120.0, 120.0
"""Length of the parts before and after, seconds."""
DURING, AFTER = "during the reclaim", "after the reclaim"


def pools_on_spot(plan: Plan) -> tuple[str, ...]:
    """Return the pools of which replicas may stand on spot nodes, the one that loses most of them first."""
    lost = {pool.name: _lost(plan, pool)[pool.name] for pool in plan.pools if _group(plan, pool).spot}
    return tuple(sorted((name for name, count in lost.items() if count), key=lambda name: (-lost[name], name)))


def outline(plan: Plan, level: str, pool_name: str) -> Outline:
    """Return the play in which the spot nodes of a pool in one zone are taken back. Raises NoPlay where it has none.

    level: name of the load level.
    """
    if pool_name not in pools_on_spot(plan):
        raise NoPlay(f"pool {pool_name} has no spot nodes")
    pool = next(pool for pool in plan.pools if pool.name == pool_name)
    group, whole = _group(plan, pool), largest_sizes(plan)
    lost, taken = _lost(plan, pool), _nodes_of_a_zone(group)
    left = {name: count - min(count, lost[name]) for name, count in whole.items()}
    loads = {each.name: float(each.load_seconds) for each in plan.pools if lost[each.name]}
    warm = {name: group.warm_seconds or NODE_SECONDS + seconds for name, seconds in loads.items()}
    spot_price = mean_usd_per_hour(
        line for line in plan.cost.lines if line.component == group.name and line.price.endswith("/spot")
    )
    nodes = {each.name: each.max_nodes for each in plan.node_groups}
    every = nodes_usd_per_hour(plan, nodes)
    fewer = None if every is None or spot_price is None else every - taken * spot_price

    def part(phase: str, lasts_s: float) -> Part:
        return Part(
            phase=phase,
            lasts_s=lasts_s,
            level=level,
            promised=phase == STEADY,
            sizes=left if phase == DURING else whole,
            planned_sizes=whole,
            nodes_usd_per_hour=fewer if phase == DURING else every,
        )

    away_s = max(NOTICE_S, *warm.values())
    return Outline(
        story=f"AWS takes {taken} of the {group.spot} spot nodes of {group.name} back, those of one zone; "
        f"others serve {away_s:.0f} s after the notice",
        parts=(part(STEADY, STEADY_S), part(DURING, away_s), part(AFTER, AFTER_S)),
        warm_s=warm,
        starting_usd=None if spot_price is None else spot_price * taken * int(max(warm.values())) / 3600,
        notice_s=EVICTION_S,
    )


def _group(plan: Plan, pool: Pool) -> NodeGroup:
    return next(group for group in plan.node_groups if group.name == pool.node_group)


def _nodes_of_a_zone(group: NodeGroup) -> int:
    return math.ceil(group.spot / max(1, len(group.zones)))


def _lost(plan: Plan, pool: Pool) -> Counter[str]:
    """Return the replicas that stand on the nodes which are taken, by pool."""
    group = _group(plan, pool)
    nodes = [placement.replicas for placement in group.placement for _ in range(placement.nodes)]
    nodes.sort(key=lambda replicas: -replicas.get(pool.name, 0))
    lost: Counter[str] = Counter()
    for replicas in nodes[: _nodes_of_a_zone(group)]:
        lost.update(replicas)
    return lost
