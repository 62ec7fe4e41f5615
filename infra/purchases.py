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
from infra.node_hours import NodeHours
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
    nodes: number of its nodes, at least one; the most of them where they follow the clock.
    hours: their number by the clock; None where it never changes.
    after: the share that must stand before this one changes; None where it waits for none.
    """

    name: str
    capacity_type: str
    nodes: int
    after: str | None = None
    hours: NodeHours | None = None

    @property
    def least(self) -> int:
        """Return the fewest nodes that it ever has."""
        return min(self.hours.by_hour) if self.hours else self.nodes


def shares(group: NodeGroup, recorded: Mapping[str, int] = NOTHING) -> tuple[Share, ...]:
    """Return the shares of a group. One that waits for another stands behind it.

    recorded: largest numbers of nodes that the state says, by the names of groups in the program.
    """
    demand = _share(gpu_name(group.name), ON_DEMAND, group.firm_by_hour, group)
    spot = _share(f"{gpu_name(group.name)}-spot", SPOT, group.spot_by_hour, group)
    if not spot.nodes or not demand.nodes:
        return tuple(share for share in (demand, spot) if share.nodes)
    if demand.nodes < recorded.get(own_name(demand.name), 0):
        return spot, replace(demand, after=spot.name)
    if spot.nodes < recorded.get(own_name(spot.name), 0):
        return demand, replace(spot, after=demand.name)
    return demand, spot


def _share(name: str, capacity_type: str, by_hour: tuple[int, ...], group: NodeGroup) -> Share:
    stated = group.schedule or group.spot_schedule
    changes = stated is not None and min(by_hour) != max(by_hour)
    hours = NodeHours(by_hour, stated.timezone, group.warm_seconds) if stated and changes else None
    return Share(name, capacity_type, max(by_hour), hours=hours)
