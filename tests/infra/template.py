"""What the program registers, as a CloudFormation template: what linters of infrastructure read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from tests.infra.aws_rules import KINDS, told
from tests.infra.programs import Resource

DEPLOY = "DeployPolicy"
IDS = {"vpcid": "vpc", "subnetid": "subnet", "subnets": "subnet", "subnetids": "subnet"} | dict.fromkeys(
    ("groupid", "sourcesecuritygroupid", "destinationsecuritygroupid", "securitygroups", "securitygroupids"), "sg"
)
"""Property, in small letters → how the ids in it begin."""
OF_EKS = {"AWS::AutoScaling::AutoScalingGroup"}
"""What EKS makes, so that no template has it."""


def template(resources: Iterable[Resource], policies: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The template of all AWS resources, with the policies of the deploy role as managed policies."""
    parts: list[tuple[str, dict[str, Any]]] = []
    found: dict[str, dict[str, Any]] = {}
    for resource in resources:
        if not resource.type.startswith("aws:"):
            continue
        kind, properties = told(resource.type, resource.name, resource.inputs)
        whole = {key: _parsed(key, value) for key, value in properties.items()}
        if kind.schema in OF_EKS:
            continue
        if kind.part or resource.type.endswith(":AccessPolicyAssociation"):
            parts.append((kind.schema, whole))
        else:
            found[_logical(resource)] = {"Type": kind.schema, "Properties": whole}
    for schema, settings in parts:
        _owner(found, schema, settings)["Properties"].update(settings)
    for name, document in policies.items():
        properties = {"ManagedPolicyName": name, "PolicyDocument": document}
        found[DEPLOY + name.title()] = {"Type": "AWS::IAM::ManagedPolicy", "Properties": properties}
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": found}


def _owner(found: Mapping[str, dict[str, Any]], schema: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The resource whose setting it is: the only bucket, or the one that bears the same name."""
    same = [one for one in found.values() if one["Type"] == schema]
    settings.pop("BucketName", None)
    if schema == "AWS::ECR::Repository":
        return next(one for one in same if one["Properties"]["RepositoryName"] == settings["RepositoryName"])
    if schema == "AWS::IAM::Role":
        role = str(settings.pop("RoleName"))
        (owner,) = [one for one in same if one["Properties"]["RoleName"].rpartition("-")[0] == role.rpartition("-")[0]]
        settings["ManagedPolicyArns"] += owner["Properties"].get("ManagedPolicyArns", [])
        return owner
    if schema == "AWS::EKS::AccessEntry":
        return next(one for one in same if one["Properties"]["PrincipalArn"] == settings["PrincipalArn"])
    (owner,) = same
    return owner


def _logical(resource: Resource) -> str:
    last = KINDS[resource.type].schema.rpartition("::")[2]
    return "".join(word.title() for word in re.split(r"[\W_]+", f"{resource.name}-{last}"))


def _parsed(key: str, value: Any) -> Any:
    """Policies as values, which the provider takes as text, and ids as AWS spells them, which mocks do not."""
    if key.endswith("PolicyDocument") and isinstance(value, str):
        return json.loads(value)
    if isinstance(value, dict):
        return {name: _parsed(name, item) for name, item in value.items()}
    if isinstance(value, list):
        return [_parsed(key, item) for item in value]
    kind = IDS.get(key.lower())
    if kind is not None and isinstance(value, str) and value.endswith("-id"):
        return f"{kind}-{hashlib.sha256(value.encode()).hexdigest()[:17]}"
    return value
