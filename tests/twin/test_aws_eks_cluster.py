from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.twin.aws_program import Program, trust
from twin.aws.account import AwsError
from twin.cluster import CLUSTER_FOLDER_VARIABLE

ADMIN = "arn:aws:iam::123456789012:role/admin"
ENTRY, ASSOCIATION = "aws:eks/accessEntry:AccessEntry", "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
POD = "aws:eks/podIdentityAssociation:PodIdentityAssociation"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.delenv(CLUSTER_FOLDER_VARIABLE, raising=False)
    return Program(tmp_path)


def test_a_cluster_and_what_belongs_to_it_come_and_go(program: Program) -> None:
    cluster = program.cluster(program.network(), enabledClusterLogTypes=["api", "audit"])
    assert cluster.outputs["vpcConfig"]["clusterSecurityGroupId"].startswith("sg-")
    assert cluster.outputs["version"] == "1.36"
    program.create("aws:eks/addon:Addon", "cni", clusterName="prod", addonName="vpc-cni")
    program.create(ENTRY, "entry", clusterName="prod", principalArn=ADMIN)
    program.create(
        ASSOCIATION,
        "rights",
        clusterName="prod",
        principalArn=ADMIN,
        policyArn="arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
        accessScope={"type": "cluster"},
    )
    program.destroy()
    assert program.store.is_empty()


@pytest.mark.parametrize(
    ("zones", "complaint"),
    [
        (("use1-az1",), "at least two different AZs"),
        (("use1-az1", "use1-az3"), "UnsupportedAvailabilityZoneException.*use1-az3"),
    ],
)
def test_zones_of_the_control_plane(program: Program, zones: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(AwsError, match=complaint):
        program.cluster(program.network(zones))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"version": "1.19"}, "unsupported Kubernetes version"),
        ({"roleArn": "arn:aws:iam::123456789012:role/nobody"}, "role with name nobody cannot be found"),
        ({"vpcConfig": {"subnetIds": ["subnet-404", "subnet-405"]}}, r"InvalidSubnetID\.NotFound"),
        ({"accessConfig": {"authenticationMode": "MAGIC"}}, "authenticationMode is 'MAGIC'"),
        (
            {
                "encryptionConfig": {
                    "provider": {"keyArn": "arn:aws:kms:us-east-1:123456789012:key/404"},
                    "resources": ["secrets"],
                }
            },
            "NotFoundException",
        ),
    ],
)
def test_settings_that_eks_refuses(program: Program, change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(AwsError, match=complaint):
        program.cluster(program.network(), **change)


def test_a_role_that_trusts_somebody_else_is_refused(program: Program) -> None:
    subnets = program.network()
    role = program.create("aws:iam/role:Role", "other", assumeRolePolicy=trust("ec2.amazonaws.com")).outputs["arn"]
    with pytest.raises(AwsError, match=r"required service principals \[eks.amazonaws.com\]"):
        program.cluster(subnets, roleArn=role)


def test_upgrades_take_one_minor_at_a_time(program: Program) -> None:
    cluster = program.cluster(program.network(), version="1.33")
    inputs = {key: value for key, value in cluster.inputs.items() if key != "version"}
    with pytest.raises(AwsError, match=r"from 1\.33 to 1\.35"):
        program.update("cluster", **inputs, version="1.35")
    assert program.update("cluster", **inputs, version="1.34").outputs["version"] == "1.34"
    assert program.update("cluster", **inputs, version="1.35").outputs["version"] == "1.35"


def test_a_protected_cluster_stays(program: Program) -> None:
    program.cluster(program.network(), deletionProtection=True)
    with pytest.raises(AwsError, match="deletion protection"):
        program.delete("cluster")


def test_add_ons_are_those_of_eks(program: Program) -> None:
    program.cluster(program.network())
    with pytest.raises(AwsError, match="bogus specified is not supported"):
        program.create("aws:eks/addon:Addon", "a", clusterName="prod", addonName="bogus")
    with pytest.raises(AwsError, match="not JSON"):
        program.create(
            "aws:eks/addon:Addon", "a", clusterName="prod", addonName="vpc-cni", configurationValues="enable: true"
        )
    with pytest.raises(AwsError, match="No cluster found"):
        program.create("aws:eks/addon:Addon", "a", clusterName="other", addonName="vpc-cni")
    program.create("aws:eks/addon:Addon", "a", clusterName="prod", addonName="vpc-cni")
    with pytest.raises(AwsError, match="already exists"):
        program.create("aws:eks/addon:Addon", "b", clusterName="prod", addonName="vpc-cni")


def test_access_policies_need_an_entry_and_a_real_policy(program: Program) -> None:
    program.cluster(program.network())
    wanted = {"clusterName": "prod", "principalArn": ADMIN, "accessScope": {"type": "cluster"}}
    known = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
    with pytest.raises(AwsError, match="could not be found"):
        program.create(ASSOCIATION, "a", **wanted, policyArn=known)
    program.create(ENTRY, "entry", clusterName="prod", principalArn=ADMIN)
    with pytest.raises(AwsError, match="is not valid"):
        program.create(ASSOCIATION, "a", **wanted, policyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    program.create(ASSOCIATION, "a", **wanted, policyArn=known)


def test_pods_get_only_roles_that_trust_them(program: Program) -> None:
    program.cluster(program.network())
    wanted = {"clusterName": "prod", "namespace": "serving", "serviceAccount": "vllm"}
    half = program.create("aws:iam/role:Role", "half", assumeRolePolicy=trust("pods.eks.amazonaws.com")).outputs["arn"]
    with pytest.raises(AwsError, match="Trust policy of the given role is not valid"):
        program.create(POD, "p", **wanted, roleArn=half)
    role = program.create(
        "aws:iam/role:Role",
        "whole",
        assumeRolePolicy=trust("pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession"),
    ).outputs["arn"]
    assert program.create(POD, "p", **wanted, roleArn=role).id.startswith("a-")
    with pytest.raises(AwsError, match="already exists"):
        program.create(POD, "q", **wanted, roleArn=role)


def test_a_cluster_stays_in_its_network_and_its_zones(program: Program) -> None:
    subnets = program.network(("use1-az1", "use1-az2", "use1-az4"))
    program.cluster(subnets[:2])
    role = program.states["cluster"][1].inputs["roleArn"]
    vpc = program.states["vpc"][1].id
    beside = program.create(
        "aws:ec2/subnet:Subnet", "beside", vpcId=vpc, cidrBlock="10.0.20.0/24", availabilityZoneId="use1-az2"
    ).id
    program.update("cluster", name="prod", roleArn=role, vpcConfig={"subnetIds": [subnets[0], beside]})
    with pytest.raises(AwsError, match="zones of the cluster's creation, not in use1-az4"):
        program.update("cluster", name="prod", roleArn=role, vpcConfig={"subnetIds": subnets})
    other = program.create("aws:ec2/vpc:Vpc", "other", cidrBlock="10.1.0.0/16").id
    moved = [
        program.create(
            "aws:ec2/subnet:Subnet", f"o{n}", vpcId=other, cidrBlock=f"10.1.{n}.0/24", availabilityZoneId=f"use1-az{n}"
        ).id
        for n in (1, 2)
    ]
    with pytest.raises(AwsError, match="VPC in which the cluster was created"):
        program.update("cluster", name="prod", roleArn=role, vpcConfig={"subnetIds": moved})
