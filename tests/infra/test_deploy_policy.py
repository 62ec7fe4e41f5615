"""The policy of the role that deploys: it covers what is registered, limits it to the environment, and fits IAM."""

from __future__ import annotations

import json
import subprocess
import sys
from fnmatch import fnmatchcase
from typing import Any

import pytest

from infra.billing import BILLED, FREE
from infra.deploy_policy import LIMIT, documents, kinds_of
from infra.permissions import PERMISSIONS, needed_by
from planner.plan.platform import PlannedPlatform
from tests.examples import ENVIRONMENTS, ROOT
from tests.infra import locks
from tests.infra.aws_rules import KINDS, schema
from tests.infra.conftest import Run
from tests.infra.variants import BOUNDARY, VARIANTS

PLATFORM = locks.on_platform(locks.plan(), alerts=locks.ALERTS, boundary=BOUNDARY).platform
NOT_ASKED = {
    "CreateVpcEncryptionControl", "DescribeVpcEncryptionControls", "ModifyVpcTenancy", "AssociateSubnetCidrBlock",
    "DisassociateSubnetCidrBlock", "AcceptAddressTransfer", "AssociateAddress", "DescribeNetworkAcls",
    "AssignPrivateNatGatewayAddress", "AssociateNatGatewayAddress", "DisassociateNatGatewayAddress",
    "UnassignPrivateNatGatewayAddress", "DescribeTags", "DescribeInstances", "ListUpdates", "DisableKey", "EnableKey",
    "DescribeKeyPairs", "ModifyCapacityReservation", "ModifyIpPools",
    "RegisterTargets", "DeregisterTargets", "DescribeTargetHealth",
    "UpdateSecurityGroupRuleDescriptionsEgress", "UpdateSecurityGroupRuleDescriptionsIngress",
}  # fmt: skip
"""What CloudFormation asks for and no property of the program needs."""
BOUNDARY_STAYS = {"DeleteRolePermissionsBoundary"}
OF_AUTO_MODE = {"CreateInstanceProfile", "TagInstanceProfile", "AddRoleToInstanceProfile", "GetInstanceProfile",
                "DeleteInstanceProfile", "RemoveRoleFromInstanceProfile", "ActivateCertificateAuthority"}  # fmt: skip


def statements(platform: PlannedPlatform = PLATFORM) -> list[dict[str, Any]]:
    return [
        one for document in documents(platform, "prod", kinds_of(platform)).values() for one in document["Statement"]
    ]


def allowing(action: str, platform: PlannedPlatform = PLATFORM) -> list[dict[str, Any]]:
    found = [one for one in statements(platform) if action in one["Action"]]
    assert found, action
    return found


def test_every_action_that_is_needed_is_allowed_and_no_other() -> None:
    allowed = {action for statement in statements() for action in statement["Action"]}
    assert allowed == needed_by(kinds_of(PLATFORM))


def test_every_type_that_may_be_registered_has_permissions() -> None:
    assert {*BILLED, *FREE} <= PERMISSIONS.keys()


@pytest.mark.parametrize("name", VARIANTS)
def test_what_a_variant_registers_may_be_made(run: Run, name: str) -> None:
    registered = run(plan := VARIANTS[name]())
    kinds = {resource.type for resource in registered.resources if resource.type.startswith("aws:")}
    assert kinds <= kinds_of(plan.platform)
    attached = {one.inputs["policyArn"] for one in registered.of(":RolePolicyAttachment")}
    (attaching,) = allowing("iam:AttachRolePolicy", plan.platform)
    assert attached == {*attaching["Condition"]["ArnEquals"]["iam:PolicyARN"]}
    names = [f"arn:aws:iam::{locks.ACCOUNT}:role/{role.name}-0123456" for role in registered.of("iam/role:Role")]
    for statement in allowing("iam:CreateRole", plan.platform):
        assert all(fnmatchcase(one, pattern) for one in names for pattern in statement["Resource"])


