"""What an ARN names: the type of the resource, the id by which the provider imports it, and what removes it.

Every type of the program that bears tags stands here. A name that the provider has invented is not given again by an
import: such types stand in `infra.strays.NAMED` too.
"""

from __future__ import annotations

import re

_FORMS = (
    (r":eks:[^:]*:\d+:cluster/([^/]+)", "aws:eks/cluster:Cluster", "{0}"),
    (r":eks:[^:]*:\d+:nodegroup/([^/]+)/([^/]+)/.+", "aws:eks/nodeGroup:NodeGroup", "{0}:{1}"),
    (r":eks:[^:]*:\d+:addon/([^/]+)/([^/]+)/.+", "aws:eks/addon:Addon", "{0}:{1}"),
    (
        r":eks:[^:]*:\d+:podidentityassociation/([^/]+)/([^/]+)",
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        "{0},{1}",
    ),
    (
        r":eks:[^:]*:\d+:access-entry/([^/]+)/([^/]+)/(\d+)/(.+)/[^/]+",
        "aws:eks/accessEntry:AccessEntry",
        "{0}:arn:aws:iam::{2}:{1}/{3}",
    ),
    (r":ec2:[^:]*:\d+:vpc/(vpc-\w+)", "aws:ec2/vpc:Vpc", "{0}"),
    (r":ec2:[^:]*:\d+:subnet/(subnet-\w+)", "aws:ec2/subnet:Subnet", "{0}"),
    (r":ec2:[^:]*:\d+:internet-gateway/(igw-\w+)", "aws:ec2/internetGateway:InternetGateway", "{0}"),
    (r":ec2:[^:]*:\d+:natgateway/(nat-\w+)", "aws:ec2/natGateway:NatGateway", "{0}"),
    (r":ec2:[^:]*:\d+:elastic-ip/(eipalloc-\w+)", "aws:ec2/eip:Eip", "{0}"),
    (r":ec2:[^:]*:\d+:route-table/(rtb-\w+)", "aws:ec2/routeTable:RouteTable", "{0}"),
    (r":ec2:[^:]*:\d+:launch-template/(lt-\w+)", "aws:ec2/launchTemplate:LaunchTemplate", "{0}"),
    (r":ec2:[^:]*:\d+:vpc-endpoint/(vpce-\w+)", "aws:ec2/vpcEndpoint:VpcEndpoint", "{0}"),
    (r":ec2:[^:]*:\d+:vpc-flow-log/(fl-\w+)", "aws:ec2/flowLog:FlowLog", "{0}"),
    (r":ec2:[^:]*:\d+:security-group/(sg-\w+)", "aws:ec2/securityGroup:SecurityGroup", "{0}"),
    (r":kms:[^:]*:\d+:key/([\w-]+)", "aws:kms/key:Key", "{0}"),
    (r":s3:::([^/]+)", "aws:s3/bucket:Bucket", "{0}"),
    (r":logs:[^:]*:\d+:log-group:([^:]+)(?::\*)?", "aws:cloudwatch/logGroup:LogGroup", "{0}"),
    (r":ecr:[^:]*:\d+:repository/(.+)", "aws:ecr/repository:Repository", "{0}"),
    (r":acm:[^:]*:\d+:certificate/[\w-]+", "aws:acm/certificate:Certificate", "{arn}"),
    (r":budgets:[^:]*:(\d+):budget/(.+)", "aws:budgets/budget:Budget", "{0}:{1}"),
    (r":secretsmanager:[^:]*:\d+:secret:.+", "aws:secretsmanager/secret:Secret", "{arn}"),
    (r":elasticloadbalancing:[^:]*:\d+:loadbalancer/\w+/.+", "aws:lb/loadBalancer:LoadBalancer", "{arn}"),
    (r":elasticloadbalancing:[^:]*:\d+:listener/\w+/.+", "aws:lb/listener:Listener", "{arn}"),
    (r":elasticloadbalancing:[^:]*:\d+:targetgroup/.+", "aws:lb/targetGroup:TargetGroup", "{arn}"),
)
_PATTERNS = tuple((re.compile(f"arn:aws[\\w-]*{form}"), token, spelled) for form, token, spelled in _FORMS)


def named_by(arn: str) -> tuple[str, str] | None:
    """Return type and id of the resource; None for a type that is not imported."""
    for pattern, token, spelled in _PATTERNS:
        if match := pattern.fullmatch(arn):
            return token, spelled.format(*match.groups(), arn=arn)
    return None


def removal(arn: str) -> str:
    """Say what removes a resource that no run removes."""
    token, identifier = named_by(arn) or ("", "")
    if token == "aws:eks/nodeGroup:NodeGroup":
        cluster, _, group = identifier.partition(":")
        return f"aws eks delete-nodegroup --cluster-name {cluster} --nodegroup-name {group}"
    if token == "aws:eks/cluster:Cluster":
        return f"aws eks delete-cluster --name {identifier}"
    return "look at it in the console, and delete it where nobody needs it"
