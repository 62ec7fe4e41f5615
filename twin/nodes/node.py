"""The Node object as which an instance of a managed node group registers. The module is pure.

The labels are those that EKS and the AWS cloud provider set, and the node group's own; `k8s.amazonaws.com/accelerator`
is one of the latter, because EKS does not set it by itself. `nvidia.com/gpu` is not among the resources: on a real node
the device plugin brings it, and here twin/nodes/device_plugin.py does when that plugin's pod runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twin.cluster.components import TWIN_NODE_ANNOTATION
from twin.nodes.instance_types import Ec2InstanceType

KUBELET_VERSION = "v1.36.3"

_TAINT_EFFECTS = {
    "NO_SCHEDULE": "NoSchedule",
    "PREFER_NO_SCHEDULE": "PreferNoSchedule",
    "NO_EXECUTE": "NoExecute",
}


@dataclass(frozen=True)
class Taint:
    """A taint has its effect as the EKS API spells it (`NO_SCHEDULE`, `PREFER_NO_SCHEDULE`, `NO_EXECUTE`)."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True, kw_only=True)
class Instance:
    """An instance is one EC2 instance of a managed node group, as far as its node shows it."""

    instance_type: Ec2InstanceType
    instance_id: str
    private_dns_name: str
    """The node's name, such as `ip-10-0-1-17.us-east-1.compute.internal`."""
    private_ip: str
    region: str
    zone: str
    zone_id: str
    node_group: str
    capacity_type: str = "ON_DEMAND"
    """`ON_DEMAND`, `SPOT` or `CAPACITY_BLOCK`."""
    root_volume_gib: int = 20
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()


def node_object(instance: Instance) -> dict[str, Any]:
    """Build the Node manifest with its status, ready to be created. Raises ValueError for a taint effect that EKS
    lacks."""
    kind = instance.instance_type
    storage = {"ephemeral-storage": f"{instance.root_volume_gib}Gi"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": instance.private_dns_name,
            "labels": {**dict(instance.labels), **_eks_labels(instance)},
            "annotations": {TWIN_NODE_ANNOTATION: "fake"},
        },
        "spec": {
            "providerID": f"aws:///{instance.zone}/{instance.instance_id}",
            "taints": [_taint(taint) for taint in instance.taints],
        },
        "status": {
            "capacity": {
                "cpu": str(kind.vcpus),
                "memory": f"{kind.capacity_memory_mib}Mi",
                "pods": str(kind.max_pods),
                **storage,
            },
            "allocatable": {
                "cpu": f"{kind.allocatable_cpu_millicores}m",
                "memory": f"{kind.allocatable_memory_mib}Mi",
                "pods": str(kind.max_pods),
                **storage,
            },
            "addresses": [
                {"type": "InternalIP", "address": instance.private_ip},
                {"type": "InternalDNS", "address": instance.private_dns_name},
                {"type": "Hostname", "address": instance.private_dns_name},
            ],
            "nodeInfo": _node_information(kind, instance.instance_id),
        },
    }


def _eks_labels(instance: Instance) -> dict[str, str]:
    kind = instance.instance_type
    return {
        "eks.amazonaws.com/capacityType": instance.capacity_type,
        "eks.amazonaws.com/nodegroup": instance.node_group,
        "kubernetes.io/arch": kind.architecture,
        "kubernetes.io/hostname": instance.private_dns_name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": kind.name,
        "topology.k8s.aws/zone-id": instance.zone_id,
        "topology.kubernetes.io/region": instance.region,
        "topology.kubernetes.io/zone": instance.zone,
    }


def _taint(taint: Taint) -> dict[str, str]:
    try:
        effect = _TAINT_EFFECTS[taint.effect]
    except KeyError:
        raise ValueError(f"taint effect {taint.effect!r}: EKS has {', '.join(_TAINT_EFFECTS)}") from None
    return {"key": taint.key, "value": taint.value, "effect": effect}


def _node_information(kind: Ec2InstanceType, instance_id: str) -> dict[str, str]:
    return {
        "architecture": kind.architecture,
        "bootID": instance_id,
        "containerRuntimeVersion": "containerd://2.1.0",
        "kernelVersion": "6.12.0-twin",
        "kubeProxyVersion": "",
        "kubeletVersion": KUBELET_VERSION,
        "machineID": instance_id,
        "operatingSystem": "linux",
        "osImage": "Amazon Linux 2023 (twin)",
        "systemUUID": instance_id,
    }
