"""The gateway's release, with the policy document of the lock.

The release comes after every pool. So the document never names a pool that is not ready, and an old pool goes only
after the document that no longer names it is in force. Keys are named and never read: two Kubernetes Secrets hold them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from infra.charts import RELEASE_HISTORY, Chart
from infra.images import Image
from infra.naming import GATEWAY_NAMESPACE, GATEWAY_RELEASE
from infra.values import gateway
from planner.documents.lock import Lock

TIMEOUT_SECONDS = 900
"""Time within which the gateway must be ready, seconds."""
PORT = 80


@dataclass(frozen=True)
class GatewayArgs:
    """Arguments of the gateway's release.

    client_keys, provider_keys: names of Kubernetes Secrets.
    image: image to run; None takes the chart's own.
    adapt: changes the values of the release where the cluster is not AWS's.
    """

    lock: Lock
    chart: Chart
    image: Image | None
    client_keys: str
    provider_keys: str
    adapt: Callable[[dict[str, Any]], dict[str, Any]] = dict


class GatewayRelease(pulumi.ComponentResource):
    """The release's output is `address`, the URL of the gateway inside the cluster."""

    address: pulumi.Output[str]

    def __init__(self, name: str, args: GatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spillway:kubernetes:Gateway", name, None, opts)
        release = kubernetes.helm.v3.Release(
            GATEWAY_RELEASE,
            name=GATEWAY_RELEASE,
            namespace=GATEWAY_NAMESPACE,
            chart=args.chart.path,
            values=args.adapt(
                gateway(
                    args.lock,
                    chart_digest=args.chart.digest,
                    image=args.image,
                    client_keys=args.client_keys,
                    provider_keys=args.provider_keys,
                )
            ),
            timeout=TIMEOUT_SECONDS,
            max_history=RELEASE_HISTORY,
            atomic=False,
            skip_await=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.address = release.name.apply(lambda name: f"http://{name}.{GATEWAY_NAMESPACE}.svc.cluster.local:{PORT}")
        self.register_outputs({"address": self.address})
