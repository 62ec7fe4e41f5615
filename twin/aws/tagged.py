"""What the account holds, as questions find it: by tags, by names, with its status now.

`getResources` answers for every type that has an ARN and tags, but for roles and users of IAM, as the Resource Groups
Tagging API does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from twin.aws import pace
from twin.aws.account import Account, AwsError
from twin.aws.store import ResourceRecord
from twin.provider.wire import Properties

_NAT_GATEWAY: Final = "aws:ec2/natGateway:NatGateway"

AwsFunction = Callable[[Account, Properties], Properties]


def _resources(aws: Account, arguments: Properties) -> Properties:
    wanted = {one["key"]: set(one.get("values") or ()) for one in arguments.get("tagFilters") or ()}
    rows = [
        {"resourceArn": arn, "tags": record.outputs["tagsAll"], "complianceDetails": []}
        for arn, record in _in_region(aws)
        if _has(record.outputs.get("tagsAll") or {}, wanted)
    ]
    rows.sort(key=lambda row: str(row["resourceArn"]))
    return {**arguments, "id": aws.region, "region": aws.region, "resourceTagMappingLists": rows}


def _in_region(aws: Account) -> Iterator[tuple[str, ResourceRecord]]:
    for token, records in aws.state.records.items():
        for identifier, record in records.items():
            outputs = record.outputs
            arn = outputs.get("arn") or outputs.get("accessEntryArn") or outputs.get("associationArn")
            if token == _NAT_GATEWAY:  # the provider says nothing of its ARN
                arn = aws.arn("ec2", f"natgateway/{identifier}")
            if arn and record.region == aws.region and not token.startswith("aws:iam/"):
                yield arn, record


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


FUNCTIONS: Mapping[str, AwsFunction] = {
    "aws:resourcegroupstaggingapi/getResources:getResources": _resources,
    "aws:iam/getRoles:getRoles": _roles,
    "aws:eks/getCluster:getCluster": _cluster,
    "aws:eks/getNodeGroup:getNodeGroup": _node_group,
    "aws:ec2/getNatGateway:getNatGateway": _nat_gateway,
    "aws:kms/getKey:getKey": _key,
}
