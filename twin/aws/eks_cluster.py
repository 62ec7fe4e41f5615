"""EKS clusters, add-ons, access entries and Pod Identity.

With control planes (control_planes.py), an EKS cluster has an endpoint of EKS's form and the certificate authority of a
real API server, so that a kubeconfig made from the outputs leads there, where the network lets it (twin/network). EKS's
own rules that moto does not know are here: zones, trust of the cluster role, one minor version at a time, deletion
protection.
"""

from __future__ import annotations

import json
from typing import Any

from twin.aws import addon_objects, control_planes, eks_calls, pace
from twin.aws.account import Account, AwsError
from twin.aws.identity import document
from twin.aws.kinds import CreatedResource, GeneratedName, ResourceKind, UpdatedResource, paths
from twin.provider.contract import ResourceState
from twin.provider.wire import Properties

BARRED_ZONES = frozenset({"use1-az3", "usw1-az2", "cac1-az3"})
"""Zones in which EKS cannot place a control plane (Amazon EKS User Guide, network requirements)."""

_ASSOCIATION_ID = "#"
_CLUSTER = "aws:eks/cluster:Cluster"


def _create_cluster(aws: Account, inputs: Properties) -> CreatedResource:
    name, version = inputs["name"], inputs.get("version") or eks_calls.VERSIONS[-1]
    network = inputs["vpcConfig"]
    vpc = _require_zones(aws, network.get("subnetIds") or [])
    require_trust(aws, "CreateCluster", inputs["roleArn"], "eks.amazonaws.com")
    if version not in eks_calls.VERSIONS:
        message = f"unsupported Kubernetes version {version}"
        raise AwsError("eks", "CreateCluster", "InvalidParameterException", message)
    for encryption in [inputs["encryptionConfig"]] if inputs.get("encryptionConfig") else []:
        aws.call("kms", "DescribeKey", KeyId=encryption["provider"]["keyArn"])
    cluster = aws.call(
        "eks",
        "CreateCluster",
        name=name,
        version=version,
        roleArn=inputs["roleArn"],
        resourcesVpcConfig=aws.request("eks", "CreateCluster", {"resourcesVpcConfig": network})["resourcesVpcConfig"],
        **_settings_without_effect(aws, inputs),
    )["cluster"]
    # EKS makes a security group of its own for control plane and nodes.
    group = aws.call(
        "ec2",
        "CreateSecurityGroup",
        GroupName=f"eks-cluster-sg-{name}",
        Description="EKS created security group applied to ENI that is attached to EKS Control Plane master nodes",
        VpcId=vpc,
    )["GroupId"]
    issuer = cluster["identity"]["oidc"]["issuer"]
    endpoint, authority = _door(aws, cluster)
    return CreatedResource(
        name,
        {
            "arn": cluster["arn"],
            "clusterId": name,
            "endpoint": endpoint,
            "certificateAuthority": {"data": authority},
            "createdAt": f"{cluster['createdAt']:%Y-%m-%dT%H:%M:%SZ}",
            "identities": [{"oidcs": [{"issuer": issuer}]}],
            "platformVersion": "eks.1",
            "status": "ACTIVE",
            "version": version,
            "vpcConfig": {**network, "clusterSecurityGroupId": group, "vpcId": vpc},
        },
    )


def _settings_without_effect(aws: Account, inputs: Properties) -> dict[str, Any]:
    """Collect settings that moto takes without effect. Spelled as AWS has them, they are validated by its service
    model."""
    names = (
        "accessConfig kubernetesNetworkConfig upgradePolicy zonalShiftConfig deletionProtection "
        "bootstrapSelfManagedAddons"
    )
    request = aws.request("eks", "CreateCluster", inputs, names)
    if inputs.get("enabledClusterLogTypes"):
        request["logging"] = {"clusterLogging": [{"types": inputs["enabledClusterLogTypes"], "enabled": True}]}
    if inputs.get("encryptionConfig"):
        request["encryptionConfig"] = [inputs["encryptionConfig"]]
    request["tags"] = aws.tags(inputs)
    return {key: value for key, value in request.items() if value is not None}


def _require_zones(aws: Account, subnets: list[str]) -> str:
    """Return the VPC of the subnets. They must lie in two zones or more, and in none that is barred."""
    described = aws.call("ec2", "DescribeSubnets", SubnetIds=subnets)["Subnets"] if subnets else []
    zones = {subnet["AvailabilityZoneId"] for subnet in described}
    if len(zones) < 2:
        message = "Subnets specified must be in at least two different AZs"
        raise AwsError("eks", "CreateCluster", "InvalidParameterException", message)
    barred = sorted(zones & BARRED_ZONES)
    if barred:
        allowed = sorted(set(aws.zones().values()) - BARRED_ZONES)
        message = (
            f"Cannot create cluster because {', '.join(barred)}, the targeted availability zone, does not currently "
            f"have sufficient capacity to support the cluster. Retry and choose from these availability zones: "
            f"{', '.join(allowed)}"
        )
        raise AwsError("eks", "CreateCluster", "UnsupportedAvailabilityZoneException", message)
    vpcs = sorted({subnet["VpcId"] for subnet in described})
    if len(vpcs) > 1:
        message = f"Subnets must belong to one VPC, not to {', '.join(vpcs)}"
        raise AwsError("eks", "CreateCluster", "InvalidParameterException", message)
    return str(vpcs[0])


