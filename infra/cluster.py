"""The EKS control plane, who may use it, and the add-ons that nodes need before they can be Ready.

The order is: log group and key → cluster → access entries and node add-ons → system nodes → the add-ons that need a
place to run. Add-ons have the version that EKS recommends for the cluster's Kubernetes version and move
with it (`infra/releases.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.endpoint import api_group
from infra.identities import (
    ADMIN_ACCESS_POLICY,
    CLUSTER_POLICIES,
    EBS_POLICY,
    access_policy_arn,
    managed_policy_arn,
    pod_identity_trust,
    trust,
)
from planner.plan.platform import EncryptionKey, LogGroup

LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
NODE_ADDONS = ("eks-pod-identity-agent", "kube-proxy", "vpc-cni")
"""Add-ons of every node. A node is not Ready without them."""
CLUSTER_ADDONS = ("aws-ebs-csi-driver", "coredns", "eks-node-monitoring-agent", "metrics-server")
"""Add-ons that run on the system nodes, or report on all nodes."""
ADDON_CONFIGURATION: Mapping[str, Mapping[str, object]] = {
    "vpc-cni": {"enableNetworkPolicy": "true"},
    "aws-secrets-store-csi-driver-provider": {
        "secrets-store-csi-driver": {"enableSecretRotation": True, "rotationPollInterval": "2m"}
    },
}
"""Settings of add-ons. Without the first, network policies are accepted and not enforced; without the second, a secret
that changes reaches no running pod."""


@dataclass(frozen=True)
class ClusterArgs:
    """Arguments of the cluster.

    subnets: ids of the nodes' subnets.
    version: Kubernetes version, such as `1.36`.
    vpc: id of the VPC.
    private_from: networks that reach the API from inside, on port 443.
    public_cidrs: who may reach the API from outside; nobody if it is empty.
    deploy_role: ARN that deploys; None grants the caller of the first `up`.
    admin_roles: ARNs of further administrators.
    protected: whether EKS refuses to delete the cluster.
    addons: version by add-on.
    logs: what is kept of the control plane's logs.
    secrets_key: the key that encrypts Kubernetes secrets.
    """

    account: str
    region: str
    version: str
    vpc: pulumi.Input[str]
    subnets: Sequence[pulumi.Input[str]]
    private_from: Sequence[str]
    public_cidrs: tuple[str, ...]
    deploy_role: str | None
    admin_roles: tuple[str, ...]
    protected: bool
    addons: Mapping[str, pulumi.Input[str]]
    logs: LogGroup
    secrets_key: EncryptionKey


class Cluster(pulumi.ComponentResource):
    """The cluster's outputs are `name`, `arn`, `endpoint`, `certificate` and `version`.

    security_group: id of the security group of its nodes.
    access: what the API's users wait for.
    """

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spillway:aws:Cluster", name, None, opts)
        self._name, self._args = name, args
        self._own = pulumi.ResourceOptions(parent=self)
        role = self._role()
        # EKS writes to its log group once more after deletion, which makes it anew; a name that is never used twice
        # keeps that from blocking the next cluster. The role's generated suffix is that name's.
        cluster = self._cluster(role)
        self.resource = cluster
        self.name, self.arn, self.endpoint = cluster.name, cluster.arn, cluster.endpoint
        self.version = cluster.version
        self.certificate = cluster.certificate_authority.data
        # With the ARN beside it, so that it is unknown for as long as the cluster is.
        self.security_group = pulumi.Output.all(cluster.arn, cluster.vpc_config.cluster_security_group_id).apply(
            lambda made: made[1]
        )
        self.access = tuple(self._access_entries())
        self.node_addons = tuple(self._addon(addon, ()) for addon in NODE_ADDONS)
        self.register_outputs({"name": self.name, "arn": self.arn})

    def add_cluster_addons(self, system_nodes: pulumi.Resource, *further: str) -> tuple[aws.eks.Addon, ...]:
        """Add the add-ons that need a node to run on. Call this once, when the system nodes are declared.

        further: add-ons that only some environments need.
        """
        return tuple(self._addon(addon, (system_nodes,)) for addon in (*CLUSTER_ADDONS, *further))

    def _role(self) -> aws.iam.Role:
        role = aws.iam.Role(self._name, assume_role_policy=trust("eks.amazonaws.com"), opts=self._own)
        self._policies = [
            aws.iam.RolePolicyAttachment(
                f"{self._name}-{policy}",
                role=role.name,
                policy_arn=managed_policy_arn(self._args.region, policy),
                opts=self._own,
            )
            for policy in CLUSTER_POLICIES
        ]
        return role

    def _cluster(self, role: aws.iam.Role) -> aws.eks.Cluster:
        key = aws.kms.Key(
            f"{self._name}-secrets",
            description=f"Kubernetes secrets of {self._name}",
            enable_key_rotation=True,
            deletion_window_in_days=self._args.secrets_key.deletion_days,
            opts=self._own,
        )
        logs = aws.cloudwatch.LogGroup(
            f"{self._name}-control-plane",
            name=pulumi.Output.concat("/aws/eks/", role.name, "/cluster"),
            retention_in_days=self._args.logs.retention_days,
            opts=self._own,
        )
        inside = api_group(self._name, self._args.vpc, self._args.private_from, self._own)
        return aws.eks.Cluster(
            self._name,
            name=role.name,
            role_arn=role.arn,
            version=self._args.version,
            vpc_config=aws.eks.ClusterVpcConfigArgs(
                subnet_ids=list(self._args.subnets),
                security_group_ids=[inside.id],
                endpoint_private_access=True,
                endpoint_public_access=bool(self._args.public_cidrs),
                public_access_cidrs=sorted(self._args.public_cidrs) or None,
            ),
            access_config=aws.eks.ClusterAccessConfigArgs(
                authentication_mode="API",
                bootstrap_cluster_creator_admin_permissions=self._args.deploy_role is None,
            ),
            bootstrap_self_managed_addons=False,
            enabled_cluster_log_types=list(LOG_TYPES),
            encryption_config=aws.eks.ClusterEncryptionConfigArgs(
                provider=aws.eks.ClusterEncryptionConfigProviderArgs(key_arn=key.arn), resources=["secrets"]
            ),
            # The bill is that of standard support; extended support costs several times as much.
            upgrade_policy=aws.eks.ClusterUpgradePolicyArgs(support_type="STANDARD"),
            deletion_protection=self._args.protected,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[logs, *self._policies],
                # Read at creation only; naming a deploy role later must not replace the cluster.
                ignore_changes=["accessConfig.bootstrapClusterCreatorAdminPermissions"],
            ),
        )

    def _access_entries(self) -> list[pulumi.Resource]:
        roles = {*self._args.admin_roles, *([self._args.deploy_role] if self._args.deploy_role else [])}
        grants: list[pulumi.Resource] = []
        for arn in sorted(roles):
            # Two roles may differ in path or account alone. Each name depends on its own ARN only, so that another role
            # in the list replaces nothing.
            digest = hashlib.sha256(arn.encode()).hexdigest()[:6]
            name = f"{self._name}-{arn.rpartition('/')[2]}-{digest}"
            entry = aws.eks.AccessEntry(name, cluster_name=self.name, principal_arn=arn, opts=self._own)
            association = aws.eks.AccessPolicyAssociation(
                name,
                cluster_name=self.name,
                principal_arn=arn,
                policy_arn=access_policy_arn(self._args.region, ADMIN_ACCESS_POLICY),
                access_scope=aws.eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[entry]),
            )
            grants += [entry, association]
        return grants

    def _addon(self, addon: str, after: Sequence[pulumi.Resource]) -> aws.eks.Addon:
        configuration = ADDON_CONFIGURATION.get(addon)
        return aws.eks.Addon(
            f"{self._name}-{addon}",
            cluster_name=self.name,
            addon_name=addon,
            addon_version=self._args.addons[addon],
            configuration_values=json.dumps(configuration, sort_keys=True) if configuration else None,
            pod_identity_associations=self._storage_identity() if addon == "aws-ebs-csi-driver" else None,
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="OVERWRITE",
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(after)),
        )

    def _storage_identity(self) -> list[aws.eks.AddonPodIdentityAssociationArgs]:
        """Give the CSI driver an identity of its own, as a hop limit of 1 keeps the node's from its pods."""
        name = f"{self._name}-ebs"
        role = aws.iam.Role(name, assume_role_policy=pod_identity_trust(self._args.account), opts=self._own)
        permission = aws.iam.RolePolicyAttachment(
            name, role=role.name, policy_arn=managed_policy_arn(self._args.region, EBS_POLICY), opts=self._own
        )
        arn = pulumi.Output.all(role.arn, permission.id).apply(lambda values: str(values[0]))
        return [aws.eks.AddonPodIdentityAssociationArgs(role_arn=arn, service_account="ebs-csi-controller-sa")]
