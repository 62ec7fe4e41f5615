from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.twin.aws_program import Program, node_group
from twin.aws import faults
from twin.aws.account import AwsError
from twin.cluster import CLUSTER_FOLDER_VARIABLE
from twin.provider.contract import PartialOperationError

GROUP, TEMPLATE = "aws:eks/nodeGroup:NodeGroup", "aws:ec2/launchTemplate:LaunchTemplate"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.delenv(CLUSTER_FOLDER_VARIABLE, raising=False)
    return Program(tmp_path)


@pytest.fixture
def subnets(program: Program) -> list[str]:
    subnets = program.network()
    program.cluster(subnets)
    return subnets


def machines(program: Program) -> list[dict[str, Any]]:
    return list(program.store.load().tables.get("ec2.instances", {}).values())


def machine_ids(program: Program) -> set[str]:
    """Names and places of machines are given again to the machine after; their ids never."""
    return set(program.store.load().tables.get("ec2.instances", {}))


def test_machines_spread_over_the_zones_and_follow_the_size(program: Program, subnets: list[str]) -> None:
    role = program.node_role()
    group = program.create(GROUP, "pool", **node_group(role, subnets, 3))
    assert group.id == "prod:pool"
    assert group.outputs["status"] == "ACTIVE"
    assert sorted(m["zone_id"] for m in machines(program)) == ["use1-az1", "use1-az1", "use1-az2"]
    last_two = {m["name"] for m in machines(program) if m["index"] > 0}
    program.update("pool", **node_group(role, subnets, 2))
    assert {m["name"] for m in machines(program)} == last_two  # the oldest of the fuller zone goes
    program.delete("pool")
    assert machines(program) == []


