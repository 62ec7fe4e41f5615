from __future__ import annotations

from pathlib import Path

import pytest

from tests.twin.aws_program import Program
from twin.aws.account import AwsError


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_a_network_stands_and_goes_without_a_trace(program: Program) -> None:
    subnets = program.network()
    vpc = program.states["vpc"][1]
    assert vpc.outputs["arn"] == f"arn:aws:ec2:us-east-1:123456789012:vpc/{vpc.id}"
    assert vpc.outputs["defaultSecurityGroupId"].startswith("sg-")
    assert program.states["s1"][1].outputs["availabilityZone"] == "us-east-1c"
    assert len(subnets) == 2
    program.destroy()
    assert program.store.is_empty()


def test_another_program_sees_the_same_account(program: Program, tmp_path: Path) -> None:
    program.create("aws:ec2/vpc:Vpc", "vpc", cidrBlock="10.0.0.0/16")
    later = Program(tmp_path)
    vpc = program.states["vpc"][1].id
    subnet = later.create("aws:ec2/subnet:Subnet", "s", vpcId=vpc, cidrBlock="10.0.0.0/24")
    assert program.create("aws:ec2/routeTable:RouteTable", "t", vpcId=vpc)
    program.create(
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        "a",
        routeTableId=program.states["t"][1].id,
        subnetId=subnet.id,
    )


@pytest.mark.parametrize(
    ("token", "inputs", "code"),
    [
        ("aws:ec2/subnet:Subnet", {"vpcId": "vpc-404", "cidrBlock": "10.0.0.0/24"}, "InvalidVpcID.NotFound"),
        ("aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/8"}, "InvalidVpc.Range"),
        ("aws:ec2/routeTable:RouteTable", {"vpcId": "vpc-404"}, "InvalidVpcID.NotFound"),
        ("aws:ec2/natGateway:NatGateway", {"subnetId": "subnet-404"}, "InvalidSubnetID.NotFound"),
    ],
)
def test_wrong_references_fail_as_at_aws(program: Program, token: str, inputs: dict[str, str], code: str) -> None:
    with pytest.raises(AwsError) as caught:
        program.create(token, "x", **inputs)
    assert caught.value.code == code
    assert program.store.is_empty()


def test_a_subnet_outside_its_network_is_refused(program: Program) -> None:
    vpc = program.create("aws:ec2/vpc:Vpc", "vpc", cidrBlock="10.0.0.0/16").id
    with pytest.raises(AwsError, match=r"InvalidSubnet\.Range"):
        program.create("aws:ec2/subnet:Subnet", "s", vpcId=vpc, cidrBlock="10.1.0.0/24")


def test_a_nat_gateway_needs_a_door_to_the_internet(program: Program) -> None:
    vpc = program.create("aws:ec2/vpc:Vpc", "vpc", cidrBlock="10.0.0.0/16").id
    subnet = program.create("aws:ec2/subnet:Subnet", "s", vpcId=vpc, cidrBlock="10.0.0.0/24").id
    address = program.create("aws:ec2/eip:Eip", "e", domain="vpc").id
    with pytest.raises(AwsError, match="no Internet gateway attached"):
        program.create("aws:ec2/natGateway:NatGateway", "n", subnetId=subnet, allocationId=address)


def test_a_subnet_in_use_stays(program: Program) -> None:
    program.network()
    with pytest.raises(AwsError, match="DependencyViolation"):
        program.delete("public")


def test_rules_endpoints_and_flow_logs(program: Program) -> None:
    program.network()
    vpc, table = program.states["vpc"][1].id, program.states["t0"][1].id
    group = program.create("aws:ec2/securityGroup:SecurityGroup", "sg", vpcId=vpc).id
    program.create(
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "in",
        securityGroupId=group,
        ipProtocol="tcp",
        fromPort=443,
        toPort=443,
        cidrIpv4="10.0.0.0/16",
    )
    with pytest.raises(AwsError, match="Duplicate"):
        program.create(
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
            "again",
            securityGroupId=group,
            ipProtocol="tcp",
            fromPort=443,
            toPort=443,
            cidrIpv4="10.0.0.0/16",
        )
    program.create(
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        "s3",
        vpcId=vpc,
        serviceName="com.amazonaws.us-east-1.s3",
        routeTableIds=[table],
    )
    group_arn = program.create("aws:cloudwatch/logGroup:LogGroup", "flows", retentionInDays=30).outputs["arn"]
    with pytest.raises(AwsError, match="DeliverLogsPermissionArn"):
        program.create("aws:ec2/flowLog:FlowLog", "f", vpcId=vpc, trafficType="ALL", logDestination=group_arn)
    program.create(
        "aws:ec2/flowLog:FlowLog",
        "f",
        vpcId=vpc,
        trafficType="ALL",
        logDestination=group_arn,
        iamRoleArn="arn:aws:iam::123456789012:role/flows",
    )
    program.destroy()
    assert program.store.is_empty()
