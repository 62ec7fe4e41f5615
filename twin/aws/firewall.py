"""Security groups and their rules, endpoints and flow logs: who may talk to whom, and the record of it."""

from __future__ import annotations

from typing import Any

from twin.aws import pulls
from twin.aws.account import Account, AwsError
from twin.aws.kinds import CreatedResource, GeneratedName, ResourceKind, UpdatedResource, paths
from twin.provider.contract import ResourceState
from twin.provider.wire import Properties

_EVERYWHERE = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


def _create_group(aws: Account, inputs: Properties) -> CreatedResource:
    identifier = aws.call(
        "ec2",
        "CreateSecurityGroup",
        GroupName=inputs["name"],
        Description=inputs.get("description", "Managed by Pulumi"),
        VpcId=inputs.get("vpcId"),
    )["GroupId"]
    # The provider removes the rule that EC2 adds by itself, so that a group allows what the program says and no more.
    aws.call("ec2", "RevokeSecurityGroupEgress", GroupId=identifier, IpPermissions=[_EVERYWHERE])
    for direction in ("Ingress", "Egress"):
        _authorize(aws, identifier, direction, inputs.get(direction.lower()) or ())
    return CreatedResource(
        identifier,
        {
            "arn": aws.arn("ec2", f"security-group/{identifier}"),
            "ownerId": aws.id,
            "description": inputs.get("description", "Managed by Pulumi"),
        },
    )


