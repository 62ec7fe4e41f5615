"""Managed node groups: the machines that they launch, and why they sometimes do not.

A node group asks for a number of instances. How many it gets is decided by quota, by what the zones offer and by the
faults in force (instances.py). What it lacks is reported as EKS reports it, and the group stays in state as the real
provider leaves it, so that the next update tries again. EKS's own rules that moto does not know are here.
"""

from __future__ import annotations

from twin.aws import instances, pace, pulls, releases
from twin.aws.account import Account, AwsError
from twin.aws.eks_cluster import require_trust
from twin.aws.kinds import CreatedResource, GeneratedName, ResourceKind, UpdatedResource, paths
from twin.aws.launch import template_contents
from twin.aws.network import default_route_of
from twin.provider.contract import ResourceState
from twin.provider.wire import Properties

_WORKER_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEKSWorkerNodeMinimalPolicy")
_DEFAULT_INSTANCE_TYPE = "t3.medium"


def _create(aws: Account, inputs: Properties) -> CreatedResource:
    cluster, name = inputs["clusterName"], inputs["nodeGroupName"]
    pace.require_active_cluster(aws, "CreateNodegroup", cluster)
    types = _instance_types(aws, inputs)
    _require_scaling(inputs["scalingConfig"], "CreateNodegroup")
    aws.call("ec2", "DescribeSubnets", SubnetIds=inputs["subnetIds"])
    role = require_trust(aws, "CreateNodegroup", inputs["nodeRoleArn"], "ec2.amazonaws.com")
    names = (
        "clusterName nodegroupName scalingConfig diskSize instanceTypes amiType remoteAccess labels taints "
        "capacityType version releaseVersion updateConfig nodeRepairConfig"
    )
    request = aws.request("eks", "CreateNodegroup", {**inputs, "nodegroupName": name}, names)
    group = aws.call(
        "eks",
        "CreateNodegroup",
        **{key: value for key, value in request.items() if value is not None},
        subnets=inputs["subnetIds"],
        nodeRole=inputs["nodeRoleArn"],
        launchTemplate=_template_reference(inputs),
        tags=aws.tags(inputs),
    )["nodegroup"]
    version = inputs.get("version") or _cluster_version(aws, cluster)
    release = _release(aws, "CreateNodegroup", version, inputs)
    failure = _join_failure(aws, role, inputs["subnetIds"]) or instances.scale(
        aws, _node_group_request(aws, inputs, types)
    )
    return CreatedResource(
        f"{cluster}:{name}",
        {
            "arn": group["nodegroupArn"],
            "amiType": inputs.get("amiType", "AL2023_x86_64_STANDARD"),
            "capacityType": inputs.get("capacityType", "ON_DEMAND"),
            "instanceTypes": inputs.get("instanceTypes") or ([] if inputs.get("launchTemplate") else types),
            "releaseVersion": release,
            "resources": [{"autoscalingGroups": [{"name": f"eks-{name}-{group['nodegroupArn'][-12:]}"}]}],
            "status": "CREATE_FAILED" if failure else "ACTIVE",
            "version": version,
        },
        failure
        and f"waiting for EKS Node Group ({cluster}:{name}) create: unexpected state 'CREATE_FAILED', "
        f"wanted target 'ACTIVE'. last error: {failure}",
    )


