"""IAM roles and their policies. IAM is global; moto checks names, references and documents."""

from __future__ import annotations

import json
from typing import Any

from twin.aws.account import Account, AwsError
from twin.aws.kinds import CreatedResource, GeneratedName, ResourceKind, UpdatedResource, paths
from twin.provider.contract import ResourceState
from twin.provider.wire import Properties


def document(value: Any) -> str:
    """Return a policy document as text. Programs may give it as an object."""
    return value if isinstance(value, str) else json.dumps(value)


def _trust_policy(operation: str, inputs: Properties) -> str:
    """Return the role's trust policy, which moto takes unread."""
    text = document(inputs["assumeRolePolicy"])
    try:
        policy = json.loads(text)
    except ValueError as error:
        message = f"This policy contains invalid Json: {error}"
        raise AwsError("iam", operation, "MalformedPolicyDocument", message) from error
    if not isinstance(policy, dict) or "Statement" not in policy:
        message = "Syntax errors in policy: it has no Statement"
        raise AwsError("iam", operation, "MalformedPolicyDocument", message)
    return text


def _create_role(aws: Account, inputs: Properties) -> CreatedResource:
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
    return CreatedResource(
        name, {"arn": role["Arn"], "uniqueId": role["RoleId"], "createDate": f"{role['CreateDate']:%Y-%m-%dT%H:%M:%SZ}"}
    )


def _update_role(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
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
    names = {inline["name"] for inline in inputs.get("inlinePolicies") or ()}
    for inline in old.inputs.get("inlinePolicies") or ():
        if inline["name"] not in names:
            aws.call("iam", "DeleteRolePolicy", RoleName=old.id, PolicyName=inline["name"])
    for inline in inputs.get("inlinePolicies") or ():
        _put_role_policy(aws, old.id, inline["name"], inline["policy"])
    return UpdatedResource({})


def _delete_role(aws: Account, old: ResourceState) -> None:
    for policy in old.inputs.get("managedPolicyArns") or ():
        aws.call("iam", "DetachRolePolicy", RoleName=old.id, PolicyArn=policy)
    for inline in old.inputs.get("inlinePolicies") or ():
        aws.call("iam", "DeleteRolePolicy", RoleName=old.id, PolicyName=inline["name"])
    aws.call("iam", "DeleteRole", RoleName=old.id)


def _put_role_policy(aws: Account, role: str, name: str, policy: Any) -> None:
    aws.call("iam", "PutRolePolicy", RoleName=role, PolicyName=name, PolicyDocument=document(policy))


def _create_role_policy(aws: Account, inputs: Properties) -> CreatedResource:
    _put_role_policy(aws, inputs["role"], inputs["name"], inputs["policy"])
    return CreatedResource(f"{inputs['role']}:{inputs['name']}", {})


def _update_role_policy(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    _put_role_policy(aws, old.inputs["role"], old.inputs["name"], inputs["policy"])
    return UpdatedResource({})


def _delete_role_policy(aws: Account, old: ResourceState) -> None:
    aws.call("iam", "DeleteRolePolicy", RoleName=old.inputs["role"], PolicyName=old.inputs["name"])


def _attach(aws: Account, inputs: Properties) -> CreatedResource:
    role, policy = inputs["role"], inputs["policyArn"]
    aws.call("iam", "GetPolicy", PolicyArn=policy)
    aws.call("iam", "AttachRolePolicy", RoleName=role, PolicyArn=policy)
    return CreatedResource(f"{role}/{policy}", {})


def _detach(aws: Account, old: ResourceState) -> None:
    aws.call("iam", "DetachRolePolicy", RoleName=old.inputs["role"], PolicyArn=old.inputs["policyArn"])


KINDS = (
    ResourceKind(
        "aws:iam/role:Role",
        create=_create_role,
        update=_update_role,
        delete=_delete_role,
        replace_on=paths("name namePrefix path"),
        unordered=paths("managedPolicyArns"),
        defaults={"path": "/", "maxSessionDuration": 3600, "forceDetachPolicies": False},
        generated_name=GeneratedName(longest=64),
    ),
    ResourceKind(
        "aws:iam/rolePolicy:RolePolicy",
        create=_create_role_policy,
        update=_update_role_policy,
        delete=_delete_role_policy,
        replace_on=paths("role name namePrefix"),
        generated_name=GeneratedName(),
    ),
    ResourceKind("aws:iam/rolePolicyAttachment:RolePolicyAttachment", create=_attach, update=None, delete=_detach),
)
