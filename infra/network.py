"""The network: private subnets for nodes, a way out by NAT, and a closed way to the model store.

Each zone has one private subnet with a route table of its own, so that a change of the NAT mode changes one route and
no table. S3 is reached through a gateway endpoint whose policy names the buckets that are needed and no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.addressing import private_cidr, public_cidr
from infra.identities import flow_log_writer, storage_endpoint, trust
from planner.plan.platform import LogGroup

FLOW_LOG_SECONDS = 600
"""Time that one record sums up, seconds. It makes a tenth of the records of the shortest window, for the same audit."""


@dataclass(frozen=True)
class NetworkArgs:
    """Arguments of the network.

    cidr: addresses of the network.
    zones: ids of the zones, each of which gets a private subnet.
    nat_zones: ids of the zones with a NAT gateway; zones without one go out through the first of them.
    flow_logs: what is kept of the network's traffic.
    bucket_arn: ARN of the model bucket.
    own_weights: addresses of the team's own weights, `s3://BUCKET/PREFIX`.
    layer_buckets: buckets with layers of the images that run.
    state_bucket: bucket with Pulumi's state, where a machine inside the network deploys.
    public_zones: ids of the zones that get a public subnet, beside those with a NAT gateway.
    """

    region: str
    account: str
    cidr: str
    zones: tuple[str, ...]
    nat_zones: tuple[str, ...]
    flow_logs: LogGroup
    bucket_arn: pulumi.Input[str]
    own_weights: tuple[str, ...] = ()
    layer_buckets: tuple[str, ...] = ()
    state_bucket: str | None = None
    public_zones: tuple[str, ...] = ()


class Network(pulumi.ComponentResource):
    """The network's outputs are:

    vpc_id: id of the VPC.
    cidrs: addresses of the network.
    node_cidrs: addresses of the subnets of nodes.
    subnets: subnet of the nodes by zone id.
    public_subnets: public subnet by zone id.
    store_cidrs: addresses of S3, sorted.
    """

    vpc_id: pulumi.Output[str]
    cidrs: tuple[str, ...]
    node_cidrs: tuple[str, ...]
    subnets: Mapping[str, pulumi.Output[str]]
    public_subnets: Mapping[str, pulumi.Output[str]]
    store_cidrs: pulumi.Output[list[str]]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spillway:aws:Network", name, None, opts)
        self._name, self._args = name, args
        self._own = pulumi.ResourceOptions(parent=self)
        vpc = aws.ec2.Vpc(
            name,
            cidr_block=args.cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags={"Name": name},
            opts=self._own,
        )
        self.vpc_id, self.cidrs = vpc.id, (args.cidr,)
        self.node_cidrs = tuple(private_cidr(args.cidr, zone) for zone in sorted(args.zones))
        self.subnets, tables = self._private_zones()
        self._ways_out(tables)
        endpoint = aws.ec2.VpcEndpoint(
            f"{name}-s3",
            vpc_id=vpc.id,
            service_name=f"com.amazonaws.{args.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in tables.values()],
            policy=pulumi.Output.from_input(args.bucket_arn).apply(
                lambda arn: storage_endpoint(arn, args.region, args.own_weights, args.layer_buckets, args.state_bucket)
            ),
            tags={"Name": f"{name}-s3"},
            opts=self._own,
        )
        self.store_cidrs = endpoint.cidr_blocks.apply(sorted)
        self._flow_logs()
        self.register_outputs({"vpc_id": self.vpc_id, "subnets": dict(self.subnets)})

    def _private_zones(self) -> tuple[dict[str, pulumi.Output[str]], dict[str, aws.ec2.RouteTable]]:
        subnets, tables = {}, {}
        for zone in sorted(self._args.zones):
            name = f"{self._name}-private-{zone}"
            subnet = aws.ec2.Subnet(
                name,
                vpc_id=self.vpc_id,
                availability_zone_id=zone,
                cidr_block=private_cidr(self._args.cidr, zone),
                map_public_ip_on_launch=False,
                tags={"Name": name, "kubernetes.io/role/internal-elb": "1"},
                opts=self._own,
            )
            table = aws.ec2.RouteTable(name, vpc_id=self.vpc_id, tags={"Name": name}, opts=self._own)
            aws.ec2.RouteTableAssociation(name, subnet_id=subnet.id, route_table_id=table.id, opts=self._own)
            subnets[zone], tables[zone] = subnet.id, table
        return subnets, tables

    def _ways_out(self, tables: Mapping[str, aws.ec2.RouteTable]) -> None:
        """Make NAT gateways in public subnets, and each private zone's default route through one of them."""
        gateway = aws.ec2.InternetGateway(
            f"{self._name}-internet", vpc_id=self.vpc_id, tags={"Name": self._name}, opts=self._own
        )
        public = f"{self._name}-public"
        table = aws.ec2.RouteTable(public, vpc_id=self.vpc_id, tags={"Name": public}, opts=self._own)
        to_internet = aws.ec2.Route(
            public, route_table_id=table.id, destination_cidr_block="0.0.0.0/0", gateway_id=gateway.id, opts=self._own
        )
        zones = sorted({*self._args.nat_zones, *self._args.public_zones})
        self.public_subnets = {zone: self._public_subnet(zone, table) for zone in zones}
        exits = {zone: self._nat(zone, to_internet) for zone in self._args.nat_zones}
        for zone, private in tables.items():
            aws.ec2.Route(
                f"{self._name}-private-{zone}",
                route_table_id=private.id,
                destination_cidr_block="0.0.0.0/0",
                nat_gateway_id=exits.get(zone, exits[self._args.nat_zones[0]]).id,
                opts=self._own,
            )

    def _public_subnet(self, zone: str, table: aws.ec2.RouteTable) -> pulumi.Output[str]:
        name = f"{self._name}-public-{zone}"
        subnet = aws.ec2.Subnet(
            name,
            vpc_id=self.vpc_id,
            availability_zone_id=zone,
            cidr_block=public_cidr(self._args.cidr, zone),
            map_public_ip_on_launch=False,
            tags={"Name": name},
            opts=self._own,
        )
        aws.ec2.RouteTableAssociation(name, subnet_id=subnet.id, route_table_id=table.id, opts=self._own)
        return pulumi.Output.from_input(subnet.id)

    def _nat(self, zone: str, to_internet: aws.ec2.Route) -> aws.ec2.NatGateway:
        address = aws.ec2.Eip(
            f"{self._name}-nat-{zone}", domain="vpc", tags={"Name": f"{self._name}-nat-{zone}"}, opts=self._own
        )
        return aws.ec2.NatGateway(
            f"{self._name}-nat-{zone}",
            subnet_id=self.public_subnets[zone],
            allocation_id=address.id,
            tags={"Name": f"{self._name}-nat-{zone}"},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[to_internet]),
        )

    def _flow_logs(self) -> None:
        name = f"{self._name}-flow-logs"
        group = aws.cloudwatch.LogGroup(name, retention_in_days=self._args.flow_logs.retention_days, opts=self._own)
        role = aws.iam.Role(
            name,
            assume_role_policy=trust("vpc-flow-logs.amazonaws.com", account=self._args.account),
            opts=self._own,
        )
        permission = aws.iam.RolePolicy(name, role=role.name, policy=group.arn.apply(flow_log_writer), opts=self._own)
        aws.ec2.FlowLog(
            name,
            vpc_id=self.vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            max_aggregation_interval=FLOW_LOG_SECONDS,
            tags={"Name": name},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permission]),
        )
