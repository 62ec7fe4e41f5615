"""A network that is there already: what AWS says of it, and what speaks against nodes in it.

Nothing is registered here. AWS is asked before the first resource, so that everything is told at once. What its owner
answers for and nobody can ask here: that the way out lets images and weights through, and the policy of an S3 endpoint.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pulumi
import pulumi_aws as aws

from planner.plan.platform import ExistingNetwork
from planner.words.diagnostics import Problem, Problems

_Filter = TypeVar("_Filter")
LEAST_ADDRESSES = 64
"""Free addresses that a subnet needs: each node and each pod has one, and EKS keeps some for its upgrades."""
EVERYWHERE = "0.0.0.0/0"


@dataclass(frozen=True)
class SubnetFacts:
    """What AWS says of a subnet.

    zone: id of its zone.
    free: addresses that nobody has.
    way_out: whether it has a default route.
    """

    id: str
    vpc: str
    zone: str
    free: int
    way_out: bool


@dataclass(frozen=True)
class VpcFacts:
    """What AWS says of a VPC. resolves: whether it resolves names and names its machines."""

    id: str
    cidrs: tuple[str, ...]
    resolves: bool


@dataclass(frozen=True)
class FoundNetwork:
    """A found network offers what a made one does (infra/network.py)."""

    vpc_id: str
    cidrs: tuple[str, ...]
    subnets: Mapping[str, str]
    store_cidrs: list[str]

    @property
    def node_cidrs(self) -> tuple[str, ...]:
        """Return the addresses that nodes may have: all of the network, since nobody says which subnets they take."""
        return self.cidrs

    @property
    def public_subnets(self) -> Mapping[str, str]:
        """Return none: nobody says which subnets are public, so that preflight refuses a door to the Internet here."""
        return {}


def find(network: ExistingNetwork, region: str, provider: pulumi.ProviderResource, *, new: bool = True) -> FoundNetwork:
    """Return the network as AWS has it. Raises `Problems` with everything that speaks against it.

    new: whether the environment has no cluster yet. Later, its own nodes and pods have taken their addresses.
    """
    options = pulumi.InvokeOptions(provider=provider)
    # Lists are asked for first: a question about a thing that is not there would end the run at once.
    vpcs = aws.ec2.get_vpcs(filters=[_named(aws.ec2.GetVpcsFilterArgs, "vpc-id", [network.vpc])], opts=options).ids
    wanted = sorted(network.subnets.values())
    subnets = aws.ec2.get_subnets(filters=[_named(aws.ec2.GetSubnetsFilterArgs, "subnet-id", wanted)], opts=options).ids
    found: list[Problem] = []
    for identifier in sorted({network.vpc, *wanted} - {*vpcs, *subnets}):
        hint = "see `platform.network`, and whether the account and the region are right"
        found.append(Problem("DEP031", f"the account has no `{identifier}` in {region}", hint=hint))
    for zone, identifier in sorted(network.subnets.items()):
        if identifier in subnets:
            against = subnet_problems(_subnet(identifier, options), network.vpc, zone)
            found += [problem for problem in against if new or problem.code != "DEP034"]
    vpc = _vpc(network.vpc, options) if network.vpc in vpcs else None
    if vpc is not None:
        found += vpc_problems(vpc)
    if found or vpc is None:
        raise Problems(found, exit_code=1)
    store = aws.ec2.get_prefix_list(name=f"com.amazonaws.{region}.s3", opts=options)
    return FoundNetwork(vpc.id, vpc.cidrs, dict(network.subnets), sorted(store.cidr_blocks))


def vpc_problems(vpc: VpcFacts) -> Iterator[Problem]:
    """Require that nodes find the private endpoint by its name."""
    if not vpc.resolves:
        hint = "switch on DNS resolution and DNS hostnames of the VPC"
        yield Problem("DEP032", f"VPC `{vpc.id}` does not resolve names", hint=hint)


def subnet_problems(subnet: SubnetFacts, vpc: str, zone: str) -> Iterator[Problem]:
    """Require a subnet of the VPC, in its zone, with a way out and with room."""
    where = f"subnet `{subnet.id}` of {zone}"
    if subnet.vpc != vpc:
        yield Problem("DEP031", f"{where} is of VPC `{subnet.vpc}`", hint=f"name a subnet of `{vpc}`")
    if subnet.zone != zone:
        hint = "zone ids differ from names: write ids such as use1-az4"
        yield Problem("DEP031", f"{where} stands in {subnet.zone}", hint=hint)
    if not subnet.way_out:
        hint = "give its route table a default route, to a NAT gateway, a transit gateway or a firewall"
        yield Problem("DEP033", f"{where} has no way out", hint=hint)
    if subnet.free < LEAST_ADDRESSES:
        hint = "name a larger subnet; each node and each pod takes an address"
        yield Problem("DEP034", f"{where} has {subnet.free} free addresses, fewer than {LEAST_ADDRESSES}", hint=hint)


def _named(kind: Callable[..., _Filter], name: str, values: Sequence[str]) -> _Filter:
    return kind(name=name, values=list(values))


def _vpc(identifier: str, options: pulumi.InvokeOptions) -> VpcFacts:
    vpc = aws.ec2.get_vpc(id=identifier, opts=options)
    blocks = {str(ipaddress.ip_network(block.cidr_block)) for block in vpc.cidr_block_associations}
    return VpcFacts(
        identifier, tuple(sorted(blocks | {vpc.cidr_block})), vpc.enable_dns_support and vpc.enable_dns_hostnames
    )


def _subnet(identifier: str, options: pulumi.InvokeOptions) -> SubnetFacts:
    subnet = aws.ec2.get_subnet(id=identifier, opts=options)
    return SubnetFacts(
        id=identifier,
        vpc=subnet.vpc_id,
        zone=subnet.availability_zone_id,
        free=subnet.available_ip_address_count,
        way_out=_way_out(identifier, subnet.vpc_id, options),
    )


def _way_out(subnet: str, vpc: str, options: pulumi.InvokeOptions) -> bool:
    """Say whether the subnet has a default route, in a table of its own or else in the VPC's main one."""
    for name, value in (("association.subnet-id", subnet), ("association.main", "true")):
        wanted = _named(aws.ec2.GetRouteTablesFilterArgs, name, [value])
        tables = aws.ec2.get_route_tables(vpc_id=vpc, filters=[wanted], opts=options).ids
        if tables:
            table = aws.ec2.get_route_table(route_table_id=tables[0], opts=options)
            return any(route.cidr_block == EVERYWHERE for route in table.routes)
    return False