def test_the_size_changes_in_place_and_the_machine_does_not(program: Program, subnets: list[str]) -> None:
    role = program.node_role()
    program.create(GROUP, "pool", **node_group(role, subnets))
    grown = program.diff("pool", **node_group(role, subnets, 2))
    assert not any(change.replaces for change in grown.changes)
    other = program.diff("pool", **node_group(role, subnets, instanceTypes=["g6.2xlarge"]))
    assert [(change.path, change.replaces) for change in other.changes] == [("instanceTypes[0]", True)]
    assert other.delete_first
    turned = program.diff("pool", **node_group(role, list(reversed(subnets))))
    assert turned.changes == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"subnetIds": ["subnet-404"]}, r"InvalidSubnetID\.NotFound"),
        ({"scalingConfig": {"minSize": 3, "desiredSize": 2, "maxSize": 4}}, "can't be greater than desired size"),
        ({"scalingConfig": {"minSize": 1, "desiredSize": 5, "maxSize": 4}}, "can't be greater than max size"),
        ({"amiType": "AL9000_NVIDIA"}, "amiType is 'AL9000_NVIDIA'"),
        ({"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]}, "effect is 'NoSchedule'"),
        ({"clusterName": "other"}, "No cluster found"),
        ({"launchTemplate": {"id": "lt-404", "version": "1"}}, "InvalidLaunchTemplateId"),
    ],
)
def test_settings_that_eks_refuses(
    program: Program, subnets: list[str], change: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(AwsError, match=complaint):
        program.create(GROUP, "pool", **{**node_group(program.node_role(), subnets), **change})
    assert machines(program) == []


def test_the_machine_is_named_once(program: Program, subnets: list[str]) -> None:
    role = program.node_role()
    template = program.create(TEMPLATE, "lt", instanceType="g6.xlarge").id
    reference = {"id": template, "version": "1"}
    with pytest.raises(AwsError, match="in launch template and API request"):
        program.create(GROUP, "pool", **node_group(role, subnets, launchTemplate=reference))
    program.create(GROUP, "pool", **node_group(role, subnets, launchTemplate=reference, instanceTypes=None))
    assert machines(program)[0]["instance_type"] == "g6.xlarge"


def test_a_capacity_block_names_its_machine_in_the_template(program: Program, subnets: list[str]) -> None:
    wanted = node_group(program.node_role(), subnets, capacityType="CAPACITY_BLOCK", instanceTypes=["p5.48xlarge"])
    with pytest.raises(AwsError, match="must specify an instance type for capacity type CAPACITY_BLOCK"):
        program.create(GROUP, "pool", **wanted)


def test_a_new_version_of_the_template_replaces_the_machines(program: Program, subnets: list[str]) -> None:
    role = program.node_role()
    template = program.create(TEMPLATE, "lt", userData="aGk=")
    program.create(GROUP, "pool", **node_group(role, subnets, 2, launchTemplate={"id": template.id, "version": "1"}))
    before = set(program.store.load().tables["ec2.instances"])
    assert program.update("lt", userData="eW8=").outputs["latestVersion"] == 2
    program.update("pool", **node_group(role, subnets, 2, launchTemplate={"id": template.id, "version": "2"}))
    after = set(program.store.load().tables["ec2.instances"])
    assert len(after) == 2
    assert not before & after


def test_a_template_s_inputs_stay_as_the_program_gave_them(program: Program, subnets: list[str]) -> None:
    group = program.create("aws:ec2/securityGroup:SecurityGroup", "sg", vpcId=program.states["vpc"][1].id).id
    interfaces = [{"deviceIndex": 0, "securityGroups": [group]}]
    program.create(TEMPLATE, "lt", networkInterfaces=interfaces)
    assert program.diff("lt", networkInterfaces=[{"deviceIndex": 0, "securityGroups": [group]}]).changes == []
    with pytest.raises(AwsError, match=r"InvalidGroup\.NotFound"):
        program.create(TEMPLATE, "other", vpcSecurityGroupIds=["sg-404"])


def test_user_data_is_base64(program: Program) -> None:
    with pytest.raises(AwsError, match="Invalid BASE64"):
        program.create(TEMPLATE, "lt", userData="#!/bin/sh")


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ({"kind": "quota", "code": "L-DB2E81BA", "vcpus": 4}, "VcpuLimitExceeded.*vCPU limit of 4"),
        ({"kind": "capacity", "instance_type": "g6.xlarge"}, "InsufficientInstanceCapacity.*g6.xlarge"),
    ],
)
def test_a_shortage_at_creation_fails_as_eks_says_and_no_update_mends_it(
    program: Program, subnets: list[str], fault: dict[str, Any], complaint: str
) -> None:
    role = program.node_role()
    faults.put(program.store, [fault])
    with pytest.raises(PartialOperationError, match=complaint) as caught:
        program.create(GROUP, "pool", **node_group(role, subnets, 2))
    assert "unexpected state 'CREATE_FAILED', wanted target 'ACTIVE'" in str(caught.value)
    assert caught.value.state.outputs["status"] == "CREATE_FAILED"
    faults.put(program.store, [])
    resource = program.states["cluster"][0]
    group = type(resource)("urn", GROUP, "pool")
    after = program.provider.update(group, caught.value.state, caught.value.state.inputs, 0)
    assert after.outputs["status"] == "CREATE_FAILED"
    bigger = node_group(role, subnets, 3)
    with pytest.raises(AwsError, match=r"ResourceInUseException.*not in Active State"):
        program.provider.update(group, caught.value.state, bigger, 0)
    program.provider.delete(group, caught.value.state, 0)
    program.create(GROUP, "pool", **node_group(role, subnets, 2))
    assert len(machines(program)) == 2


def test_a_zone_without_capacity_is_gone_around(program: Program, subnets: list[str]) -> None:
    faults.put(program.store, [{"kind": "capacity", "zone": "use1-az1"}])
    program.create(GROUP, "pool", **node_group(program.node_role(), subnets, 3))
    assert {m["zone_id"] for m in machines(program)} == {"use1-az2"}


def test_a_quota_counts_what_already_runs(program: Program, subnets: list[str]) -> None:
    role = program.node_role()
    faults.put(program.store, [{"kind": "quota", "code": "L-DB2E81BA", "vcpus": 12}])
    program.create(GROUP, "first", **node_group(role, subnets, 2, nodeGroupName="first"))
    with pytest.raises(PartialOperationError, match="VcpuLimitExceeded"):
        program.create(GROUP, "second", **node_group(role, subnets, 2, nodeGroupName="second"))
    assert len(machines(program)) == 3
    # Another family has a quota of its own.
    program.create(GROUP, "p", **node_group(role, subnets, 1, nodeGroupName="p", instanceTypes=["p5.48xlarge"]))


