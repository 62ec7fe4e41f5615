"""The provider's questions about networks that are there: a VPC, a subnet, its routes, a list of addresses of AWS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twin.aws.account import Account, AwsError
from twin.aws.firewall import GATEWAY_ADDRESSES
from twin.provider.wire import Properties

_TARGETS: Final = {
    "natGatewayId": "NatGatewayId",
    "gatewayId": "GatewayId",
    "transitGatewayId": "TransitGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
    "vpcPeeringConnectionId": "VpcPeeringConnectionId",
}

_NO_TARGETS: Final = (
    *("carrierGatewayId", "coreNetworkArn", "egressOnlyGatewayId", "instanceId", "ipv6CidrBlock", "localGatewayId"),
    *("odbNetworkArn", "vpcEndpointId"),
)


def vpc_of(aws: Account, arguments: Properties) -> Properties:
    """Answer `getVpc` for an id."""
    identifier = arguments["id"]
    vpc = aws.call("ec2", "DescribeVpcs", VpcIds=[identifier])["Vpcs"][0]

    def attribute(name: str) -> bool:
        answer = aws.call("ec2", "DescribeVpcAttribute", VpcId=identifier, Attribute=name)
        return bool(answer[f"{name[0].upper()}{name[1:]}"]["Value"])

    return {
        "id": identifier,
        "arn": aws.arn("ec2", f"vpc/{identifier}"),
        "cidrBlock": vpc["CidrBlock"],
        "cidrBlockAssociations": [
            {
                "associationId": block["AssociationId"],
                "cidrBlock": block["CidrBlock"],
                "state": block["CidrBlockState"]["State"],
            }
            for block in vpc.get("CidrBlockAssociationSet") or ()
        ],
        "default": bool(vpc.get("IsDefault")),
        "dhcpOptionsId": vpc.get("DhcpOptionsId", "default"),
        "enableDnsHostnames": attribute("enableDnsHostnames"),
        "enableDnsSupport": attribute("enableDnsSupport"),
        "instanceTenancy": "default",
        "ownerId": aws.id,
        "region": aws.region,
        "state": "available",
        "tags": {},
    }


def subnet_of(aws: Account, arguments: Properties) -> Properties:
    """Answer `getSubnet` for an id."""
    subnet = aws.call("ec2", "DescribeSubnets", SubnetIds=[arguments["id"]])["Subnets"][0]
    return {
        "id": subnet["SubnetId"],
        "arn": aws.arn("ec2", f"subnet/{subnet['SubnetId']}"),
        "availabilityZone": subnet["AvailabilityZone"],
        "availabilityZoneId": subnet["AvailabilityZoneId"],
        "availableIpAddressCount": int(subnet["AvailableIpAddressCount"]),
        "cidrBlock": subnet["CidrBlock"],
        "mapPublicIpOnLaunch": bool(subnet.get("MapPublicIpOnLaunch")),
        "ownerId": aws.id,
        "region": aws.region,
        "state": "available",
        "tags": {},
        "vpcId": subnet["VpcId"],
    }


def identifiers(operation: str, key: str, name: str) -> Callable[[Account, Properties], Properties]:
    """Return what answers a question for the ids of all that filters admit.

    key: the list of the answer of `operation`.
    name: the id in each entry.
    """

    def answer(aws: Account, arguments: Properties) -> Properties:
        filters = [{"Name": each["name"], "Values": list(each["values"])} for each in arguments.get("filters") or ()]
        if arguments.get("vpcId"):
            filters.append({"Name": "vpc-id", "Values": [arguments["vpcId"]]})
        found = aws.call("ec2", operation, Filters=filters)[key]
        ids = sorted(item[name] for item in found)
        return {**arguments, "id": aws.region, "ids": ids, "region": aws.region}

    return answer


def route_table_of(aws: Account, arguments: Properties) -> Properties:
    """Answer `getRouteTable` for an id, or for filters that one table fits."""
    filters = [{"Name": one["name"], "Values": one["values"]} for one in arguments.get("filters") or ()]
    own = [arguments["routeTableId"]] if arguments.get("routeTableId") else None
    tables = aws.call("ec2", "DescribeRouteTables", RouteTableIds=own, Filters=filters or None)["RouteTables"]
    if len(tables) != 1:
        message = "query returned several route tables" if tables else "query returned no results"
        raise AwsError("ec2", "DescribeRouteTables", "NoMatch", message)
    (table,) = tables
    return {
        "filters": arguments.get("filters"),
        "id": table["RouteTableId"],
        "arn": aws.arn("ec2", f"route-table/{table['RouteTableId']}"),
        "routeTableId": table["RouteTableId"],
        "gatewayId": "",
        "subnetId": "",
        "vpcId": table["VpcId"],
        "ownerId": aws.id,
        "region": aws.region,
        "associations": [
            {"routeTableAssociationId": a["RouteTableAssociationId"], "subnetId": a.get("SubnetId", "")}
            for a in table["Associations"]
        ],
        "routes": [_route(route) for route in table["Routes"] if route.get("GatewayId") != "local"],
        "tags": {},
    }


def _route(route: dict[str, Any]) -> Properties:
    absent = dict.fromkeys(_NO_TARGETS, "")
    targets = {name: route.get(key) or "" for name, key in _TARGETS.items()}
    destination = {
        "cidrBlock": route.get("DestinationCidrBlock") or "",
        "destinationPrefixListId": route.get("DestinationPrefixListId") or "",
    }
    return {**absent, **targets, **destination}


def prefix_list_of(aws: Account, arguments: Properties) -> Properties:
    """Answer `getPrefixList` for the name of an AWS service's addresses."""
    name = arguments["name"]
    return {
        "id": f"pl-{name.rsplit('.', 1)[-1]}",
        "name": name,
        "cidrBlocks": list(GATEWAY_ADDRESSES),
        "region": aws.region,
    }
