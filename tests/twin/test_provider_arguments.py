from __future__ import annotations

from typing import Any

import pytest

from twin.provider.arguments import InputProblem, Sdk, UnknownTypeError
from twin.provider.wire import UNKNOWN, Secret

AWS = Sdk("pulumi_aws")
NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
FITTING: dict[str, Any] = {
    "clusterName": "c",
    "nodeRoleArn": "arn",
    "subnetIds": ["s"],
    "scalingConfig": {"minSize": 1, "desiredSize": 1, "maxSize": 2},
}


def test_inputs_outputs_and_version_are_those_of_the_installed_sdk() -> None:
    from importlib.metadata import version

    schema = AWS.resource(NODE_GROUP)
    assert AWS.version == version("pulumi_aws")
    assert {name for name, prop in schema.inputs.items() if prop.required} == set(FITTING)
    assert {"arn", "status", "tagsAll"} <= schema.outputs - set(schema.inputs)


@pytest.mark.parametrize(
    "token",
    [
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "aws:ec2/launchTemplate:LaunchTemplate",
        "aws:lb/listener:Listener",
    ],
)
def test_every_generated_layout_is_understood(token: str) -> None:
    assert AWS.resource(token).inputs


def test_the_kubernetes_sdk_is_understood_too() -> None:
    release = Sdk("pulumi_kubernetes").resource("kubernetes:helm.sh/v3:Release")
    assert release.inputs["chart"].required
    assert "status" in release.outputs


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"bogus": 1}, ["bogus"]),
        ({"scalingConfig": {"min": 1, "desiredSize": 1, "maxSize": 1}}, ["scalingConfig.min", "scalingConfig.minSize"]),
        ({"scalingConfig": {"minSize": "one", "desiredSize": 1, "maxSize": 1}}, ["scalingConfig.minSize"]),
        ({"scalingConfig": {"minSize": "1", "desiredSize": 1, "maxSize": 1}}, []),
        ({"subnetIds": "s"}, ["subnetIds"]),
        ({"subnetIds": [{"id": "s"}]}, ["subnetIds[0]"]),
        ({"labels": {"a": {"b": "c"}}}, ["labels.a"]),
        ({"taints": [{"key": "k", "effect": "NO_SCHEDULE", "colour": "red"}]}, ["taints[0].colour"]),
        ({"forceUpdateVersion": "perhaps"}, ["forceUpdateVersion"]),
        ({"scalingConfig": UNKNOWN, "subnetIds": [UNKNOWN], "clusterName": Secret("c")}, []),
    ],
)
def test_problems_name_the_path(change: dict[str, Any], expected: list[str]) -> None:
    assert [problem.path for problem in AWS.problems(NODE_GROUP, {**FITTING, **change})] == expected


def test_a_missing_required_property_is_a_problem() -> None:
    incomplete = {key: value for key, value in FITTING.items() if key != "clusterName"}
    assert AWS.problems(NODE_GROUP, incomplete) == [InputProblem("clusterName", "required property is missing")]


@pytest.mark.parametrize("token", ["aws:eks/nodeGroups:NodeGroups", "aws:eks", "aws:nowhere/thing:Thing"])
def test_a_type_that_the_sdk_lacks_is_an_error(token: str) -> None:
    with pytest.raises(UnknownTypeError):
        AWS.resource(token)


def test_a_missing_sdk_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match="pulumi_nowhere"):
        Sdk("pulumi_nowhere")