def _update(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    cluster, name = inputs["clusterName"], inputs["nodeGroupName"]
    if old.outputs["status"] == "CREATE_FAILED":
        if _settings(inputs) == _settings(old.inputs):
            return UpdatedResource({})  # the provider asks for nothing where nothing has changed
        message = "Nodegroup cannot be updated as it is currently not in Active State (CREATE_FAILED)"
        raise AwsError("eks", "UpdateNodegroupConfig", "ResourceInUseException", message)
    types = _instance_types(aws, inputs)
    _require_scaling(inputs["scalingConfig"], "UpdateNodegroupConfig")
    labels = inputs.get("labels") or {}
    request = aws.request("eks", "UpdateNodegroupConfig", inputs, "clusterName scalingConfig updateConfig")
    aws.call(
        "eks",
        "UpdateNodegroupConfig",
        **{key: value for key, value in request.items() if value is not None},
        nodegroupName=name,
        labels={
            "addOrUpdateLabels": labels,
            "removeLabels": sorted(set(old.inputs.get("labels") or {}) - set(labels)),
        },
    )
    before, after = _machine_image(aws, old.inputs, old.outputs), _machine_image(aws, inputs, old.outputs)
    request_now = _node_group_request(aws, inputs, types)
    role = inputs["nodeRoleArn"].rsplit("/", 1)[-1]
    failure = _join_failure(aws, role, inputs["subnetIds"]) or instances.scale(aws, request_now)
    if failure is None and before != after:
        aws.call("eks", "UpdateNodegroupVersion", clusterName=cluster, nodegroupName=name)
        settings = inputs.get("updateConfig") or {}
        at_once = int(settings.get("maxUnavailable") or 1)
        renew = instances.renew_minimal if settings.get("updateStrategy") == "MINIMAL" else instances.renew_default
        failure = renew(aws, request_now, at_once)
        if failure is not None and renew is instances.renew_default:
            after = before  # the update has failed as a whole; the machines are those of before
    _, version, release = after
    return UpdatedResource(
        {"status": "DEGRADED" if failure else "ACTIVE", "version": version, "releaseVersion": release},
        failure
        and f"waiting for EKS Node Group ({cluster}:{name}) update: unexpected state 'Failed', "
        f"wanted target 'Successful'. last error: {failure}",
        _holding(inputs, old.inputs) if failure and after == before else None,
    )


def _settings(inputs: Properties) -> Properties:
    return {key: value for key, value in inputs.items() if not key.startswith("__")}


def _machine_image(aws: Account, inputs: Properties, outputs: Properties) -> tuple[dict[str, str] | None, str, str]:
    """Return template, version and release of the machines. EKS renews them all when one of the three changes."""
    version = inputs.get("version") or outputs["version"]
    release = inputs.get("releaseVersion") or (
        outputs["releaseVersion"] if version == outputs["version"] else releases.image_release(aws, version)
    )
    _release(aws, "UpdateNodegroupVersion", version, {"releaseVersion": release})
    return _template_reference(inputs), version, release


def _holding(inputs: Properties, old: Properties) -> Properties:
    """Return the inputs with the image that the machines have kept."""
    image = ("launchTemplate", "version", "releaseVersion")
    return {**{k: v for k, v in inputs.items() if k not in image}, **{k: old[k] for k in image if k in old}}


def _release(aws: Account, operation: str, version: str, inputs: Properties) -> str:
    """Return the release of the node image that is asked for, or the recommended one. It belongs to one version."""
    release = str(inputs.get("releaseVersion") or releases.image_release(aws, version))
    if not release.startswith(f"{version}."):
        message = f"Requested Nodegroup release version {release} is invalid. Allowed are those of {version}."
        raise AwsError("eks", operation, "InvalidParameterException", message)
    return release


def _recover(aws: Account, old: ResourceState) -> UpdatedResource:
    """Let the group's Auto Scaling group try again until it has what was asked for."""
    failure = instances.scale(aws, _node_group_request(aws, old.inputs, _instance_types(aws, old.inputs)))
    return UpdatedResource({"status": "DEGRADED" if failure else "ACTIVE"}, failure)


def _delete(aws: Account, old: ResourceState) -> None:
    cluster, name = old.inputs["clusterName"], old.inputs["nodeGroupName"]
    aws.call("eks", "DeleteNodegroup", clusterName=cluster, nodegroupName=name)
    instances.retire(aws, cluster, name)


def _node_group_request(aws: Account, inputs: Properties, types: list[str]) -> instances.NodeGroupRequest:
    """Say what the group asks for, with the zones of its subnets."""
    subnets = aws.call("ec2", "DescribeSubnets", SubnetIds=inputs["subnetIds"])["Subnets"]
    return instances.NodeGroupRequest(
        cluster=inputs["clusterName"],
        node_group=inputs["nodeGroupName"],
        size=int(inputs["scalingConfig"]["desiredSize"]),
        instance_types=tuple(types),
        capacity_type=inputs.get("capacityType", "ON_DEMAND"),
        subnets=tuple(
            instances.Subnet(s["SubnetId"], s["AvailabilityZone"], s["AvailabilityZoneId"], s["CidrBlock"])
            for s in subnets
        ),
        labels={key: str(value) for key, value in (inputs.get("labels") or {}).items()},
        taints=tuple((t["key"], t.get("value") or "", t["effect"]) for t in inputs.get("taints") or ()),
        root_volume_gib=_root_volume_gib(aws, inputs),
        retires_first=(inputs.get("updateConfig") or {}).get("updateStrategy") == "MINIMAL",
    )


def _instance_types(aws: Account, inputs: Properties) -> list[str]:
    """Return the instance types of the group or of its template. They must not stand in both."""
    own = inputs.get("instanceTypes") or []
    reference = _template_reference(inputs)
    template_type = template_contents(aws, reference).get("InstanceType") if reference else None
    if own and template_type:
        message = "Cannot specify instance types in launch template and API request"
        raise AwsError("eks", "CreateNodegroup", "InvalidParameterException", message)
    if inputs.get("capacityType") == "CAPACITY_BLOCK" and not template_type:
        message = "Launch template must specify an instance type for capacity type CAPACITY_BLOCK"
        raise AwsError("eks", "CreateNodegroup", "InvalidParameterException", message)
    return own or [template_type or _DEFAULT_INSTANCE_TYPE]


def _template_reference(inputs: Properties) -> dict[str, str] | None:
    """Return template and version as EKS takes them."""
    template = inputs.get("launchTemplate")
    if not template:
        return None
    return {key: str(template[key]) for key in ("id", "name", "version") if template.get(key) is not None}


def _root_volume_gib(aws: Account, inputs: Properties) -> int:
    reference = _template_reference(inputs)
    for mapping in template_contents(aws, reference).get("BlockDeviceMappings", ()) if reference else ():
        if mapping.get("Ebs", {}).get("VolumeSize"):
            return int(mapping["Ebs"]["VolumeSize"])
    return int(inputs.get("diskSize") or 20)


def _require_scaling(scaling: Properties, operation: str) -> None:
    smallest, desired, largest = (int(scaling[key]) for key in ("minSize", "desiredSize", "maxSize"))
    if smallest > desired:
        message = f"Minimum capacity {smallest} can't be greater than desired size {desired}"
        raise AwsError("eks", operation, "InvalidParameterException", message)
    if desired > largest:
        message = f"desired capacity {desired} can't be greater than max size {largest}"
        raise AwsError("eks", operation, "InvalidParameterException", message)
    if largest < 1:
        raise AwsError("eks", operation, "InvalidParameterException", "maxSize must be at least 1")


def _join_failure(aws: Account, role: str, subnets: list[str]) -> str | None:
    """Say why machines of the group would start and never become nodes; None if they would."""
    policies = aws.call("iam", "ListAttachedRolePolicies", RoleName=role)["AttachedPolicies"]
    if not any(policy["PolicyName"] in _WORKER_POLICIES for policy in policies):
        return _node_creation_failure(f"role {role} lacks {_WORKER_POLICIES[0]}")
    endpoints = {record.outputs.get("serviceName", "") for record in aws.state.find("aws:ec2/vpcEndpoint:VpcEndpoint")}
    private = {f"com.amazonaws.{aws.region}.{service}" for service in ("ec2", "ecr.api", "ecr.dkr", "s3", "sts")}
    if private <= endpoints:
        return None
    stranded = sorted(subnet for subnet in subnets if not default_route_of(aws, subnet))
    return _node_creation_failure(f"no route to the Internet from {', '.join(stranded)}") if stranded else None


def _node_creation_failure(reason: str) -> str:
    return (
        "1 error occurred: NodeCreationFailure: Instances failed to join the kubernetes cluster "
        f"(found by the twin: {reason})"
    )


def _cluster_version(aws: Account, cluster: str) -> str:
    return str(aws.state.find("aws:eks/cluster:Cluster", name=cluster)[0].outputs["version"])


KINDS = (
    ResourceKind(
        "aws:eks/nodeGroup:NodeGroup",
        create=_create,
        update=_update,
        delete=_delete,
        replace_on=paths(
            "clusterName nodeGroupName nodeGroupNamePrefix nodeRoleArn subnetIds amiType capacityType diskSize "
            "instanceTypes remoteAccess launchTemplate.id launchTemplate.name region"
        ),
        unordered=paths("subnetIds taints"),
        defaults={"capacityType": "ON_DEMAND"},
        generated_name=GeneratedName(property="nodeGroupName", unless="nodeGroupNamePrefix", longest=63),
        sent_if_changed=paths("scalingConfig"),
        recomputed=paths("status"),
        recover=_recover,
        changes_nodes=True,
        settle=pulls.settle,
        minutes={"create": 3, "update": 4, "delete": 4},
        one_order_at_a_time="Nodegroup",
    ),
)
