"""What the provider does alike for every type: names, tags, diffs, previews, reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.twin.aws_program import Program, trust
from twin.aws.registry import KINDS
from twin.provider.contract import OperationError, Resource, ResourceState
from twin.provider.wire import UNKNOWN

VPC, ROLE, LOGS = "aws:ec2/vpc:Vpc", "aws:iam/role:Role", "aws:cloudwatch/logGroup:LogGroup"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path, defaultTags='{"tags": {"environment": "prod", "team": "a"}}')


def test_every_imitated_type_is_one_of_the_sdk_with_paths_of_its_own(program: Program) -> None:
    for token, kind in KINDS.items():
        schema = program.provider.sdk.resource(token)
        tops = {path.split(".")[0] for path in kind.replace_on | kind.unordered} | set(kind.defaults)
        assert tops <= set(schema.inputs) | schema.outputs, token
        assert kind.recomputed <= schema.outputs, token
        if kind.generated_name is not None:
            assert {kind.generated_name.property, kind.generated_name.unless} - {""} <= set(schema.inputs), token


def test_names_are_invented_once_and_kept(program: Program) -> None:
    role = program.create(ROLE, "worker", assumeRolePolicy=trust("ec2.amazonaws.com"))
    assert role.id.startswith("worker-")
    assert len(role.id) == len("worker-") + 7
    assert program.diff("worker", assumeRolePolicy=trust("ec2.amazonaws.com")).changes == []


def test_a_given_name_must_go_before_it_can_come_again(program: Program) -> None:
    program.create(ROLE, "named", name="worker", path="/a/", assumeRolePolicy=trust("ec2.amazonaws.com"))
    program.create(ROLE, "unnamed", path="/a/", assumeRolePolicy=trust("ec2.amazonaws.com"))
    named = program.diff("named", name="worker", path="/b/", assumeRolePolicy=trust("ec2.amazonaws.com"))
    unnamed = program.diff("unnamed", path="/b/", assumeRolePolicy=trust("ec2.amazonaws.com"))
    assert [change.replaces for change in named.changes + unnamed.changes] == [True, True]
    assert named.delete_first
    assert not unnamed.delete_first


def test_a_name_prefix_is_completed(program: Program) -> None:
    role = program.create(ROLE, "worker", namePrefix="gpu-", assumeRolePolicy=trust("ec2.amazonaws.com"))
    assert role.id.startswith("gpu-")
    assert program.diff("worker", namePrefix="gpu-", assumeRolePolicy=trust("ec2.amazonaws.com")).changes == []


def test_a_name_too_long_for_aws_is_an_error(program: Program) -> None:
    with pytest.raises(OperationError, match="longer than 64"):
        program.check(ROLE, "w" * 60, assumeRolePolicy=trust("ec2.amazonaws.com"))


def test_default_tags_reach_every_resource_and_its_own_tags_win(program: Program, tmp_path: Path) -> None:
    vpc = program.create(VPC, "vpc", cidrBlock="10.0.0.0/16", tags={"team": "b"})
    assert vpc.outputs["tagsAll"] == {"environment": "prod", "team": "b"}
    later = Program(tmp_path, defaultTags='{"tags": {"environment": "prod", "owner": "c"}}')
    later.states = program.states
    difference = later.diff("vpc", cidrBlock="10.0.0.0/16", tags={"team": "b"})
    assert [change.path for change in difference.changes] == ["tagsAll.owner"]
    assert later.update("vpc", cidrBlock="10.0.0.0/16", tags={"team": "b"}).outputs["tagsAll"]["owner"] == "c"


def test_outputs_say_the_id_as_those_of_the_real_provider_do(program: Program) -> None:
    vpc = program.create(VPC, "vpc", cidrBlock="10.0.0.0/16")
    assert vpc.outputs["id"] == vpc.id
    assert program.update("vpc", cidrBlock="10.0.0.0/16", tags={"team": "b"}).outputs["id"] == vpc.id
    read = program.provider.read(Resource("urn", VPC, "vpc"), vpc)
    assert read is not None
    assert read.outputs["id"] == vpc.id


@pytest.mark.parametrize("tags", [{"aws:created": "x"}, {"k" * 129: "x"}, {"k": "v" * 257}])
def test_tags_that_aws_refuses_are_problems(program: Program, tags: dict[str, str]) -> None:
    assert program.check(VPC, "vpc", cidrBlock="10.0.0.0/16", tags=tags)


def test_unknown_and_missing_properties_are_problems(program: Program) -> None:
    paths = [problem.path for problem in program.check("aws:ec2/subnet:Subnet", "s", cidr="10.0.0.0/24")]
    assert paths == ["cidr", "vpcId"]


def test_a_type_that_is_not_imitated_is_an_error(program: Program) -> None:
    with pytest.raises(OperationError, match="does not imitate aws:rds/cluster:Cluster"):
        program.check("aws:rds/cluster:Cluster", "c")


def test_a_preview_changes_nothing_and_promises_what_aws_decides(program: Program) -> None:
    resource = Resource("urn:pulumi:dev::p::t::vpc", VPC, "vpc")
    outputs = program.provider.plan_create(resource, {"cidrBlock": "10.0.0.0/16"})
    assert outputs["cidrBlock"] == "10.0.0.0/16"
    assert outputs["arn"] is UNKNOWN
    assert outputs["tagsAll"] == {"environment": "prod", "team": "a"}
    assert program.store.load().generation == 0


def test_an_update_preview_knows_what_stays(program: Program) -> None:
    program.create("aws:ec2/launchTemplate:LaunchTemplate", "lt", imageId="ami-1")
    resource, state = program.states["lt"]
    outputs = program.provider.plan_update(resource, state, {**state.inputs, "imageId": "ami-2"})
    assert outputs["latestVersion"] is UNKNOWN
    assert outputs["arn"] == state.outputs["arn"]


def test_an_update_that_drops_an_input_drops_its_output(program: Program) -> None:
    program.create(LOGS, "logs", name="/l", retentionInDays=7)
    after = program.update("logs", name="/l")
    assert after.outputs["retentionInDays"] == 0
    assert program.read("logs") == after


def test_something_gone_reads_as_gone_and_deletes_as_done(program: Program) -> None:
    program.create(LOGS, "logs", name="/l")
    resource, state = program.states["logs"]
    program.delete("logs")
    assert program.provider.read(resource, state) is None
    program.provider.delete(resource, state, 0)
    with pytest.raises(OperationError, match="does not exist any more"):
        program.provider.update(resource, ResourceState(state.id, {}, {}), state.inputs, 0)


@pytest.mark.parametrize(
    ("configuration", "complaint"),
    [
        ({"region": "moon"}, "invalid AWS region"),
        ({"region": "us-east-1", "allowedAccountIds": '["999999999999"]'}, "account ID not allowed: 123456789012"),
        ({"region": "us-east-1", "forbiddenAccountIds": ["123456789012"]}, "account ID not allowed"),
    ],
)
def test_settings_that_lead_to_the_wrong_place_are_refused(
    program: Program, configuration: dict[str, object], complaint: str
) -> None:
    with pytest.raises(OperationError, match=complaint):
        program.provider.configure(configuration)


def test_unknown_settings_are_problems(program: Program) -> None:
    assert [p.path for p in program.provider.check_configuration({"region": "us-east-1", "regoin": "x"})] == ["regoin"]
