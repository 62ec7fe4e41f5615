"""Each guardrail with a violation, and none against what the program registers."""

from __future__ import annotations

import copy
import ipaddress
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra import guardrails
from infra.guardrails import RULES, Granted, Machines, granted_by, problems
from infra.identities import trust
from planner.documents.codes import CODES
from tests.infra import locks
from tests.infra.conftest import Run

BOUNDARY = f"arn:aws:iam::{locks.ACCOUNT}:policy/workloads"
GRANTED = granted_by(locks.on_platform(locks.plan(), boundary=BOUNDARY, public_cidrs=("203.0.113.7/32",)), "prod")
TEMPLATE: dict[str, Any] = {
    "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1},
    "blockDeviceMappings": [{"ebs": {"encrypted": "true"}}],
    "tagSpecifications": [
        {"resourceType": kind, "tags": {"spillway.dev/environment": "prod"}} for kind in ("instance", "volume")
    ],
}
CLUSTER: dict[str, Any] = {
    "vpcConfig": {"endpointPublicAccess": True, "publicAccessCidrs": ["203.0.113.7/32"]},
    "encryptionConfig": {"resources": ["secrets"]},
    "enabledClusterLogTypes": ["api", "audit", "authenticator", "controllerManager", "scheduler"],
}
VAULT: dict[str, Any] = {
    "labels": {"spillway.dev/node-group": "vault"},
    "instanceTypes": ["g6e.xlarge"],
    "scalingConfig": {"maxSize": 2},
    "taints": [{"key": "spillway.dev/pool", "value": "extraction-1xl40s", "effect": "NO_SCHEDULE"}],
}
BUCKET_CLOSED = dict.fromkeys(
    ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True
)
ROLE = {"assumeRolePolicy": trust("ec2.amazonaws.com"), "permissionsBoundary": BOUNDARY}
PROVIDER: dict[str, Any] = {
    "region": "us-east-1",
    "allowedAccountIds": json.dumps([locks.ACCOUNT]),
    "defaultTags": json.dumps({"tags": {"spillway.dev/environment": "prod"}}),
}
GOOD: dict[str, Mapping[str, Any]] = {
    "aws:ec2/launchTemplate:LaunchTemplate": TEMPLATE,
    "aws:eks/cluster:Cluster": CLUSTER,
    "aws:eks/nodeGroup:NodeGroup": VAULT,
    "aws:kms/key:Key": {"enableKeyRotation": True},
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": BUCKET_CLOSED,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": {
        "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]
    },
    "aws:iam/role:Role": ROLE,
    "aws:iam/rolePolicy:RolePolicy": {
        "policy": json.dumps({"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]})
    },
    "aws:cloudwatch/logGroup:LogGroup": {"retentionInDays": 30},
    "aws:ec2/subnet:Subnet": {"mapPublicIpOnLaunch": False},
    "pulumi:providers:aws": PROVIDER,
    "kubernetes:core/v1:Namespace": {
        "metadata": {"name": "serving", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}
    },
    "kubernetes:networking.k8s.io/v1:NetworkPolicy": {
        "metadata": {"namespace": "serving"},
        "spec": {"ingress": [{"from": [{"podSelector": {}}]}]},
    },
}
SERVICE = "kubernetes:core/v1:Service"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
EVERYONE = {"cidrBlocks": ["0.0.0.0/0"], "fromPort": 443}
Case = tuple[str, dict[str, Any], str]
BAD: dict[str, Case] = {
    "a kind without a price": ("aws:rds/instance:Instance", {}, "DEP070"),
    "another package": ("random:index/randomId:RandomId", {}, "DEP070"),
    "another region": ("pulumi:providers:aws", {"region": "eu-west-1"}, "DEP070"),
    "any account": ("pulumi:providers:aws", {"allowedAccountIds": None}, "DEP070"),
    "a plain disk": ("aws:ec2/launchTemplate:LaunchTemplate", {"blockDeviceMappings": [{"ebs": {}}]}, "DEP071"),
    "the disk of the image": ("aws:ec2/launchTemplate:LaunchTemplate", {"blockDeviceMappings": []}, "DEP071"),
    "plain secrets": ("aws:eks/cluster:Cluster", {"encryptionConfig": None}, "DEP071"),
    "a key for ever": ("aws:kms/key:Key", {"enableKeyRotation": False}, "DEP071"),
    "a plain bucket": (
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        {"rules": []},
        "DEP071",
    ),
    "a plain volume": ("aws:ebs/volume:Volume", {}, "DEP071"),
    "an API for everyone": (
        "aws:eks/cluster:Cluster",
        {"vpcConfig": {"endpointPublicAccess": True, "publicAccessCidrs": ["0.0.0.0/0"]}},
        "DEP072",
    ),
    "an API for nobody in particular": (
        "aws:eks/cluster:Cluster",
        {"vpcConfig": {"endpointPublicAccess": True}},
        "DEP072",
    ),
    "an API for those whom the lock does not name": (
        "aws:eks/cluster:Cluster",
        {"vpcConfig": {"endpointPublicAccess": True, "publicAccessCidrs": ["198.51.100.0/24"]}},
        "DEP072",
    ),
    "an open port": (GROUP, {"ingress": [EVERYONE]}, "DEP072"),
    "an open port of IPv6": (GROUP, {"ingress": [{"ipv6CidrBlocks": ["::/0"]}]}, "DEP072"),
    "an open port by a rule": (
        "aws:ec2/securityGroupRule:SecurityGroupRule",
        {"type": "ingress", **EVERYONE},
        "DEP072",
    ),
    "an open port by a newer rule": (
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        {"cidrIpv4": "0.0.0.0/0"},
        "DEP072",
    ),
    "public machines": ("aws:ec2/subnet:Subnet", {"mapPublicIpOnLaunch": True}, "DEP072"),
    "a public machine": (
        "aws:ec2/launchTemplate:LaunchTemplate",
        {"networkInterfaces": [{"associatePublicIpAddress": "true"}]},
        "DEP072",
    ),
    "a public balancer": ("aws:lb/loadBalancer:LoadBalancer", {"internal": False}, "DEP072"),
    "a public service": (SERVICE, {"spec": {"type": "LoadBalancer"}}, "DEP072"),
    "a bucket that can be opened": (
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        {"blockPublicPolicy": False},
        "DEP072",
    ),
    "a bucket for everyone": (
        "aws:s3/bucketPolicy:BucketPolicy",
        {"policy": json.dumps({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}})},
        "DEP072",
    ),
    "metadata without a token": (
        "aws:ec2/launchTemplate:LaunchTemplate",
        {"metadataOptions": {"httpTokens": "optional", "httpPutResponseHopLimit": 1}},
        "DEP073",
    ),
    "metadata over two hops": (
        "aws:ec2/launchTemplate:LaunchTemplate",
        {"metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 2}},
        "DEP073",
    ),
    "no tags": ("pulumi:providers:aws", {"defaultTags": None}, "DEP074"),
    "machines without tags": ("aws:ec2/launchTemplate:LaunchTemplate", {"tagSpecifications": []}, "DEP074"),
    "the tag of another": ("aws:ec2/vpc:Vpc", {"tags": {"spillway.dev/environment": "dev"}}, "DEP074"),
    "logs for ever": ("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 0}, "DEP075"),
    "no audit": ("aws:eks/cluster:Cluster", {"enabledClusterLogTypes": ["api"]}, "DEP075"),
    "a dearer machine": ("aws:eks/nodeGroup:NodeGroup", {"instanceTypes": ["p5.48xlarge"]}, "DEP076"),
    "a second type": ("aws:eks/nodeGroup:NodeGroup", {"instanceTypes": ["g6e.xlarge", "p5.48xlarge"]}, "DEP076"),
    "a machine bought otherwise": ("aws:eks/nodeGroup:NodeGroup", {"capacityType": "SPOT"}, "DEP076"),
    "one more machine": ("aws:eks/nodeGroup:NodeGroup", {"scalingConfig": {"maxSize": 3}}, "DEP076"),
    "a group of its own": (
        "aws:eks/nodeGroup:NodeGroup",
        {"labels": {"spillway.dev/node-group": "spare"}},
        "DEP076",
    ),
    "a machine of its own": ("aws:ec2/instance:Instance", {}, "DEP076"),
    "a shared vault": ("aws:eks/nodeGroup:NodeGroup", {"taints": []}, "DEP077"),
    "privileged pods": ("kubernetes:core/v1:Namespace", {"metadata": {"name": "serving"}}, "DEP077"),
    "pools for everyone": (
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        {"spec": {"ingress": [{"ports": [{"port": 8000}]}]}},
        "DEP077",
    ),
    "no boundary": ("aws:iam/role:Role", {"permissionsBoundary": None}, "DEP078"),
    "a role for a stranger": (
        "aws:iam/role:Role",
        {"assumeRolePolicy": json.dumps({"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}}]})},
        "DEP078",
    ),
    "a policy for everything": (
        "aws:iam/rolePolicy:RolePolicy",
        {"policy": json.dumps({"Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": "*"}]})},
        "DEP078",
    ),
    "a policy for all but": (
        "aws:iam/rolePolicy:RolePolicy",
        {"policy": json.dumps({"Statement": [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}]})},
        "DEP078",
    ),
    "an administrator": (
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        {"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
        "DEP078",
    ),
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_resource_passes(kind: str) -> None:
    assert problems(kind, "it", GOOD[kind], GRANTED) == ()


@pytest.mark.parametrize("case", BAD)
def test_a_violation_is_refused_with_what_to_do(case: str) -> None:
    kind, spoiled, code = BAD[case]
    found = problems(kind, "it", {**copy.deepcopy(dict(GOOD.get(kind, {}))), **spoiled}, GRANTED)
    assert code in {problem.code for problem in found}, found
    for problem in found:
        assert problem.hint
        assert problem.message.startswith(f"`it` ({kind}): ")
        assert problem.code in CODES


def test_every_rule_has_a_violation() -> None:
    caught = {
        rule
        for rule in RULES
        for kind, spoiled, _ in BAD.values()
        if list(rule(kind, {**GOOD.get(kind, {}), **spoiled}, GRANTED))
    }
    assert caught == set(RULES)


def test_what_a_lock_grants() -> None:
    assert (
        Granted(
            environment="prod",
            account=locks.ACCOUNT,
            region="us-east-1",
            public_cidrs=frozenset({"203.0.113.7/32"}),
            boundary=BOUNDARY,
            machines={
                "system": Machines("m6a.large", 2),
                "shared": Machines("g6e.12xlarge", 2),
                "vault": Machines("g6e.xlarge", 2, "extraction-1xl40s"),
            },
        )
        == GRANTED
    )


def test_the_program_passes_and_a_smaller_grant_does_not(run: Run) -> None:
    registered = run()
    granted = registered.granted
    assert granted is not None
    assert [p for r in registered.resources for p in problems(r.type, r.name, r.inputs, granted)] == []
    stranger = Granted("dev", "210987654321", "eu-west-1", boundary=BOUNDARY)
    codes = {p.code for r in registered.resources for p in problems(r.type, r.name, r.inputs, stranger)}
    assert codes == {"DEP070", "DEP074", "DEP076", "DEP078"}


@given(nodes=st.integers(0, 50))
def test_a_group_may_be_as_large_as_the_plan_and_no_larger(nodes: int) -> None:
    found = list(
        guardrails.within_the_plan(
            "aws:eks/nodeGroup:NodeGroup", {**VAULT, "scalingConfig": {"maxSize": nodes}}, GRANTED
        )
    )
    assert bool(found) == (nodes > 2)


@given(network=st.ip_addresses(v=4), length=st.integers(0, 32))
def test_a_port_is_open_to_everyone_only_at_length_zero(network: ipaddress.IPv4Address, length: int) -> None:
    cidr = str(ipaddress.ip_network(f"{network}/{length}", strict=False))
    found = list(guardrails.closed(GROUP, {"ingress": [{"cidrBlocks": [cidr]}]}, GRANTED))
    assert bool(found) == (length == 0)
