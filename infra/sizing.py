"""What a replica may ask of its node, and how long its release may take.

The lock says what Kubernetes can give to pods on a node of each group, after the kernel's and the kubelet's share. The
DaemonSets take theirs from that, and a replica asks for its GPUs' share of the rest:

    (allocatable - DaemonSets) × GPUs of the replica / GPUs of the node

Shares add up to no more than a node, whatever the mix of pools on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from planner.plan.fleet import NodeGroup, Pool

DAEMON_CPU_MILLIS, DAEMON_MEMORY_MIB = 500, 1024
"""What DaemonSets take of a node: thousandths of a vCPU, MiB. Network, proxy, storage, identity, node monitoring and
device plugin ask for 275m and 250 MiB together. The rest is for exporters of logs and metrics, and for the difference
between machines of one type."""
NODE_READY_SECONDS = 900
"""Time from a node's start to the first pod's, seconds: it joins, starts the device plugin, and pulls some 10 GiB of
image."""


@dataclass(frozen=True)
class NodeShare:
    """A share is CPU in thousandths of a vCPU and memory in MiB."""

    cpu_millis: int
    memory_mib: int

    def quantities(self) -> dict[str, str]:
        """Return the share as Kubernetes quantities."""
        return {"cpu": f"{self.cpu_millis}m", "memory": f"{self.memory_mib}Mi"}


def replica_share(group: NodeGroup, gpus: int) -> NodeShare:
    """Return the share of one of the group's nodes that belongs to a replica of `gpus` GPUs."""
    cpu_millis = (group.allocatable_cpu_m - DAEMON_CPU_MILLIS) * gpus // group.gpus_per_node
    memory_mib = (group.allocatable_memory_mib - DAEMON_MEMORY_MIB) * gpus // group.gpus_per_node
    return NodeShare(cpu_millis // 10 * 10, memory_mib)


def load_seconds(pool: Pool) -> int:
    """Estimate the time from a container's start to ready, in whole seconds and at least one."""
    return max(1, ceil(pool.load_seconds))


def rollout_seconds(pool: Pool, replicas: int) -> int:
    """Say how long to wait for a release of so many replicas, seconds. Those of a full pool are replaced one after the
    other.

    Each replica has twice its estimated load time, as the startup probe allows, after the time that the node needs.
    """
    return NODE_READY_SECONDS + 2 * load_seconds(pool) * max(1, replicas)
