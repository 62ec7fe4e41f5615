from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.twin.aws_program import Program, node_group
from twin.aws import drift
from twin.aws.__main__ import main
from twin.cluster import CLUSTER_FOLDER_VARIABLE
from twin.provider.contract import OperationError

VPC = "aws:ec2/vpc:Vpc"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.delenv(CLUSTER_FOLDER_VARIABLE, raising=False)
    return Program(tmp_path)


def test_a_change_shows_when_the_resource_is_read(program: Program) -> None:
    program.create(VPC, "vpc", cidrBlock="10.0.0.0/16", tags={"owner": "a"})
    drift.poke(program.store, "Vpc", "vpc", {"enableDnsHostnames": True, "tags.owner": "b"})
    seen = program.read("vpc")
    assert seen is not None
    assert seen.inputs["enableDnsHostnames"] is True
    assert seen.outputs["tagsAll"] == {"owner": "b"}
    program.states["vpc"] = (program.states["vpc"][0], seen)
    difference = program.diff("vpc", cidrBlock="10.0.0.0/16", tags={"owner": "a"})
    assert {change.path for change in difference.changes} == {"enableDnsHostnames", "tags.owner"}


def test_an_autoscaler_moves_machines(program: Program) -> None:
    subnets = program.network()
    program.cluster(subnets)
    inputs = node_group(program.node_role(), subnets)
    inputs["scalingConfig"]["maxSize"] = 7
    program.create("aws:eks/nodeGroup:NodeGroup", "pool", **inputs)
    drift.poke(program.store, "NodeGroup", "pool", {"scalingConfig.desiredSize": 5})
    assert len(program.store.load().tables["ec2.instances"]) == 5
    with pytest.raises(OperationError, match="greater than max size"):
        drift.poke(program.store, "NodeGroup", "pool", {"scalingConfig.desiredSize": 9})


def test_deletion_and_names_that_lead_nowhere(program: Program) -> None:
    state = program.create(VPC, "vpc", cidrBlock="10.0.0.0/16")
    with pytest.raises(OperationError, match=r"no aws:ec2/vpc:Vpc is called 'other'; there are: vpc"):
        drift.vanish(program.store, "Vpc", "other")
    with pytest.raises(OperationError, match="does not imitate 'Planet'"):
        drift.vanish(program.store, "Planet", "earth")
    assert drift.vanish(program.store, "Vpc", state.id) == state.id
    assert program.read("vpc") is None


def test_the_terminal_does_all_of_it(program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    program.create(VPC, "vpc", cidrBlock="10.0.0.0/16")
    folder = ["--folder", str(program.store.folder)]
    assert main(["poke", *folder, "Vpc", "vpc", "enableDnsSupport=false"]) == 0
    assert main(["fault", *folder, "quota", "code=L-DB2E81BA", "vcpus=8"]) == 0
    assert main(["provide", *folder, "--region", "us-east-1", "--secret", "key"]) == 0
    capsys.readouterr()
    assert main(["show", *folder]) == 0
    shown = capsys.readouterr().out
    assert "Vpc" in shown
    assert json.dumps({"code": "L-DB2E81BA", "vcpus": 8, "kind": "quota"}) in shown
    assert main(["fault", *folder, "--clear"]) == 0
    assert main(["poke", *folder, "Vpc", "vpc", "--delete"]) == 0
    assert program.store.is_empty()


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["poke", "Vpc", "nobody", "a=1"], 1),
        (["poke", "Vpc", "nobody"], 2),
        (["fault", "flood"], 2),
        (["fault", "quota", "code"], 2),
    ],
)
def test_what_the_terminal_refuses(
    program: Program, arguments: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([arguments[0], "--folder", str(program.store.folder), *arguments[1:]]) == status
    assert "error: " in capsys.readouterr().err
