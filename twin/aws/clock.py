"""The clock of the week, which a person moves: node groups get the machines that their scheduled actions want then.

The clock shows the local time of whatever zone an action is in. A group without actions stays as it is. Of the others,
the last action before the moment has run. A size that the limits of the group do not hold has failed, and the group
stays as it is. What shrinks ends machines as `instances.scale` says, and EKS drains their nodes; what has no machine to
get stays smaller, and tries again as `reclaim` says.
"""

from __future__ import annotations

import re
from typing import Any

from twin.aws import instances, scheduled_actions
from twin.aws.account import Account
from twin.aws.registry import kind_of
from twin.aws.scheduled_actions import NODE_GROUP
from twin.aws.store import AccountState, ResourceRecord, Store
from twin.aws.world import World, transaction
from twin.provider.contract import ResourceState

DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
WEEK = 7 * 24 * 60


def move(store: Store, at: str) -> list[str]:
    """Let it be a moment of the week, such as `mon 06:00`, and say what became of each group with actions.

    Raises ValueError for what is no moment.
    """
    minute = moment(at)
    lines, clusters = [], set()
    with transaction(store) as (state, world):
        for identifier, record in sorted(state.records.get(NODE_GROUP, {}).items()):
            ran = last_action(state, record, minute)
            if ran is not None:
                lines.append(_run(state, world, identifier, record, *ran))
                clusters.add((record.inputs["clusterName"], record.region))
    for cluster, region in sorted(clusters):
        instances.settle(store, cluster, region)
    return lines


def moment(text: str) -> int:
    """Return the minute of the week, from Sunday 00:00, of a text such as `mon 06:00`. Raises ValueError."""
    found = re.fullmatch(r"([a-z]{3}) ([01]\d|2[0-3]):([0-5]\d)", text.strip().lower())
    if found is None or found[1] not in DAYS:
        raise ValueError(f"{text!r} is no moment of the week; write one such as 'mon 06:00'")
    return (DAYS.index(found[1]) * 24 + int(found[2])) * 60 + int(found[3])


def last_action(state: AccountState, group: ResourceRecord, minute: int) -> tuple[str, ResourceRecord] | None:
    """Return the action of a group that ran last, with its name; None for a group without actions."""
    found = [
        ((minute - start) % WEEK, name, action)
        for part in group.outputs["resources"]
        for one in part["autoscalingGroups"]
        for name, action in scheduled_actions.actions_of(state, one["name"]).items()
        for start in scheduled_actions.moments(action.inputs["recurrence"])
    ]
    return min(found, key=lambda each: each[:2])[1:] if found else None


def _run(
    state: AccountState, world: World, identifier: str, record: ResourceRecord, name: str, action: ResourceRecord
) -> str:
    scaling: dict[str, Any] = dict(record.inputs["scalingConfig"])
    for key, at_eks in (("minSize", "minSize"), ("maxSize", "maxSize"), ("desiredCapacity", "desiredSize")):
        stated = scheduled_actions.size(action.inputs, key)
        if stated is not None:
            scaling[at_eks] = stated
    smallest, desired, largest = (int(scaling[key]) for key in ("minSize", "desiredSize", "maxSize"))
    if not smallest <= desired <= largest:
        return f"{record.name}: action {name} failed, as {desired} nodes are not {smallest} to {largest}"
    record.inputs = {**record.inputs, "scalingConfig": scaling}
    record.outputs["scalingConfig"] = scaling
    kind = kind_of(NODE_GROUP)
    assert kind.recover is not None
    result = kind.recover(
        Account(state, world, record.region), ResourceState(identifier, record.inputs, record.outputs)
    )
    record.outputs.update(result.outputs)
    return f"{record.name} has {desired} nodes by action {name}" + (
        f"; it lacks some: {result.failure}" if result.failure else ""
    )
