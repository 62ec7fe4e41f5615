"""The provider's functions: questions to AWS that make no resource.

Answers that a rehearsal needs and moto has no data for are stated here: who the caller is, which release EKS
recommends. A secret or parameter that the account does not hold is an error, as at AWS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twin.aws import eks_calls, releases, tagged
from twin.aws.account import Account, AwsError
from twin.aws.machines import offering_zones
from twin.aws.network_functions import identifiers, prefix_list_of, route_table_of, subnet_of, vpc_of
from twin.provider.wire import Properties

AwsFunction = Callable[[Account, Properties], Properties]


def _caller(aws: Account, arguments: Properties) -> Properties:
    return {"accountId": aws.id, "arn": f"arn:aws:iam::{aws.id}:user/twin", "userId": "AIDATWIN", "id": aws.id}


def _zones(aws: Account, arguments: Properties) -> Properties:
    zones = {
        name: identifier
        for name, identifier in sorted(aws.zones().items())
        if name not in (arguments.get("excludeNames") or ())
        and identifier not in (arguments.get("excludeZoneIds") or ())
    }
    for zone_filter in arguments.get("filters") or ():
        values = set(zone_filter["values"])
        if zone_filter["name"] == "zone-id":
            zones = {name: identifier for name, identifier in zones.items() if identifier in values}
        elif zone_filter["name"] == "zone-name":
            zones = {name: identifier for name, identifier in zones.items() if name in values}
    return {
        **arguments,
        "id": aws.region,
        "region": aws.region,
        "names": list(zones),
        "zoneIds": list(zones.values()),
        "groupNames": [aws.region] if zones else [],
    }


def _parameter(aws: Account, arguments: Properties) -> Properties:
    name = arguments["name"]
    if name.startswith("/aws/service/eks/optimized-ami/"):
        # EKS publishes the recommended image or release for each version; moto has none of them.
        value = "ami-0twin" if name.endswith("image_id") else releases.image_release(aws, name.split("/")[5])
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
    secret_id = arguments.get("arn") or arguments["name"]
    secret = aws.call("secretsmanager", "DescribeSecret", SecretId=secret_id)
    return {
        "id": secret["ARN"],
        "arn": secret["ARN"],
        "name": secret["Name"],
        "description": secret.get("Description", ""),
        "kmsKeyId": secret.get("KmsKeyId", ""),
        "policy": "",
        "region": aws.region,
        "createdDate": f"{secret['CreatedDate']:%Y-%m-%dT%H:%M:%SZ}",
        "lastChangedDate": f"{secret['CreatedDate']:%Y-%m-%dT%H:%M:%SZ}",
        "tags": {},
    }


def _secret_versions(aws: Account, arguments: Properties) -> Properties:
    secret_id = arguments["secretId"]
    secret = aws.call("secretsmanager", "DescribeSecret", SecretId=secret_id)
    listed = aws.call("secretsmanager", "ListSecretVersionIds", SecretId=secret_id)["Versions"]
    versions = [
        {
            "versionId": version["VersionId"],
            "versionStages": version["VersionStages"],
            "createdTime": f"{version['CreatedDate']:%Y-%m-%dT%H:%M:%SZ}",
            "lastAccessedDate": "",
        }
        for version in listed
    ]
    names = {"id": secret["ARN"], "arn": secret["ARN"], "name": secret["Name"], "secretId": secret_id}
    return {**names, "region": aws.region, "versions": versions}


def _addon_version(aws: Account, arguments: Properties) -> Properties:
    if arguments["addonName"] not in eks_calls.ADDONS:
        message = f"no add-on {arguments['addonName']}"
        raise AwsError("eks", "DescribeAddonVersions", "InvalidParameterException", message)
    version = releases.addon_version(aws, arguments["kubernetesVersion"])
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


FUNCTIONS: Mapping[str, AwsFunction] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": _offerings,
    "aws:ssm/getParameter:getParameter": _parameter,
    "aws:secretsmanager/getSecret:getSecret": _secret,
    "aws:secretsmanager/getSecretVersions:getSecretVersions": _secret_versions,
    "aws:eks/getAddonVersion:getAddonVersion": _addon_version,
    "aws:ec2/getPrefixList:getPrefixList": prefix_list_of,
    "aws:ec2/getRouteTable:getRouteTable": route_table_of,
    "aws:ec2/getRouteTables:getRouteTables": identifiers("DescribeRouteTables", "RouteTables", "RouteTableId"),
    "aws:ec2/getSubnet:getSubnet": subnet_of,
    "aws:ec2/getSubnets:getSubnets": identifiers("DescribeSubnets", "Subnets", "SubnetId"),
    "aws:ec2/getVpc:getVpc": vpc_of,
    "aws:ec2/getVpcs:getVpcs": identifiers("DescribeVpcs", "Vpcs", "VpcId"),
    **tagged.FUNCTIONS,
}
