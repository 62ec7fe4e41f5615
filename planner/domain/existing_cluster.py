"""A Kubernetes cluster that a team has already: on its own machines, at another cloud, or on AWS.

Its nodes are not made and not changed. They are found by their labels, and `hardware.existing` says how many of them
there are and what they cost. What differs from cluster to cluster (DNS, device plugin, where weights lie, whether
network policies are enforced) is stated here, because nobody can guess it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from planner.domain.environment_part import EnvironmentPart, Text
from planner.words.fields import left_out_at
from planner.words.ranges import ipv4_network

LABEL_KEY = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
TAINT = r"^[A-Za-z0-9][-A-Za-z0-9_./]*(=[-A-Za-z0-9_.]*)?:(NoSchedule|NoExecute|PreferNoSchedule)$"
OBJECT_NAME = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"

Labels = dict[Annotated[str, Field(pattern=LABEL_KEY)], Annotated[str, Field(pattern=LABEL_VALUE)]]
"""Labels of Kubernetes, name to value."""
TaintText = Annotated[str, Field(pattern=TAINT)]
"""A taint as kubectl writes it, `KEY=VALUE:EFFECT`."""
ObjectName = Annotated[str, Field(pattern=OBJECT_NAME)]
Network = Annotated[str, AfterValidator(ipv4_network)]


class NodesByLabel(EnvironmentPart):
    """Some nodes of the cluster, by their labels."""

    labels: Annotated[Labels, Field(min_length=1)]
    taints: tuple[TaintText, ...] = left_out_at(())


class ClusterDns(EnvironmentPart):
    """Where the cluster's DNS stands."""

    namespace: ObjectName = "kube-system"
    labels: Labels = Field(default={"k8s-app": "kube-dns"})
    cidrs: tuple[Network, ...] = left_out_at(())


class WeightsPlace(EnvironmentPart):
    """Where the weights of the pools lie: on a volume, or in a bucket of a store that speaks S3."""

    volume_claim: ObjectName | None = left_out_at(None)
    bucket: Text | None = left_out_at(None)
    endpoint: Annotated[str, Field(pattern=r"^https?://[^/]+$")] | None = left_out_at(None)
    region: Text | None = left_out_at(None)
    secret: ObjectName | None = left_out_at(None)
    cidrs: tuple[Network, ...] = left_out_at(())
    port: Annotated[int, Field(ge=1, le=65535)] = left_out_at(443)


class ExistingCluster(EnvironmentPart):
    """A cluster that is there already."""

    context: Text
    uid: Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")] | None = left_out_at(None)
    network_policies: Literal["enforced", "none"]
    device_plugin: Literal["theirs", "ours"] = "theirs"
    nodes: Annotated[dict[Text, NodesByLabel], Field(min_length=1)]
    gateway: NodesByLabel | None = left_out_at(None)
    dns: ClusterDns = left_out_at(ClusterDns())
    weights: WeightsPlace = left_out_at(WeightsPlace())
    identity: dict[Text, Text] = left_out_at({})
