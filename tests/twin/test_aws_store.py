from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.loaders import create_loader

from tests.twin.aws_program import Program
from twin.aws.store import Store, StoreError
from twin.aws.world import transaction
from twin.stage import PLUGINS

VPC, LOGS = "aws:ec2/vpc:Vpc", "aws:cloudwatch/logGroup:LogGroup"


def test_a_failed_operation_leaves_the_generation_before_it(tmp_path: Path) -> None:
    program = Program(tmp_path)
    vpc = program.create(VPC, "vpc", cidrBlock="10.0.0.0/16").id
    before = (tmp_path / "state.json").read_bytes()

    def half_an_operation() -> None:
        with transaction(program.store) as (state, world):
            world.client("ec2", "us-east-1").delete_vpc(VpcId=vpc)
            state.records.clear()
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        half_an_operation()
    assert (tmp_path / "state.json").read_bytes() == before
    # moto too: the network is still there for a subnet.
    program.create("aws:ec2/subnet:Subnet", "s", vpcId=vpc, cidrBlock="10.0.0.0/24")


def test_two_accounts_in_one_program_do_not_mix(tmp_path: Path) -> None:
    first, second = Program(tmp_path / "a"), Program(tmp_path / "b")
    first.create(LOGS, "l", name="/one")
    second.create(LOGS, "l", name="/one")
    first.destroy()
    assert first.store.is_empty()
    assert not second.store.is_empty()


def test_operations_of_many_threads_and_programs_all_count(tmp_path: Path) -> None:
    program = Program(tmp_path)
    program.create(LOGS, "first", name="/first")
    source = (
        "from pathlib import Path\n"
        "from tests.twin.aws_program import Program\n"
        f"p = Program(Path({str(tmp_path)!r}))\n"
        f"[p.create({LOGS!r}, f'o{{i}}', name=f'/o{{i}}') for i in range(5)]\n"
    )
    other = subprocess.Popen([sys.executable, "-c", source], env={**os.environ, "PYTHONPATH": str(PLUGINS.parents[1])})
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: program.create(LOGS, f"m{i}", name=f"/m{i}"), range(8)))
    assert other.wait(timeout=60) == 0
    names = {record.outputs["name"] for record in program.store.load().records[LOGS].values()}
    assert names == {"/first", *(f"/m{i}" for i in range(8)), *(f"/o{i}" for i in range(5))}
    for name in sorted(names):
        with transaction(program.store) as (_, world):
            world.client("logs", "us-east-1").delete_log_group(logGroupName=name)


def test_only_the_latest_snapshot_is_kept(tmp_path: Path) -> None:
    program = Program(tmp_path)
    for index in range(3):
        program.create(LOGS, f"l{index}")
    assert len(list(tmp_path.glob("moto-*.pickle"))) == 1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("{", "is not JSON"), (json.dumps({"format": 99}), "has format 99")],
)
def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "state.json").write_text(content)
    with pytest.raises(StoreError, match=complaint):
        Store(tmp_path).load()


def test_a_snapshot_of_another_moto_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program(tmp_path)
    program.create(LOGS, "l")
    from twin.aws import moto_state

    monkeypatch.setattr(moto_state, "version", lambda package: "0.0")
    moto_state.discard()
    with pytest.raises(StoreError, match=r"written with moto .*, this is 0\.0; remove the folder"):
        program.create(LOGS, "m")


def test_without_the_variable_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPILLWAY_TWIN_AWS", raising=False)
    with pytest.raises(StoreError, match="SPILLWAY_TWIN_AWS is not set"):
        Store.from_environment()


def test_the_account_has_the_number_that_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPILLWAY_TWIN_AWS_ACCOUNT", "111122223333")
    program = Program(tmp_path, allowedAccountIds=["111122223333"])
    role = program.create("aws:iam/role:Role", "r", assumeRolePolicy='{"Version":"2012-10-17","Statement":[]}')
    assert role.outputs["arn"].startswith("arn:aws:iam::111122223333:role/")


def test_descriptions_of_aws_are_read_once_in_a_program(tmp_path: Path) -> None:
    Program(tmp_path).create(LOGS, "l", name="/one")  # loads moto
    first, second = create_loader(), create_loader()
    assert first.load_data("endpoints") is second.load_data("endpoints")
    assert first.load_service_model("logs", "service-2") is second.load_service_model("logs", "service-2")


def test_a_store_that_is_read_and_written_again_stays_the_same(tmp_path: Path) -> None:
    program = Program(tmp_path)
    program.create(LOGS, "l", name="/one", tags={"a": "b"})
    before = json.loads((tmp_path / "state.json").read_text())
    state = program.store.load()
    state.faults = [{"kind": "lag"}]  # what is made to go wrong is no part of the account
    program.store.save(state)
    assert json.loads((tmp_path / "state.json").read_text()) == before
