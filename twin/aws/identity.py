"""IAM roles, policies and instance profiles. IAM is global; moto checks names, references and documents."""

from __future__ import annotations

import json
from typing import Any

from twin.aws.account import Account, AwsError
from twin.aws.kinds import Changed, GeneratedName, Kind, Made, paths
from twin.provider.contract import State
from twin.provider.wire import Properties


def document(value: Any) -> str:
    """A policy document as text; programs may give it as an object."""
    return value if isinstance(value, str) else json.dumps(value)


def _trust_policy(operation: str, inputs: Properties) -> str:
    """The role's trust policy, which moto takes unread."""
    text = document(inputs["assumeRolePolicy"])
    try:
        parsed = json.loads(text)
    except ValueError as error:
        message = f"This policy contains invalid Json: {error}"
        raise AwsError("iam", operation, "MalformedPolicyDocument", message) from error
    if not isinstance(parsed, dict) or "Statement" not in parsed:
        message = "Syntax errors in policy: it has no Statement"
        raise AwsError("iam", operation, "MalformedPolicyDocument", message)
    return text


def _create_role(aws: Account, inputs: Properties) -> Made:
    name = inputs["name"]
    role = aws.call(
        "iam",
        "CreateRole",
        RoleName=name,
        AssumeRolePolicyDocument=_trust_policy("CreateRole", inputs),
        Path=inputs.get("path"),
        Description=inputs.get("description"),
        MaxSessionDuration=inputs.get("maxSessionDuration"),
        PermissionsBoundary=inputs.get("permissionsBoundary"),
    )["Role"]
    for policy in inputs.get("managedPolicyArns") or ():
        aws.call("iam", "AttachRolePolicy", RoleName=name, PolicyArn=policy)
    for inline in inputs.get("inlinePolicies") or ():
        _put_role_policy(aws, name, inline["name"], inline["policy"])
    return Made(
        name, {"arn": role["Arn"], "uniqueId": role["RoleId"], "createDate": f"{role['CreateDate']:%Y-%m-%dT%H:%M:%SZ}"}
    )


def _update_role(aws: Account, old: State, inputs: Properties) -> Changed:
    aws.call(
        "iam",
        "UpdateAssumeRolePolicy",
        RoleName=old.id,
        PolicyDocument=_trust_policy("UpdateAssumeRolePolicy", inputs),
    )
    before, after = set(old.inputs.get("managedPolicyArns") or ()), set(inputs.get("managedPolicyArns") or ())
    for policy in sorted(before - after):
        aws.call("iam", "DetachRolePolicy", RoleName=old.id, PolicyArn=policy)
    for policy in sorted(after - before):
        aws.call("iam", "AttachRolePolicy", RoleName=old.id, PolicyArn=policy)
    kept = {inline["name"] for inline in inputs.get("inlinePolicies") or ()}
    for inline in old.inputs.get("inlinePolicies") or ():
        if inline["name"] not in kept:
            aws.call("iam", "DeleteRolePolicy", RoleName=old.id, PolicyName=inline["name"])
    for inline in inputs.get("inlinePolicies") or ():
        _put_role_policy(aws, old.id, inline["name"], inline["policy"])
    return Changed({})


def _delete_role(aws: Account, old: State) -> None:
    for policy in old.inputs.get("managedPolicyArns") or ():
        aws.call("iam", "DetachRolePolicy", RoleName=old.id, PolicyArn=policy)
    for inline in old.inputs.get("inlinePolicies") or ():
        aws.call("iam", "DeleteRolePolicy", RoleName=old.id, PolicyName=inline["name"])
    aws.call("iam", "DeleteRole", RoleName=old.id)


def _put_role_policy(aws: Account, role: str, name: str, policy: Any) -> None:
    aws.call("iam", "PutRolePolicy", RoleName=role, PolicyName=name, PolicyDocument=document(policy))


def _create_role_policy(aws: Account, inputs: Properties) -> Made:
    _put_role_policy(aws, inputs["role"], inputs["name"], inputs["policy"])
    return Made(f"{inputs['role']}:{inputs['name']}", {})


def _update_role_policy(aws: Account, old: State, inputs: Properties) -> Changed:
    _put_role_policy(aws, old.inputs["role"], old.inputs["name"], inputs["policy"])
    return Changed({})


