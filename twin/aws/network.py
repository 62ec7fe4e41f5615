"""VPC, subnets, gateways and routes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from twin.aws.account import Account, AwsError
from twin.aws.kinds import CreatedResource, ResourceKind, UpdatedResource, paths
from twin.aws.store import ResourceRecord
from twin.provider.contract import ResourceState
from twin.provider.wire import Properties

_ROUTE: Final = "aws:ec2/route:Route"
_ASSOCIATION: Final = "aws:ec2/routeTableAssociation:RouteTableAssociation"


def _create_vpc(aws: Account, inputs: Properties) -> CreatedResource:
    vpc = aws.call("ec2", "CreateVpc", **aws.request("ec2", "CreateVpc", inputs, "cidrBlock instanceTenancy"))["Vpc"]
    identifier = vpc["VpcId"]
    _set_dns(aws, identifier, inputs)

    def only(operation: str, key: str, **more: Any) -> dict[str, Any]:
        filters = [{"Name": "vpc-id", "Values": [identifier]}, *more.get("filters", [])]
        first: dict[str, Any] = aws.call("ec2", operation, Filters=filters)[key][0]
        return first

    main_table = only("DescribeRouteTables", "RouteTables")["RouteTableId"]
    return CreatedResource(
        identifier,
        {
            "arn": aws.arn("ec2", f"vpc/{identifier}"),
            "ownerId": aws.id,
            "defaultNetworkAclId": only("DescribeNetworkAcls", "NetworkAcls")["NetworkAclId"],
            "defaultRouteTableId": main_table,
            "mainRouteTableId": main_table,
            "defaultSecurityGroupId": only(
                "DescribeSecurityGroups", "SecurityGroups", filters=[{"Name": "group-name", "Values": ["default"]}]
            )["GroupId"],
            "dhcpOptionsId": vpc.get("DhcpOptionsId", "default"),
        },
    )


def _set_dns(aws: Account, identifier: str, inputs: Properties) -> None:
    for name, attribute in (
        ("enableDnsSupport", "EnableDnsSupport"),
        ("enableDnsHostnames", "EnableDnsHostnames"),
    ):
        if inputs.get(name) is not None:
            aws.call(
                "ec2", "ModifyVpcAttribute", VpcId=identifier, **{attribute: {"Value": str(inputs[name]) == "True"}}
            )


def _update_vpc(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    _set_dns(aws, old.id, inputs)
    return UpdatedResource({})


def _create_subnet(aws: Account, inputs: Properties) -> CreatedResource:
    request = aws.request("ec2", "CreateSubnet", inputs, "vpcId cidrBlock availabilityZone availabilityZoneId")
    subnet = aws.call("ec2", "CreateSubnet", **request)["Subnet"]
    identifier = subnet["SubnetId"]
    _set_public_addresses(aws, identifier, inputs)
    return CreatedResource(
        identifier,
        {
            "arn": aws.arn("ec2", f"subnet/{identifier}"),
            "ownerId": aws.id,
            "availabilityZone": subnet["AvailabilityZone"],
            "availabilityZoneId": subnet["AvailabilityZoneId"],
        },
    )


def _set_public_addresses(aws: Account, identifier: str, inputs: Properties) -> None:
    if inputs.get("mapPublicIpOnLaunch") is not None:
        value = {"Value": str(inputs["mapPublicIpOnLaunch"]).lower() == "true"}
        aws.call("ec2", "ModifySubnetAttribute", SubnetId=identifier, MapPublicIpOnLaunch=value)


def _update_subnet(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    _set_public_addresses(aws, old.id, inputs)
    return UpdatedResource({})


def _delete_subnet(aws: Account, old: ResourceState) -> None:
    # moto lets a subnet go that others still stand in; EC2 does not.
    for token, key, spoken in (
        ("aws:ec2/natGateway:NatGateway", "subnetId", "a NAT gateway"),
        ("aws:eks/nodeGroup:NodeGroup", "subnetIds", "a node group"),
    ):
        for record in aws.state.find(token):
            if old.id in (record.outputs.get(key) or ()):
                message = f"The subnet '{old.id}' has dependencies and cannot be deleted ({spoken}: {record.name})."
                raise AwsError("ec2", "DeleteSubnet", "DependencyViolation", message)
    aws.call("ec2", "DeleteSubnet", SubnetId=old.id)


def _create_internet_gateway(aws: Account, inputs: Properties) -> CreatedResource:
    identifier = aws.call("ec2", "CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    if inputs.get("vpcId"):
        aws.call("ec2", "AttachInternetGateway", InternetGatewayId=identifier, VpcId=inputs["vpcId"])
    return CreatedResource(identifier, {"arn": aws.arn("ec2", f"internet-gateway/{identifier}"), "ownerId": aws.id})


def _update_internet_gateway(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    before, after = old.inputs.get("vpcId"), inputs.get("vpcId")
    if before != after:
        if before:
            aws.call("ec2", "DetachInternetGateway", InternetGatewayId=old.id, VpcId=before)
        if after:
            aws.call("ec2", "AttachInternetGateway", InternetGatewayId=old.id, VpcId=after)
    return UpdatedResource({})


def _delete_internet_gateway(aws: Account, old: ResourceState) -> None:
    if old.inputs.get("vpcId"):
        aws.call("ec2", "DetachInternetGateway", InternetGatewayId=old.id, VpcId=old.inputs["vpcId"])
    aws.call("ec2", "DeleteInternetGateway", InternetGatewayId=old.id)


def _create_eip(aws: Account, inputs: Properties) -> CreatedResource:
    address = aws.call("ec2", "AllocateAddress", Domain=inputs.get("domain", "vpc"))
    identifier, public = address["AllocationId"], address["PublicIp"]
    return CreatedResource(
        identifier,
        {
            "arn": aws.arn("ec2", f"elastic-ip/{identifier}"),
            "allocationId": identifier,
            "publicIp": public,
            "publicDns": f"ec2-{public.replace('.', '-')}.{aws.region}.compute.amazonaws.com",
        },
    )


def _create_nat_gateway(aws: Account, inputs: Properties) -> CreatedResource:
    subnet = aws.call("ec2", "DescribeSubnets", SubnetIds=[inputs["subnetId"]])["Subnets"][0]
    request = aws.request("ec2", "CreateNatGateway", inputs, "subnetId allocationId connectivityType")
    if inputs.get("allocationId"):
        aws.call("ec2", "DescribeAddresses", AllocationIds=[inputs["allocationId"]])
        _require_route_to_internet(aws, subnet["VpcId"], inputs["subnetId"])
    gateway = aws.call("ec2", "CreateNatGateway", **request)["NatGateway"]
    address = (gateway.get("NatGatewayAddresses") or [{}])[0]
    return CreatedResource(
        gateway["NatGatewayId"],
        {
            "publicIp": address.get("PublicIp"),
            "privateIp": address.get("PrivateIp"),
            "networkInterfaceId": address.get("NetworkInterfaceId"),
            "vpcId": subnet["VpcId"],
        },
    )


def _require_route_to_internet(aws: Account, vpc: str, subnet: str) -> None:
    gateways = aws.call("ec2", "DescribeInternetGateways", Filters=[{"Name": "attachment.vpc-id", "Values": [vpc]}])[
        "InternetGateways"
    ]
    if not gateways:
        message = f"Network {vpc} has no Internet gateway attached (subnet {subnet})"
        raise AwsError("ec2", "CreateNatGateway", "Gateway.NotAttached", message)


def _create_route_table(aws: Account, inputs: Properties) -> CreatedResource:
    identifier = aws.call("ec2", "CreateRouteTable", VpcId=inputs["vpcId"])["RouteTable"]["RouteTableId"]
    for route in inputs.get("routes") or ():
        aws.call("ec2", "CreateRoute", RouteTableId=identifier, **_route_request(aws, _inline_route(route)))
    return CreatedResource(identifier, {"arn": aws.arn("ec2", f"route-table/{identifier}"), "ownerId": aws.id})


def _update_route_table(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    for route in old.inputs.get("routes") or ():
        aws.call("ec2", "DeleteRoute", RouteTableId=old.id, DestinationCidrBlock=route["cidrBlock"])
    for route in inputs.get("routes") or ():
        aws.call("ec2", "CreateRoute", RouteTableId=old.id, **_route_request(aws, _inline_route(route)))
    return UpdatedResource({})


def _inline_route(route: Properties) -> Properties:
    """Spell a route inside a table like a route of its own: the one calls its destination `cidrBlock`, the other
    `destinationCidrBlock`."""
    return {**route, "destinationCidrBlock": route.get("cidrBlock")}


def _route_request(aws: Account, inputs: Properties) -> dict[str, Any]:
    if inputs.get("natGatewayId"):
        aws.call("ec2", "DescribeNatGateways", NatGatewayIds=[inputs["natGatewayId"]])
    return {key: value for key, value in aws.request("ec2", "CreateRoute", inputs).items() if key != "RouteTableId"}


def _create_route(aws: Account, inputs: Properties) -> CreatedResource:
    table = inputs["routeTableId"]
    if _route_in(aws.state.records.get(_ROUTE, {}), _route_name(inputs)) is not None:
        message = f"The route identified by {_route_name(inputs).partition('_')[2]} already exists."
        raise AwsError("ec2", "CreateRoute", "RouteAlreadyExists", message)
    aws.call("ec2", "CreateRoute", RouteTableId=table, **_route_request(aws, inputs))
    destination = inputs.get("destinationCidrBlock") or inputs.get("destinationPrefixListId") or ""
    digest = int(hashlib.sha256(destination.encode()).hexdigest()[:8], 16)
    return CreatedResource(f"r-{table}{digest}", {"origin": "CreateRoute", "state": "active"})


def _route_name(inputs: Properties) -> str:
    """Return what an import calls the route: its table and its destination."""
    return f"{inputs['routeTableId']}_{inputs.get('destinationCidrBlock') or inputs.get('destinationPrefixListId')}"


def _route_in(records: Mapping[str, ResourceRecord], name: str) -> str | None:
    return next((key for key, record in records.items() if _route_name(record.inputs) == name), None)


def _association_in(records: Mapping[str, ResourceRecord], name: str) -> str | None:
    """Find an association by what an import calls it: its subnet and its table."""
    return next(
        (
            key
            for key, record in records.items()
            if f"{record.inputs.get('subnetId')}/{record.inputs['routeTableId']}" == name
        ),
        None,
    )


def _update_route(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    request = _route_request(aws, inputs)
    aws.call("ec2", "ReplaceRoute", RouteTableId=old.inputs["routeTableId"], **request)
    return UpdatedResource({})


def _delete_route(aws: Account, old: ResourceState) -> None:
    aws.call(
        "ec2",
        "DeleteRoute",
        RouteTableId=old.inputs["routeTableId"],
        DestinationCidrBlock=old.inputs.get("destinationCidrBlock"),
        DestinationPrefixListId=old.inputs.get("destinationPrefixListId"),
    )


def _create_association(aws: Account, inputs: Properties) -> CreatedResource:
    request = aws.request("ec2", "AssociateRouteTable", inputs, "routeTableId subnetId gatewayId")
    for record in aws.state.records.get(_ASSOCIATION, {}).values():
        if inputs.get("subnetId") and record.inputs.get("subnetId") == inputs["subnetId"]:
            table = inputs["routeTableId"]
            message = f"The specified association for route table {table} conflicts with an existing association"
            raise AwsError("ec2", "AssociateRouteTable", "Resource.AlreadyAssociated", message)
    return CreatedResource(aws.call("ec2", "AssociateRouteTable", **request)["AssociationId"], {})


def default_route_of(aws: Account, subnet: str) -> bool:
    """Tell whether machines in the subnet reach the world, by a default route to a NAT or Internet gateway."""
    vpc = aws.call("ec2", "DescribeSubnets", SubnetIds=[subnet])["Subnets"][0]["VpcId"]
    tables = aws.call("ec2", "DescribeRouteTables", Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    own = [t for t in tables if any(a.get("SubnetId") == subnet for a in t["Associations"])]
    main = [t for t in tables if any(a.get("Main") for a in t["Associations"])]
    return any(
        route.get("DestinationCidrBlock") == "0.0.0.0/0" and (route.get("NatGatewayId") or route.get("GatewayId"))
        for table in (own or main)
        for route in table["Routes"]
    )


KINDS = (
    ResourceKind(
        "aws:ec2/vpc:Vpc",
        create=_create_vpc,
        update=_update_vpc,
        delete=lambda aws, old: _none(aws.call("ec2", "DeleteVpc", VpcId=old.id)),
        replace_on=paths("cidrBlock instanceTenancy region"),
        defaults={
            "enableDnsSupport": True,
            "enableDnsHostnames": False,
            "instanceTenancy": "default",
            "enableNetworkAddressUsageMetrics": False,
        },
    ),
    ResourceKind(
        "aws:ec2/subnet:Subnet",
        create=_create_subnet,
        update=_update_subnet,
        delete=_delete_subnet,
        replace_on=paths("vpcId cidrBlock availabilityZone availabilityZoneId region"),
        defaults={"mapPublicIpOnLaunch": False},
    ),
    ResourceKind(
        "aws:ec2/internetGateway:InternetGateway",
        create=_create_internet_gateway,
        update=_update_internet_gateway,
        delete=_delete_internet_gateway,
        replace_on=paths("region"),
    ),
    ResourceKind(
        "aws:ec2/eip:Eip",
        create=_create_eip,
        delete=lambda aws, old: _none(aws.call("ec2", "ReleaseAddress", AllocationId=old.id)),
        replace_on=paths("domain networkBorderGroup address ipamPoolId region"),
        defaults={"domain": "vpc"},
    ),
    ResourceKind(
        "aws:ec2/natGateway:NatGateway",
        create=_create_nat_gateway,
        delete=lambda aws, old: _none(aws.call("ec2", "DeleteNatGateway", NatGatewayId=old.id)),
        replace_on=paths("subnetId allocationId connectivityType privateIp region"),
        defaults={"connectivityType": "public"},
        minutes={"create": 2, "delete": 1},
    ),
    ResourceKind(
        "aws:ec2/routeTable:RouteTable",
        create=_create_route_table,
        update=_update_route_table,
        delete=lambda aws, old: _none(aws.call("ec2", "DeleteRouteTable", RouteTableId=old.id)),
        replace_on=paths("vpcId region"),
        unordered=paths("routes"),
    ),
    ResourceKind(
        _ROUTE,
        create=_create_route,
        update=_update_route,
        delete=_delete_route,
        replace_on=paths("routeTableId destinationCidrBlock destinationPrefixListId region"),
        identify=_route_in,
    ),
    ResourceKind(
        _ASSOCIATION,
        create=_create_association,
        update=None,
        delete=lambda aws, old: _none(aws.call("ec2", "DisassociateRouteTable", AssociationId=old.id)),
        identify=_association_in,
    ),
)


def _none(_: object) -> None:
    """Return nothing, so that a deletion can be written as the one call that it is."""
