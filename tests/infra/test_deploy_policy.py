"""The policy of the role that deploys: it covers what is registered, limits it to the environment, and fits IAM."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from fnmatch import fnmatchcase
from typing import Any

import pytest

from infra.billing import BILLED, FREE
from infra.deploy_policy import LIMIT, documents, kinds_of
from infra.permissions import PERMISSIONS, QUESTIONS, needed_by
from planner.plan.platform import PlannedPlatform
from tests.examples import ENVIRONMENTS, ROOT
from tests.infra import locks
from tests.infra.aws_rules import KINDS, schema
from tests.infra.conftest import Run
from tests.infra.variants import BOUNDARY, VARIANTS, account, everything

PLATFORM = everything().platform
NOT_ASKED = {
    "CreateVpcEncryptionControl", "DescribeVpcEncryptionControls", "ModifyVpcTenancy", "AssociateSubnetCidrBlock",
    "DisassociateSubnetCidrBlock", "AcceptAddressTransfer", "AssociateAddress", "DescribeNetworkAcls",
    "AssignPrivateNatGatewayAddress", "AssociateNatGatewayAddress", "DisassociateNatGatewayAddress",
    "UnassignPrivateNatGatewayAddress", "DescribeTags", "DescribeInstances", "ListUpdates", "DisableKey", "EnableKey",
    "DescribeKeyPairs", "ModifyCapacityReservation", "ModifyIpPools",
    "RegisterTargets", "DeregisterTargets", "DescribeTargetHealth",
    "UpdateSecurityGroupRuleDescriptionsEgress", "UpdateSecurityGroupRuleDescriptionsIngress",
    "DescribeIpamPools", "SetRepositoryPolicy", "DeleteRepositoryPolicy", "ListHostedZones",
    "GetRandomPassword", "GetSecretValue", "ReplicateSecretToRegions", "RemoveRegionsFromReplication",
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


def test_the_program_may_ask_what_it_asks() -> None:
    source = "\n".join(path.read_text() for path in sorted((ROOT / "infra").glob("*.py")))
    asked = set()
    for module, function in re.findall(r"\baws\.(\w+)\.get_(\w+?)(?:_output)?\(", source):
        name = "get" + "".join(word.title() for word in function.split("_"))
        asked.add(f"aws:{module}/{name}:{name}")
    assert asked == QUESTIONS.keys()


def test_without_a_hosted_zone_no_record_may_be_changed() -> None:
    platform = locks.behind_balancer().platform
    assert "route53:ChangeResourceRecordSets" not in {a for one in statements(platform) for a in one["Action"]}


def test_a_rule_may_be_made_for_the_nodes_and_nothing_else_of_what_eks_made() -> None:
    tag = {"StringLike": {"aws:ResourceTag/aws:eks:cluster-name": "spillway-prod-*"}}
    of_nodes = [one for one in allowing("ec2:AuthorizeSecurityGroupIngress") if one.get("Condition") == tag]
    assert [one["Action"] for one in of_nodes] == [
        ["ec2:AuthorizeSecurityGroupIngress", "ec2:ModifySecurityGroupRules", "ec2:RevokeSecurityGroupIngress"]
    ]


def test_what_is_there_is_not_taken_over_by_a_tag() -> None:
    for action in ("acm:AddTagsToCertificate", "kms:TagResource"):
        for statement in allowing(action):
            assert any("aws:ResourceTag/spillway.dev/environment" in one for one in statement["Condition"].values())
    for statement in allowing("elasticloadbalancing:AddTags"):
        condition = json.dumps(statement["Condition"])
        assert "elasticloadbalancing:CreateAction" in condition or "aws:ResourceTag" in condition


@pytest.mark.parametrize("name", VARIANTS)
def test_what_a_variant_registers_may_be_made(run: Run, name: str) -> None:
    registered = run(plan := VARIANTS[name](), account=account())
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
        scoped = all(re.search(r"[:/]spillway-prod[-/]", one) for one in statement["Resource"])
        condition = json.dumps(statement.get("Condition", {}))
        tagged = '"aws:ResourceTag/spillway.dev/environment": "prod"' in condition
        asked = '"aws:RequestTag/spillway.dev/environment": "prod"' in condition
        of_eks = re.search(r'"aws:ResourceTag/(aws:)?eks:cluster-name": "spillway-prod-\*"', condition)
        others = {"TagWhatIsMade", "TagBalancers", "StartFromTemplates", "OfTheAccount", "RolesOfServices"}
        other = statement["Sid"] in others and condition != "{}"
        zone = statement["Resource"] == ["arn:aws:route53:::hostedzone/Z1", "arn:aws:route53:::change/*"]
        assert scoped or tagged or asked or of_eks or other or zone, statement


def test_an_action_of_a_region_is_held_to_the_region() -> None:
    for statement in statements():
        for resource in statement["Resource"]:
            assert resource == "*" or resource.split(":")[3] in ("us-east-1", "")
            assert resource == "*" or resource.split(":")[4] in (locks.ACCOUNT, "")
        if statement["Resource"] == ["*"]:
            assert "Condition" in statement or statement["Action"] == ["iam:ListRoles"]  # IAM is in no region


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
    assert set(json.loads(both.stdout)) == {"network", "cluster", "services"}
    one = subprocess.run([*command, str(lock), "network"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert json.loads(one.stdout) == json.loads(both.stdout)["network"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60).returncode == 2
