"""The way in of a plan: what stands between clients and the gateway, and who may use it."""

from __future__ import annotations

import ipaddress
from typing import Literal

from planner.plan.parts import PlanPart
from planner.words.fields import left_out_at
from planner.words.numbers import Figure

LEAST_PREFIX = 8
"""Prefix length of the widest network that still names somebody: the internet has some two hundred of them."""


def opens_to_everyone(cidr: str) -> bool:
    """Say whether a network is so wide that it names nobody."""
    try:
        return ipaddress.ip_network(cidr, strict=False).prefixlen < LEAST_PREFIX
    except ValueError:
        return False


class PlannedLoadBalancer(PlanPart):
    """The load balancer is a network load balancer in front of the gateway, made and billed with the cluster.

    cidrs: networks that may call; nobody else may.
    certificate: ARN of its certificate; None with a hosted zone asks for one, and without one there is no TLS.
    hosted_zone: id of the Route 53 zone that gets the name of the environment; None when no record is made.
    public_addresses: its public IPv4 addresses, one a zone when it faces the internet.
    capacity_units: capacity units that it is expected to use in each hour; this is an assumption.
    """

    scheme: Literal["internal", "internet-facing"]
    cidrs: tuple[str, ...]
    certificate: str | None = left_out_at(None)
    hosted_zone: str | None = left_out_at(None)
    public_addresses: int
    capacity_units: Figure

    @property
    def encrypted(self) -> bool:
        """Say whether clients speak TLS to it."""
        return self.certificate is not None or self.hosted_zone is not None


class PlannedGateway(PlanPart):
    """A gateway of the cluster's Gateway API.

    section: its listener; None attaches to all.
    """

    name: str
    namespace: str
    section: str | None = left_out_at(None)


class PlannedIngressClass(PlanPart):
    """A class of the cluster's Ingress controller.

    namespace: where the controller's pods run.
    tls_secret: name of the Secret with the certificate, beside the gateway; None leaves TLS to the controller.
    annotations: what the controller is told, such as its time-outs.
    """

    name: str
    namespace: str
    tls_secret: str | None = left_out_at(None)
    annotations: dict[str, str] = left_out_at({})


class PlannedPoolTls(PlanPart):
    """Pools speak TLS, and the gateway holds each replica's certificate against the name of the pool's service.

    authority: name of the Secret beside the gateway, whose entry `ca.crt` vouches for the pools.
    issuer: ClusterIssuer of cert-manager that makes the certificates; None when their Secrets are there already.
    """

    authority: str
    issuer: str | None = left_out_at(None)


class PlannedIngress(PlanPart):
    """The ingress says who may call the gateway.

    hostname: DNS name that clients call; None when they call an address.
    namespaces: namespaces whose pods may call inside the cluster.
    gateway_api, ingress_class: the way of the cluster's own; None when it is not used.
    """

    hostname: str | None = left_out_at(None)
    namespaces: tuple[str, ...] = left_out_at(())
    gateway_api: PlannedGateway | None = left_out_at(None)
    ingress_class: PlannedIngressClass | None = left_out_at(None)
