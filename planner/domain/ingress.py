"""How clients reach the gateway, as a team asks for it: by a load balancer, or by what the cluster has already; and
whether the gateway speaks TLS to its pools.

A Gateway of the Gateway API and an Ingress controller belong to the cluster; only a load balancer is made and billed.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from planner.domain.environment_part import Cidr, EnvironmentPart, Text

HOSTNAME = r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$"
CERTIFICATE = r"^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[A-Za-z0-9-]+$"
HOSTED_ZONE = r"^[A-Z0-9]{1,32}$"
KUBERNETES_NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"

KubernetesName = Annotated[str, Field(pattern=KUBERNETES_NAME)]


class LoadBalancer(EnvironmentPart):
    """A network load balancer in front of the gateway. It admits the stated networks and nobody else."""

    scheme: Literal["internal", "internet-facing"] = "internal"
    cidrs: Annotated[tuple[Cidr, ...], Field(min_length=1)]
    certificate: Annotated[str, Field(pattern=CERTIFICATE)] | None = None
    hosted_zone: Annotated[str, Field(pattern=HOSTED_ZONE)] | None = None


class SharedGateway(EnvironmentPart):
    """A Gateway of the cluster's Gateway API, to which a route to the gateway of this environment is attached."""

    name: KubernetesName
    namespace: KubernetesName
    section: KubernetesName | None = None


class IngressClass(EnvironmentPart):
    """A class of the cluster's Ingress controller, whose pods run in a namespace."""

    name: KubernetesName
    namespace: KubernetesName
    tls_secret: KubernetesName | None = None
    annotations: dict[Text, str] = Field(default={})


class PoolTls(EnvironmentPart):
    """TLS between the gateway and its pools. An issuer is a ClusterIssuer of cert-manager."""

    authority: KubernetesName
    issuer: KubernetesName | None = None


class Ingress(EnvironmentPart):
    """Who may call the gateway and by which way. One way at most comes from outside the cluster."""

    hostname: Annotated[str, Field(pattern=HOSTNAME, max_length=253)] | None = None
    namespaces: tuple[KubernetesName, ...] = ()
    load_balancer: LoadBalancer | None = None
    gateway_api: SharedGateway | None = None
    ingress_class: IngressClass | None = None
