"""What the account holds, as questions find it: by tags, by names, with its status now.

`getResources` answers for every type that has an ARN and tags, but for IAM and AWS Budgets, as the Resource Groups
Tagging API does. A fault makes it late: what was deleted is listed for some seconds more. All other questions know the
account as it is; what they name and is not there is an error, in the provider's words.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from twin.aws import faults, pace
from twin.aws.account import Account, AwsError
from twin.aws.store import EXISTING, AccountState, ResourceRecord
from twin.provider.wire import Properties

_NAT_GATEWAY: Final = "aws:ec2/natGateway:NatGateway"
_RULES: Final = {
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": True,
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": False,
}
"""Type of a firewall's rule -> whether it lets out."""
_DELETED: Final = f"{EXISTING}deleted"
"""Table of what was deleted and may still be listed: ARN -> its tags, its region and when."""
_UNLISTED: Final = ("aws:iam/", "aws:budgets/")

AwsFunction = Callable[[Account, Properties], Properties]


def _resources(aws: Account, arguments: Properties) -> Properties:
    wanted = {one["key"]: set(one.get("values") or ()) for one in arguments.get("tagFilters") or ()}
    listed = {arn: record.outputs.get("tagsAll") or {} for arn, record in _in_region(aws)}
    rows: list[Properties] = [
        {"resourceArn": arn, "tags": tags, "complianceDetails": []}
        for arn, tags in {**_still_listed(aws), **listed}.items()
        if _has(tags, wanted)
    ]
    rows.sort(key=lambda row: str(row["resourceArn"]))
    return {**arguments, "id": aws.region, "region": aws.region, "resourceTagMappingLists": rows}


def remember(state: AccountState, token: str, identifier: str, record: ResourceRecord) -> None:
    """Remember what is deleted, as the list may go on showing it."""
    arn = _arn(state.account, token, identifier, record)
    if arn and record.outputs.get("tagsAll") and not token.startswith(_UNLISTED):
        row = {"tags": record.outputs["tagsAll"], "region": record.region, "at": time.time()}
        state.tables.setdefault(_DELETED, {})[arn] = row


def _still_listed(aws: Account) -> dict[str, dict[str, str]]:
    """Return what is gone and not yet gone from the list."""
    late = faults.seconds_of_lag(aws.state)
    since = time.time() - late
    rows = aws.state.tables.get(_DELETED, {})
    return {arn: row["tags"] for arn, row in rows.items() if row["region"] == aws.region and row["at"] > since}


def _in_region(aws: Account) -> Iterator[tuple[str, ResourceRecord]]:
    for token, records in aws.state.records.items():
        for identifier, record in records.items():
            arn = _arn(aws.id, token, identifier, record)
            if arn and record.region == aws.region and not token.startswith(_UNLISTED):
                yield arn, record


def _arn(account: str, token: str, identifier: str, record: ResourceRecord) -> str | None:
    outputs = record.outputs
    if token == _NAT_GATEWAY:  # the provider says nothing of its ARN
        return f"arn:aws:ec2:{record.region}:{account}:natgateway/{identifier}"
    return outputs.get("arn") or outputs.get("accessEntryArn") or outputs.get("associationArn")


def _has(tags: Mapping[str, str], wanted: Mapping[str, set[str]]) -> bool:
    return all(key in tags and (not values or tags[key] in values) for key, values in wanted.items())


def _roles(aws: Account, arguments: Properties) -> Properties:
    pattern = re.compile(arguments.get("nameRegex") or "")
    found = [r for r in aws.state.find("aws:iam/role:Role") if pattern.search(r.outputs["name"])]
    return {
        **arguments,
        "id": "roles",
        "arns": [record.outputs["arn"] for record in found],
        "names": [record.outputs["name"] for record in found],
    }


def _cluster(aws: Account, arguments: Properties) -> Properties:
    record = aws.state.records.get(pace.CLUSTER, {}).get(arguments["name"])
    if record is None:
        message = f"No cluster found for name: {arguments['name']}."
        raise AwsError("eks", "DescribeCluster", "ResourceNotFoundException", message)
    return {**pace.seen(record), "id": arguments["name"], "tags": record.outputs.get("tagsAll") or {}}


def _node_group(aws: Account, arguments: Properties) -> Properties:
    cluster, name = arguments["clusterName"], arguments["nodeGroupName"]
    record = aws.state.records.get("aws:eks/nodeGroup:NodeGroup", {}).get(f"{cluster}:{name}")
    if record is None:
        message = f"No node group found for name: {name}."
        raise AwsError("eks", "DescribeNodegroup", "ResourceNotFoundException", message)
    return {**pace.seen(record), "id": f"{cluster}:{name}", "tags": record.outputs.get("tagsAll") or {}}


