"""What becomes of a connection to port 443 of a name, by the state of the account and the place of the machine.

The rules are EKS's (User Guide, "Cluster API server endpoint"). A name of an endpoint that is private only resolves to
addresses of the VPC, for everybody. With a public endpoint beside it, it resolves to the VPC's addresses inside the VPC
and to public ones elsewhere, also in a network that is peered. Public addresses admit `publicAccessCidrs`. The VPC's
addresses are routed inside and in connected networks, and admit what a security group of the control plane admits.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twin.aws.control_planes import folder_of
from twin.aws.existing import network_cidr
from twin.aws.store import AccountState, ResourceRecord
from twin.network.place import Place

PORT: Final = 443
EVERYONE: Final = "0.0.0.0/0"
_CLUSTER: Final = "aws:eks/cluster:Cluster"
_RULE: Final = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"


@dataclass(frozen=True)
class Carried:
    """The connection is carried to the control plane of this folder."""

    control_plane: Path


@dataclass(frozen=True)
class Refused:
    """The connection is refused at once.

    status: HTTP status of the proxy's answer.
    """

    status: int
    reason: str


@dataclass(frozen=True)
class Dropped:
    """Packets are dropped, so that the caller waits until it gives up."""

    reason: str


def verdict(state: AccountState, place: Place, host: str, port: int) -> Carried | Refused | Dropped:
    """Return what becomes of a connection from `place` to `host:port`."""
    if not host.endswith(".eks.amazonaws.com"):
        return Refused(403, f"{host} is no EKS endpoint; nothing else leaves loopback")
    cluster = next((c for c in state.find(_CLUSTER) if c.outputs.get("endpoint") == f"https://{host}"), None)
    control_plane = None if cluster is None else folder_of(state, str(cluster.outputs["name"]), cluster.region)
    if cluster is None or control_plane is None:
        return Refused(502, f"dial tcp: lookup {host}: no such host")
    settings = cluster.outputs["vpcConfig"]
    private = _true(settings.get("endpointPrivateAccess", False))
    public = _true(settings.get("endpointPublicAccess", True))
    if public and not (private and place.kind == "inside"):
        cidrs = settings.get("publicAccessCidrs") or [EVERYONE]
        return _admitted(control_plane, place.address, cidrs, "the public endpoint")
    if place.kind == "outside":
        return Dropped(f"{host} resolves to private addresses, to which {place.address} has no route")
    address = place.address or _own_address(state, str(settings["vpcId"]))
    if port != PORT:
        return Dropped(f"nothing admits port {port}")
    return _admitted(control_plane, address, list(_sources(state, settings)), "the control plane's security groups")


def _admitted(control_plane: Path, address: str | None, cidrs: list[str], gate: str) -> Carried | Dropped:
    if EVERYONE in cidrs or (address is not None and _within(address, cidrs)):
        return Carried(control_plane)
    return Dropped(f"{gate} admit {', '.join(sorted(cidrs)) or 'nobody'}, and not {address or 'a machine inside'}")


def _within(address: str, cidrs: list[str]) -> bool:
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(cidr) for cidr in cidrs)


def _sources(state: AccountState, settings: dict[str, Any]) -> Iterator[str]:
    """Yield the addresses that the security groups of the control plane admit on 443."""
    groups = {settings["clusterSecurityGroupId"], *(settings.get("securityGroupIds") or ())}
    for rule in state.find(_RULE):
        if rule.outputs["securityGroupId"] in groups and _on_443(rule) and rule.outputs.get("cidrIpv4"):
            yield str(rule.outputs["cidrIpv4"])


def _on_443(rule: ResourceRecord) -> bool:
    protocol = str(rule.outputs["ipProtocol"])
    first, last = (rule.outputs.get(key) for key in ("fromPort", "toPort"))
    return protocol == "-1" or (
        protocol in ("tcp", "6") and first is not None and last is not None and int(first) <= PORT <= int(last)
    )


def _own_address(state: AccountState, vpc: str) -> str:
    """Return an address inside the VPC, of which a runner in its subnets has one."""
    return str(ipaddress.ip_network(network_cidr(state, vpc))[10])


def _true(value: Any) -> bool:
    return str(value).lower() == "true"
