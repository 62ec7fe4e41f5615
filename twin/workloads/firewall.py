"""What NetworkPolicies admit between two ends, by the rules of `networking.k8s.io/v1`. The module is pure.

A pod that no policy selects for a direction is open in it. Where some do, a connection needs one rule that names the
other end and the port. A connection is carried where the way out of its source and the way into its target are open.
An `ipBlock` names addresses outside of the cluster; whether it also names pods is left to each network, and here it
does not.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from twin.workloads.objects import Object, Objects
from twin.workloads.pods import named_ports

_Direction = Literal["Ingress", "Egress"]


@dataclass(frozen=True)
class PodEnd:
    """A pod as policies see it. ports: numbers of its named ports."""

    namespace: str
    labels: Mapping[str, str]
    namespace_labels: Mapping[str, str]
    ports: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class OutsideEnd:
    """An address that is no pod's."""

    address: str


End = PodEnd | OutsideEnd


def end_of(pod: Object, objects: Objects) -> PodEnd:
    """Return a pod as policies see it."""
    metadata = pod["metadata"]
    labels = metadata.get("labels") or {}
    return PodEnd(metadata["namespace"], labels, objects.labels_of(metadata["namespace"]), named_ports(pod))


def admits(policies: Iterable[Object], source: End, target: End, port: int, protocol: str = "TCP") -> bool:
    """Tell whether a connection from `source` to a port of `target` is carried."""
    listed = tuple(policies)
    return _open(listed, "Egress", source, target, target, port, protocol) and _open(
        listed, "Ingress", target, source, target, port, protocol
    )


def selects(selector: Mapping[str, object], labels: Mapping[str, str]) -> bool:
    """Tell whether a label selector takes these labels. An empty one takes all."""
    wanted = selector.get("matchLabels") or {}
    assert isinstance(wanted, dict)
    expressions = selector.get("matchExpressions") or ()
    assert isinstance(expressions, list | tuple)
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(expression, labels) for expression in expressions
    )


def _open(
    policies: tuple[Object, ...], way: _Direction, end: End, other: End, target: End, port: int, protocol: str
) -> bool:
    if isinstance(end, OutsideEnd):
        return True
    here = [
        policy["spec"]
        for policy in policies
        if policy["metadata"]["namespace"] == end.namespace
        and way in policy["spec"].get("policyTypes", ())
        and selects(policy["spec"].get("podSelector") or {}, end.labels)
    ]
    rules = [rule for spec in here for rule in spec.get(way.lower()) or ()]
    peers = "from" if way == "Ingress" else "to"
    return not here or any(
        _names(rule.get(peers), other, end.namespace) and _has_port(rule.get("ports"), target, port, protocol)
        for rule in rules
    )


def _names(peers: list[Object] | None, other: End, namespace: str) -> bool:
    """Tell whether peers name the other end; without any, they name everybody."""
    return not peers or any(_is(peer, other, namespace) for peer in peers)


def _is(peer: Object, other: End, namespace: str) -> bool:
    if isinstance(other, OutsideEnd):
        block = peer.get("ipBlock")
        return block is not None and _within(other.address, [block["cidr"]], block.get("except") or [])
    if "ipBlock" in peer:
        return False
    spaces = peer.get("namespaceSelector")
    in_space = other.namespace == namespace if spaces is None else selects(spaces, other.namespace_labels)
    return in_space and selects(peer.get("podSelector") or {}, other.labels)


def _within(address: str, cidrs: list[str], without: list[str]) -> bool:
    number = ipaddress.ip_address(address)
    return any(number in ipaddress.ip_network(cidr) for cidr in cidrs) and not any(
        number in ipaddress.ip_network(cidr) for cidr in without
    )


def _has_port(ports: list[Object] | None, target: End, port: int, protocol: str) -> bool:
    """Tell whether ports of a rule take a port; a name is the target's."""
    if not ports:
        return True
    names = target.ports if isinstance(target, PodEnd) else {}
    for entry in ports:
        stated = entry.get("port")
        first: int | None = names.get(stated) if isinstance(stated, str) else stated
        if entry.get("protocol", "TCP") != protocol:
            continue
        if stated is None or (first is not None and first <= port <= entry.get("endPort", first)):
            return True
    return False


def _holds(expression: Mapping[str, object], labels: Mapping[str, str]) -> bool:
    key, values = str(expression["key"]), expression.get("values") or ()
    assert isinstance(values, list | tuple)
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels
