"""Launch templates. EC2 keeps numbered versions; a node group names one of them."""

from __future__ import annotations

import base64
import binascii
import copy
from typing import Any

from twin.aws.account import Account, AwsError, shape_like
from twin.aws.kinds import CreatedResource, GeneratedName, ResourceKind, UpdatedResource, paths
from twin.provider.contract import ResourceState
from twin.provider.wire import Properties

# Properties of the resource that are not part of a version's contents.
_OUTSIDE = {"name", "namePrefix", "description", "tags", "region", "defaultVersion", "updateDefaultVersion"}


def _contents(aws: Account, operation: str, inputs: Properties) -> dict[str, Any]:
    """Build the `LaunchTemplateData` of a version."""
    contents = copy.deepcopy({key: value for key, value in inputs.items() if key not in _OUTSIDE})
    if "vpcSecurityGroupIds" in contents:
        contents["securityGroupIds"] = contents.pop("vpcSecurityGroupIds")
    if "securityGroupNames" in contents:
        contents["securityGroups"] = contents.pop("securityGroupNames")
    if contents.get("userData"):
        try:
            base64.b64decode(contents["userData"], validate=True)
        except (binascii.Error, ValueError) as error:
            message = f"Invalid BASE64 encoding of user data: {error}"
            raise AwsError("ec2", operation, "InvalidUserData.Malformed", message) from error
    groups = {*(contents.get("securityGroupIds") or ())}
    for interface in contents.get("networkInterfaces") or ():
        interface["groups"] = interface.pop("securityGroups", None)
        groups |= {*(interface["groups"] or ())}
    if groups:
        aws.call("ec2", "DescribeSecurityGroups", GroupIds=sorted(groups))
    template_data: dict[str, Any] = shape_like(aws.shape("ec2", operation).members["LaunchTemplateData"], contents)
    return template_data


def _create(aws: Account, inputs: Properties) -> CreatedResource:
    template = aws.call(
        "ec2",
        "CreateLaunchTemplate",
        LaunchTemplateName=inputs["name"],
        VersionDescription=inputs.get("description"),
        LaunchTemplateData=_contents(aws, "CreateLaunchTemplate", inputs),
    )["LaunchTemplate"]
    identifier = template["LaunchTemplateId"]
    return CreatedResource(
        identifier,
        {"arn": aws.arn("ec2", f"launch-template/{identifier}"), "latestVersion": 1, "defaultVersion": 1},
    )


def _update(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    latest = int(old.outputs["latestVersion"])
    default = int(old.outputs["defaultVersion"])
    if _version_inputs(old.inputs) != _version_inputs(inputs):
        response = aws.call(
            "ec2",
            "CreateLaunchTemplateVersion",
            LaunchTemplateId=old.id,
            VersionDescription=inputs.get("description"),
            LaunchTemplateData=_contents(aws, "CreateLaunchTemplateVersion", inputs),
        )
        latest = int(response["LaunchTemplateVersion"]["VersionNumber"])
    if str(inputs.get("updateDefaultVersion", False)).lower() == "true":
        default = latest
    elif inputs.get("defaultVersion"):
        default = int(inputs["defaultVersion"])
    return UpdatedResource({"latestVersion": latest, "defaultVersion": default})


def _version_inputs(inputs: Properties) -> Properties:
    """Return the inputs whose change makes a new version."""
    return {key: value for key, value in inputs.items() if key not in _OUTSIDE - {"description"}}


def template_contents(aws: Account, reference: Properties) -> dict[str, Any]:
    """Return the contents of the version that a node group names by `id` or `name` and `version`.

    Raises `AwsError` when there is no such template or version.
    """
    versions = aws.call(
        "ec2",
        "DescribeLaunchTemplateVersions",
        LaunchTemplateId=reference.get("id"),
        LaunchTemplateName=reference.get("name"),
        Versions=[str(reference["version"])],
    )["LaunchTemplateVersions"]
    if not versions:
        message = f"Launch template version {reference['version']} doesn't exist."
        raise AwsError("eks", "CreateNodegroup", "InvalidRequestException", message)
    contents: dict[str, Any] = versions[0]["LaunchTemplateData"]
    return contents


def _delete(aws: Account, old: ResourceState) -> None:
    aws.call("ec2", "DeleteLaunchTemplate", LaunchTemplateId=old.id)


KINDS = (
    ResourceKind(
        "aws:ec2/launchTemplate:LaunchTemplate",
        create=_create,
        update=_update,
        delete=_delete,
        replace_on=paths("name namePrefix region"),
        unordered=paths("vpcSecurityGroupIds"),
        generated_name=GeneratedName(longest=125),
        recomputed=paths("latestVersion defaultVersion"),
    ),
)