def _require_same_place(aws: Account, old: ResourceState, subnets: list[str]) -> None:
    """Refuse another VPC, and zones in which the cluster had no subnet when it was made."""
    if _require_zones(aws, subnets) != old.outputs["vpcConfig"]["vpcId"]:
        message = "Subnets must belong to the VPC in which the cluster was created"
        raise AwsError("eks", "UpdateClusterConfig", "InvalidParameterException", message)
    before, after = (
        {subnet["AvailabilityZoneId"] for subnet in aws.call("ec2", "DescribeSubnets", SubnetIds=ids)["Subnets"]}
        for ids in (old.inputs["vpcConfig"]["subnetIds"], subnets)
    )
    if after - before:
        message = f"Subnets must lie in the zones of the cluster's creation, not in {', '.join(sorted(after - before))}"
        raise AwsError("eks", "UpdateClusterConfig", "InvalidParameterException", message)


def require_trust(aws: Account, operation: str, role_arn: str, service: str) -> str:
    """Return the name of the role. The role must exist and let the service assume it."""
    name = role_arn.rsplit("/", 1)[-1]
    try:
        role = aws.call("iam", "GetRole", RoleName=name)["Role"]
    except AwsError as error:
        message = f"The role with name {name} cannot be found."
        raise AwsError("eks", operation, "InvalidParameterException", message) from error
    if service not in json.dumps(role["AssumeRolePolicyDocument"]):
        message = (
            f"Following required service principals [{service}] were not found in the trust relationships of "
            f"{name}: {document(role['AssumeRolePolicyDocument'])}"
        )
        raise AwsError("eks", operation, "InvalidParameterException", message)
    return name


def _door(aws: Account, cluster: dict[str, Any]) -> tuple[str, str]:
    """Return endpoint and certificate authority: those of a control plane, where there is one."""
    folder = control_planes.take(aws, cluster["name"])
    if folder is None:
        return cluster["endpoint"], cluster["certificateAuthority"]["data"]
    return control_planes.endpoint(aws, cluster["name"]), control_planes.authority(folder)


