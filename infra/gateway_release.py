"""The gateway: the chart `gateway` with the policy document of the lock.

It comes after every pool. So the document never names a pool that is not ready, and an old pool goes only after the
document that no longer names it is in force. Keys are named and never read: two Kubernetes Secrets hold them, or AWS
Secrets Manager does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from infra.charts import rendered
from infra.images import Image
from infra.naming import GATEWAY_NAMESPACE, GATEWAY_RELEASE
from infra.secret_rules import KeyStore
from infra.values import gateway
from planner.documents.lock import Lock

TIMEOUT_SECONDS = 900
"""Time within which the gateway must be ready, seconds."""
PORT = 80


@dataclass(frozen=True)
class GatewayArgs:
    """Arguments of the gateway.

    client_keys, provider_keys: names of Kubernetes Secrets.
    image: image to run; None takes the chart's own.
    key_store: where the keys lie at AWS; None takes the two Secrets.
    node_cidrs: addresses of the nodes.
    balancer: DNS name of the load balancer; None without one.
    monitored: whether the cluster has the definitions of the Prometheus operator.
    adapt: changes the values of the chart where the cluster is not AWS's.
    """

    lock: Lock
    image: Image | None
    client_keys: str
    provider_keys: str
    key_store: KeyStore | None = None
    node_cidrs: Sequence[str] = ()
    balancer: pulumi.Input[str] | None = None
    monitored: bool = False
    adapt: Callable[[dict[str, Any]], dict[str, Any]] = dict


class GatewayRelease(pulumi.ComponentResource):
    """The gateway's output is `address`, the URL of the gateway inside the cluster."""

    address: pulumi.Output[str]

    def __init__(self, name: str, args: GatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spillway:kubernetes:Gateway", name, None, opts)
        values = pulumi.Output.from_input(args.balancer).apply(
            lambda balancer: args.adapt(
                gateway(
                    args.lock,
                    image=args.image,
                    client_keys=args.client_keys,
                    provider_keys=args.provider_keys,
                    key_store=args.key_store,
                    node_cidrs=args.node_cidrs,
                    balancer=balancer,
                    monitored=args.monitored,
                )
            )
        )
        objects = rendered(
            "gateway",
            GATEWAY_RELEASE,
            GATEWAY_NAMESPACE,
            values,
            TIMEOUT_SECONDS,
            pulumi.ResourceOptions(parent=self),
        )
        self.address = objects.resources.apply(
            lambda _: f"http://{GATEWAY_RELEASE}.{GATEWAY_NAMESPACE}.svc.cluster.local:{PORT}"
        )
        self.register_outputs({"address": self.address})