def _nat_gateway(aws: Account, arguments: Properties) -> Properties:
    record = aws.state.records.get(_NAT_GATEWAY, {}).get(arguments["id"])
    if record is None:
        message = f"NAT gateway {arguments['id']} was not found"
        raise AwsError("ec2", "DescribeNatGateways", "NatGatewayNotFound", message)
    states = {"CREATING": "pending", "DELETING": "deleting"}
    return {**record.outputs, "id": arguments["id"], "state": states.get(record.status() or "", "available")}


def _key(aws: Account, arguments: Properties) -> Properties:
    found = aws.call("kms", "DescribeKey", KeyId=arguments["keyId"])["KeyMetadata"]
    return {**arguments, "id": found["KeyId"], "arn": found["Arn"], "keyState": found["KeyState"]}


def _role(aws: Account, arguments: Properties) -> Properties:
    record = aws.state.records.get("aws:iam/role:Role", {}).get(arguments["name"])
    if record is None:
        message = f"reading IAM Role ({arguments['name']}): couldn't find resource"
        raise AwsError("iam", "GetRole", "NoSuchEntity", message)
    return {**arguments, "id": record.outputs["name"], "arn": record.outputs["arn"], "tags": _tags(record)}


def _firewall_rules(aws: Account, arguments: Properties) -> Properties:
    wanted = {
        one["name"].removeprefix("tag:"): set(one["values"])
        for one in arguments.get("filters") or ()
        if one["name"].startswith("tag:")
    }
    aws.call("ec2", "DescribeSecurityGroupRules")
    ids = [
        identifier
        for token in _RULES
        for identifier, record in aws.state.records.get(token, {}).items()
        if record.region == aws.region and _has(_tags(record), wanted)
    ]
    return {**arguments, "id": aws.region, "ids": sorted(ids)}


def _firewall_rule(aws: Account, arguments: Properties) -> Properties:
    identifier = arguments["securityGroupRuleId"]
    for token, lets_out in _RULES.items():
        record = aws.state.records.get(token, {}).get(identifier)
        if record is not None:
            told = {"arn": record.outputs["arn"], "isEgress": lets_out, "tags": _tags(record)}
            return {**arguments, **told, "id": identifier}
    message = "no matching EC2 Security Group Rule found"
    raise AwsError("ec2", "DescribeSecurityGroupRules", "InvalidSecurityGroupRuleId.NotFound", message)


def _records(aws: Account, arguments: Properties) -> Properties:
    pattern = re.compile(arguments.get("nameRegex") or "")
    answer = aws.call("route53", "ListResourceRecordSets", HostedZoneId=arguments["zoneId"])["ResourceRecordSets"]
    rows = [
        {
            "name": row["Name"],
            "type": row["Type"],
            "aliasTarget": {"dnsName": row["AliasTarget"]["DNSName"]} if row.get("AliasTarget") else None,
            "resourceRecords": [{"value": one["Value"]} for one in row.get("ResourceRecords") or ()],
        }
        for row in answer
        if pattern.search(row["Name"])
    ]
    return {**arguments, "id": arguments["zoneId"], "resourceRecordSets": rows}


def _certificate(aws: Account, arguments: Properties) -> Properties:
    found = [
        record
        for record in aws.state.find("aws:acm/certificate:Certificate", domainName=arguments["domain"])
        if record.outputs["status"] in arguments["statuses"]
    ]
    if not found:
        message = f"no certificate for domain {arguments['domain']!r} found in this region (couldn't find resource)"
        raise AwsError("acm", "ListCertificates", "NotFound", message)
    return {**arguments, "id": found[-1].outputs["arn"], "arn": found[-1].outputs["arn"], "tags": _tags(found[-1])}


def _cloud_control(aws: Account, arguments: Properties) -> Properties:
    """Answer for the types that the provider has no question for."""
    kind, identifier = arguments["typeName"], arguments["identifier"]
    records = aws.state.records.get(_OF_CLOUD_CONTROL[kind], {})
    if not any(identifier in (name, record.outputs.get("associationArn")) for name, record in records.items()):
        message = f"Resource of type '{kind}' with identifier '{identifier}' was not found."
        raise AwsError("cloudcontrol", "GetResource", "ResourceNotFoundException", message)
    return {**arguments, "id": identifier, "properties": "{}"}


