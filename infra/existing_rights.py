"""What whoever deploys on a cluster that is there already must be allowed to do. The module is pure.

Kinds of objects come from the charts' templates with the very values that are deployed, and from the platform layer.
The verbs are those of the provider: it applies on the server (`patch`, and `create` where the object is new), reads,
deletes, and watches what it waits for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from infra.chart_objects import Kind, kinds
from infra.existing_facts import Right
from infra.existing_values import gateway_values, pool_values
from infra.naming import GATEWAY_NAMESPACE, SERVING_NAMESPACE
from infra.values import gateway, vllm
from planner.documents.lock import Lock
from planner.domain.existing_cluster import ExistingCluster

VERBS = ("create", "delete", "get", "list", "patch", "watch")
LOOKED_AT = {
    "Deployment": (("apps", "replicasets"), ("", "pods"), ("", "persistentvolumeclaims")),
    "DaemonSet": (("", "pods"),),
    "Service": (("", "endpoints"),),
    "Ingress": (("", "endpoints"), ("", "services")),
}
"""Kind -> what else is listed and watched while an object of it becomes ready."""
NAMESPACE, PRIORITY = Kind("", "Namespace", False), Kind("scheduling.k8s.io", "PriorityClass", False)
EVENTS = ("", "events")
"""Events are listed and watched beside every object: the provider prints their warnings, and none without the right."""
POLICY, PLUGIN = Kind("networking.k8s.io", "NetworkPolicy"), Kind("apps", "DaemonSet")


def rights_needed(
    lock: Lock, existing: ExistingCluster, theirs: Iterable[str] = (), *, monitored: bool = False
) -> tuple[Right, ...]:
    """Return the rights, sorted by namespace.

    theirs: namespaces that the team made: they are used as they are.
    monitored: whether monitors and rules are made.
    """
    if not lock.plan.pools:
        return ()
    found = {
        right for namespace, kind in _objects(lock, existing, set(theirs), monitored) for right in _of(namespace, kind)
    }
    return tuple(sorted(found, key=lambda right: (right.namespace, right.group, right.resource, right.verb)))


def _objects(lock: Lock, existing: ExistingCluster, theirs: set[str], monitored: bool) -> Iterator[tuple[str, Kind]]:
    """Yield the namespace and the kind of everything that is made."""
    plan = lock.plan
    if {SERVING_NAMESPACE, GATEWAY_NAMESPACE} - theirs:
        yield "", NAMESPACE
    yield "", PRIORITY
    yield SERVING_NAMESPACE, POLICY
    if existing.device_plugin == "ours":
        yield "kube-system", PLUGIN
    groups = {group.name: group for group in plan.node_groups}
    for pool in plan.pools:
        group = groups.get(pool.node_group)
        if group is None or group.instance_type not in existing.nodes:
            continue  # it is refused, and told elsewhere
        stated = vllm(
            pool,
            group,
            bucket=existing.weights.bucket or "",
            region=existing.weights.region or "",
            store_cidrs=existing.weights.cidrs,
            image=None,
            pool_tls=plan.platform.pool_tls,
            monitored=monitored,
        )
        for kind in kinds("vllm", pool_values(stated, pool, group, existing)):
            yield SERVING_NAMESPACE if kind.namespaced else "", kind
    front = gateway(lock, image=None, client_keys="keys", provider_keys="keys", monitored=monitored)
    for kind in kinds("gateway", gateway_values(front, existing)):
        yield GATEWAY_NAMESPACE if kind.namespaced else "", kind


def _of(namespace: str, kind: Kind) -> Iterator[Right]:
    for verb in VERBS:
        yield Right(verb, kind.group, kind.resource, namespace)
    for group, resource in (*LOOKED_AT.get(kind.name, ()), *((EVENTS,) if namespace else ())):
        for verb in ("list", "watch"):
            yield Right(verb, group, resource, namespace)
