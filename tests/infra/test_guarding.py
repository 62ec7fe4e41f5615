"""The guardrails where nobody can forget them: the engine refuses what they refuse, whoever registers it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine import engine
from tests.examples import ROOT
from tests.infra import locks
from tests.infra.conftest import Run

BOUNDARY = f"arn:aws:iam::{locks.ACCOUNT}:policy/workloads"
PROGRAM = f"""
import sys

sys.path.insert(0, {str(ROOT)!r})

import pulumi
import pulumi_aws as aws

from infra.guarding import guard
from infra.guardrails import Granted
from infra.identities import trust

guard(Granted("dev", "{locks.ACCOUNT}", "us-east-1", boundary="{BOUNDARY}"))
role = aws.iam.Role("worker", assume_role_policy=trust("ec2.amazonaws.com"))
pulumi.export("boundary", role.permissions_boundary)
if pulumi.Config().get_bool("careless"):
    aws.ec2.LaunchTemplate("bare", description=role.arn, metadata_options={{"http_tokens": "optional"}})
"""


@pytest.mark.engine
def test_the_engine_refuses_before_it_makes_anything(tmp_path: Path) -> None:
    pulumi = engine(tmp_path, PROGRAM)
    pulumi.configure("aws:region", "us-east-1")
    made = pulumi.up()
    assert made.status == 0, made.output
    assert pulumi.outputs()["boundary"] == BOUNDARY
    pulumi.configure("careless", "true")
    for refused in (pulumi.preview(), pulumi.up()):
        assert refused.status != 0
        spoken = "\n".join(refused.diagnostics)
        assert {code for code in ("DEP071", "DEP073", "DEP074") if code in spoken} == {"DEP071", "DEP073", "DEP074"}
        assert "`bare` (aws:ec2/launchTemplate:LaunchTemplate)" in spoken
    assert set(pulumi.resources()) == {"worker"}


def test_every_role_is_bounded_where_the_platform_has_a_boundary(run: Run) -> None:
    roles = run(locks.on_platform(locks.plan(), boundary=BOUNDARY)).of("iam/role:Role")
    assert len(roles) > 5
    assert {role.inputs["permissionsBoundary"] for role in roles} == {BOUNDARY}
    assert [role for role in run().of("iam/role:Role") if "permissionsBoundary" in role.inputs] == []
