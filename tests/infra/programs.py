"""Runs the program of `infra` against Pulumi's mocks and returns what it registered.

The one place that sets mocks (a second call would overwrite the first). Outputs are awaited here, so that tests assert
on plain values. Mocks echo inputs, which hides a wrong reference; the engine tests carry that proof.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import grpc
import pulumi
import pytest
from pulumi.runtime import mocks, stack
from pulumi.runtime import test as awaited

from infra.guarding import Judge, refuse
from infra.guardrails import Granted
from planner.documents.lock import Lock, load
from tests.infra.locks import PUBLISHED

ARNS = {
    "Role": "arn:aws:iam::123456789012:role/{}",
    "Bucket": "arn:aws:s3:::{}",
    "LogGroup": "arn:aws:logs:us-east-1:123456789012:log-group:{}",
    "Repository": "arn:aws:ecr:us-east-1:123456789012:repository/{}",
    "Secret": "arn:aws:secretsmanager:us-east-1:123456789012:secret:{}-a1b2c3",
    "Key": "arn:aws:kms:us-east-1:123456789012:key/{}",
}
"""Type → what AWS calls a resource of it, where the program's policies name it."""


@dataclass(frozen=True)
class Resource:
    """One registration. Inputs have their names on the wire (camel case)."""

    type: str
    name: str
    inputs: dict[str, Any]
    provider: str
    custom: bool
    imported: str = ""


@dataclass
class Registered:
    """What a run registered, in order, and the stack's outputs."""

    resources: list[Resource] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    granted: Granted | None = None
    deleted_first: set[tuple[str, str]] = field(default_factory=set)
    """Type and name of each resource that says itself that a replaced one is deleted before the new one is made."""
    depends: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """URNs of what each resource waits for, by its type and name."""
    ignored: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """Paths of each resource whose changes the engine ignores, by its type and name."""

    def of(self, type_suffix: str) -> list[Resource]:
        """Resources whose type ends with the suffix, such as `:NodeGroup`."""
        return [resource for resource in self.resources if resource.type.endswith(type_suffix)]

    def one(self, type_suffix: str, name: str = "") -> Resource:
        """The only such resource, of those whose name contains `name`."""
        (found,) = [resource for resource in self.of(type_suffix) if name in resource.name]
        return found

    def names(self, type_suffix: str) -> list[str]:
        """Their names, sorted."""
        return sorted(resource.name for resource in self.of(type_suffix))


Answer = Callable[[str, dict[str, Any]], dict[str, Any]]


