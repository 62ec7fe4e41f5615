"""Managed node groups: one for the system's own pods, and one for each way in which a group of the lock is bought.

Every node asks for its metadata with a session token and one hop only, so that no pod can take the node's identity. Its
disk is encrypted. GPU groups stand in the lock's zones only and keep pods without GPUs away. They have a fixed size, or
follow the clock: scheduled actions of their Auto Scaling group then say how many nodes there are, and a run leaves that
number alone, unless it makes the group or changes its hours.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from infra.deployed import Recorded
from infra.identities import NODE_POLICIES, fetch_images, managed_policy_arn, trust
from infra.naming import (
    ACCELERATOR_LABEL,
    GPU_TAINT,
    NODE_GROUP_LABEL,
    POOL_TAINT,
    label_value,
    own_name,
)
from infra.node_hours import Action, actions, is_settled
from infra.purchases import ON_DEMAND, Share
from planner.plan.fleet import NodeGroup
from planner.plan.platform import SystemNodes

SYSTEM = "system"
SYSTEM_IMAGE, GPU_IMAGE = "AL2023_x86_64_STANDARD", "AL2023_x86_64_NVIDIA"
NODE_CONFIGURATION = """\
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="spillway"

--spillway
Content-Type: application/node.eks.aws

---
apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  instance:
    localStorage:
      strategy: RAID0
  kubelet:
    config:
      maxParallelImagePulls: 4
      serializeImagePulls: false
