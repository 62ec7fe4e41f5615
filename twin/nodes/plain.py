"""Nodes that no AWS account has: machines of a team's own or of another cloud, with the labels that they have.

Their device plugin is not imitated: a node offers its GPUs from the start, as one does that was set up long ago.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from twin.cluster.components import TWIN_NODE_ANNOTATION
from twin.nodes.access import ApiServer
from twin.nodes.device_plugin import GPU_RESOURCE
from twin.nodes.node import KUBELET_VERSION


@dataclass(frozen=True, kw_only=True)
class PlainNode:
    """A plain node offers CPU in cores, memory in MiB, and GPUs. A taint is written `KEY=VALUE:EFFECT`."""

    name: str
    cpus: int = 8
    memory_mib: int = 32_768
    gpus: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[str, ...] = ()


def join_plain(server: ApiServer, nodes: Iterable[PlainNode]) -> None:
    """Register the nodes. Raises `ApiError` where the API server refuses one."""
    for node in nodes:
        server.create("/api/v1/nodes", plain_object(node))


def plain_object(node: PlainNode) -> dict[str, Any]:
    """Build the Node manifest with its status, ready to be created."""
    offers = {"cpu": str(node.cpus), "memory": f"{node.memory_mib}Mi", "pods": "110", "ephemeral-storage": "500Gi"}
    offers |= {GPU_RESOURCE: str(node.gpus)} if node.gpus else {}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node.name,
            "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": node.name,
                "kubernetes.io/os": "linux",
                **node.labels,
            },
            "annotations": {TWIN_NODE_ANNOTATION: "fake"},
        },
        "spec": {"taints": [taint_object(taint) for taint in node.taints]},
        "status": {
            "capacity": offers,
            "allocatable": offers,
            "addresses": [{"type": "Hostname", "address": node.name}],
            "nodeInfo": {
                "architecture": "amd64",
                "bootID": node.name,
                "containerRuntimeVersion": "containerd://2.1.0",
                "kernelVersion": "6.12.0-twin",
                "kubeProxyVersion": "",
                "kubeletVersion": KUBELET_VERSION,
                "machineID": node.name,
                "operatingSystem": "linux",
                "osImage": "Debian GNU/Linux 13 (twin)",
                "systemUUID": node.name,
            },
        },
    }


def taint_object(text: str) -> dict[str, str]:
    """Return a taint that kubectl writes as `KEY=VALUE:EFFECT`."""
    named, _, effect = text.rpartition(":")
    key, _, value = named.partition("=")
    return {"key": key, "effect": effect} | ({"value": value} if value else {})
