"""The least that the role which deploys an environment must be allowed: an IAM policy, from what is registered.

    python -m infra.deploy_policy environments/prod.lock.json [network | cluster]

IAM limits the size of a policy, so there are two, to attach both: `network` holds EC2, `cluster` everything else. Each
action is limited to the environment: by its tag where AWS can judge tags, else by the beginning of its names. A role
may be passed on to the four services that need one. Where the platform has a permissions boundary, a role without it
cannot be made or given a policy, and none can be freed of it.

Access to Pulumi's own state, to its key, and to assume the role stands beside it: those are not the environment's.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from infra.billing import BILLED, FREE
from infra.identities import CLUSTER_POLICIES, EBS_POLICY, NODE_POLICIES, managed_policy_arn, partition
from infra.naming import ENVIRONMENT_TAG, stack_prefix
from infra.permissions import PERMISSIONS, needed_by
from planner.documents.lock import load
from planner.plan.platform import PlannedPlatform

LIMIT = 6144
"""Most characters that AWS takes in one policy, white space not counted."""
TAGGED = ("ec2", "elasticloadbalancing")
"""Services whose every resource carries the environment's tag, and whose names say nothing."""
UNSCOPED = frozenset({"eks:CreateCluster", "kms:CreateKey", "logs:CreateLogDelivery", "logs:DeleteLogDelivery"})
"""Actions that AWS judges on no resource."""
PASSED_TO = ("ec2", "eks", "pods.eks", "vpc-flow-logs")
LINKED = ("eks", "eks-nodegroup")
"""Services that need a role of their own in the account, which their first use makes."""
BOUNDED = frozenset({"iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"})
_NEW = re.compile(r"\w+:(Create(?!Tags|Route$|LaunchTemplateVersion)|Allocate)")
_READ = re.compile(r"(ec2|elasticloadbalancing):Describe|eks:DescribeAddonVersions|logs:DescribeLogGroups")

Statement = dict[str, Any]


