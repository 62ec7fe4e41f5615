"""Who gets through: what the security groups of the account admit, and which machines a load balancer sends calls to.

    admitted(aws, "sg-1", source="203.0.113.7", port=443)      from an address
    admitted(aws, "sg-2", source="sg-1", port=30080)           from whatever wears another group

Nothing is sent. The answers follow from the rules that stand at EC2, as the real network would give them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from twin.aws.account import Account


@dataclass(frozen=True)
class Target:
    """A target is one machine that a target group may send a call to.

    reached: whether the load balancer gets through to its port.
    """

    instance: str
    port: int
    reached: bool


def admitted(aws: Account, group: str, source: str, port: int, protocol: str = "tcp") -> bool:
    """Say whether a security group lets in `source`, an IPv4 address or the id of another group, at a port."""
    return any(_matches(rule, source, port, protocol) for rule in _rules(aws, group, "IpPermissions"))


def let_out(aws: Account, group: str, target: str, port: int, protocol: str = "tcp") -> bool:
    """Say whether a security group lets its wearers call `target`, an IPv4 address or a group, at a port."""
    return any(_matches(rule, target, port, protocol) for rule in _rules(aws, group, "IpPermissionsEgress"))


def may_call(aws: Account, balancer: str, source: str) -> bool:
    """Say whether an address can call a load balancer (by its ARN), at the port of one of its listeners."""
    described = aws.call("elbv2", "DescribeLoadBalancers", LoadBalancerArns=[balancer])["LoadBalancers"][0]
    if described["Scheme"] == "internal" and ipaddress.ip_address(source).is_global:
        return False
    listeners = aws.call("elbv2", "DescribeListeners", LoadBalancerArn=balancer)["Listeners"]
    groups = described.get("SecurityGroups") or ()
    return any(admitted(aws, group, source, listener["Port"]) for group in groups for listener in listeners)


def targets(aws: Account, balancer: str) -> Iterator[Target]:
    """Yield the machines behind a load balancer (by its ARN): those of the Auto Scaling groups of its target group."""
    described = aws.call("elbv2", "DescribeLoadBalancers", LoadBalancerArns=[balancer])["LoadBalancers"][0]
    for listener in aws.call("elbv2", "DescribeListeners", LoadBalancerArn=balancer)["Listeners"]:
        arn = listener["DefaultActions"][0]["TargetGroupArn"]
        port = aws.call("elbv2", "DescribeTargetGroups", TargetGroupArns=[arn])["TargetGroups"][0]["Port"]
        for attachment in aws.state.find("aws:autoscaling/attachment:Attachment", lbTargetGroupArn=arn):
            for identifier, zone, nodes_group in _machines(aws, attachment.outputs["autoscalingGroupName"]):
                in_zone = zone in {each["ZoneName"] for each in described["AvailabilityZones"]}
                through = any(
                    let_out(aws, group, nodes_group, port) and admitted(aws, nodes_group, group, port)
                    for group in described.get("SecurityGroups") or ()
                )
                yield Target(identifier, port, in_zone and through)


def _machines(aws: Account, scaling_group: str) -> Iterator[tuple[str, str, str]]:
    """Yield id, zone and security group of the machines of an Auto Scaling group."""
    for group in aws.state.find("aws:eks/nodeGroup:NodeGroup"):
        names = [one["name"] for part in group.outputs["resources"] for one in part["autoscalingGroups"]]
        if scaling_group not in names:
            continue
        cluster, name = group.outputs["clusterName"], group.outputs["nodeGroupName"]
        (made,) = aws.state.find("aws:eks/cluster:Cluster", name=cluster)
        for identifier, row in sorted(aws.state.tables.get("ec2.instances", {}).items()):
            if (row["cluster"], row["node_group"]) == (cluster, name):
                yield identifier, row["zone"], made.outputs["vpcConfig"]["clusterSecurityGroupId"]


def _rules(aws: Account, group: str, direction: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = aws.call("ec2", "DescribeSecurityGroups", GroupIds=[group])["SecurityGroups"][0][
        direction
    ]
    return found


def _matches(rule: dict[str, Any], other: str, port: int, protocol: str) -> bool:
    if rule["IpProtocol"] not in ("-1", protocol):
        return False
    if rule["IpProtocol"] != "-1" and not rule["FromPort"] <= port <= rule["ToPort"]:
        return False
    if other.startswith("sg-"):
        return any(pair["GroupId"] == other for pair in rule.get("UserIdGroupPairs") or ())
    address = ipaddress.ip_address(other)
    return any(address in ipaddress.ip_network(item["CidrIp"]) for item in rule.get("IpRanges") or ())
