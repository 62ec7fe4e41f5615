"""Where a plan runs, and everything beside its GPU nodes that is built and billed for it.

The bill reads these values, and so does the program that builds them. Neither of them decides anything by itself.
"""

from __future__ import annotations

from typing import Literal

from planner.plan.ingress import PlannedIngress, PlannedLoadBalancer, PlannedPoolTls
from planner.plan.parts import PlanPart
from planner.words.fields import left_out_at
from planner.words.numbers import Figure


class SystemNodes(PlanPart):
    """The system nodes are the CPU machines of everything that needs no GPU: DNS, controllers, the gateway.

    nodes: number of machines.
    disk_gb: root volume of each, GB.
    """

    instance_type: str
    nodes: int
    disk_gb: int


class LogGroup(PlanPart):
    """A log group is one group of logs in CloudWatch.

    retention_days: time for which a record is kept, days.
    gb_per_month: records that are expected to be written, GB a month; this is an assumption.
    """

    name: Literal["control-plane", "network-flows"]
    retention_days: int
    gb_per_month: Figure


class EncryptionKey(PlanPart):
    """An encryption key is one key of KMS.

    deletion_days: time for which a deleted key can still be restored, days.
    """

    name: Literal["secrets"]
    deletion_days: int


class ModelBucket(PlanPart):
    """The model bucket holds the weights of all pools.

    weights_gb: size of the weights, each checkpoint once, 10⁹ bytes.
    old_version_days: time for which a replaced object is kept, days.
    """

    weights_gb: Figure
    old_version_days: int


class ClusterParts(PlanPart):
    """The cluster parts are what a plan that hosts something itself needs beside its GPU nodes.

    nat_zones: ids of the zones with a NAT gateway, each of which has a public address.
    load_balancer: what stands in front of the gateway; None when nothing does.
    """

    system_nodes: SystemNodes
    nat_zones: tuple[str, ...]
    keys: tuple[EncryptionKey, ...]
    log_groups: tuple[LogGroup, ...]
    model_bucket: ModelBucket
    load_balancer: PlannedLoadBalancer | None = left_out_at(None)

    def log_group(self, name: str) -> LogGroup:
        """Return the log group of that name. Raises StopIteration when the plan has none."""
        return next(group for group in self.log_groups if group.name == name)

    def key(self, name: str) -> EncryptionKey:
        """Return the key of that name. Raises StopIteration when the plan has none."""
        return next(key for key in self.keys if key.name == name)


class PlannedPlatform(PlanPart):
    """The platform is where a plan runs.

    account: AWS account id.
    zones: ids of the availability zones.
    cidr: addresses of the network.
    public_cidrs: addresses that may reach the Kubernetes API from outside; nobody may when it is empty.
    deploy_role: ARN of the role that deploys; None deploys as the caller.
    admin_roles: ARNs of the cluster's further administrators.
    kubernetes: version of Kubernetes.
    cluster: what is built beside GPU nodes; None when the plan hosts nothing itself, so that no cluster is made.
    ingress: who may call the gateway; None lets every pod of the cluster call, and nobody from outside.
    pool_tls: how the gateway and its pools speak TLS; None when they speak clear text.
    """

    account: str
    region: str
    zones: tuple[str, ...]
    cidr: str
    public_cidrs: tuple[str, ...]
    deploy_role: str | None
    admin_roles: tuple[str, ...]
    kubernetes: str
    cluster: ClusterParts | None
    ingress: PlannedIngress | None = left_out_at(None)
    pool_tls: PlannedPoolTls | None = left_out_at(None)