_TOLD: Final = ("arn", "name", "region", "state", "status")
"""What an answer about one resource says of it; the types of all else differ from those of the resource."""
_OF_CLOUD_CONTROL: Final = {
    "AWS::EC2::FlowLog": "aws:ec2/flowLog:FlowLog",
    "AWS::EKS::PodIdentityAssociation": "aws:eks/podIdentityAssociation:PodIdentityAssociation",
}


def _tags(record: ResourceRecord) -> dict[str, str]:
    return record.outputs.get("tagsAll") or {}


def _of_record(token: str, noun: str, *names: str) -> AwsFunction:
    """Return what answers for one resource of a type. names: arguments that make its id, in this order."""

    def answer(aws: Account, arguments: Properties) -> Properties:
        identifier = ":".join(str(arguments[name]) for name in names)
        record = aws.state.records.get(token, {}).get(identifier)
        if record is None:
            message = f"reading {noun} ({identifier}): couldn't find resource"
            raise AwsError(token.split(":")[1].split("/")[0], "Describe", "NotFound", message)
        told = {key: value for key, value in pace.seen(record).items() if key in _TOLD}
        return {**arguments, **told, "id": identifier, "tags": _tags(record)}

    return answer


FUNCTIONS: Mapping[str, AwsFunction] = {
    "aws:resourcegroupstaggingapi/getResources:getResources": _resources,
    "aws:iam/getRoles:getRoles": _roles,
    "aws:eks/getCluster:getCluster": _cluster,
    "aws:eks/getNodeGroup:getNodeGroup": _node_group,
    "aws:ec2/getNatGateway:getNatGateway": _nat_gateway,
    "aws:kms/getKey:getKey": _key,
    "aws:acm/getCertificate:getCertificate": _certificate,
    "aws:budgets/getBudget:getBudget": _of_record("aws:budgets/budget:Budget", "Budget", "accountId", "name"),
    "aws:cloudcontrol/getResource:getResource": _cloud_control,
    "aws:cloudwatch/getLogGroup:getLogGroup": _of_record(
        "aws:cloudwatch/logGroup:LogGroup", "CloudWatch Logs Log Group", "name"
    ),
    "aws:ec2/getElasticIp:getElasticIp": _of_record("aws:ec2/eip:Eip", "EC2 EIP", "id"),
    "aws:ec2/getInternetGateway:getInternetGateway": _of_record(
        "aws:ec2/internetGateway:InternetGateway", "EC2 Internet Gateway", "internetGatewayId"
    ),
    "aws:ec2/getLaunchTemplate:getLaunchTemplate": _of_record(
        "aws:ec2/launchTemplate:LaunchTemplate", "EC2 Launch Template", "id"
    ),
    "aws:ec2/getSecurityGroup:getSecurityGroup": _of_record(
        "aws:ec2/securityGroup:SecurityGroup", "EC2 Security Group", "id"
    ),
    "aws:ec2/getVpcEndpoint:getVpcEndpoint": _of_record("aws:ec2/vpcEndpoint:VpcEndpoint", "EC2 VPC Endpoint", "id"),
    "aws:ecr/getPullThroughCacheRule:getPullThroughCacheRule": _of_record(
        "aws:ecr/pullThroughCacheRule:PullThroughCacheRule", "ECR Pull Through Cache Rule", "ecrRepositoryPrefix"
    ),
    "aws:ecr/getRepository:getRepository": _of_record("aws:ecr/repository:Repository", "ECR Repository", "name"),
    "aws:eks/getAccessEntry:getAccessEntry": _of_record(
        "aws:eks/accessEntry:AccessEntry", "EKS Access Entry", "clusterName", "principalArn"
    ),
    "aws:eks/getAddon:getAddon": _of_record("aws:eks/addon:Addon", "EKS Add-On", "clusterName", "addonName"),
    "aws:iam/getRole:getRole": _role,
    "aws:lb/getListener:getListener": _of_record("aws:lb/listener:Listener", "ELBv2 Listener", "arn"),
    "aws:lb/getLoadBalancer:getLoadBalancer": _of_record(
        "aws:lb/loadBalancer:LoadBalancer", "ELBv2 Load Balancer", "arn"
    ),
    "aws:lb/getTargetGroup:getTargetGroup": _of_record("aws:lb/targetGroup:TargetGroup", "ELBv2 Target Group", "arn"),
    "aws:route53/getRecords:getRecords": _records,
    "aws:s3/getBucket:getBucket": _of_record("aws:s3/bucket:Bucket", "S3 Bucket", "bucket"),
    "aws:vpc/getSecurityGroupRule:getSecurityGroupRule": _firewall_rule,
    "aws:vpc/getSecurityGroupRules:getSecurityGroupRules": _firewall_rules,
}
