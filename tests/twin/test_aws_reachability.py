"""A load balancer in the twin: certificates prove themselves in a zone, and security groups really admit or refuse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.twin.aws_program import Program, node_group
from twin.aws import existing
from twin.aws.account import Account, AwsError
from twin.aws.reachability import Target, admitted, let_out, may_call, targets
from twin.aws.world import inquiry

CERTIFICATE = "aws:acm/certificate:Certificate"
VALIDATION = "aws:acm/certificateValidation:CertificateValidation"
RECORD = "aws:route53/record:Record"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
BALANCER = "aws:lb/loadBalancer:LoadBalancer"
TARGETS = "aws:lb/targetGroup:TargetGroup"
LISTENER = "aws:lb/listener:Listener"
ATTACHMENT = "aws:autoscaling/attachment:Attachment"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path / "account")


@contextmanager
def asked(program: Program) -> Iterator[Account]:
    with inquiry(program.store) as (state, world):
        yield Account(state, world, "us-east-1")


def test_a_certificate_is_issued_when_its_record_stands(program: Program) -> None:
    zone = existing.provide(program.store, "us-east-1", zones=["example.com"])["example.com"]
    made = program.create(CERTIFICATE, "c", domainName="llm.example.com", validationMethod="DNS")
    (proof,) = made.outputs["domainValidationOptions"]
    with pytest.raises(AwsError, match="no zone has the record"):
        program.create(VALIDATION, "v", certificateArn=made.id)
    record = {
        "zoneId": zone,
        "name": proof["resourceRecordName"],
        "type": proof["resourceRecordType"],
        "records": [proof["resourceRecordValue"]],
        "ttl": 60,
    }
    proven = program.create(RECORD, "r", **record)
    assert program.create(VALIDATION, "v", certificateArn=made.id).outputs["certificateArn"] == made.id
    assert proven.outputs["fqdn"] == proof["resourceRecordName"].rstrip(".")
    with pytest.raises(AwsError, match="already exists"):
        program.create(RECORD, "again", **record)
    program.destroy()
    assert program.store.is_empty()


@pytest.mark.parametrize(("zone", "code"), [("Z0UNKNOWN", "NoSuchHostedZone"), (None, "not permitted in zone")])
def test_a_record_needs_its_zone(program: Program, zone: str | None, code: str) -> None:
    ours = existing.provide(program.store, "us-east-1", zones=["example.com"])["example.com"]
    with pytest.raises(AwsError, match=code):
        program.create(
            RECORD, "r", zoneId=zone or ours, name="llm.example.org", type="A", records=["192.0.2.1"], ttl=60
        )


def balanced(program: Program, scheme: str = "internal", cidr: str = "10.0.0.0/8") -> str:
    """A cluster with one node behind a load balancer that admits a network; the ARN of the load balancer."""
    subnets = program.network()
    vpc = program.states["vpc"][1].id
    cluster = program.cluster(subnets)
    group = program.create("aws:eks/nodeGroup:NodeGroup", "pool", **node_group(program.node_role(), subnets))
    nodes_group = cluster.outputs["vpcConfig"]["clusterSecurityGroupId"]
    clients = program.create(GROUP, "clients", vpcId=vpc, description="clients").id
    port = {"ipProtocol": "tcp", "fromPort": 30080, "toPort": 30080}
    program.create(INGRESS, "in", securityGroupId=clients, cidrIpv4=cidr, ipProtocol="tcp", fromPort=80, toPort=80)
    program.create(EGRESS, "out", securityGroupId=clients, referencedSecurityGroupId=nodes_group, **port)
    balancer = program.create(
        BALANCER,
        "nlb",
        loadBalancerType="network",
        internal=scheme == "internal",
        subnets=subnets,
        securityGroups=[clients],
    ).id
    behind = program.create(TARGETS, "tg", port=30080, protocol="TCP", targetType="instance", vpcId=vpc).id
    action = {"type": "forward", "targetGroupArn": behind}
    program.create(LISTENER, "l", loadBalancerArn=balancer, port=80, protocol="TCP", defaultActions=[action])
    name = group.outputs["resources"][0]["autoscalingGroups"][0]["name"]
    program.create(ATTACHMENT, "a", autoscalingGroupName=name, lbTargetGroupArn=behind)
    return balancer


def test_the_stated_network_may_call_and_no_other(program: Program) -> None:
    balancer = balanced(program)
    with asked(program) as aws:
        assert may_call(aws, balancer, "10.1.2.3")
        assert not may_call(aws, balancer, "192.168.0.1")
        assert not may_call(aws, balancer, "8.8.8.8")


def test_an_internal_load_balancer_is_not_called_from_the_internet(program: Program) -> None:
    balancer = balanced(program, "internal", "8.8.8.0/24")
    with asked(program) as aws:
        assert not may_call(aws, balancer, "8.8.8.8")


def test_a_load_balancer_reaches_its_machines_when_both_firewalls_let_it(program: Program) -> None:
    balancer = balanced(program)
    with asked(program) as aws:
        (closed,) = targets(aws, balancer)
        assert not closed.reached
        clients = program.states["clients"][1].id
        nodes_group = program.states["cluster"][1].outputs["vpcConfig"]["clusterSecurityGroupId"]
        assert let_out(aws, clients, nodes_group, 30080)
        assert not admitted(aws, nodes_group, clients, 30080)
    port = {"ipProtocol": "tcp", "fromPort": 30080, "toPort": 30080}
    program.create(INGRESS, "nodes", securityGroupId=nodes_group, referencedSecurityGroupId=clients, **port)
    with asked(program) as aws:
        (opened,) = targets(aws, balancer)
        assert opened == Target(closed.instance, 30080, True)
        assert not admitted(aws, nodes_group, clients, 30081)
    program.destroy()


def test_only_machines_of_a_node_group_are_attached(program: Program) -> None:
    vpc = program.create("aws:ec2/vpc:Vpc", "vpc", cidrBlock="10.0.0.0/16").id
    behind = program.create(TARGETS, "tg", port=30080, protocol="TCP", targetType="instance", vpcId=vpc).id
    with pytest.raises(AwsError, match="AutoScalingGroup name not found"):
        program.create(ATTACHMENT, "a", autoscalingGroupName="nobody", lbTargetGroupArn=behind)


def test_a_protected_load_balancer_stays(program: Program) -> None:
    subnets = program.network()
    program.create(BALANCER, "nlb", loadBalancerType="network", subnets=subnets, enableDeletionProtection=True)
    with pytest.raises(AwsError, match="deletion protection"):
        program.delete("nlb")


def test_a_target_group_stands_behind_one_load_balancer(program: Program) -> None:
    balanced(program)
    behind = program.states["tg"][1].id
    subnets = program.states["nlb"][1].inputs["subnets"]
    second = program.create(BALANCER, "second", loadBalancerType="network", internal=True, subnets=subnets).id
    listener = {
        "loadBalancerArn": second,
        "protocol": "TCP",
        "defaultActions": [{"type": "forward", "targetGroupArn": behind}],
    }
    with pytest.raises(AwsError, match="cannot be associated with more than one load balancer") as refused:
        program.create(LISTENER, "other", port=80, **listener)
    assert refused.value.code == "TargetGroupAssociationLimit"
    program.delete("l")
    program.create(LISTENER, "other", port=80, **listener)
    program.create(LISTENER, "further", port=81, **listener)


def test_two_of_one_name_are_refused(program: Program) -> None:
    subnets = program.network()
    vpc = program.states["vpc"][1].id
    other = program.create("aws:ec2/vpc:Vpc", "other", cidrBlock="10.1.0.0/16").id
    behind = {"port": 30080, "protocol": "TCP", "targetType": "instance", "name": "one"}
    program.create(TARGETS, "tg", **behind, vpcId=vpc)
    with pytest.raises(AwsError, match="DuplicateTargetGroupName"):
        program.create(TARGETS, "again", **behind, vpcId=other)
    program.create(BALANCER, "nlb", loadBalancerType="network", subnets=subnets, name="one")
    with pytest.raises(AwsError, match="DuplicateLoadBalancerName"):
        program.create(BALANCER, "second", loadBalancerType="network", subnets=subnets, name="one")
    program.create(GROUP, "sg", name="one", vpcId=vpc)
    with pytest.raises(AwsError, match=r"InvalidGroup\.Duplicate"):
        program.create(GROUP, "same", name="one", vpcId=vpc)
    program.create(GROUP, "elsewhere", name="one", vpcId=other)
    program.create("aws:ec2/launchTemplate:LaunchTemplate", "lt", name="one")
    with pytest.raises(AwsError, match="AlreadyExists"):
        program.create("aws:ec2/launchTemplate:LaunchTemplate", "lt2", name="one")


def test_a_network_load_balancer_gives_no_subnet_back(program: Program) -> None:
    subnets = program.network(("use1-az1", "use1-az2", "use1-az4"))
    asked = {"loadBalancerType": "network", "internal": True}
    program.create(BALANCER, "nlb", **asked, subnets=subnets[:2])
    assert not any(change.replaces for change in program.diff("nlb", **asked, subnets=subnets).changes)
    for less in (subnets[:1], [subnets[0], subnets[2]]):
        difference = program.diff("nlb", **asked, subnets=less)
        assert any(change.replaces for change in difference.changes)
        assert not difference.delete_first  # the provider invents another name
    named = program.states["nlb"][1].inputs["name"]
    assert program.diff("nlb", **asked, subnets=subnets[:1], name=named).delete_first
