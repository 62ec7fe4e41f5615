"""Who reaches the private side of the Kubernetes API: a security group of the control plane alone, on port 443.

Nodes and pods are admitted by the group that EKS makes. Without a further one, nothing else inside the network is: no
runner in its subnets, and no network that is peered with it.
"""

from __future__ import annotations

from collections.abc import Iterable

import pulumi
import pulumi_aws as aws

PORT = 443


def api_group(
    name: str, vpc: pulumi.Input[str], cidrs: Iterable[str], options: pulumi.ResourceOptions
) -> aws.ec2.SecurityGroup:
    """Make the group that admits these networks."""
    group = aws.ec2.SecurityGroup(
        f"{name}-api",
        description=f"Who reaches the Kubernetes API of {name}",
        vpc_id=vpc,
        tags={"Name": f"{name}-api"},
        opts=options,
    )
    for cidr in sorted(set(cidrs)):
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-api-{cidr.replace('.', '-').replace('/', '-')}",
            security_group_id=group.id,
            description="Kubernetes API",
            ip_protocol="tcp",
            from_port=PORT,
            to_port=PORT,
            cidr_ipv4=cidr,
            opts=options,
        )
    return group
