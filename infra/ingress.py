"""The way in, as plain values: what the gateway's chart is told of it, what clients call, and what speaks against it.

A load balancer reaches the gateway through one fixed port of the system nodes (NodePort). Kubernetes passes such a call
on from any node to any ready gateway, under the address of that node; so the network policy must admit the addresses of
nodes, and who may call the load balancer is decided by its security group. The module registers nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from infra.naming import NAMESPACE_LABEL
from planner.plan.ingress import PlannedPoolTls, opens_to_everyone
from planner.plan.plan import Plan
from planner.plan.platform import ClusterParts, PlannedPlatform
from planner.words.diagnostics import Problem

NODE_PORT = 30080
"""Port of the gateway on each node. It lies in the part of the range from which Kubernetes never draws by itself."""
IDLE_SECONDS = 350
"""Silence after which a network load balancer forgets a connection, seconds. With TLS it cannot be changed."""
EXTERNAL_DNS = "external-dns.alpha.kubernetes.io"
EVERY_POD: list[dict[str, Any]] = [{"namespaceSelector": {}}]


def faces_internet(parts: ClusterParts) -> bool:
    """Say whether the load balancer needs public subnets."""
    return parts.load_balancer is not None and parts.load_balancer.scheme == "internet-facing"


def clients(platform: PlannedPlatform, node_cidrs: Sequence[str]) -> list[dict[str, Any]]:
    """Return who may call the gateway, as peers of a network policy.

    An environment that says nothing of a way in lets every pod of its cluster call. Any other lets in what it names.
    With a load balancer, whatever has an address of the nodes' subnets may call too, pods among them; the key is the
    only door there.
    """
    way, parts = platform.ingress, platform.cluster
    if way is None:
        return EVERY_POD
    peers: list[dict[str, Any]] = [_namespace(name) for name in way.namespaces]
    door = way.gateway_api or way.ingress_class
    if door is not None and door.namespace not in way.namespaces:
        peers.append(_namespace(door.namespace))
    if parts is not None and parts.load_balancer is not None:
        peers += [{"ipBlock": {"cidr": cidr}} for cidr in sorted(node_cidrs)]
    return peers


def doors(platform: PlannedPlatform, balancer: str | None) -> dict[str, Any]:
    """Return the values of the chart that open a way in; none where nobody calls from outside the cluster.

    balancer: DNS name of the load balancer, to which external-dns points the name of the environment where the program
    makes no record itself.
    """
    way, parts = platform.ingress, platform.cluster
    planned = parts.load_balancer if parts is not None else None
    if way is None:
        return {}
    if planned is not None:
        annotations = {}
        if way.hostname is not None and planned.hosted_zone is None:
            annotations = {f"{EXTERNAL_DNS}/hostname": way.hostname, f"{EXTERNAL_DNS}/target": balancer or ""}
        return {"service": {"type": "NodePort", "nodePort": NODE_PORT, "annotations": annotations or None}}
    hosts = [way.hostname] if way.hostname else []
    if way.gateway_api is not None:
        parent = {"name": way.gateway_api.name, "namespace": way.gateway_api.namespace}
        section = {"sectionName": way.gateway_api.section} if way.gateway_api.section else {}
        return {"httpRoute": {"enabled": True, "parentRefs": [{**parent, **section}], "hostnames": hosts}}
    if way.ingress_class is not None:
        own = way.ingress_class
        told = {"tls": {"secretName": own.tls_secret}, "annotations": own.annotations or None}
        return {"ingress": {"enabled": True, "className": own.name, "hosts": hosts, **told}}
    return {}


def address(platform: PlannedPlatform, balancer: str | None, inside: str) -> str:
    """Return the URL that clients call: by the name of the environment, else by that of the load balancer, else the
    one inside the cluster.

    balancer: DNS name of the load balancer; None without one.
    inside: URL of the gateway inside the cluster.
    """
    way, parts = platform.ingress, platform.cluster
    planned = parts.load_balancer if parts is not None else None
    name = (way.hostname if way is not None else None) or balancer
    scheme = "https" if planned is None or planned.encrypted else "http"
    return inside if name is None else f"{scheme}://{name}"


def pool_certificate(tls: PlannedPoolTls | None, release: str) -> dict[str, Any] | None:
    """Return the `tls` of a pool's chart: made by an issuer, or the Secret that is there under the release's name."""
    if tls is None:
        return None
    if tls.issuer is not None:
        return {"issuer": {"name": tls.issuer, "kind": "ClusterIssuer"}}
    return {"secretName": f"{release}-tls"}


def pool_authority(tls: PlannedPoolTls | None) -> dict[str, Any] | None:
    """Return the `poolTls` of the gateway's chart."""
    return None if tls is None else {"secretName": tls.authority}


def problems(plan: Plan) -> Iterator[Problem]:
    """Require a closed and encrypted way from the internet, the name that a certificate is for, and routes that are
    never silent for longer than a load balancer listens."""
    way, parts = plan.platform.ingress, plan.platform.cluster
    planned = parts.load_balancer if parts is not None else None
    if planned is None:
        return
    wide = [cidr for cidr in planned.cidrs if opens_to_everyone(cidr)]
    if not planned.cidrs or (wide and planned.scheme == "internet-facing"):
        message = f"the load balancer admits {', '.join(wide) or 'nobody that is named'}"
        hint = "name the networks of your clients in `platform.ingress.load_balancer.cidrs`"
        yield Problem("DEP055", message, hint=hint)
    if planned.scheme == "internet-facing" and not planned.encrypted:
        message = "the load balancer would take keys and prompts from the internet in clear text"
        hint = "add `certificate:` or `hosted_zone:` to `platform.ingress.load_balancer`"
        yield Problem("DEP056", message, hint=hint)
    if planned.scheme == "internet-facing" and plan.platform.network is not None:
        message = (
            "an internet-facing load balancer needs public subnets, and those of an existing network are not known"
        )
        yield Problem("DEP059", message, hint="write `scheme: internal`, or put your own load balancer in front of it")
    if planned.encrypted and (way is None or way.hostname is None):
        message = "the load balancer has a certificate or a zone, and no name that they are for"
        yield Problem("DEP057", message, hint="add `platform.ingress.hostname`")
    for route in plan.routes:
        if (silent := route.triggers.deadline_ms / 1000) >= IDLE_SECONDS:
            message = f"route `{route.name}` may be silent for {silent:g} s; the load balancer listens {IDLE_SECONDS} s"
            hint = "ask for a shorter time to the first token, or call inside the cluster"
            yield Problem("DEP058", message, hint=hint)


def _namespace(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: name}}}