--spillway--
"""
"""Settings for nodeadm, which merges them with what EKS adds: local NVMe disks hold images and emptyDirs, and images
are pulled in parallel."""


@dataclass(frozen=True)
class NodeGroupArgs:
    """Arguments of a node group of equal nodes.

    version: Kubernetes version.
    node_role: ARN of the nodes' role.
    subnets: subnet ids, one a zone.
    zones: ids of these zones.
    ami_type: EKS's name for the nodes' image.
    release: release of that image.
    update: EKS's strategy when it renews nodes, `DEFAULT` or `MINIMAL`.
    recorded: the group's name at AWS, as the state says it; None where the state has none.
    failed: whether EKS could not make that group.
    nodes: number of nodes; the most where they follow the clock.
    least: the fewest nodes; None where their number is fixed.
    actions: what changes their number, and when.
    timezone: zone of these actions.
    settled: whether the group has these hours already, so that its number of nodes is what the clock has made of it.
    capacity_type: EKS's name for the way in which they are bought, `ON_DEMAND` or `SPOT`.
    disk_gb: root volume of each node, GB.
    tags: tags of instances and volumes.
    taints: value by key; each keeps pods away that do not tolerate it.
    """

    cluster_name: pulumi.Input[str]
    version: pulumi.Input[str]
    node_role: pulumi.Input[str]
    subnets: Sequence[pulumi.Input[str]]
    zones: Sequence[str]
    instance_type: str
    ami_type: str
    release: pulumi.Input[str]
    nodes: int
    disk_gb: int
    labels: Mapping[str, str]
    tags: Mapping[str, str]
    taints: Mapping[str, str] = field(default_factory=dict)
    capacity_type: str = ON_DEMAND
    update: str = "DEFAULT"
    recorded: str | None = None
    failed: bool = False
    least: int | None = None
    actions: Sequence[Action] = ()
    timezone: str = ""
    settled: bool = False


@dataclass(frozen=True)
class Surroundings:
    """The surroundings are what all node groups of an environment share.

    subnets: subnet id by zone id.
    images: release of the node image by EKS's name of it.
    recorded: names of node groups at AWS by their names in the program, as the state says them.
    failed: names in the program of the groups that EKS could not make.
    state: resources that the engine knows.
    """

    cluster_name: pulumi.Input[str]
    version: pulumi.Input[str]
    node_role: pulumi.Input[str]
    subnets: Mapping[str, pulumi.Input[str]]
    tags: Mapping[str, str]
    images: Mapping[str, pulumi.Input[str]]
    recorded: Mapping[str, str] = field(default_factory=dict)
    failed: frozenset[str] = frozenset()
    state: Recorded = field(default_factory=dict)


def system_args(system: SystemNodes, around: Surroundings) -> NodeGroupArgs:
    """Return the arguments of the nodes for everything that needs no GPU, in all zones."""
    return NodeGroupArgs(
        cluster_name=around.cluster_name,
        version=around.version,
        node_role=around.node_role,
        subnets=[around.subnets[zone] for zone in sorted(around.subnets)],
        zones=sorted(around.subnets),
        instance_type=system.instance_type,
        ami_type=SYSTEM_IMAGE,
        release=around.images[SYSTEM_IMAGE],
        recorded=around.recorded.get(SYSTEM),
        failed=SYSTEM in around.failed,
        nodes=system.nodes,
        disk_gb=system.disk_gb,
        labels={NODE_GROUP_LABEL: SYSTEM},
        tags=around.tags,
    )


def gpu_args(group: NodeGroup, share: Share, tenants: Sequence[str], around: Surroundings) -> NodeGroupArgs:
    """Return the arguments of a share of a node group of the lock: the nodes that are bought in one way.

    `tenants` are the pools that the group holds. An exclusive group has one and is tainted for it. All shares have the
    same labels and taints, so that for Kubernetes they are one group of equal machines.
    """
    taints = {GPU_TAINT: "present"}
    own, clock = own_name(share.name), share.hours
    wanted = actions(clock) if clock else ()
    if group.exclusive:
        (tenant,) = tenants
        taints[POOL_TAINT] = label_value(tenant)
    return NodeGroupArgs(
        cluster_name=around.cluster_name,
        version=around.version,
        node_role=around.node_role,
        subnets=[around.subnets[zone] for zone in sorted(group.zones)],
        zones=sorted(group.zones),
        instance_type=group.instance_type,
        ami_type=GPU_IMAGE,
        release=around.images[GPU_IMAGE],
        update=group.update.upper(),
        recorded=around.recorded.get(own),
        failed=own in around.failed,
        nodes=share.nodes,
        least=share.least if clock else None,
        actions=wanted,
        timezone=clock.timezone if clock else "",
        settled=clock is not None and is_settled(around.state, own, share.least, share.nodes, wanted, clock.timezone),
        capacity_type=share.capacity_type,
        disk_gb=group.disk_gb,
        labels={
            NODE_GROUP_LABEL: label_value(group.name),
            ACCELERATOR_LABEL: label_value(f"nvidia-{group.gpu}"),
        },
        tags=around.tags,
        taints=taints,
    )


def name_at_aws(name: str, args: NodeGroupArgs) -> str:
    """Return the name that EKS knows the group by: the same in each run, and another one for other machines.

    A run after a killed one finds the group under this name. What cannot be changed in place (type, image, zones) is in
    it, so that its replacement stands beside it before it goes. A group that EKS could not make, and that
    it therefore will not change, is replaced by one with the other of two names.
    """
    machines = " ".join([args.instance_type, args.ami_type, *sorted(args.zones)])
    first = f"{own_name(name)}-{hashlib.sha256(machines.encode()).hexdigest()[:7]}"
    other = f"{first[:-1]}{'x' if first[-1] != 'x' else 'y'}"
    if args.recorded not in (first, other):
        return first
    return {first: other, other: first}[args.recorded] if args.failed else args.recorded


class NodeRole(pulumi.ComponentResource):
    """The role is the identity of nodes: they join, pull images and manage network interfaces.

    Its output is `arn`, once it may do so.
    """

    arn: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        region: str,
        opts: pulumi.ResourceOptions | None = None,
        fetched: Sequence[pulumi.Input[str]] = (),
    ) -> None:
        """Make the role. `fetched`: ARNs of repositories that nodes may have filled."""
        super().__init__("spillway:aws:NodeRole", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(name, assume_role_policy=trust("ec2.amazonaws.com"), opts=own)
        attached = [
            aws.iam.RolePolicyAttachment(
                f"{name}-{policy}", role=role.name, policy_arn=managed_policy_arn(region, policy), opts=own
            )
            for policy in NODE_POLICIES
        ]
        granted = [one.id for one in attached]
        if fetched:
            policy = pulumi.Output.all(*fetched).apply(lambda arns: fetch_images(*arns))
            granted.append(aws.iam.RolePolicy(f"{name}-images", role=role.name, policy=policy, opts=own).id)
        self.arn = pulumi.Output.all(role.arn, *granted).apply(lambda values: str(values[0]))
        self.register_outputs({"arn": self.arn})


class ManagedNodeGroup(pulumi.ComponentResource):
    """A managed node group comes with its launch template. Its outputs are:

    node_group_name: its name.
    scaling_group: name of the Auto Scaling group of its machines.
    """

    node_group_name: pulumi.Output[str]
    scaling_group: pulumi.Output[str]

    def __init__(self, name: str, args: NodeGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spillway:aws:NodeGroup", name, None, opts)
        short_name = own_name(name)
        template = self._launch_template(short_name, args)
        group = aws.eks.NodeGroup(
            short_name,
            cluster_name=args.cluster_name,
            node_group_name=name_at_aws(name, args),
            version=args.version,
            release_version=args.release,
            node_role_arn=args.node_role,
            subnet_ids=list(args.subnets),
            ami_type=args.ami_type,
            capacity_type=args.capacity_type,
            instance_types=[args.instance_type],
            launch_template=aws.eks.NodeGroupLaunchTemplateArgs(
                id=template.id, version=template.latest_version.apply(str)
            ),
            scaling_config=aws.eks.NodeGroupScalingConfigArgs(
                min_size=args.nodes if args.least is None else args.least,
                desired_size=args.nodes,
                max_size=args.nodes,
            ),
            labels=dict(args.labels),
            taints=[
                aws.eks.NodeGroupTaintArgs(key=key, value=value, effect="NO_SCHEDULE")
                for key, value in sorted(args.taints.items())
            ],
            update_config=aws.eks.NodeGroupUpdateConfigArgs(max_unavailable=1, update_strategy=args.update),
            node_repair_config=aws.eks.NodeGroupNodeRepairConfigArgs(enabled=True),
            # A group that failed holds its place in quota and capacity; another takes it once it has gone.
            opts=pulumi.ResourceOptions(
                parent=self,
                delete_before_replace=True if args.failed else None,
                ignore_changes=["scalingConfig.desiredSize"] if args.settled else None,
            ),
        )
        self.node_group_name = group.node_group_name
        self.scaling_group = group.resources.apply(lambda made: str(made[0].autoscaling_groups[0].name))
        for action in args.actions:
            self._schedule(f"{short_name}-{action.name}", action, args.timezone)
        self.register_outputs({"node_group_name": self.node_group_name})

    def _schedule(self, name: str, action: Action, timezone: str) -> aws.autoscaling.Schedule:
        return aws.autoscaling.Schedule(
            name,
            autoscaling_group_name=self.scaling_group,
            scheduled_action_name=action.name,
            recurrence=action.recurrence,
            time_zone=timezone,
            desired_capacity=action.count,
            # What is not stated would be 0. These say that the limits of the group stay.
            min_size=-1,
            max_size=-1,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _launch_template(self, name: str, args: NodeGroupArgs) -> aws.ec2.LaunchTemplate:
        tags = {**args.tags, "Name": name}
        return aws.ec2.LaunchTemplate(
            name,
            metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
            ),
            block_device_mappings=[
                aws.ec2.LaunchTemplateBlockDeviceMappingArgs(
                    device_name="/dev/xvda",
                    ebs=aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                        volume_type="gp3",
                        volume_size=args.disk_gb,
                        encrypted="true",
                        delete_on_termination="true",
                    ),
                )
            ],
            user_data=base64.b64encode(NODE_CONFIGURATION.encode()).decode(),
            # The provider's default tags stop at the template; instances and volumes carry what the template says.
            tag_specifications=[
                aws.ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=tags)
                for kind in ("instance", "volume")
            ],
            update_default_version=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
