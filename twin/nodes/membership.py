"""Nodes that join and leave the cluster, as instances of a managed node group do.

Scaling in is polite, as EKS does it: the node is cordoned, its pods are evicted through the eviction API, which honours
disruption budgets, and what is left when the patience ends goes with the node. A lost instance (`terminate`) takes its
pods at once. Neither waits for replacements, which are the business of the controllers and the scheduler.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from kubernetes.client import CoreV1Api
from kubernetes.client.exceptions import ApiException

from twin.nodes.node import Instance, node_object

_POLL_S = 0.1


def join(client: Any, instances: Iterable[Instance]) -> tuple[str, ...]:
    """Register a node for each instance and return the names. A node that is there already stays as it is.

    Raises `ApiException` where the API server refuses one, for example for a malformed label.
    """
    api = CoreV1Api(client)
    names = []
    for instance in instances:
        try:
            api.create_node(node_object(instance))
        except ApiException as error:
            if error.status != 409:
                raise
        names.append(instance.private_dns_name)
    return tuple(names)


def wait_ready(client: Any, names: Iterable[str], patience_s: float = 30.0) -> None:
    """Return when all nodes are Ready and take pods. Raises TimeoutError with the names of those that are not."""
    api = CoreV1Api(client)
    remaining = set(names)
    deadline = time.monotonic() + patience_s
    while remaining:
        remaining -= {node.metadata.name for node in api.list_node().items if _takes_pods(node)}
        if remaining and time.monotonic() > deadline:
            raise TimeoutError(f"not Ready after {patience_s:g} s: {', '.join(sorted(remaining))}")
        if remaining:
            time.sleep(_POLL_S)


def leave(client: Any, name: str, patience_s: float = 15.0) -> bool:
    """Cordon, drain and remove a node. The answer is False when pods had to be taken by force after `patience_s`
    seconds.

    Nothing happens for a node that is not there.
    """
    api = CoreV1Api(client)
    try:
        api.patch_node(name, {"spec": {"unschedulable": True}})
    except ApiException as error:
        if error.status == 404:
            return True
        raise
    deadline = time.monotonic() + patience_s
    drained = not _evict(api, name)
    while not drained and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        drained = not _evict(api, name)
    terminate(client, name)
    return drained


def terminate(client: Any, name: str) -> None:
    """Remove a node as if its instance were lost, and its pods with it."""
    api = CoreV1Api(client)
    _delete_quietly(api.delete_node, name)
    for pod in _pods_on(api, name):
        _delete_quietly(api.delete_namespaced_pod, pod.metadata.name, pod.metadata.namespace, grace_period_seconds=0)


def _evict(api: Any, node: str) -> int:
    """Ask for the eviction of every pod that a drain moves, and return how many were still there."""
    movable = [pod for pod in _pods_on(api, node) if _moves_in_a_drain(pod)]
    for pod in movable:
        name, namespace = pod.metadata.name, pod.metadata.namespace
        if pod.metadata.deletion_timestamp is None:
            eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
            try:
                api.create_namespaced_pod_eviction(name, namespace, eviction)
            except ApiException as error:
                if error.status not in (404, 429):  # gone by itself; a disruption budget says not now
                    raise
    return len(movable)


def _moves_in_a_drain(pod: Any) -> bool:
    """Tell whether a drain moves the pod. Finished pods and those of DaemonSets stay until the node goes."""
    owners = pod.metadata.owner_references or ()
    return pod.status.phase in ("Pending", "Running") and not any(owner.kind == "DaemonSet" for owner in owners)


def _pods_on(api: Any, node: str) -> list[Any]:
    return list(api.list_pod_for_all_namespaces(field_selector=f"spec.nodeName={node}").items)


def _takes_pods(node: Any) -> bool:
    """Tell whether the node is Ready, and the taints that a new node carries until then are off."""
    conditions = (node.status.conditions if node.status else None) or ()
    ready = any(condition.type == "Ready" and condition.status == "True" for condition in conditions)
    return ready and not any(taint.key == "node.kubernetes.io/not-ready" for taint in node.spec.taints or ())


def _delete_quietly(delete: Any, *arguments: str, **options: Any) -> None:
    try:
        delete(*arguments, **options)
    except ApiException as error:
        if error.status != 404:
            raise
