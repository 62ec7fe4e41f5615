"""The effect of NVIDIA's device plugin: a node offers `nvidia.com/gpu` while, and only while, the plugin runs on it.

The plugin is recognised by what does the work: the image `k8s-device-plugin` in a DaemonSet's pod, whatever chart or
manifest brought it. When its pod is gone or not Ready, the kubelet counts the GPUs as unhealthy: capacity stays, and
allocatable falls to zero. One call of `advertise_gpus` is one reconciliation; the cluster's supervisor repeats it.
"""

from __future__ import annotations

from typing import Any

from twin.cluster.components import TWIN_NODE_ANNOTATION
from twin.nodes.access import ApiServer
from twin.nodes.instance_types import UnknownInstanceTypeError, describe

GPU_RESOURCE = "nvidia.com/gpu"
PLUGIN_IMAGE = "k8s-device-plugin"


def advertise_gpus(server: ApiServer) -> dict[str, int]:
    """Bring every twin node's `nvidia.com/gpu` to what the device plugin would report, and return the changes by node
    name.

    Raises `ApiError` when the API server refuses.
    """
    nodes = {
        node["metadata"]["name"]: node
        for node in server.items("/api/v1/nodes")
        if node["metadata"].get("annotations", {}).get(TWIN_NODE_ANNOTATION) == "fake" and _gpus_built_in(node)
    }
    if not nodes:
        return {}
    plugin_nodes = _nodes_with_plugin(server)
    changes = {}
    for name, node in nodes.items():
        built_in = _gpus_built_in(node)
        status = node.get("status", {})
        offered_gpus = int(status.get("allocatable", {}).get(GPU_RESOURCE, 0))
        wanted_gpus = built_in if name in plugin_nodes else 0
        if offered_gpus != wanted_gpus:
            _offer(server, name, capacity=built_in, allocatable=wanted_gpus)
            changes[name] = wanted_gpus
    return changes


def _gpus_built_in(node: dict[str, Any]) -> int:
    """Return the GPUs of the node's instance type; 0 for a type that EC2 does not have."""
    try:
        return describe(node["metadata"].get("labels", {}).get("node.kubernetes.io/instance-type", "")).gpus
    except UnknownInstanceTypeError:
        return 0


def _nodes_with_plugin(server: ApiServer) -> set[str]:
    """Name the nodes on which a pod of the device plugin's DaemonSet is Ready."""
    namespaces = {
        daemon_set["metadata"]["namespace"]
        for daemon_set in server.items("/apis/apps/v1/daemonsets")
        if _runs_plugin(daemon_set["spec"]["template"]["spec"])
    }
    pods = (pod for namespace in namespaces for pod in server.items(f"/api/v1/namespaces/{namespace}/pods"))
    return {pod["spec"]["nodeName"] for pod in pods if _is_serving_plugin(pod)}


def _is_serving_plugin(pod: dict[str, Any]) -> bool:
    metadata, conditions = pod["metadata"], pod.get("status", {}).get("conditions", ())
    return (
        "nodeName" in pod["spec"]
        and "deletionTimestamp" not in metadata
        and any(owner["kind"] == "DaemonSet" for owner in metadata.get("ownerReferences", ()))
        and _runs_plugin(pod["spec"])
        and any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
    )


def _runs_plugin(pod_spec: dict[str, Any]) -> bool:
    """Tell whether a container's image is the device plugin, by the last part of its repository, without tag and
    digest."""
    images = (container["image"] for container in pod_spec["containers"])
    return any(image.rpartition("/")[2].partition("@")[0].partition(":")[0] == PLUGIN_IMAGE for image in images)


def _offer(server: ApiServer, name: str, *, capacity: int, allocatable: int) -> None:
    resources = {"capacity": {GPU_RESOURCE: str(capacity)}, "allocatable": {GPU_RESOURCE: str(allocatable)}}
    server.patch(f"/api/v1/nodes/{name}/status", {"status": resources})