@pytest.mark.parametrize("kind", sorted(PERMISSIONS.keys() & KINDS.keys()))
def test_cloudformation_needs_no_action_that_is_forgotten(kind: str) -> None:
    """Its handlers, held to the services that the row names: what the provider must be allowed is never less."""
    row = KINDS[kind]
    if row.part or row.under or ":s3/" in kind:
        pytest.skip("a setting: CloudFormation's handlers speak of the whole resource")
    services = {action.partition(":")[0] for action in PERMISSIONS[kind]} - {"iam", "kms", "logs"}
    services |= {kind.partition("/")[0].removeprefix("aws:")} & {"iam", "kms"}
    handlers = schema(row.schema)["handlers"]
    asked = {
        action
        for step in ("create", "update", "delete")
        for action in handlers.get(step, {}).get("permissions", ())
        if action.partition(":")[0] in services
    }
    unneeded = NOT_ASKED | BOUNDARY_STAYS | OF_AUTO_MODE
    everywhere = needed_by(PERMISSIONS)
    assert {action for action in asked - everywhere if action.partition(":")[2] not in unneeded} == set()


def test_nothing_outside_the_environment_may_be_changed() -> None:
    for statement in statements():
        changes = [a for a in statement["Action"] if not a.partition(":")[2].startswith(("Describe", "Get", "List"))]
        if not changes:
            continue
        scoped = statement["Resource"] != ["*"] and all("spillway-prod-" in one for one in statement["Resource"])
        condition = json.dumps(statement.get("Condition", {}))
        tagged = '"aws:ResourceTag/spillway.dev/environment": "prod"' in condition
        asked = '"aws:RequestTag/spillway.dev/environment": "prod"' in condition
        others = {"TagWhatIsMade", "StartFromTemplates", "DeliverLogs", "RolesOfServices"}
        assert scoped or tagged or asked or (statement["Sid"] in others and condition != "{}"), statement


def test_an_action_of_a_region_is_held_to_the_region() -> None:
    for statement in statements():
        for resource in statement["Resource"]:
            assert resource == "*" or resource.split(":")[3] in ("us-east-1", "")
            assert resource == "*" or resource.split(":")[4] in (locks.ACCOUNT, "")
        if statement["Resource"] == ["*"]:
            assert "Condition" in statement


def test_a_role_is_made_within_the_boundary_and_never_freed_of_it() -> None:
    (making,) = allowing("iam:CreateRole")
    assert making["Condition"] == {"ArnEquals": {"iam:PermissionsBoundary": BOUNDARY}}
    assert {"iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"} <= {*making["Action"]}
    everything = {action for statement in statements() for action in statement["Action"]}
    assert "iam:DeleteRolePermissionsBoundary" not in everything
    (passing,) = allowing("iam:PassRole")
    assert passing["Resource"] == [f"arn:aws:iam::{locks.ACCOUNT}:role/spillway-prod-*"]
    assert len(passing["Condition"]["StringEquals"]["iam:PassedToService"]) == 4


def test_each_policy_fits_into_iam() -> None:
    wide = documents(PLATFORM, "a-name-of-twenty-let", PERMISSIONS)
    for name, document in wide.items():
        assert len("".join(json.dumps(document).split())) <= LIMIT, name


def test_another_part_of_aws_spells_its_arns() -> None:
    platform = locks.on_platform(locks.plan(), region="us-gov-west-1").platform
    assert all(one == "*" or one.startswith("arn:aws-us-gov:") for s in statements(platform) for one in s["Resource"])


def test_without_alerts_no_budget_may_be_made() -> None:
    platform = locks.plan().platform
    assert "budgets:ModifyBudget" not in {action for one in statements(platform) for action in one["Action"]}


def test_the_command_prints_the_policies() -> None:
    lock = ENVIRONMENTS / "prod.lock.json"
    command = [sys.executable, "-m", "infra.deploy_policy"]
    both = subprocess.run([*command, str(lock)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert set(json.loads(both.stdout)) == {"network", "cluster"}
    one = subprocess.run([*command, str(lock), "network"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert json.loads(one.stdout) == json.loads(both.stdout)["network"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60).returncode == 2