def test_a_zone_that_lacks_the_type_is_unsupported(program: Program, tmp_path: Path) -> None:
    subnets = program.network(("use1-az1", "use1-az4"))
    program.cluster(subnets)
    with pytest.raises(PartialOperationError, match=r"\(p6-b200\.48xlarge\) is not supported.*use1-az6"):
        program.create(GROUP, "pool", **node_group(program.node_role(), subnets, instanceTypes=["p6-b200.48xlarge"]))


def test_machines_without_rights_never_become_nodes(program: Program, subnets: list[str]) -> None:
    with pytest.raises(PartialOperationError, match=r"NodeCreationFailure.*lacks AmazonEKSWorkerNodePolicy"):
        program.create(GROUP, "pool", **node_group(program.node_role(()), subnets))


def test_machines_without_a_way_out_never_become_nodes(program: Program, subnets: list[str]) -> None:
    program.delete("r1")
    with pytest.raises(PartialOperationError, match=f"no route to the Internet from {subnets[1]}"):
        program.create(GROUP, "pool", **node_group(program.node_role(), subnets))


def renewed(program: Program, subnets: list[str], size: int, strategy: str, vcpus: int | None) -> str | None:
    """Bring a group from the first version of its template to the second; what went wrong, if anything."""
    role = program.node_role()
    template = program.create(TEMPLATE, "lt", name="gpu")
    program.update("lt", name="gpu", ebsOptimized="true")

    def asked(version: str) -> dict[str, Any]:
        settings = {"maxUnavailable": 1, "updateStrategy": strategy}
        return node_group(
            role, subnets, size, launchTemplate={"id": template.id, "version": version}, updateConfig=settings
        )

    program.create(GROUP, "pool", **asked("1"))
    if vcpus is not None:
        faults.put(program.store, [{"kind": "quota", "code": "L-DB2E81BA", "vcpus": vcpus}])
    try:
        program.update("pool", **asked("2"))
    except PartialOperationError as failure:
        return failure.reason
    return None


@pytest.mark.parametrize(
    ("strategy", "vcpus", "complaint", "kept"),
    [
        ("DEFAULT", None, None, 0),
        ("DEFAULT", 8 + 8, None, 0),  # one new machine in each zone is enough
        ("DEFAULT", 8 + 4, "VcpuLimitExceeded", 2),
        ("MINIMAL", 8, None, 0),
    ],
)
def test_an_update_starts_before_it_retires_unless_it_is_minimal(
    program: Program, subnets: list[str], strategy: str, vcpus: int | None, complaint: str | None, kept: int
) -> None:
    before: set[str] = set()
    original = program.update

    def update(name: str, /, **inputs: Any) -> Any:
        before.update(machine_ids(program))
        return original(name, **inputs)

    program.update = update  # type: ignore[method-assign]
    failure = renewed(program, subnets, 2, strategy, vcpus)
    assert (complaint in (failure or "")) if complaint else failure is None
    identifiers = machine_ids(program)
    assert len(identifiers) == 2
    assert len(identifiers & before) == kept
    held = program.store.load().records[GROUP]["prod:pool"].inputs["launchTemplate"]["version"]
    assert held == ("1" if complaint else "2")


def test_a_minimal_update_that_finds_no_machine_leaves_the_group_smaller(program: Program, subnets: list[str]) -> None:
    role = program.node_role()
    settings = {"maxUnavailable": 1, "updateStrategy": "MINIMAL"}
    program.create(GROUP, "pool", **node_group(role, subnets, 2, updateConfig=settings))
    faults.put(program.store, [{"kind": "capacity"}])
    with pytest.raises(PartialOperationError, match="InsufficientInstanceCapacity"):
        program.update("pool", **node_group(role, subnets, 2, updateConfig=settings, releaseVersion="1.36.0-20261215"))
    assert len(machines(program)) == 1


def test_a_release_belongs_to_its_version(program: Program, subnets: list[str]) -> None:
    with pytest.raises(AwsError, match=r"1\.35\.0-20261101 is invalid"):
        program.create(GROUP, "pool", **node_group(program.node_role(), subnets, releaseVersion="1.35.0-20261101"))
