"""Spot machines that AWS takes back, and that come again when there is capacity.

AWS gives a notice of two minutes to all spot machines of a type in a zone. EKS then cordons and drains their nodes, all
at once, and no later than that the machines end, with whatever still runs on them. From the notice on the zone has no
such machine to give, so that the group looks for others in its other zones; where there are none either, it stays
smaller. It tries again whenever the engine reads it, as an Auto Scaling group does by itself, or when `regain` is
called.

The two minutes last as long as `SPILLWAY_TWIN_MINUTE` says. Without it a drain gets the time of any other.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from twin.aws import control_planes, drift, faults, instances
from twin.aws.account import Account
from twin.aws.pace import MINUTE_VARIABLE
from twin.aws.registry import kind_by_word
from twin.aws.store import ResourceRecord, Store
from twin.aws.world import inquiry, transaction
from twin.provider.contract import OperationError, ResourceState

NOTICE_MINUTES = 2.0
"""From the notice to the end of the machines."""
UNPACED_S = 15.0
"""Time for a drain where minutes last nothing, seconds."""
_NODES = "nodes.lock"


def reclaim(store: Store, name: str, zone_id: str) -> list[str]:
    """Take the spot machines of a group in a zone back, and say what happened. Raises `OperationError` where there are
    none."""
    kind = kind_by_word("NodeGroup")
    with inquiry(store) as (state, _):
        _, record = drift.find(state, kind, name)
        cluster, group = record.inputs["clusterName"], record.inputs["nodeGroupName"]
        if record.inputs.get("capacityType") != "SPOT":
            raise OperationError(f"{name} is {record.outputs['capacityType']}; AWS takes back spot machines alone")
        noticed = instances.in_zone(state, cluster, group, zone_id)
    if not noticed:
        raise OperationError(f"{name} has no machine in {zone_id}")
    types = sorted({row["instance_type"] for row in noticed.values()})
    gone = [{"kind": "capacity", "instance_type": each, "zone": zone_id, "capacity_type": "SPOT"} for each in types]
    faults.put(store, [*faults.in_force(store.folder), *gone])
    with store.exclusive_use(_NODES):
        late = _drained(store, cluster, record.region, [row["name"] for row in noticed.values()])
        with transaction(store) as (state, _):
            instances.end(state, noticed)
    lines = [f"taken back: {row['name']} ({key}, {zone_id})" for key, row in sorted(noticed.items())]
    lines += [f"its pods were cut off: {node}" for node in late]
    return lines + regain(store, name)


def regain(store: Store, name: str) -> list[str]:
    """Let a group that lacks machines look for them, and say what it lacks then."""
    kind = kind_by_word("NodeGroup")
    with transaction(store) as (state, world):
        identifier, record = drift.find(state, kind, name)
        assert kind.recover is not None
        result = kind.recover(Account(state, world, record.region), _state(identifier, record))
        record.outputs.update(result.outputs)
    instances.settle(store, record.inputs["clusterName"], record.region)
    return [f"{name} lacks machines: {result.failure}" if result.failure else f"{name} has all its machines"]


def _drained(store: Store, cluster: str, region: str, names: list[str]) -> list[str]:
    """Drain nodes at once within the notice and remove them; return those that had pods left."""
    kubeconfig = control_planes.kubeconfig_of(store.load(), cluster, region)
    if kubeconfig is None:
        return []
    from twin import nodes

    seconds = NOTICE_MINUTES * float(os.environ.get(MINUTE_VARIABLE) or 0) or UNPACED_S
    server = nodes.ApiServer(kubeconfig)

    def leaves(name: str) -> bool:
        return nodes.leave(server, name, seconds)

    try:
        with ThreadPoolExecutor(max_workers=len(names)) as pool:
            drained = dict(zip(names, pool.map(leaves, names), strict=True))
    finally:
        server.close()
    return sorted(name for name, whole in drained.items() if not whole)


def _state(identifier: str, record: ResourceRecord) -> ResourceState:
    inputs: dict[str, Any] = record.inputs
    return ResourceState(identifier, inputs, record.outputs)
