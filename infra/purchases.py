"""How a node group of the lock is bought: the node groups of EKS that it becomes, and the order in which they change.

A node group of EKS is bought in one way. So a group of the lock with spot nodes becomes two: the nodes on demand under
the group's own name, and the others as `NAME-spot`. What a commitment covers is on demand; AWS bills it otherwise, and
nothing is built for it. The module is pure.

Where a plan moves nodes from one way to the other, the share that shrinks waits until the other one has grown: pods
that lose their nodes find new ones. A share that goes altogether needs no such order, because Pulumi deletes last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from infra.naming import gpu_name, own_name
from planner.plan.fleet import NodeGroup

ON_DEMAND, SPOT = "ON_DEMAND", "SPOT"
"""How EKS calls the two ways."""
CAPACITY_LABEL = "eks.amazonaws.com/capacityType"
"""Label that EKS puts on each node: the way in which it is bought."""
NOTHING: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True)
class Share:
    """A share is the nodes of a group of the lock that are bought in one way. It becomes a node group of EKS.

    name: its name in the program.
    nodes: number of its nodes, at least one.
    after: the share that must stand before this one changes; None where it waits for none.
    """

    name: str
    capacity_type: str
    nodes: int
    after: str | None = None


def shares(group: NodeGroup, recorded: Mapping[str, int] = NOTHING) -> tuple[Share, ...]:
    """Return the shares of a group. One that waits for another stands behind it.

    recorded: numbers of nodes that the state says, by the names of groups in the program.
    """
    demand = Share(gpu_name(group.name), ON_DEMAND, group.max_nodes - group.spot)
    spot = Share(f"{gpu_name(group.name)}-spot", SPOT, group.spot)
    if not spot.nodes or not demand.nodes:
        return tuple(share for share in (demand, spot) if share.nodes)
    if demand.nodes < recorded.get(own_name(demand.name), 0):
        return spot, replace(demand, after=spot.name)
    if spot.nodes < recorded.get(own_name(spot.name), 0):
        return demand, replace(spot, after=demand.name)
    return demand, spot