@dataclass
class Account:
    """What questions find: the engine's state, outputs of the last run, and what bears the environment's tag.

    state: outputs by URN.
    tagged: tags by ARN.
    status: status by the name of a cluster or node group.
    filled: secrets that have a value; None says that all have one.
    """

    state: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    tagged: dict[str, dict[str, str]] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    roles: dict[str, dict[str, str]] = field(default_factory=dict)
    """Tags of roles by name."""
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Rules of security groups by id, as EC2 describes them."""
    records: list[dict[str, Any]] = field(default_factory=list)
    """Record sets of the hosted zone."""
    gone: frozenset[str] = frozenset()
    """Ids of what is listed by tags and is not there any more."""
    there: frozenset[str] = frozenset()
    """Budgets by name, rules of the registry by prefix, and certificates of others by ARN."""
    filled: frozenset[str] | None = None
    answer: Answer | None = None
    """What answers questions that are not listed below: token and arguments -> answer."""
    day: str = "20261101"
    """Day of what EKS recommends."""


class _Cloud(mocks.Mocks):
    """The mocks ask the guardrails as the engine does."""

    def __init__(self, account: Account) -> None:
        self.registered = Registered()
        self.account = account

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if self.registered.granted is not None:
            refuse(args.typ, args.name, args.inputs, self.registered.granted)
        twice = [known for known in self.registered.resources if (known.type, known.name) == (args.typ, args.name)]
        assert not twice, f"duplicate resource URN: {args.typ} {args.name}"
        self.registered.resources.append(
            Resource(args.typ, args.name, args.inputs, args.provider or "", bool(args.custom), _imported(args))
        )
        inputs = dict(args.inputs)
        if args.typ.endswith(":Cluster") and "vpcConfig" in inputs:
            inputs["vpcConfig"] = {**inputs["vpcConfig"], "clusterSecurityGroupId": "sg-0a1b2c3d4e5f60718"}
        return f"{args.name}-id", {**dict(_computed(args.typ, args.name, inputs)), **inputs}

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
        answer = _ANSWERS.get(args.token)
        one = args.token.removeprefix("aws:").rpartition(":")[0] in _OF_ONE
        if one and not (args.token in _OF_NETWORKS and self.account.answer):
            return _of_one(self, args.args)
        if answer is None and self.account.answer is not None:
            return self.account.answer(args.token, args.args)
        if answer is None:
            raise AssertionError(f"the program asked {args.token}, which no mock answers")
        return answer(self, args.args)


class _Monitor(mocks.MockMonitor):
    """The monitor notes the options of which mocks are not told."""

    mocks: _Cloud

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        if request.deleteBeforeReplace:
            self.mocks.registered.deleted_first.add((request.type, request.name))
        self.mocks.registered.ignored[request.type, request.name] = tuple(request.ignoreChanges)
        self.mocks.registered.depends[request.type, request.name] = tuple(request.dependencies)
        return super().RegisterResource(request)


def _versions(cloud: _Cloud, args: Mapping[str, Any]) -> dict[str, Any]:
    filled = cloud.account.filled
    full = filled is None or args["secretId"] in filled
    version = {"versionId": "1", "versionStages": ["AWSCURRENT"], "createdTime": "", "lastAccessedDate": ""}
    return {"id": "", "arn": "", "name": "", "secretId": "", "versions": [version] if full else []}


_ANSWERS: Mapping[str, Callable[[_Cloud, Mapping[str, Any]], dict[str, Any]]] = {
    "pulumi:pulumi:readStackOutputs": lambda cloud, args: {"outputs": cloud.account.outputs},
    "pulumi:pulumi:readStackResourceOutputs": lambda cloud, args: {
        "outputs": {urn: {"outputs": outputs} for urn, outputs in cloud.account.state.items()}
    },
    "aws:resourcegroupstaggingapi/getResources:getResources": lambda cloud, args: {
        "resourceTagMappingLists": [
            {"resourceArn": arn, "tags": tags, "complianceDetails": []} for arn, tags in cloud.account.tagged.items()
        ]
    },
    "aws:iam/getRoles:getRoles": lambda cloud, args: {"names": [*cloud.account.roles], "arns": [*cloud.account.roles]},
    "aws:iam/getRole:getRole": lambda cloud, args: {
        "name": args["name"],
        "arn": ARNS["Role"].format(args["name"]),
        "tags": cloud.account.roles[args["name"]],
    },
    "aws:vpc/getSecurityGroupRules:getSecurityGroupRules": lambda cloud, args: {"ids": [*cloud.account.rules]},
    "aws:vpc/getSecurityGroupRule:getSecurityGroupRule": lambda cloud, args: cloud.account.rules[
        args["securityGroupRuleId"]
    ],
    "aws:route53/getRecords:getRecords": lambda cloud, args: {"resourceRecordSets": cloud.account.records},
    "aws:ecr/getPullThroughCacheRule:getPullThroughCacheRule": lambda cloud, args: _if(
        args["ecrRepositoryPrefix"] in cloud.account.there
    ),
    "aws:budgets/getBudget:getBudget": lambda cloud, args: _if(args["name"] in cloud.account.there),
    "aws:acm/getCertificate:getCertificate": lambda cloud, args: _latest(cloud.account),
    "aws:eks/getCluster:getCluster": lambda cloud, args: _status(cloud.account, args["name"]),
    "aws:eks/getNodeGroup:getNodeGroup": lambda cloud, args: _status(cloud.account, args["nodeGroupName"]),
    "aws:eks/getAddonVersion:getAddonVersion": lambda cloud, args: {
        "version": f"v{args['kubernetesVersion']}.0-{cloud.account.day}"
    },
    "aws:secretsmanager/getSecretVersions:getSecretVersions": _versions,
    "aws:ssm/getParameter:getParameter": lambda cloud, args: {
        "insecureValue": f"{args['name'].split('/')[5]}.0-{cloud.account.day}"
    },
}


class NotFoundError(grpc.RpcError):
    """AWS does not know what was asked for. The provider says it so."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return "reading it: couldn't find resource"


_OF_ONE = (
    *("cloudcontrol/getResource", "cloudwatch/getLogGroup", "ec2/getElasticIp", "ec2/getInternetGateway"),
    *("ec2/getLaunchTemplate", "ec2/getNatGateway", "ec2/getRouteTable", "ec2/getSecurityGroup", "ec2/getSubnet"),
    *("ec2/getVpc", "ec2/getVpcEndpoint", "ecr/getRepository", "eks/getAccessEntry", "eks/getAddon", "kms/getKey"),
    *("lb/getListener", "lb/getLoadBalancer", "lb/getTargetGroup", "s3/getBucket", "secretsmanager/getSecret"),
)
"""Questions for one resource, whose answer says here no more than that it is there."""


def _of_one(cloud: _Cloud, args: Mapping[str, Any]) -> dict[str, Any]:
    asked = {str(value) for value in args.values()}
    if asked & cloud.account.gone:
        raise NotFoundError
    return {"id": "", "state": "available", "keyState": "Enabled", "routeTableId": "rtb-0a", "routes": []}


_OF_NETWORKS = tuple(f"aws:ec2/{name}:{name}" for name in ("getRouteTable", "getSubnet", "getVpc"))
"""What a network that is there already is asked for, too."""