def documents(platform: PlannedPlatform, environment: str, kinds: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the policies by name, for resources of these types."""
    actions = needed_by(kinds)
    network = [action for action in actions if action.partition(":")[0] in TAGGED]
    scope = _Scope(platform, environment)
    return {
        "network": _document(_tagged_statements(network, scope)),
        "cluster": _document(_named_statements(actions - {*network}, scope)),
    }


def kinds_of(platform: PlannedPlatform) -> frozenset[str]:
    """Return the types of resources that this platform may get."""
    kinds = frozenset({*BILLED, *FREE})
    return kinds if platform.alerts else kinds - {"aws:budgets/budget:Budget"}


class _Scope:
    """A scope spells ARNs and conditions of one environment."""

    def __init__(self, platform: PlannedPlatform, environment: str) -> None:
        self.region, self.account, self.boundary = platform.region, platform.account, platform.boundary
        self.partition, self.prefix = partition(platform.region), stack_prefix(environment)
        self.of_region = {"StringEquals": {"aws:RequestedRegion": self.region}}
        self.asked = {"StringEquals": {f"aws:RequestTag/{ENVIRONMENT_TAG}": environment}}
        self.owned = {"StringEquals": {f"aws:ResourceTag/{ENVIRONMENT_TAG}": environment}}

    def arn(self, service: str, resource: str) -> str:
        """Return an ARN within the account, and within the region where the service has regions."""
        region = "" if service in ("iam", "budgets", "s3") else self.region
        account = "" if service == "s3" else self.account
        return f"arn:{self.partition}:{service}:{region}:{account}:{resource}"

    def named(self, service: str) -> list[str]:
        """Return the ARNs of a service whose names begin as those of the environment."""
        kinds = {
            "budgets": ["budget/{}-*"],
            "eks": [f"{kind}/{{}}-*" for kind in ("access-entry", "addon", "cluster", "nodegroup")]
            + ["podidentityassociation/{}-*"],
            "iam": ["role/{}-*"],
            "logs": ["log-group:{}-*", "log-group:/aws/eks/{}-*"],
            "s3": ["{}-*"],
            "secretsmanager": ["secret:{}-*"],
        }
        return [self.arn(service, kind.format(self.prefix)) for kind in kinds[service]]


def _tagged_statements(actions: Iterable[str], scope: _Scope) -> list[Statement]:
    """Yield statements about what carries the environment's tag: it is made with it, and only such may be changed."""
    rest = {*actions} - {"ec2:RunInstances", "ec2:CreateTags"}
    reads = {action for action in rest if _READ.match(action)}
    new = {action for action in rest if _NEW.match(action)}
    everything = [scope.arn(service, "*") for service in TAGGED if any(a.startswith(f"{service}:") for a in rest)]
    making = sorted(action.partition(":")[2] for action in new if action.startswith("ec2:"))
    return [
        _allow("Read", reads, ["*"], scope.of_region),
        _allow("Make", new, everything, scope.asked),
        _allow("Change", (rest | {"ec2:CreateTags"}) - reads, everything, scope.owned),
        _allow(
            "TagWhatIsMade",
            ["ec2:CreateTags"],
            [scope.arn("ec2", "*")],
            {"StringEquals": {"ec2:CreateAction": [*making, "RunInstances"]}},
        ),
        # EKS asks as its caller whether the machines of a template could be started.
        _allow(
            "StartFromTemplates",
            ["ec2:RunInstances"],
            ["*"],
            {"ArnLike": {"ec2:LaunchTemplate": scope.arn("ec2", "launch-template/*")}},
        ),
    ]


def _named_statements(actions: Iterable[str], scope: _Scope) -> list[Statement]:
    """Yield statements about what carries the environment's name."""
    rest = {*actions}
    reads = {action for action in rest if _READ.match(action)}
    special = {"iam:PassRole", "iam:CreateServiceLinkedRole", "iam:AttachRolePolicy", "iam:DetachRolePolicy"}
    bounded = BOUNDED & rest if scope.boundary else frozenset()
    keys = {action for action in rest if action.startswith("kms:")} - UNSCOPED
    named = rest - reads - special - bounded - keys - UNSCOPED
    services = sorted({action.partition(":")[0] for action in named})
    within_boundary = {"ArnEquals": {"iam:PermissionsBoundary": scope.boundary}}
    attachable = [managed_policy_arn(scope.region, p) for p in (*CLUSTER_POLICIES, *NODE_POLICIES, EBS_POLICY)]
    attaching = {"ArnEquals": {"iam:PolicyARN": sorted(attachable)}}
    made_anywhere = rest & {"eks:CreateCluster", "kms:CreateKey"}
    statements = [
        _allow("Read", reads, ["*"], scope.of_region),
        _allow("Make", made_anywhere, ["*"], scope.asked),
        _allow("DeliverLogs", rest & UNSCOPED - made_anywhere, ["*"], scope.of_region),
        _allow("Keys", keys, [scope.arn("kms", "key/*")], scope.owned),
        *(
            _allow(
                service.title(),
                [action for action in named if action.startswith(f"{service}:")],
                [*scope.named(service), *([f"{scope.named('s3')[0]}/*"] if service == "s3" else [])],
            )
            for service in services
        ),
        _allow(
            "Attach", special & rest & {"iam:AttachRolePolicy", "iam:DetachRolePolicy"}, scope.named("iam"), attaching
        ),
        _allow(
            "PassRoles",
            special & rest & {"iam:PassRole"},
            scope.named("iam"),
            {"StringEquals": {"iam:PassedToService": [f"{service}.amazonaws.com" for service in PASSED_TO]}},
        ),
        _allow(
            "RolesOfServices",
            special & rest & {"iam:CreateServiceLinkedRole"},
            [scope.arn("iam", "role/aws-service-role/*")],
            {"StringEquals": {"iam:AWSServiceName": [f"{service}.amazonaws.com" for service in LINKED]}},
        ),
    ]
    return [*statements, _allow("WithinTheBoundary", bounded, scope.named("iam"), within_boundary)]


def _allow(
    name: str, actions: Iterable[str], resources: list[str], condition: Mapping[str, Any] | None = None
) -> Statement:
    statement = {"Sid": name, "Effect": "Allow", "Action": sorted(actions), "Resource": resources}
    return statement | ({"Condition": condition} if condition else {})


def _document(statements: Iterable[Statement]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [statement for statement in statements if statement["Action"]]}


def main(arguments: list[str]) -> int:
    """Print the policies of a lock's environment, or the one that is named."""
    if not arguments or len(arguments) > 2:
        sys.stderr.write("usage: python -m infra.deploy_policy environments/NAME.lock.json [network | cluster]\n")
        return 2
    path = Path(arguments[0])
    lock = load(path.read_text(), str(path))
    platform = lock.plan.platform
    policies = documents(platform, lock.name, kinds_of(platform) & PERMISSIONS.keys())
    chosen: Mapping[str, Any] = policies if len(arguments) == 1 else policies[arguments[1]]
    sys.stdout.write(json.dumps(chosen, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
