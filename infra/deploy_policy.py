"""The least that the role which deploys an environment must be allowed: an IAM policy, from what is registered.

    python -m infra.deploy_policy environments/prod.lock.json [network | cluster | services]

IAM limits the size of a policy, so there are three, to attach them all: `network` holds EC2 and load balancers,
`cluster` EKS, roles, keys and logs, and `services` what is left. Each action is limited to the environment: by its tag
where AWS can judge tags, else by the beginning of its names; in the hosted zone of the lock any record may be changed.
What EKS makes for a cluster (the nodes' security group, the Auto Scaling group) has EKS's own tag. A role may be passed
on to the four services that need one. Where the platform has a permissions boundary, a role without it cannot be made
or given a policy, and none can be freed of it.

Access to Pulumi's own state, to its key, and to assume the role stands beside it: those are not the environment's.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.billing import BILLED, FREE
from infra.identities import CLUSTER_POLICIES, EBS_POLICY, NODE_POLICIES, managed_policy_arn, partition
from infra.naming import ENVIRONMENT_TAG, stack_prefix
from infra.permissions import needed_by
from infra.registries import cache_folder
from planner.documents.lock import load
from planner.plan.platform import PlannedPlatform

LIMIT = 6144
"""Most characters that AWS takes in one policy, white space not counted."""
TAGGED = ("ec2", "elasticloadbalancing")
"""Services whose every resource carries the environment's tag, and whose names say nothing."""
OF_CLUSTER = ("eks", "iam", "kms", "logs")
UNSCOPED = frozenset(
    {
        *("ecr:CreatePullThroughCacheRule", "ecr:DeletePullThroughCacheRule", "ecr:UpdatePullThroughCacheRule"),
        *("logs:CreateLogDelivery", "logs:DeleteLogDelivery"),
    }
)
"""Actions that AWS judges on no resource and by no tag."""
MADE = frozenset({"acm:RequestCertificate", "eks:CreateCluster", "kms:CreateKey"})
"""Actions that AWS judges on no resource, and by the tag of what they make."""
TAGGED_AS_MADE = frozenset({"acm:AddTagsToCertificate", "kms:TagResource"})
"""What AWS asks for besides, when these are made with tags: nothing tells it from tagging what others have made."""
PASSED_TO = ("ec2", "eks", "pods.eks", "vpc-flow-logs")
LINKED = ("eks", "eks-nodegroup", "elasticloadbalancing", "pullthroughcache.ecr")
"""Services that need a role of their own in the account, which their first use makes."""
BOUNDED = frozenset({"iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"})
RULES = frozenset({"ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress"})
"""Actions that make rules of security groups, which have tags of their own."""
_OF_NODES = frozenset(
    {"ec2:AuthorizeSecurityGroupIngress", "ec2:ModifySecurityGroupRules", "ec2:RevokeSecurityGroupIngress"}
)
_NEW = re.compile(r"\w+:(Create(?!Tags|Route$|LaunchTemplateVersion)|Allocate)")
_READ = re.compile(
    r"(ec2|elasticloadbalancing):Describe|(eks:DescribeAddonVersions|logs:DescribeLogGroups|tag:GetResources"
    r"|autoscaling:DescribeAutoScalingGroups|autoscaling:DescribeScheduledActions|ecr:DescribePullThroughCacheRules|acm:ListCertificates"
    r"|cloudformation:GetResource)$"
)

Statement = dict[str, Any]


