"""Values of the charts on a cluster that is there already: nodes by its labels, its DNS, its place of the weights.

The module is pure. It takes the values that a made cluster would get (`infra.values`) and changes what is AWS's.
"""

from __future__ import annotations

from typing import Any

from infra.existing_preflight import GPU_TOLERATION
from infra.naming import NAMESPACE_LABEL
from infra.values import weights_prefix
from planner.domain.existing_cluster import ExistingCluster, NodesByLabel
from planner.plan.fleet import NodeGroup, Pool

MODELS = "/models"
"""Where the vllm chart mounts the volume with the weights."""
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
"""Entries of the Secret with which pools read a store that speaks S3."""


def pool_values(values: dict[str, Any], pool: Pool, group: NodeGroup, existing: ExistingCluster) -> dict[str, Any]:
    """Return the values of a pool's release. Nodes of an exclusive group bear a label and a taint of its own."""
    kind, place = existing.nodes[group.instance_type], existing.weights
    placement = {key: value for key, value in values["placement"].items() if key not in ("zones", "zoneKey")}
    node_group = {key: value for key, value in values["nodeGroup"].items() if key != "name" or group.exclusive}
    changed: dict[str, Any] = {
        **values,
        "nodeGroup": node_group,
        "nodeSelector": dict(sorted(kind.labels.items())),
        "tolerations": [*values["tolerations"], *tolerations(kind)],
        "placement": placement,
        "podIdentity": {"enabled": False},
        "networkPolicy": {
            **values["networkPolicy"],
            "modelStoreCidrs": sorted(place.cidrs),
            "modelStorePort": place.port,
            "dns": dns(existing),
        },
        "modelStore": {},
    }
    if place.volume_claim is not None and pool.weights is None:
        changed["model"] = {**values["model"], "source": f"{MODELS}/{weights_prefix(pool)}"}
        changed["modelStore"] |= {"volumeClaim": place.volume_claim}
    if place.endpoint is not None:
        changed["modelStore"] |= {"endpointUrl": place.endpoint}
    if place.region is not None:
        changed["modelStore"] |= {"region": place.region}
    if place.secret is not None:
        read = [{"name": key, "valueFrom": {"secretKeyRef": {"name": place.secret, "key": key}}} for key in KEYS]
        changed["env"] = [*values.get("env", ()), *read]
    if existing.identity:
        changed["serviceAccount"] = {"annotations": dict(sorted(existing.identity.items()))}
    return changed


def gateway_values(values: dict[str, Any], existing: ExistingCluster) -> dict[str, Any]:
    """Return the values of the gateway's release."""
    changed = {**values, "networkPolicy": {**values["networkPolicy"], "dns": dns(existing)}}
    if existing.gateway is not None:
        changed["nodeSelector"] = dict(sorted(existing.gateway.labels.items()))
        changed["tolerations"] = [toleration(taint) for taint in existing.gateway.taints]
    return changed


def dns(existing: ExistingCluster) -> dict[str, Any]:
    """Return where the charts' network policies let pods ask for names."""
    return {
        "namespaceLabels": {NAMESPACE_LABEL: existing.dns.namespace},
        "podLabels": dict(sorted(existing.dns.labels.items())),
        "cidrs": sorted(existing.dns.cidrs),
    }


def tolerations(kind: NodesByLabel) -> list[dict[str, str]]:
    """Return the tolerations of a kind of node, but for the one that engines have always."""
    found = (taint for taint in kind.taints if taint.replace("=", ":").split(":")[0] + ":NoSchedule" != GPU_TOLERATION)
    return [toleration(taint) for taint in found]


def toleration(taint: str) -> dict[str, str]:
    """Return the toleration of a taint that kubectl writes as `KEY=VALUE:EFFECT`."""
    named, _, effect = taint.rpartition(":")
    key, equals, value = named.partition("=")
    if not equals:
        return {"key": key, "operator": "Exists", "effect": effect}
    return {"key": key, "operator": "Equal", "value": value, "effect": effect}
