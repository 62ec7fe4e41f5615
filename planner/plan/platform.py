"""Where a plan runs, and everything beside its GPU nodes that is built and billed for it.

The bill reads these values, and so does the program that builds them. Neither of them decides anything by itself.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from planner.domain.existing_cluster import ExistingCluster
from planner.plan.engine import PlannedEngine
from planner.plan.ingress import PlannedIngress, PlannedLoadBalancer, PlannedPoolTls
from planner.plan.parts import PlanPart
from planner.words.fields import left_out_at
from planner.words.numbers import Figure

CLIENT_KEYS = "client-keys"
"""The secret with the gateway's client keys."""
HUB_ACCOUNT = "docker-hub"
"""The secret with an account at Docker Hub, without which Amazon's registry fetches nothing from there."""


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
    secrets: secrets of AWS Secrets Manager, by the names that they have in this environment.
    mirrored_images_gb: images that the account's own registry keeps, 10⁹ bytes, compressed; this is an assumption.
    load_balancer: what stands in front of the gateway; None when nothing does.
    """

    system_nodes: SystemNodes
    nat_zones: tuple[str, ...]
    keys: tuple[EncryptionKey, ...]
    log_groups: tuple[LogGroup, ...]
    model_bucket: ModelBucket
    secrets: tuple[str, ...] = left_out_at(())
    mirrored_images_gb: Figure | None = left_out_at(None)
    load_balancer: PlannedLoadBalancer | None = left_out_at(None)

    def log_group(self, name: str) -> LogGroup:
        """Return the log group of that name. Raises StopIteration when the plan has none."""
        return next(group for group in self.log_groups if group.name == name)

    def key(self, name: str) -> EncryptionKey:
        """Return the key of that name. Raises StopIteration when the plan has none."""
        return next(key for key in self.keys if key.name == name)


class ExistingNetwork(PlanPart):
    """An existing network is one that others made: nothing of it is built or billed.

    vpc: id of the VPC.
    subnets: id of the subnet of the nodes in each zone, by the zone's id.
    """

    vpc: str
    subnets: dict[str, str]


class PlannedAlerts(PlanPart):
    """The alerts say who hears of it when AWS bills more than the plan says. At least one of them is named.

    emails: addresses of mail.
    sns: ARN of a topic.
    tags_active: whether the account has made the environment's tag a cost allocation tag, so that its bill alone is
        watched; the bill of the whole account is watched otherwise.
    """

    emails: tuple[str, ...]
    sns: str | None
    tags_active: bool


class PlannedPlatform(PlanPart):
    """The platform is where a plan runs.

    account: AWS account id; empty where the cluster is there already, as are zones, addresses and version then.
    region: AWS region, or the place of a cluster that is there already.
    zones: ids of the availability zones.
    cidr: addresses of the network that is made; None where one is there already.
    public_cidrs: addresses that may reach the Kubernetes API from outside; nobody may when it is empty.
    private_from: addresses that may reach its private side, on port 443; those of the network itself when it is empty.
    network: the network that is there already; None where one is made.
    deploy_role: ARN of the role that deploys; None deploys as the caller.
    admin_roles: ARNs of the cluster's further administrators.
    kubernetes: version of Kubernetes.
    image_mirror: where nodes take images from, as the environment says it; None takes them where they are published.
    cluster: what is built beside GPU nodes; None when the plan hosts nothing itself, so that no cluster is made.
    existing: the cluster that is there already, on which nothing but charts is built; None where one is made.
    ingress: who may call the gateway; None lets every pod of the cluster call, and nobody from outside.
    boundary: ARN of the policy that bounds every role that is made; None bounds none.
    alerts: who hears of a bill above the plan's; None when nobody does.
    patches: day of the last patches of node images and add-ons; None keeps those of the first deployment.
    pool_tls: how the gateway and its pools speak TLS; None when they speak clear text.
    engine: images of the engine; None runs that of the charts, or of the stack's settings.
    """

    account: str = left_out_at("")
    region: str
    zones: tuple[str, ...] = left_out_at(())
    cidr: str | None = left_out_at(None)
    public_cidrs: tuple[str, ...]
    private_from: tuple[str, ...] = left_out_at(())
    network: ExistingNetwork | None = left_out_at(None)
    deploy_role: str | None
    admin_roles: tuple[str, ...]
    kubernetes: str = left_out_at("")
    cluster: ClusterParts | None
    existing: ExistingCluster | None = left_out_at(None)
    image_mirror: str | None = left_out_at(None)
    ingress: PlannedIngress | None = left_out_at(None)
    boundary: str | None = left_out_at(None)
    alerts: PlannedAlerts | None = left_out_at(None)
    patches: date | None = left_out_at(None)
    pool_tls: PlannedPoolTls | None = left_out_at(None)
    engine: PlannedEngine | None = left_out_at(None)
