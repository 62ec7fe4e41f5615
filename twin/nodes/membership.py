"""Nodes that join and leave the cluster, as instances of a managed node group do.

Scaling in is polite, as EKS does it: the node is cordoned, its pods are evicted through the eviction API, which honours
disruption budgets, and what is left when the patience ends goes with the node. A lost instance (`terminate`) takes its
pods at once. Neither waits for replacements, which are the business of the controllers and the scheduler.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from twin.nodes.access import ApiError, ApiServer
from twin.nodes.node import Instance, node_object

_POLL_S = 0.1
_NODES = "/api/v1/nodes"


def join(server: ApiServer, instances: Iterable[Instance]) -> tuple[str, ...]:
    """Register a node for each instance and return the names. A node that is there already stays as it is.

    Raises `ApiError` where the API server refuses one, for example for a malformed label.
    """
    names = []
    for instance in instances:
        try:
            server.create(_NODES, node_object(instance))
        except ApiError as error:
            if error.status != 409:
                raise
        names.append(instance.private_dns_name)
    return tuple(names)


def wait_ready(server: ApiServer, names: Iterable[str], patience_s: float = 30.0) -> None:
    """Return when all nodes are Ready and take pods. Raises TimeoutError with the names of those that are not."""
    remaining = set(names)
    deadline = time.monotonic() + patience_s
    while remaining:
        remaining -= {node["metadata"]["name"] for node in server.items(_NODES) if _takes_pods(node)}
        if remaining and time.monotonic() > deadline:
            raise TimeoutError(f"not Ready after {patience_s:g} s: {', '.join(sorted(remaining))}")
        if remaining:
            time.sleep(_POLL_S)


def leave(server: ApiServer, name: str, patience_s: float = 15.0) -> bool:
    """Cordon, drain and remove a node. The answer is False when pods had to be taken by force after `patience_s`
    seconds.

    Nothing happens for a node that is not there.
    """
    try:
        server.patch(f"{_NODES}/{name}", {"spec": {"unschedulable": True}})
    except ApiError as error:
        if error.status == 404:
            return True
        raise
    deadline = time.monotonic() + patience_s
    drained = not _evict(server, name)
    while not drained and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        drained = not _evict(server, name)
    terminate(server, name)
    return drained


def terminate(server: ApiServer, name: str) -> None:
    """Remove a node as if its instance were lost, and its pods with it."""
    _delete_quietly(server, f"{_NODES}/{name}")
    for pod in _pods_on(server, name):
        _delete_quietly(server, _path(pod), gracePeriodSeconds=0)


def _evict(server: ApiServer, node: str) -> int:
    """Ask for the eviction of every pod that a drain moves, and return how many were still there."""
    movable = [pod for pod in _pods_on(server, node) if _moves_in_a_drain(pod)]
    for pod in movable:
        if "deletionTimestamp" not in pod["metadata"]:
            name = {"name": pod["metadata"]["name"]}
            try:
                server.create(
                    f"{_path(pod)}/eviction", {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": name}
                )
            except ApiError as error:
                if error.status not in (404, 429):  # gone by itself; a disruption budget says not now
                    raise
    return len(movable)


def _moves_in_a_drain(pod: dict[str, Any]) -> bool:
    """Tell whether a drain moves the pod. Finished pods and those of DaemonSets stay until the node goes."""
    owners = pod["metadata"].get("ownerReferences", ())
    return pod["status"].get("phase") in ("Pending", "Running") and not any(o["kind"] == "DaemonSet" for o in owners)


def _pods_on(server: ApiServer, node: str) -> list[dict[str, Any]]:
    return server.items("/api/v1/pods", fieldSelector=f"spec.nodeName={node}")


def _path(pod: dict[str, Any]) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _takes_pods(node: dict[str, Any]) -> bool:
    """Tell whether the node is Ready, and the taints that a new node carries until then are off."""
    conditions = node.get("status", {}).get("conditions", ())
    ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
    taints = node["spec"].get("taints", ())
    return ready and not any(taint["key"] == "node.kubernetes.io/not-ready" for taint in taints)


def _delete_quietly(server: ApiServer, path: str, **options: int) -> None:
    try:
        server.delete(path, **options)
    except ApiError as error:
        if error.status != 404:
            raise
