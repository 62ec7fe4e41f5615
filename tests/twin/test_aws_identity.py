from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.twin.aws_program import Program, trust
from twin.aws.account import AwsError

ROLE, POLICY, ATTACHMENT = (
    "aws:iam/role:Role",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
)
READ: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::models/*"}],
}


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.mark.parametrize(
    ("token", "inputs", "complaint"),
    [
        (ROLE, {"assumeRolePolicy": "not json"}, "MalformedPolicyDocument"),
        (POLICY, {"role": "nobody", "policy": READ}, "NoSuchEntity"),
        (ATTACHMENT, {"role": "nobody", "policyArn": "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"}, "NoSuchEntity"),
    ],
)
def test_documents_and_references_are_checked(
    program: Program, token: str, inputs: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(AwsError, match=complaint):
        program.create(token, "x", **inputs)


def test_a_policy_that_aws_does_not_have_cannot_be_attached(program: Program) -> None:
    role = program.create(ROLE, "r", assumeRolePolicy=trust("ec2.amazonaws.com")).id
    with pytest.raises(AwsError, match="NoSuchEntity"):
        program.create(ATTACHMENT, "a", role=role, policyArn="arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolitik")


def test_a_role_in_use_stays(program: Program) -> None:
    role = program.create(ROLE, "r", assumeRolePolicy=trust("ec2.amazonaws.com")).id
    program.create(ATTACHMENT, "a", role=role, policyArn="arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy")
    with pytest.raises(AwsError, match="DeleteConflict"):
        program.delete("r")


def test_equal_documents_are_no_change(program: Program) -> None:
    role = program.create(ROLE, "r", assumeRolePolicy=trust("ec2.amazonaws.com")).id
    program.create(POLICY, "p", role=role, policy=json.dumps(READ))
    turned = json.dumps(dict(reversed(READ.items())), indent=2)
    assert program.diff("p", role=role, policy=turned).changes == []


def test_inline_policies_go_with_the_program(program: Program) -> None:
    role = program.create(ROLE, "r", assumeRolePolicy=trust("ec2.amazonaws.com")).id
    program.create(POLICY, "p", role=role, policy=READ)
    program.destroy()
    assert program.store.is_empty()