def documents(platform: PlannedPlatform, environment: str, kinds: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the policies by name, for resources of these types."""
    actions = needed_by(kinds)
    network, cluster = _of(TAGGED, actions), _of(OF_CLUSTER, actions)
    scope = _Scope(platform, environment)
    return {
        "network": _document(_tagged_statements(network, scope)),
        "cluster": _document(_named_statements(cluster, scope)),
        "services": _document(_named_statements(actions - network - cluster, scope)),
    }


def kinds_of(platform: PlannedPlatform) -> frozenset[str]:
    """Return the types of resources that this platform may get."""
    absent = set() if platform.alerts else {"aws:budgets/budget:Budget"}
    absent |= set() if _hosted_zone(platform) else {"aws:route53/record:Record"}
    return frozenset({*BILLED, *FREE}) - absent


def _hosted_zone(platform: PlannedPlatform) -> str | None:
    balancer = platform.cluster.load_balancer if platform.cluster else None
    return balancer.hosted_zone if balancer else None


class _Scope:
    """A scope spells ARNs and conditions of one environment."""

    def __init__(self, platform: PlannedPlatform, environment: str) -> None:
        self.region, self.account, self.boundary = platform.region, platform.account, platform.boundary
        self.partition, self.prefix = partition(platform.region), stack_prefix(environment)
        self.hosted_zone = _hosted_zone(platform)
        self.of_region = {"StringEquals": {"aws:RequestedRegion": self.region}}
        self.asked = {"StringEquals": {f"aws:RequestTag/{ENVIRONMENT_TAG}": environment}}
        self.owned = {"StringEquals": {f"aws:ResourceTag/{ENVIRONMENT_TAG}": environment}}
        self.untagged = {"Null": {f"aws:ResourceTag/{ENVIRONMENT_TAG}": "true"}}

    def of_cluster(self, tag: str) -> dict[str, Any]:
        """Return the condition that something is of the environment's cluster, by a tag of EKS."""
        return {"StringLike": {f"aws:ResourceTag/{tag}": f"{self.prefix}-*"}}

    def arn(self, service: str, resource: str) -> str:
        """Return an ARN within the account, and within the region where the service has regions."""
        region = "" if service in ("iam", "budgets", "s3", "route53") else self.region
        account = "" if service in ("s3", "route53") else self.account
        return f"arn:{self.partition}:{service}:{region}:{account}:{resource}"

    def published(self, service: str, resource: str) -> str:
        """Return an ARN of what AWS publishes to all accounts in the region."""
        return f"arn:{self.partition}:{service}:{self.region}::{resource}"

    def named(self, service: str) -> list[str]:
        """Return the ARNs of a service whose names begin as those of the environment."""
        kinds = {
            "budgets": ["budget/{}-*"],
            "eks": [f"{kind}/{{}}-*" for kind in ("access-entry", "addon", "cluster", "nodegroup")]
            + ["podidentityassociation/{}-*"],
            "iam": ["role/{}-*"],
            "logs": ["log-group:{}-*", "log-group:/aws/eks/{}-*"],
            "s3": ["{}-*"],
            "ecr": [f"repository/{cache_folder(self.prefix)}/*"],
            "route53": [f"hostedzone/{self.hosted_zone}", "change/*"] if self.hosted_zone else [],
            "secretsmanager": ["secret:{}/*", "secret:ecr-pullthroughcache/{}-*"],
        }
        return [self.arn(service, kind.format(self.prefix)) for kind in kinds[service]]


def _tagged_statements(actions: Iterable[str], scope: _Scope) -> list[Statement]:
    """Yield statements about what carries the environment's tag: it is made with it, and only such may be changed."""
    rest = {*actions} - {"ec2:RunInstances", "ec2:CreateTags"}
    reads = {action for action in rest if _READ.match(action)}
    new = {action for action in rest if _NEW.match(action)}
    everything = [scope.arn(service, "*") for service in TAGGED if any(a.startswith(f"{service}:") for a in rest)]
    making, rules = _operations(new, "ec2"), _operations(rest & RULES, "ec2")
    balancing = _operations(new, "elasticloadbalancing")
    return [
        _allow("Read", reads, ["*"], scope.of_region),
        _allow("Make", new, everything, scope.asked),
        _allow("Change", (rest | {"ec2:CreateTags"}) - reads, everything, scope.owned),
        _allow(
            "TagWhatIsMade",
            ["ec2:CreateTags"],
            [scope.arn("ec2", "*")],
            {"StringEquals": {"ec2:CreateAction": [*making, *rules, "RunInstances"]}},
        ),
        _allow(
            "TagBalancers",
            rest & {"elasticloadbalancing:AddTags"},
            [scope.arn("elasticloadbalancing", "*")],
            {"StringEquals": {"elasticloadbalancing:CreateAction": balancing}},
        ),
        # A rule is judged beside its group, which "Change" or "NodesFirewall" admits.
        _allow("NewRules", rest & RULES, [scope.arn("ec2", "security-group-rule/*")], scope.asked),
        # EKS makes the security group of the nodes, and tags it with the cluster and not with the environment.
        _allow(
            "NodesFirewall",
            rest & _OF_NODES,
            [scope.arn("ec2", "security-group/*")],
            scope.of_cluster("aws:eks:cluster-name"),
        ),
        # EKS asks as its caller whether the machines of a template could be started.
        _allow(
            "StartFromTemplates",
            ["ec2:RunInstances"],
            ["*"],
            {"ArnLike": {"ec2:LaunchTemplate": scope.arn("ec2", "launch-template/*")}},
        ),
    ]


def _named_statements(actions: frozenset[str], scope: _Scope) -> list[Statement]:
    """Yield statements about what carries the environment's name, and before them those about what cannot."""
    reads = {action for action in actions if _READ.match(action)}
    attachable = [managed_policy_arn(scope.region, p) for p in (*CLUSTER_POLICIES, *NODE_POLICIES, EBS_POLICY)]
    services = {"StringEquals": {"iam:PassedToService": [f"{service}.amazonaws.com" for service in PASSED_TO]}}
    linked = {"StringEquals": {"iam:AWSServiceName": [f"{service}.amazonaws.com" for service in LINKED]}}
    targets = _of(["autoscaling"], actions) - reads
    special = [
        _allow("Read", reads, ["*"], scope.of_region),
        _allow("ReadRoles", actions & {"iam:ListRoles"}, ["*"]),
        _allow("ReadReleases", actions & {"ssm:GetParameter"}, [scope.published("ssm", "parameter/aws/service/eks/*")]),
        _allow("Make", actions & MADE, ["*"], scope.asked),
        _allow("OfTheAccount", actions & UNSCOPED, ["*"], scope.of_region),
        _allow("Keys", _of(["kms"], actions) - MADE, [scope.arn("kms", "key/*")], scope.owned),
        _allow("Certificates", _of(["acm"], actions) - MADE - reads, [scope.arn("acm", "certificate/*")], scope.owned),
        _allow(
            "TagAsMade",
            actions & TAGGED_AS_MADE,
            [scope.arn("kms", "key/*") if _of(["kms"], actions) else scope.arn("acm", "certificate/*")],
            scope.asked | scope.untagged,
        ),
        _allow(
            "Targets", targets, [scope.arn("autoscaling", "autoScalingGroup:*")], scope.of_cluster("eks:cluster-name")
        ),
        _allow(
            "Attach",
            actions & {"iam:AttachRolePolicy", "iam:DetachRolePolicy"},
            scope.named("iam"),
            {"ArnEquals": {"iam:PolicyARN": sorted(attachable)}},
        ),
        _allow("PassRoles", actions & {"iam:PassRole"}, scope.named("iam"), services),
        _allow(
            "RolesOfServices",
            actions & {"iam:CreateServiceLinkedRole"},
            [scope.arn("iam", "role/aws-service-role/*")],
            linked,
        ),
        _allow(
            "WithinTheBoundary",
            actions & BOUNDED if scope.boundary else (),
            scope.named("iam"),
            {"ArnEquals": {"iam:PermissionsBoundary": scope.boundary}},
        ),
    ]
    named = actions - {action for statement in special for action in statement["Action"]}
    return special + [
        _allow(
            service.title(),
            _of([service], named),
            [*scope.named(service), *([f"{scope.named('s3')[0]}/*"] if service == "s3" else [])],
        )
        for service in sorted({action.partition(":")[0] for action in named})
    ]


def _of(services: Sequence[str], actions: Iterable[str]) -> frozenset[str]:
    return frozenset(action for action in actions if action.partition(":")[0] in services)


def _operations(actions: Iterable[str], service: str) -> list[str]:
    return sorted(action.partition(":")[2] for action in _of([service], actions))


def _allow(
    name: str, actions: Iterable[str], resources: list[str], condition: Mapping[str, Any] | None = None
) -> Statement:
    statement = {"Sid": name, "Effect": "Allow", "Action": sorted(actions), "Resource": resources}
    return statement | ({"Condition": condition} if condition else {})


def _document(statements: Iterable[Statement]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [one for one in statements if one["Action"] and one["Resource"]]}


def main(arguments: list[str]) -> int:
    """Print the policies of a lock's environment, or the one that is named."""
    if not arguments or len(arguments) > 2:
        sys.stderr.write(
            "usage: python -m infra.deploy_policy environments/NAME.lock.json [network | cluster | services]\n"
        )
        return 2
    path = Path(arguments[0])
    lock = load(path.read_text(), str(path))
    platform = lock.plan.platform
    policies = documents(platform, lock.name, kinds_of(platform))
    chosen: Mapping[str, Any] = policies if len(arguments) == 1 else policies[arguments[1]]
    sys.stdout.write(json.dumps(chosen, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