def _if(is_there: bool) -> dict[str, Any]:
    if not is_there:
        raise NotFoundError
    return {"id": ""}


def _latest(account: Account) -> dict[str, Any]:
    """Return the latest certificate of the domain."""
    own = [arn for arn in account.tagged if ":certificate/" in arn and arn not in account.gone]
    found = [*own, *(one for one in account.there if ":certificate/" in one)]
    if not found:
        raise NotFoundError
    return {"arn": found[-1]}


def _status(account: Account, name: str) -> dict[str, Any]:
    if name not in account.status:
        raise NotFoundError
    return {"status": account.status[name]}


def run_program(name: str, config: Mapping[str, str], account: Account | None = None) -> Registered:
    """Register stack `name`, whose images are published and in whose cluster KEDA runs unless `config` says otherwise.
    Raises what the program raises."""
    config = {**PUBLISHED, "keda": "true", **config}
    # Pulumi asks the main thread for its event loop; a test that used `asyncio.run` before this one has taken it away.
    asyncio.set_event_loop(asyncio.new_event_loop())
    cloud = _Cloud(account or Account())
    monitor = _Monitor(cloud)
    mocks.set_mocks(cloud, project="spillway", stack=name, preview=False, monitor=monitor, organization="organization")
    root = stack.get_root_resource()
    assert root is not None
    root._transformations = []  # of the run before, as the root outlives it
    pulumi.runtime.set_all_config({f"spillway:{key}": value for key, value in config.items()})
    root.outputs = {}  # those of the test before this one
    with patch("pulumi.runtime.register_resource_transform", _granted_to(cloud.registered)):
        awaited(_deploy)()
    root = stack.get_root_resource()
    assert root is not None
    cloud.registered.outputs = dict(_known(root.outputs))
    return cloud.registered


def run_worked_lock(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Lock, Registered]:
    """A lock of a folder of environments and what it registers, on the day of its snapshot, inside the network."""
    monkeypatch.setenv("SPILLWAY_ENVIRONMENTS", str(folder))
    monkeypatch.setenv("SPILLWAY_RUNNER", "inside")
    path = folder / f"{name}.lock.json"
    lock = load(path.read_text(), str(path))

    class SnapshotDay(datetime.date):
        """Models that retire later expire no lock here."""

        @classmethod
        def today(cls) -> SnapshotDay:
            return cls.fromisoformat(lock.consulted.snapshot)

    monkeypatch.setattr("infra.inputs.date", SnapshotDay)
    return lock, run_program(name, {})


def _granted_to(registered: Registered) -> Callable[[Judge], None]:
    """Take the place of the engine, which mocks do not have: remember what the program's transform would judge by."""

    def register(judge: Judge) -> None:
        registered.granted = judge.granted

    return register


def _deploy() -> None:
    from infra.program import deploy

    stack.Stack()._finish() if stack.get_root_resource() is None else None
    deploy()


def _imported(args: mocks.MockResourceArgs) -> str:
    """What the resource is imported by; empty where it is made."""
    return args.resource_id or ""


def _known(outputs: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in outputs.items():
        if isinstance(value, pulumi.Output):
            resolved: list[Any] = []
            awaited(lambda value=value, resolved=resolved: value.apply(resolved.append))()
            yield key, resolved[0]
        else:
            yield key, value


def _computed(type_token: str, name: str, inputs: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What the cloud would add to a resource of this type."""
    form = ARNS.get(type_token.rpartition(":")[2], "arn:aws:mock:us-east-1:123456789012:{}")
    yield "arn", form.format(inputs["name"] if type_token.endswith(":Secret") else name)
    yield "name", f"{name}-1234567"
    if type_token.endswith(":Cluster"):
        yield "endpoint", "https://eks.example"
        yield "certificateAuthority", {"data": "Y2VydA=="}
    if type_token.endswith(":VpcEndpoint"):
        yield "cidrBlocks", ["52.216.0.0/15", "16.15.176.0/20", "3.5.0.0/19"]
    if type_token.endswith(":LaunchTemplate"):
        yield "latestVersion", 1
    if type_token.endswith(":Bucket"):
        yield "bucket", f"{name}-1234567"
    if type_token.endswith(":NodeGroup"):
        yield "nodeGroupName", f"{name}-1234567"
        yield "resources", [{"autoscalingGroups": [{"name": f"eks-{name}"}]}]
    if type_token.endswith(":LoadBalancer"):
        yield "dnsName", f"{name}.elb.example"
        yield "zoneId", "Z0ELB"
    if type_token.endswith(":Certificate"):
        proof = {"resourceRecordName": "_1.example", "resourceRecordType": "CNAME", "resourceRecordValue": "_2.aws"}
        yield "domainValidationOptions", [proof]
    if type_token.endswith("/record:Record"):
        yield "fqdn", "_1.example"
