"""The hours of a pool as KEDA reads them: windows of cron for its replicas, in step with the nodes below them. Pure.

Replicas come when their nodes have come, and early enough to serve from their hour on. They go before their nodes do:
KEDA looks, the autoscaler waits, and a replica drains, all of which is over when the hour ends. So no replica waits for
a machine, and none is on its way out when its machine goes. Where replicas stay, they may stand on a machine that goes:
AWS chooses it, and the drain then moves them.
"""

from __future__ import annotations

from typing import Any

from infra import hours
from infra.sizing import load_seconds
from planner.documents.routing import release_name
from planner.plan.fleet import NodeGroup, Pool

JOIN_SECONDS = 300
"""Time from the request for a node until it takes replicas, seconds: it boots, joins, and its device plugin starts. The
image is pulled after that (`infra.sizing`)."""
POLLING_SECONDS = 15
"""Time between two looks of KEDA at its triggers, and between two of the autoscaler at KEDA, seconds."""
DRAIN_SECONDS = 110
"""Longest drain of a replica, seconds: the chart's default, and the most that spot allows."""
STEADY_SECONDS, SWINGING_SECONDS = 0, 300
"""Time that fewer replicas must be wanted before they go, seconds: by the clock alone, and with demand beside it."""
SHARE_OF_PLACES = 0.8
"""Share of a replica's places that are in use when another is wanted, so that it is ready before requests spill."""
LATE_SECONDS = 300
"""Time within the hour after which a pool that has replicas by the clock, and none that is ready, is told, seconds."""


def autoscaling(pool: Pool, group: NodeGroup, prometheus: str | None) -> dict[str, Any] | None:
    """Return the chart's values for a pool that follows the clock; None for one of fixed size.

    prometheus: address of the Prometheus that scrapes the gateways; None where there is none.
    """
    if pool.replicas.week is None:
        return None
    found = hours.sizes(
        pool.replicas.week.by_hour, comes_before(pool, group), goes_before(watched=prometheus is not None)
    )
    zone = pool.replicas.week.timezone
    values: dict[str, Any] = {
        "enabled": True,
        "minReplicas": min(found),
        "maxReplicas": pool.replicas.max,
        "schedule": [
            {"start": each.start, "end": each.end, "timezone": zone, "replicas": each.count}
            for each in hours.windows(found)
        ],
        "pollingSeconds": POLLING_SECONDS,
        "scaleDownSeconds": STEADY_SECONDS,
    }
    if prometheus is not None:
        values |= {
            "prometheusUrl": prometheus,
            "demandPerReplica": round(SHARE_OF_PLACES * pool.max_in_flight, 1),
            # There is no machine for a replica before its hour: demand would wake one that waits for it.
            "demandWakes": False,
            "scaleDownSeconds": SWINGING_SECONDS,
            # Without figures the clock alone decides.
            "fallbackReplicas": min(found),
        }
    return values


def comes_before(pool: Pool, group: NodeGroup) -> int:
    """Return how long before its hour a replica is asked for, minutes: nodes that come with it have joined by then."""
    alone = hours.minutes(load_seconds(pool))
    return max(alone, (group.warm_seconds - JOIN_SECONDS) // 60) if group.warm_seconds else alone


def goes_before(*, watched: bool) -> int:
    """Return how long before the end of its hour a replica is given up, minutes.

    watched: whether the demand is a trigger beside the clock.
    """
    steady = SWINGING_SECONDS if watched else STEADY_SECONDS
    return hours.minutes(2 * POLLING_SECONDS + steady + DRAIN_SECONDS)


def alert_values(pool: Pool, group: NodeGroup) -> dict[str, Any] | None:
    """Return what alerts must know of a pool that follows the clock; None for a pool of fixed size.

    It is the Deployment, whose replicas are KEDA's wish, and the seconds that its first replica may take.
    """
    if pool.replicas.week is None:
        return None
    seconds = 60 * comes_before(pool, group) + LATE_SECONDS
    return {"deployment": release_name(pool.name), "startSeconds": seconds}