def _update_cluster(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    version = inputs.get("version") or old.outputs["version"]
    if version != old.outputs["version"]:
        aws.call("eks", "UpdateClusterVersion", name=old.id, version=version)
    network = inputs["vpcConfig"]
    _require_same_place(aws, old, network.get("subnetIds") or [])
    request = aws.request("eks", "UpdateClusterConfig", {"resourcesVpcConfig": network})
    aws.call("eks", "UpdateClusterConfig", name=old.id, resourcesVpcConfig=request["resourcesVpcConfig"])
    derived = {key: old.outputs["vpcConfig"][key] for key in ("clusterSecurityGroupId", "vpcId")}
    return UpdatedResource({"version": version, "vpcConfig": {**network, **derived}})


def _delete_cluster(aws: Account, old: ResourceState) -> None:
    if str(old.inputs.get("deletionProtection", False)).lower() == "true":
        message = "Cannot delete cluster because deletion protection is enabled. Disable it first."
        raise AwsError("eks", "DeleteCluster", "InvalidRequestException", message)
    aws.call("eks", "DeleteCluster", name=old.id)
    aws.call("ec2", "DeleteSecurityGroup", GroupId=old.outputs["vpcConfig"]["clusterSecurityGroupId"])
    # Add-ons, access entries and associations end with their cluster.
    for table in aws.state.tables.values():
        for key in [key for key in table if key.startswith(f"{old.id}|")]:
            del table[key]


def _create_addon(aws: Account, inputs: Properties) -> CreatedResource:
    pace.require_active_cluster(aws, "CreateAddon", inputs["clusterName"])
    request = aws.request("eks", "CreateAddon", _without(inputs, "resolveConflictsOnCreate tags region"))
    request["resolveConflicts"] = inputs.get("resolveConflictsOnCreate")
    addon = aws.call("eks", "CreateAddon", **request, tags=aws.tags(inputs))["addon"]
    return CreatedResource(
        f"{inputs['clusterName']}:{inputs['addonName']}",
        {
            "arn": addon["addonArn"],
            "addonVersion": addon["addonVersion"],
            "createdAt": addon["createdAt"],
            "modifiedAt": addon["modifiedAt"],
        },
    )


def _update_addon(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    names = "clusterName addonName addonVersion serviceAccountRoleArn configurationValues podIdentityAssociations"
    request = aws.request("eks", "UpdateAddon", inputs, names)
    aws.call("eks", "UpdateAddon", **request, resolveConflicts=inputs.get("resolveConflictsOnUpdate"))
    return UpdatedResource({})


def _delete_addon(aws: Account, old: ResourceState) -> None:
    aws.call("eks", "DeleteAddon", clusterName=old.inputs["clusterName"], addonName=old.inputs["addonName"])


def _create_access_entry(aws: Account, inputs: Properties) -> CreatedResource:
    request = aws.request("eks", "CreateAccessEntry", inputs, "clusterName principalArn kubernetesGroups type")
    entry = aws.call("eks", "CreateAccessEntry", **request, username=inputs.get("userName"))["accessEntry"]
    return CreatedResource(
        f"{inputs['clusterName']}:{inputs['principalArn']}",
        {
            "accessEntryArn": entry["accessEntryArn"],
            "createdAt": entry["createdAt"],
            "modifiedAt": entry["modifiedAt"],
            "userName": entry["username"],
        },
    )


def _update_access_entry(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    request = aws.request("eks", "UpdateAccessEntry", inputs, "clusterName principalArn kubernetesGroups")
    aws.call("eks", "UpdateAccessEntry", **request, username=inputs.get("userName"))
    return UpdatedResource({})


def _delete_access_entry(aws: Account, old: ResourceState) -> None:
    aws.call("eks", "DeleteAccessEntry", clusterName=old.inputs["clusterName"], principalArn=old.inputs["principalArn"])


def _associate_policy(aws: Account, inputs: Properties) -> CreatedResource:
    request = aws.request("eks", "AssociateAccessPolicy", _without(inputs, "region"))
    association = aws.call("eks", "AssociateAccessPolicy", **request)["associatedAccessPolicy"]
    identifier = _ASSOCIATION_ID.join((inputs["clusterName"], inputs["principalArn"], inputs["policyArn"]))
    return CreatedResource(
        identifier, {"associatedAt": association["associatedAt"], "modifiedAt": association["modifiedAt"]}
    )


def _disassociate_policy(aws: Account, old: ResourceState) -> None:
    names = ("clusterName", "principalArn", "policyArn")
    aws.call("eks", "DisassociateAccessPolicy", **{name: old.inputs[name] for name in names})


def _create_pod_identity(aws: Account, inputs: Properties) -> CreatedResource:
    request = aws.request("eks", "CreatePodIdentityAssociation", _without(inputs, "region tags"))
    association = aws.call("eks", "CreatePodIdentityAssociation", **request)["association"]
    identifier = association["associationId"]
    return CreatedResource(identifier, {"associationId": identifier, "associationArn": association["associationArn"]})


def _update_pod_identity(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    aws.call(
        "eks",
        "UpdatePodIdentityAssociation",
        clusterName=inputs["clusterName"],
        associationId=old.id,
        roleArn=inputs["roleArn"],
    )
    return UpdatedResource({})


def _delete_pod_identity(aws: Account, old: ResourceState) -> None:
    aws.call("eks", "DeletePodIdentityAssociation", clusterName=old.inputs["clusterName"], associationId=old.id)


def _without(inputs: Properties, names: str) -> Properties:
    return {key: value for key, value in inputs.items() if key not in names.split()}


KINDS = (
    ResourceKind(
        _CLUSTER,
        create=_create_cluster,
        update=_update_cluster,
        delete=_delete_cluster,
        replace_on=paths(
            "name roleArn encryptionConfig kubernetesNetworkConfig.serviceIpv4Cidr kubernetesNetworkConfig.ipFamily "
            "bootstrapSelfManagedAddons outpostConfig accessConfig.bootstrapClusterCreatorAdminPermissions region"
        ),
        unordered=paths(
            "enabledClusterLogTypes vpcConfig.subnetIds vpcConfig.securityGroupIds "
            "vpcConfig.publicAccessCidrs encryptionConfig.resources"
        ),
        defaults={"bootstrapSelfManagedAddons": True, "deletionProtection": False},
        generated_name=GeneratedName(unless="", longest=100),
        recomputed=paths("platformVersion"),
        minutes={"create": 10, "update": 8, "delete": 5},
        one_order_at_a_time="Cluster",
    ),
    ResourceKind(
        "aws:eks/addon:Addon",
        settle=addon_objects.settle,
        create=_create_addon,
        update=_update_addon,
        delete=_delete_addon,
        replace_on=paths("clusterName addonName region"),
        recomputed=paths("modifiedAt"),
        minutes={"create": 1, "update": 1, "delete": 1},
    ),
    ResourceKind(
        "aws:eks/accessEntry:AccessEntry",
        create=_create_access_entry,
        update=_update_access_entry,
        delete=_delete_access_entry,
        replace_on=paths("clusterName principalArn type region"),
        unordered=paths("kubernetesGroups"),
        defaults={"type": "STANDARD"},
    ),
    ResourceKind(
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        create=_associate_policy,
        update=None,
        delete=_disassociate_policy,
        unordered=paths("accessScope.namespaces"),
    ),
    ResourceKind(
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        create=_create_pod_identity,
        update=_update_pod_identity,
        delete=_delete_pod_identity,
        replace_on=paths("clusterName namespace serviceAccount region"),
        identify=lambda records, name: name.rpartition(",")[2],
    ),
)
