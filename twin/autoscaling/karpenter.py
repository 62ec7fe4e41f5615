"""The real Karpenter with its own simulated cloud: it makes Node objects of the machines that we name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twin import binaries
from twin.autoscaling.manifests import apply, define
from twin.cluster import RunningCluster
from twin.nodes import describe
from twin.processes import program

NAMESPACE = "karpenter"
CLASS_KIND = "KWOKNodeClass"


@contextmanager
def provisioning(
    cluster: RunningCluster, folder: Path, usd_per_hour: Mapping[str, float], zones: Sequence[str]
) -> Iterator[None]:
    """Run Karpenter for the length of the block.

    usd_per_hour: price of each machine on demand, USD an hour, by instance type.
    zones: names of the zones that sell them.
    """
    karpenter = binaries.require("karpenter")
    folder.mkdir(parents=True, exist_ok=True)
    machines = folder / "machines.json"
    machines.write_text(json.dumps(list(_machines(usd_per_hour, zones)), indent=1), encoding="utf-8")
    api = cluster.client()
    define(api, karpenter.parent / "crds")
    apply(api, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}])
    command: list[str | Path] = [
        karpenter,
        f"--instance-types-file-path={machines}",
        "--disable-leader-election=true",
        "--metrics-port=8280",
        "--health-probe-port=8281",
    ]
    environment = {"HOME": str(folder), "KUBECONFIG": str(cluster.kubeconfig), "SYSTEM_NAMESPACE": NAMESPACE}
    with program("karpenter", command, folder, environment):
        yield


def node_pool(
    name: str, instance_type: str, labels: Mapping[str, str], taints: Iterable[Mapping[str, str]]
) -> list[dict[str, Any]]:
    """Return the objects of a pool of machines of one type on demand, whose nodes carry these labels and taints."""
    node_class = {"group": "karpenter.kwok.sh", "kind": CLASS_KIND, "name": "default"}
    return [
        {"apiVersion": "karpenter.kwok.sh/v1alpha1", "kind": CLASS_KIND, "metadata": {"name": "default"}, "spec": {}},
        {
            "apiVersion": "karpenter.sh/v1",
            "kind": "NodePool",
            "metadata": {"name": name},
            "spec": {
                "template": {
                    "metadata": {"labels": dict(labels)},
                    "spec": {
                        "nodeClassRef": node_class,
                        "taints": [dict(taint) for taint in taints],
                        "requirements": [
                            {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"]},
                            {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]},
                            {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": [instance_type]},
                        ],
                    },
                },
                "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "2s"},
            },
        },
    ]


def _machines(usd_per_hour: Mapping[str, float], zones: Sequence[str]) -> Iterator[dict[str, Any]]:
    for name, price in usd_per_hour.items():
        kind = describe(name)
        resources = {
            "cpu": str(kind.vcpus),
            "memory": f"{kind.capacity_memory_mib}Mi",
            "ephemeral-storage": "200Gi",
            "pods": str(kind.max_pods),
        }
        if kind.gpus:
            resources["nvidia.com/gpu"] = str(kind.gpus)
        yield {
            "name": name,
            "architecture": kind.architecture,
            "operatingSystems": ["linux"],
            "resources": resources,
            "offerings": [
                {
                    "Price": price,
                    "Available": True,
                    "Requirements": [
                        {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"]},
                        {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]},
                    ],
                }
                for zone in zones
            ],
        }
