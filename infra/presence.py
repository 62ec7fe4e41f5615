"""Whether AWS still holds a resource, and what it is doing with it: one question for each type that is taken in.

The list by tags is later than the account: it shows for a while what is gone, and an import of that ends the run. So
each resource of the list is asked for. Where the provider has no question for a type, AWS Cloud Control has one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pulumi
import pulumi_aws as aws

POLL_S, PATIENCE_S = 5.0, 1800.0
NAME_TAG = "Name"
"""Tag with the domain of a certificate, by which AWS finds it."""
_SETTLING = ("CREATING", "UPDATING", "DELETING", "pending", "deleting")
_LOST = ("DELETED", "deleted", "failed", "PendingDeletion")
_REFUSED = re.compile(r"AccessDenied|not authorized|Unauthorized", re.IGNORECASE)
"""What AWS says where it refuses to answer. Some refusals go on with what may not exist either."""
_ABSENT = re.compile(
    r"not ?found|couldn't find|no matching|empty result|no results|returned 0 results|does not exist|NoSuch",
    re.IGNORECASE,
)
"""What the provider says of a resource that is not there. It says it in another way for each service."""


@dataclass(frozen=True)
class Stray:
    """A stray is a resource of the environment that the state does not know.

    name: its name in the program.
    id: what the provider imports it by.
    """

    type: str
    name: str
    id: str
    arn: str
    tags: Mapping[str, str] = field(default_factory=dict)


Question = Callable[[Stray, pulumi.InvokeOptions], str]
_Answer = TypeVar("_Answer")


def is_there(stray: Stray, asking: pulumi.InvokeOptions) -> bool:
    """Tell whether AWS holds it and keeps it. What is being made is waited for, but not in a preview.

    Raises what the provider raises where AWS refuses to answer.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        status = _status(stray, asking)
        if status not in _SETTLING or pulumi.runtime.is_dry_run() or time.monotonic() > deadline:
            return _is_kept(status)
        pulumi.log.info(f"{stray.id} is {status} since a run that was cut off; waiting for it")
        time.sleep(POLL_S)


def holds(stray: Stray, asking: pulumi.InvokeOptions) -> bool:
    """Tell whether AWS holds it now. Nothing is waited for."""
    return _is_kept(_status(stray, asking))


def _status(stray: Stray, asking: pulumi.InvokeOptions) -> str | None:
    """Return what AWS makes of it; None where there is no such thing."""
    return answered(lambda: QUESTIONS[stray.type](stray, asking))


def _is_kept(status: str | None) -> bool:
    return status is not None and status not in _LOST


def answered(ask: Callable[[], _Answer]) -> _Answer | None:
    """Return the answer; None where AWS says that there is no such thing."""
    try:
        return ask()
    except Exception as error:  # what an invoke raises has no type of its own
        said = str(error)
        if _ABSENT.search(said) and not _REFUSED.search(said):
            return None
        raise


def _cluster(stray: Stray, asking: pulumi.InvokeOptions) -> str:
    return str(aws.eks.get_cluster(name=stray.id, opts=asking).status)


def _node_group(stray: Stray, asking: pulumi.InvokeOptions) -> str:
    cluster, _, group = stray.id.partition(":")
    return str(aws.eks.get_node_group(cluster_name=cluster, node_group_name=group, opts=asking).status)


def _addon(stray: Stray, asking: pulumi.InvokeOptions) -> str:
    cluster, _, addon = stray.id.partition(":")
    return _there(aws.eks.get_addon(cluster_name=cluster, addon_name=addon, opts=asking))


def _access_entry(stray: Stray, asking: pulumi.InvokeOptions) -> str:
    cluster, _, principal = stray.id.partition(":")
    return _there(aws.eks.get_access_entry(cluster_name=cluster, principal_arn=principal, opts=asking))


def _nat_gateway(stray: Stray, asking: pulumi.InvokeOptions) -> str:
    return str(aws.ec2.get_nat_gateway(id=stray.id, opts=asking).state)


def _key(stray: Stray, asking: pulumi.InvokeOptions) -> str:
    return str(aws.kms.get_key(key_id=stray.id, opts=asking).key_state)


