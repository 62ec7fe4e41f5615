"""A small account built call by call, as the engine would: the shared ground of the AWS twin's unit tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twin.aws.provider import AwsProvider
from twin.aws.store import Store
from twin.provider.arguments import InputProblem, Sdk
from twin.provider.contract import Difference, Resource, ResourceState

SDK = Sdk("pulumi_aws")
WORKER_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryReadOnly")


def trust(service: str, *actions: str) -> str:
    """A trust policy for one service."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": list(actions or ("sts:AssumeRole",))}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class Program:
    """Registers resources with a provider and remembers their states, as the engine does."""

    def __init__(self, folder: Path, region: str = "us-east-1", **configuration: Any) -> None:
        self.store = Store(folder)
        self.provider = AwsProvider(self.store, SDK)
        self.provider.configure({"region": region, **configuration})
        self.states: dict[str, tuple[Resource, ResourceState]] = {}

    def check(self, token: str, name: str, /, **inputs: Any) -> list[InputProblem]:
        return self.provider.check(_resource(token, name), {}, inputs, b"seed").problems

    def create(self, token: str, name: str, /, **inputs: Any) -> ResourceState:
        resource = _resource(token, name)
        completion = self.provider.check(resource, {}, inputs, b"seed")
        assert completion.problems == []
        state = self.provider.create(resource, completion.inputs, 0)
        self.states[name] = (resource, state)
        return state

    def diff(self, name: str, /, **inputs: Any) -> Difference:
        resource, state = self.states[name]
        completion = self.provider.check(resource, state.inputs, inputs, b"seed")
        return self.provider.diff(resource, state, completion.inputs)

    def update(self, name: str, /, **inputs: Any) -> ResourceState:
        resource, state = self.states[name]
        completion = self.provider.check(resource, state.inputs, inputs, b"seed")
        assert completion.problems == []
        after = self.provider.update(resource, state, completion.inputs, 0)
        self.states[name] = (resource, after)
        return after

    def read(self, name: str) -> ResourceState | None:
        resource, state = self.states[name]
        return self.provider.read(resource, state)

    def delete(self, name: str) -> None:
        resource, state = self.states.pop(name)
        self.provider.delete(resource, state, 0)

    def destroy(self) -> None:
        """Delete everything, last made first."""
        for name in reversed(list(self.states)):
            self.delete(name)

    def network(self, zones: tuple[str, ...] = ("use1-az1", "use1-az2")) -> list[str]:
        """A VPC with one private subnet a zone behind a NAT gateway; ids of the private subnets."""
        vpc = self.create("aws:ec2/vpc:Vpc", "vpc", cidrBlock="10.0.0.0/16", enableDnsHostnames=True).id
        self.create("aws:ec2/internetGateway:InternetGateway", "igw", vpcId=vpc)
        public = self.create(
            "aws:ec2/subnet:Subnet", "public", vpcId=vpc, cidrBlock="10.0.255.0/24", availabilityZoneId=zones[0]
        ).id
        address = self.create("aws:ec2/eip:Eip", "address", domain="vpc").id
        nat = self.create("aws:ec2/natGateway:NatGateway", "nat", subnetId=public, allocationId=address).id
        subnets = []
        for index, zone in enumerate(zones):
            subnet = self.create(
                "aws:ec2/subnet:Subnet", f"s{index}", vpcId=vpc, cidrBlock=f"10.0.{index}.0/24", availabilityZoneId=zone
            ).id
            table = self.create("aws:ec2/routeTable:RouteTable", f"t{index}", vpcId=vpc).id
            self.create(
                "aws:ec2/route:Route",
                f"r{index}",
                routeTableId=table,
                destinationCidrBlock="0.0.0.0/0",
                natGatewayId=nat,
            )
            self.create(
                "aws:ec2/routeTableAssociation:RouteTableAssociation", f"a{index}", routeTableId=table, subnetId=subnet
            )
            subnets.append(subnet)
        return subnets

    def cluster(self, subnets: list[str], **more: Any) -> ResourceState:
        """An EKS cluster and its role."""
        role = self.create("aws:iam/role:Role", "control", assumeRolePolicy=trust("eks.amazonaws.com"))
        return self.create(
            "aws:eks/cluster:Cluster",
            "cluster",
            **{"name": "prod", "roleArn": role.outputs["arn"], "vpcConfig": {"subnetIds": subnets}, **more},
        )

    def node_role(self, policies: tuple[str, ...] = WORKER_POLICIES) -> str:
        """ARN of a role that workers may have."""
        role = self.create("aws:iam/role:Role", "worker", assumeRolePolicy=trust("ec2.amazonaws.com"))
        for policy in policies:
            self.create(
                "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
                policy,
                role=role.id,
                policyArn=f"arn:aws:iam::aws:policy/{policy}",
            )
        return str(role.outputs["arn"])


def node_group(role: str, subnets: list[str], size: int = 1, **more: Any) -> dict[str, Any]:
    """Inputs of a node group of cluster `prod`."""
    return {
        "clusterName": "prod",
        "nodeGroupName": "pool",
        "nodeRoleArn": role,
        "subnetIds": subnets,
        "instanceTypes": ["g6.xlarge"],
        "amiType": "AL2023_x86_64_NVIDIA",
        "scalingConfig": {"minSize": size, "desiredSize": size, "maxSize": max(size, 1)},
        **more,
    }


def _resource(token: str, name: str) -> Resource:
    return Resource(f"urn:pulumi:dev::test::{token}::{name}", token, name)