def _update_group(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    for direction in ("Ingress", "Egress"):
        before, after = old.inputs.get(direction.lower()) or [], inputs.get(direction.lower()) or []
        if before != after:
            for rule in before:
                aws.call(
                    "ec2", f"RevokeSecurityGroup{direction}", GroupId=old.id, IpPermissions=[_permission(old.id, rule)]
                )
            _authorize(aws, old.id, direction, after)
    return UpdatedResource({})


def _authorize(aws: Account, group: str, direction: str, rules: Any) -> None:
    for rule in rules:
        aws.call("ec2", f"AuthorizeSecurityGroup{direction}", GroupId=group, IpPermissions=[_permission(group, rule)])


def _permission(group: str, rule: Properties) -> dict[str, Any]:
    """Spell a rule that is written inside a group."""
    groups = [*(rule.get("securityGroups") or ()), *([group] if rule.get("self") else ())]
    return {
        "IpProtocol": str(rule["protocol"]),
        "FromPort": int(rule["fromPort"]),
        "ToPort": int(rule["toPort"]),
        "IpRanges": [{"CidrIp": cidr} for cidr in rule.get("cidrBlocks") or ()],
        "PrefixListIds": [{"PrefixListId": item} for item in rule.get("prefixListIds") or ()],
        "UserIdGroupPairs": [{"GroupId": item} for item in groups],
    }


def _delete_group(aws: Account, old: ResourceState) -> None:
    for record in aws.state.find("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"):
        if record.outputs.get("referencedSecurityGroupId") == old.id != record.outputs["securityGroupId"]:
            message = f"resource {old.id} has a dependent object (rule {record.name})"
            raise AwsError("ec2", "DeleteSecurityGroup", "DependencyViolation", message)
    aws.call("ec2", "DeleteSecurityGroup", GroupId=old.id)


def _rule_kind(direction: str) -> ResourceKind:
    """Describe a rule that is a resource of its own."""

    def permission(inputs: Properties) -> dict[str, Any]:
        rule: dict[str, Any] = {"IpProtocol": str(inputs["ipProtocol"])}
        for name, key in (("fromPort", "FromPort"), ("toPort", "ToPort")):
            if inputs.get(name) is not None:
                rule[key] = int(inputs[name])
        if inputs.get("cidrIpv4"):
            rule["IpRanges"] = [{"CidrIp": inputs["cidrIpv4"]}]
        if inputs.get("cidrIpv6"):
            rule["Ipv6Ranges"] = [{"CidrIpv6": inputs["cidrIpv6"]}]
        if inputs.get("prefixListId"):
            rule["PrefixListIds"] = [{"PrefixListId": inputs["prefixListId"]}]
        if inputs.get("referencedSecurityGroupId"):
            rule["UserIdGroupPairs"] = [{"GroupId": inputs["referencedSecurityGroupId"]}]
        return rule

    def create(aws: Account, inputs: Properties) -> CreatedResource:
        if inputs.get("referencedSecurityGroupId"):
            aws.call("ec2", "DescribeSecurityGroups", GroupIds=[inputs["referencedSecurityGroupId"]])
        response = aws.call(
            "ec2",
            f"AuthorizeSecurityGroup{direction}",
            GroupId=inputs["securityGroupId"],
            IpPermissions=[permission(inputs)],
        )
        identifier = response["SecurityGroupRules"][0]["SecurityGroupRuleId"]
        return CreatedResource(
            identifier,
            {"arn": aws.arn("ec2", f"security-group-rule/{identifier}"), "securityGroupRuleId": identifier},
        )

    def update(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
        group = old.inputs["securityGroupId"]
        before, after = permission(old.inputs), permission(inputs)
        if before != after:
            aws.call("ec2", f"RevokeSecurityGroup{direction}", GroupId=group, IpPermissions=[before])
            aws.call("ec2", f"AuthorizeSecurityGroup{direction}", GroupId=group, IpPermissions=[after])
        return UpdatedResource({})

    def delete(aws: Account, old: ResourceState) -> None:
        aws.call(
            "ec2",
            f"RevokeSecurityGroup{direction}",
            GroupId=old.inputs["securityGroupId"],
            IpPermissions=[permission(old.inputs)],
        )

    name = f"SecurityGroup{direction}Rule"
    return ResourceKind(
        f"aws:vpc/s{name[1:]}:{name}",
        create=create,
        update=update,
        delete=delete,
        replace_on=paths("securityGroupId region"),
    )


GATEWAY_ADDRESSES = ("16.15.176.0/20", "3.5.0.0/19", "52.216.0.0/15")
"""Some of the addresses of S3 in us-east-1. They are enough for rules that must name them, in every region alike."""


def _create_endpoint(aws: Account, inputs: Properties) -> CreatedResource:
    names = "vpcId serviceName vpcEndpointType routeTableIds subnetIds securityGroupIds privateDnsEnabled"
    request = aws.request("ec2", "CreateVpcEndpoint", {"vpcEndpointType": "Gateway", **inputs}, names)
    if inputs.get("policy"):
        request["PolicyDocument"] = inputs["policy"]
    endpoint = aws.call("ec2", "CreateVpcEndpoint", **{k: v for k, v in request.items() if v != []})["VpcEndpoint"]
    identifier = endpoint["VpcEndpointId"]
    gateway = endpoint.get("VpcEndpointType", "Gateway") == "Gateway"
    return CreatedResource(
        identifier,
        {
            **(_prefix_list(aws, inputs["serviceName"]) if gateway else {}),
            "arn": aws.arn("ec2", f"vpc-endpoint/{identifier}"),
            "ownerId": aws.id,
            "state": "available",
            "requesterManaged": False,
            "dnsEntries": [
                {"dnsName": entry.get("DnsName"), "hostedZoneId": entry.get("HostedZoneId")}
                for entry in endpoint.get("DnsEntries") or ()
            ],
        },
    )


def _prefix_list(aws: Account, service: str) -> Properties:
    """Return the addresses that a gateway endpoint routes to, under the id that the account gives their list."""
    lists = aws.call("ec2", "DescribeManagedPrefixLists")["PrefixLists"]
    identifier = next((item["PrefixListId"] for item in lists if item["PrefixListName"] == service), None)
    return {"prefixListId": identifier or f"pl-{service.rsplit('.', 1)[-1]}", "cidrBlocks": list(GATEWAY_ADDRESSES)}


def _update_endpoint(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    before, after = set(old.inputs.get("routeTableIds") or ()), set(inputs.get("routeTableIds") or ())
    aws.call(
        "ec2",
        "ModifyVpcEndpoint",
        VpcEndpointId=old.id,
        PolicyDocument=inputs.get("policy"),
        AddRouteTableIds=sorted(after - before) or None,
        RemoveRouteTableIds=sorted(before - after) or None,
    )
    return UpdatedResource({})


def _delete_endpoint(aws: Account, old: ResourceState) -> None:
    aws.call("ec2", "DeleteVpcEndpoints", VpcEndpointIds=[old.id])


def _create_flow_log(aws: Account, inputs: Properties) -> CreatedResource:
    resource_type = "VPC" if inputs.get("vpcId") else "Subnet" if inputs.get("subnetId") else "NetworkInterface"
    destination = inputs.get("logDestination")
    response = aws.call(
        "ec2",
        "CreateFlowLogs",
        ResourceIds=[inputs.get("vpcId") or inputs.get("subnetId") or inputs.get("eniId")],
        ResourceType=resource_type,
        TrafficType=inputs.get("trafficType"),
        LogDestinationType=inputs.get("logDestinationType", "cloud-watch-logs"),
        LogDestination=destination.removesuffix(":*") if destination else None,
        DeliverLogsPermissionArn=inputs.get("iamRoleArn"),
        MaxAggregationInterval=int(inputs.get("maxAggregationInterval", 600)),
    )
    for failure in response.get("Unsuccessful") or ():
        raise AwsError("ec2", "CreateFlowLogs", failure["Error"]["Code"], failure["Error"]["Message"])
    identifier = response["FlowLogIds"][0]
    return CreatedResource(identifier, {"arn": aws.arn("ec2", f"vpc-flow-log/{identifier}")})


def _delete_flow_log(aws: Account, old: ResourceState) -> None:
    aws.call("ec2", "DeleteFlowLogs", FlowLogIds=[old.id])


KINDS = (
    ResourceKind(
        "aws:ec2/securityGroup:SecurityGroup",
        create=_create_group,
        update=_update_group,
        delete=_delete_group,
        replace_on=paths("name namePrefix description vpcId region"),
        unordered=paths("ingress egress"),
        generated_name=GeneratedName(longest=255),
    ),
    _rule_kind("Ingress"),
    _rule_kind("Egress"),
    ResourceKind(
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        create=_create_endpoint,
        update=_update_endpoint,
        delete=_delete_endpoint,
        replace_on=paths("vpcId serviceName vpcEndpointType serviceRegion region"),
        unordered=paths("routeTableIds subnetIds securityGroupIds"),
        defaults={"vpcEndpointType": "Gateway"},
        settle=pulls.settle,
    ),
    ResourceKind(
        "aws:ec2/flowLog:FlowLog",
        create=_create_flow_log,
        delete=_delete_flow_log,
        replace_on=paths(
            "vpcId subnetId eniId trafficType logDestination logDestinationType logFormat iamRoleArn "
            "maxAggregationInterval region"
        ),
        defaults={"logDestinationType": "cloud-watch-logs", "maxAggregationInterval": 600},
    ),
)