def _certificate(stray: Stray, asking: pulumi.InvokeOptions) -> str:
    """Ask by domain: AWS finds no certificate by its ARN without reading those of others.

    Where the latest of the domain is another one, such as one that somebody imported, ours may stand behind it. It
    counts as there: if it is not, the import says so, and changes nothing.
    """
    domain = stray.tags.get(NAME_TAG)
    if domain is None:
        return ""
    open_ones = ["ISSUED", "PENDING_VALIDATION"]
    return _there(aws.acm.get_certificate(domain=domain, statuses=open_ones, most_recent=True, opts=asking))


def _budget(stray: Stray, asking: pulumi.InvokeOptions) -> str:
    account, _, name = stray.id.partition(":")
    return _there(aws.budgets.get_budget(account_id=account, name=name, opts=asking))


def _by_cloud_control(kind: str, identifier: Callable[[Stray], str]) -> Question:
    """Return the question of a type for which the provider has none. kind: what CloudFormation calls it."""
    return lambda stray, asking: _there(
        aws.cloudcontrol.get_resource(type_name=kind, identifier=identifier(stray), opts=asking)
    )


def _there(answer: Any) -> str:
    """Return the status of what has none: an answer says that it is there."""
    return ""


QUESTIONS: Mapping[str, Question] = {
    "aws:acm/certificate:Certificate": _certificate,
    "aws:budgets/budget:Budget": _budget,
    "aws:cloudwatch/logGroup:LogGroup": lambda s, o: _there(aws.cloudwatch.get_log_group(name=s.id, opts=o)),
    "aws:ec2/eip:Eip": lambda s, o: _there(aws.ec2.get_elastic_ip(id=s.id, opts=o)),
    "aws:ec2/flowLog:FlowLog": _by_cloud_control("AWS::EC2::FlowLog", lambda stray: stray.id),
    "aws:ec2/internetGateway:InternetGateway": lambda s, o: _there(
        aws.ec2.get_internet_gateway(internet_gateway_id=s.id, opts=o)
    ),
    "aws:ec2/launchTemplate:LaunchTemplate": lambda s, o: _there(aws.ec2.get_launch_template(id=s.id, opts=o)),
    "aws:ec2/natGateway:NatGateway": _nat_gateway,
    "aws:ec2/routeTable:RouteTable": lambda s, o: _there(aws.ec2.get_route_table(route_table_id=s.id, opts=o)),
    "aws:ec2/securityGroup:SecurityGroup": lambda s, o: _there(aws.ec2.get_security_group(id=s.id, opts=o)),
    "aws:ec2/subnet:Subnet": lambda s, o: _there(aws.ec2.get_subnet(id=s.id, opts=o)),
    "aws:ec2/vpc:Vpc": lambda s, o: _there(aws.ec2.get_vpc(id=s.id, opts=o)),
    "aws:ec2/vpcEndpoint:VpcEndpoint": lambda s, o: str(aws.ec2.get_vpc_endpoint(id=s.id, opts=o).state),
    "aws:ecr/repository:Repository": lambda s, o: _there(aws.ecr.get_repository(name=s.id, opts=o)),
    "aws:eks/accessEntry:AccessEntry": _access_entry,
    "aws:eks/addon:Addon": _addon,
    "aws:eks/cluster:Cluster": _cluster,
    "aws:eks/nodeGroup:NodeGroup": _node_group,
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": _by_cloud_control(
        "AWS::EKS::PodIdentityAssociation", lambda stray: stray.arn
    ),
    "aws:kms/key:Key": _key,
    "aws:lb/listener:Listener": lambda s, o: _there(aws.lb.get_listener(arn=s.arn, opts=o)),
    "aws:lb/loadBalancer:LoadBalancer": lambda s, o: _there(aws.lb.get_load_balancer(arn=s.arn, opts=o)),
    "aws:lb/targetGroup:TargetGroup": lambda s, o: _there(aws.lb.get_target_group(arn=s.arn, opts=o)),
    "aws:s3/bucket:Bucket": lambda s, o: _there(aws.s3.get_bucket(bucket=s.id, opts=o)),
    "aws:secretsmanager/secret:Secret": lambda s, o: _there(aws.secretsmanager.get_secret(arn=s.arn, opts=o)),
}
"""Type -> the question, whose answer is a status where AWS says one and empty where it says none."""
