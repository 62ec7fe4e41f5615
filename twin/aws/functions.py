"""The provider's functions: questions to AWS that make no resource.

Answers that a rehearsal needs and moto has no data for are stated here: what the caller is, which image EKS
recommends. A secret or parameter that the account does not hold is an error, as at AWS.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from twin.aws import eks_calls
from twin.aws.account import Account, AwsError
from twin.aws.machines import offering_zones
from twin.provider.wire import Properties

Function = Callable[[Account, Properties], Properties]


def _caller(aws: Account, arguments: Properties) -> Properties:
    return {"accountId": aws.id, "arn": f"arn:aws:iam::{aws.id}:user/twin", "userId": "AIDATWIN", "id": aws.id}


def _region(aws: Account, arguments: Properties) -> Properties:
    name = arguments.get("region") or arguments.get("name") or aws.region
    return {"id": name, "name": name, "region": name, "description": name, "endpoint": f"ec2.{name}.amazonaws.com"}


def _partition(aws: Account, arguments: Properties) -> Properties:
    return {"id": "aws", "partition": "aws", "dnsSuffix": "amazonaws.com", "reverseDnsPrefix": "com.amazonaws"}


def _zones(aws: Account, arguments: Properties) -> Properties:
    zones = {
        name: identifier
        for name, identifier in sorted(aws.zones().items())
        if name not in (arguments.get("excludeNames") or ())
        and identifier not in (arguments.get("excludeZoneIds") or ())
    }
    for wanted in arguments.get("filters") or ():
        chosen = set(wanted["values"])
        if wanted["name"] == "zone-id":
            zones = {name: identifier for name, identifier in zones.items() if identifier in chosen}
        elif wanted["name"] == "zone-name":
            zones = {name: identifier for name, identifier in zones.items() if name in chosen}
    return {
        **arguments,
        "id": aws.region,
        "region": aws.region,
        "names": list(zones),
        "zoneIds": list(zones.values()),
        "groupNames": [aws.region] if zones else [],
    }


def _zone(aws: Account, arguments: Properties) -> Properties:
    for name, identifier in aws.zones().items():
        if arguments.get("name") in (None, name) and arguments.get("zoneId") in (None, identifier):
            return {
                **arguments,
                "id": name,
                "name": name,
                "zoneId": identifier,
                "nameSuffix": name.removeprefix(aws.region),
                "region": aws.region,
                "groupName": aws.region,
                "networkBorderGroup": aws.region,
                "optInStatus": "opt-in-not-required",
                "state": "available",
                "zoneType": "availability-zone",
            }
    raise AwsError("ec2", "DescribeAvailabilityZones", "InvalidParameterValue", f"no such zone: {arguments}")


def _prefix_list(aws: Account, arguments: Properties) -> Properties:
    wanted = arguments.get("name") or next(
        (v for f in arguments.get("filters") or () if f["name"] == "prefix-list-name" for v in f["values"]), None
    )
    for found in aws.call("ec2", "DescribeManagedPrefixLists")["PrefixLists"]:
        if wanted in (None, found["PrefixListName"]) and arguments.get("prefixListId") in (None, found["PrefixListId"]):
            return {
                **arguments,
                "id": found["PrefixListId"],
                "prefixListId": found["PrefixListId"],
                "name": found["PrefixListName"],
                "arn": found["PrefixListArn"],
                "ownerId": found["OwnerId"],
                "addressFamily": found.get("AddressFamily", "IPv4"),
                "cidrBlocks": [],
                "entries": [],
                "version": 1,
                "maxEntries": found.get("MaxEntries", 0),
                "region": aws.region,
                "tags": {},
            }
    raise AwsError("ec2", "DescribeManagedPrefixLists", "InvalidPrefixListID.NotFound", f"no prefix list {wanted}")


def _parameter(aws: Account, arguments: Properties) -> Properties:
    name = arguments["name"]
    if name.startswith("/aws/service/eks/optimized-ami/"):
        # EKS publishes the recommended image or release for each version; moto has none of them.
        value = "ami-0twin" if name.endswith("image_id") else f"{name.split('/')[5]}.0-20261101"
    else:
        value = aws.call("ssm", "GetParameter", Name=name)["Parameter"]["Value"]
    return {
        **arguments,
        "id": name,
        "arn": aws.arn("ssm", f"parameter/{name.lstrip('/')}"),
        "insecureValue": value,
        "value": value,
        "type": "String",
        "version": 1,
        "region": aws.region,
    }


def _secret(aws: Account, arguments: Properties) -> Properties:
    wanted = arguments.get("arn") or arguments["name"]
    found = aws.call("secretsmanager", "DescribeSecret", SecretId=wanted)
    return {
        "id": found["ARN"],
        "arn": found["ARN"],
        "name": found["Name"],
        "description": found.get("Description", ""),
        "kmsKeyId": found.get("KmsKeyId", ""),
        "policy": "",
        "region": aws.region,
        "createdDate": f"{found['CreatedDate']:%Y-%m-%dT%H:%M:%SZ}",
        "lastChangedDate": f"{found['CreatedDate']:%Y-%m-%dT%H:%M:%SZ}",
        "tags": {},
    }


def _policy_document(aws: Account, arguments: Properties) -> Properties:
    statements = [_statement(item) for item in arguments.get("statements") or ()]
    for source in arguments.get("sourcePolicyDocuments") or ():
        statements = [*json.loads(source)["Statement"], *statements]
    content: dict[str, Any] = {"Version": arguments.get("version") or "2012-10-17"}
    if arguments.get("policyId"):
        content["Id"] = arguments["policyId"]
    content["Statement"] = statements
    minified = json.dumps(content, separators=(",", ":"))
    return {**arguments, "id": "twin", "json": json.dumps(content, indent=2), "minifiedJson": minified}


def _statement(item: Mapping[str, Any]) -> dict[str, Any]:
    statement: dict[str, Any] = {}
    if item.get("sid"):
        statement["Sid"] = item["sid"]
    statement["Effect"] = item.get("effect") or "Allow"
    for name, key in (
        ("actions", "Action"),
        ("notActions", "NotAction"),
        ("resources", "Resource"),
        ("notResources", "NotResource"),
    ):
        if item.get(name):
            statement[key] = _single(item[name])
    for name, key in (("principals", "Principal"), ("notPrincipals", "NotPrincipal")):
        if item.get(name):
            statement[key] = {p["type"]: _single(p["identifiers"]) for p in item[name]}
    conditions: dict[str, dict[str, Any]] = {}
    for condition in item.get("conditions") or ():
        conditions.setdefault(condition["test"], {})[condition["variable"]] = _single(condition["values"])
    if conditions:
        statement["Condition"] = conditions
    return statement


def _single(values: list[str]) -> Any:
    return values[0] if len(values) == 1 else values


def _cluster(aws: Account, arguments: Properties) -> Properties:
    found = aws.state.find("aws:eks/cluster:Cluster", name=arguments["name"])
    if not found:
        message = f"No cluster found for name: {arguments['name']}."
        raise AwsError("eks", "DescribeCluster", "ResourceNotFoundException", message)
    outputs = found[0].outputs
    return {
        **{key: outputs.get(key) for key in ("arn", "endpoint", "name", "roleArn", "status", "version", "createdAt")},
        "id": outputs["name"],
        "region": aws.region,
        "certificateAuthorities": [outputs["certificateAuthority"]],
        "vpcConfig": outputs["vpcConfig"],
        "identities": outputs["identities"],
        "tags": outputs.get("tagsAll", {}),
    }


def _addon_version(aws: Account, arguments: Properties) -> Properties:
    if arguments["addonName"] not in eks_calls.ADDONS:
        message = f"no add-on {arguments['addonName']}"
        raise AwsError("eks", "DescribeAddonVersions", "InvalidParameterException", message)
    version = f"v{arguments['kubernetesVersion']}.0-eksbuild.1"
    return {**arguments, "id": arguments["addonName"], "version": version, "region": aws.region}


def _offerings(aws: Account, arguments: Properties) -> Properties:
    kind = arguments.get("locationType", "region")
    types = [v for f in arguments.get("filters") or () if f["name"] == "instance-type" for v in f["values"]]
    by_id = {identifier: name for name, identifier in aws.zones().items()}
    rows = []
    for instance_type in types:
        for zone in sorted(offering_zones(instance_type, aws.region)):
            location = {"region": aws.region, "availability-zone": by_id.get(zone, zone)}.get(kind, zone)
            if (instance_type, location) not in rows:
                rows.append((instance_type, location))
    return {
        **arguments,
        "id": aws.region,
        "region": aws.region,
        "instanceTypes": [row[0] for row in rows],
        "locations": [row[1] for row in rows],
        "locationTypes": [kind] * len(rows),
    }


FUNCTIONS: Mapping[str, Function] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getPartition:getPartition": _partition,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
    "aws:index/getAvailabilityZone:getAvailabilityZone": _zone,
    "aws:ec2/getPrefixList:getPrefixList": _prefix_list,
    "aws:ec2/getManagedPrefixList:getManagedPrefixList": _prefix_list,
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": _offerings,
    "aws:ssm/getParameter:getParameter": _parameter,
    "aws:secretsmanager/getSecret:getSecret": _secret,
    "aws:iam/getPolicyDocument:getPolicyDocument": _policy_document,
    "aws:eks/getCluster:getCluster": _cluster,
    "aws:eks/getAddonVersion:getAddonVersion": _addon_version,
}