def _delete_role_policy(aws: Account, old: State) -> None:
    aws.call("iam", "DeleteRolePolicy", RoleName=old.inputs["role"], PolicyName=old.inputs["name"])


def _attach(aws: Account, inputs: Properties) -> Made:
    role, policy = inputs["role"], inputs["policyArn"]
    aws.call("iam", "GetPolicy", PolicyArn=policy)
    aws.call("iam", "AttachRolePolicy", RoleName=role, PolicyArn=policy)
    return Made(f"{role}/{policy}", {})


def _detach(aws: Account, old: State) -> None:
    aws.call("iam", "DetachRolePolicy", RoleName=old.inputs["role"], PolicyArn=old.inputs["policyArn"])


def _create_policy(aws: Account, inputs: Properties) -> Made:
    policy = aws.call(
        "iam",
        "CreatePolicy",
        PolicyName=inputs["name"],
        PolicyDocument=document(inputs["policy"]),
        Path=inputs.get("path"),
        Description=inputs.get("description"),
    )["Policy"]
    return Made(policy["Arn"], {"arn": policy["Arn"], "policyId": policy["PolicyId"], "attachmentCount": 0})


def _update_policy(aws: Account, old: State, inputs: Properties) -> Changed:
    versions = aws.call("iam", "ListPolicyVersions", PolicyArn=old.id)["Versions"]
    # IAM keeps five versions; like the provider, make room by dropping the oldest that is not in force.
    spare = sorted((v for v in versions if not v["IsDefaultVersion"]), key=lambda v: int(v["VersionId"][1:]))
    if len(versions) >= 5:
        aws.call("iam", "DeletePolicyVersion", PolicyArn=old.id, VersionId=spare[0]["VersionId"])
    aws.call(
        "iam", "CreatePolicyVersion", PolicyArn=old.id, PolicyDocument=document(inputs["policy"]), SetAsDefault=True
    )
    return Changed({})


def _delete_policy(aws: Account, old: State) -> None:
    for version in aws.call("iam", "ListPolicyVersions", PolicyArn=old.id)["Versions"]:
        if not version["IsDefaultVersion"]:
            aws.call("iam", "DeletePolicyVersion", PolicyArn=old.id, VersionId=version["VersionId"])
    aws.call("iam", "DeletePolicy", PolicyArn=old.id)


def _create_profile(aws: Account, inputs: Properties) -> Made:
    name = inputs["name"]
    made = aws.call("iam", "CreateInstanceProfile", InstanceProfileName=name, Path=inputs.get("path"))
    if inputs.get("role"):
        aws.call("iam", "AddRoleToInstanceProfile", InstanceProfileName=name, RoleName=inputs["role"])
    profile = made["InstanceProfile"]
    return Made(name, {"arn": profile["Arn"], "uniqueId": profile["InstanceProfileId"]})


def _delete_profile(aws: Account, old: State) -> None:
    if old.inputs.get("role"):
        aws.call("iam", "RemoveRoleFromInstanceProfile", InstanceProfileName=old.id, RoleName=old.inputs["role"])
    aws.call("iam", "DeleteInstanceProfile", InstanceProfileName=old.id)


KINDS = (
    Kind(
        "aws:iam/role:Role",
        create=_create_role,
        update=_update_role,
        delete=_delete_role,
        replace_on=paths("name namePrefix path"),
        unordered=paths("managedPolicyArns"),
        defaults={"path": "/", "maxSessionDuration": 3600, "forceDetachPolicies": False},
        generated_name=GeneratedName(longest=64),
    ),
    Kind(
        "aws:iam/rolePolicy:RolePolicy",
        create=_create_role_policy,
        update=_update_role_policy,
        delete=_delete_role_policy,
        replace_on=paths("role name namePrefix"),
        generated_name=GeneratedName(),
    ),
    Kind("aws:iam/rolePolicyAttachment:RolePolicyAttachment", create=_attach, update=None, delete=_detach),
    Kind(
        "aws:iam/policy:Policy",
        create=_create_policy,
        update=_update_policy,
        delete=_delete_policy,
        replace_on=paths("name namePrefix path description"),
        defaults={"path": "/"},
        generated_name=GeneratedName(),
    ),
    Kind(
        "aws:iam/instanceProfile:InstanceProfile",
        create=_create_profile,
        delete=_delete_profile,
        replace_on=paths("name namePrefix path role"),
        defaults={"path": "/"},
        generated_name=GeneratedName(),
    ),
)
