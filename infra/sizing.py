"""What a replica may ask of its node, by a rule that needs no catalog.

A node's CPU and memory are not all for pods: the kernel, the kubelet (its memory reserve grows with the pods that the
machine's network cards allow) and the DaemonSets take theirs. A replica asks for its GPUs' share of what is left:

    CPU    (0.9 × vCPUs - 0.5)  × its GPUs / GPUs of the node     memory  0.8 × GiB × its GPUs / GPUs of the node

Against the allocatable figures that Karpenter lists for the GPU families of EC2, the rule leaves at least 0.3 vCPU and
0.9 GiB a node for DaemonSets (tests/infra/test_sizing.py). Shares add up whatever the mix of pools on a node.

How long a release may take follows from how long its weights take to load.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

from planner.money.plan import NodeGroup, Pool

CPU_SHARE, CPU_RESERVED_MILLIS = 0.9, 500
MEMORY_SHARE = 0.8
NODE_READY_SECONDS = 900
"""From a node's start to the first pod's: joining, the device plugin, and some 10 GiB of image."""


@dataclass(frozen=True)
class Share:
    """CPU in thousandths of a vCPU, memory in MiB."""

    cpu_millis: int
    memory_mib: int

    def quantities(self) -> dict[str, str]:
        """As Kubernetes quantities."""
        return {"cpu": f"{self.cpu_millis}m", "memory": f"{self.memory_mib}Mi"}


def replica_share(group: NodeGroup, gpus: int) -> Share:
    """The share of one of the group's nodes that belongs to a replica of `gpus` GPUs."""
    cpu_millis = (CPU_SHARE * group.vcpus_per_node * 1000 - CPU_RESERVED_MILLIS) * gpus / group.gpus_per_node
    memory_mib = MEMORY_SHARE * group.memory_gib_per_node * 1024 * gpus / group.gpus_per_node
    return Share(floor(cpu_millis / 10) * 10, floor(memory_mib))


def load_seconds(pool: Pool) -> int:
    """Estimated time from a container's start to ready, in whole seconds and at least one."""
    return max(1, ceil(pool.load_seconds))


def rollout_seconds(pool: Pool) -> int:
    """How long to wait for a release: the replicas of a full pool are replaced one after the other.

    Twice the estimated load time a replica, as the startup probe allows, after the time that the node needs.
    """
    return NODE_READY_SECONDS + 2 * load_seconds(pool) * max(1, pool.replicas.max)
