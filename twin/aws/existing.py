"""What an account holds before the program runs: networks, certificates, secrets and hosted zones that people made.

Programs name them and never make them, so a rehearsal states them first. Nothing here counts as left behind.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from twin.aws.account import Account, AwsError
from twin.aws.store import EXISTING, AccountState, Store
from twin.aws.world import transaction

_CERTIFICATES: Final = f"{EXISTING}certificates"
_SECRETS: Final = f"{EXISTING}secrets"
_NETWORKS: Final = f"{EXISTING}networks"
_VPC: Final = "aws:ec2/vpc:Vpc"
_ZONES: Final = f"{EXISTING}zones"


@dataclass(frozen=True)
class ExistingNetwork:
    """A network that people made. subnets: id of the private subnet of each zone, by the zone's id."""

    vpc: str
    subnets: Mapping[str, str]


def provide(
    store: Store,
    region: str,
    *,
    secrets: Iterable[str] = (),
    certificates: Iterable[str] = (),
    zones: Iterable[str] = (),
) -> dict[str, str]:
    """Put secrets (by name), certificates (by ARN) and hosted zones (by their domain) into the account, and return the
    id of each zone. Those that are there stay as they are."""
    with transaction(store) as (state, world):
        aws = Account(state, world, region)
        for name in secrets:
            if name not in _table(state, _SECRETS):
                _table(state, _SECRETS)[name] = aws.call("secretsmanager", "CreateSecret", Name=name)["ARN"]
        for arn in certificates:
            _table(state, _CERTIFICATES)[arn] = True
        for domain in zones:
            if domain not in _table(state, _ZONES).values():
                zone = aws.call("route53", "CreateHostedZone", Name=domain, CallerReference=domain)["HostedZone"]
                _table(state, _ZONES)[zone["Id"].rpartition("/")[2]] = domain
        return {str(domain): identifier for identifier, domain in _table(state, _ZONES).items()}


def provide_network(
    store: Store, region: str, cidr: str, zones: Sequence[str], *, way_out: bool = True, dns: bool = True
) -> ExistingNetwork:
    """Put a VPC with a private subnet in each zone into the account.

    way_out: whether the subnets have a default route, to a NAT gateway.
    dns: whether the VPC resolves names and names its machines.
    """
    with transaction(store) as (state, world):
        aws = Account(state, world, region)
        vpc = str(aws.call("ec2", "CreateVpc", CidrBlock=cidr)["Vpc"]["VpcId"])
        aws.call("ec2", "ModifyVpcAttribute", VpcId=vpc, EnableDnsHostnames={"Value": dns})
        blocks = ipaddress.ip_network(cidr).subnets(prefixlen_diff=4)
        placed = zip((zones[0], *zones), map(str, blocks), strict=False)
        public, *private = (
            str(
                aws.call("ec2", "CreateSubnet", VpcId=vpc, CidrBlock=block, AvailabilityZoneId=zone)["Subnet"][
                    "SubnetId"
                ]
            )
            for zone, block in placed
        )
        if way_out:
            _nat(aws, vpc, public, private)
        _table(state, _NETWORKS)[vpc] = cidr
    return ExistingNetwork(vpc, dict(zip(zones, private, strict=True)))


def _nat(aws: Account, vpc: str, public: str, private: Sequence[str]) -> None:
    """Give private subnets a default route to a NAT gateway in the public one."""
    door = aws.call("ec2", "CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    aws.call("ec2", "AttachInternetGateway", InternetGatewayId=door, VpcId=vpc)
    address = aws.call("ec2", "AllocateAddress", Domain="vpc")["AllocationId"]
    gateway = aws.call("ec2", "CreateNatGateway", SubnetId=public, AllocationId=address)["NatGateway"]["NatGatewayId"]
    table = aws.call("ec2", "CreateRouteTable", VpcId=vpc)["RouteTable"]["RouteTableId"]
    aws.call("ec2", "CreateRoute", RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=gateway)
    for subnet in private:
        aws.call("ec2", "AssociateRouteTable", RouteTableId=table, SubnetId=subnet)


def network_cidr(state: AccountState, vpc: str) -> str:
    """Return the addresses of a VPC, whoever made it. Raises KeyError for one that is not there."""
    made = state.records.get(_VPC, {}).get(vpc)
    return str(made.outputs["cidrBlock"] if made is not None else _table(state, _NETWORKS)[vpc])


def fill(store: Store, region: str, values: Mapping[str, str]) -> None:
    """Put values into secrets that are there, by name. Raises `AwsError` for one that is not."""
    with transaction(store) as (state, world):
        aws = Account(state, world, region)
        for name, value in values.items():
            aws.call("secretsmanager", "PutSecretValue", SecretId=name, SecretString=value)


def require_certificate(aws: Account, operation: str, arn: str) -> None:
    """Make sure that the account holds the certificate. Raises `AwsError` if it does not."""
    if arn not in _table(aws.state, _CERTIFICATES):
        raise AwsError("elbv2", operation, "CertificateNotFound", f"Certificate ARN '{arn}' is not valid")


def zone_name(aws: Account, identifier: str) -> str:
    """Return the domain of a hosted zone. Raises `AwsError` if the account has no such zone."""
    if identifier not in _table(aws.state, _ZONES):
        message = f"No hosted zone found with ID: {identifier}"
        raise AwsError("route53", "ChangeResourceRecordSets", "NoSuchHostedZone", message)
    return str(_table(aws.state, _ZONES)[identifier])


def _table(state: AccountState, name: str) -> dict[str, object]:
    return state.tables.setdefault(name, {})
