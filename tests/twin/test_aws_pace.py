"""AWS takes an order at once and goes on with it by itself: whoever waits, and whoever is killed while waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.twin.aws_program import Program, node_group
from twin.aws.account import AwsError
from twin.aws.pace import MINUTE_VARIABLE
from twin.aws.store import ResourceRecord
from twin.provider.contract import OperationError, Resource, ResourceState
from twin.stage import PLUGINS

GROUP = "aws:eks/nodeGroup:NodeGroup"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def _pace(monkeypatch: pytest.MonkeyPatch, seconds_of_a_minute: float) -> None:
    monkeypatch.setenv(MINUTE_VARIABLE, str(seconds_of_a_minute))


def _killed_while_waiting(program: Program, source: str, token: str, becoming: str) -> ResourceRecord:
    """Run a program that orders something, and kill it while AWS works on the order; the record of the order."""

    def ordered() -> ResourceRecord | None:
        records = program.store.load().records.get(token, {}).values()
        return next((record for record in records if record.status() == becoming), None)

    folder = str(program.store.folder)
    code = f"from pathlib import Path\nfrom tests.twin.aws_program import *\np = Program(Path({folder!r}))\n"
    environment = {**os.environ, "PYTHONPATH": str(PLUGINS.parents[1]), MINUTE_VARIABLE: "100"}
    running = subprocess.Popen([sys.executable, "-c", code + source], env=environment)
    try:
        deadline = time.monotonic() + 30
        while (record := ordered()) is None and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert record is not None
    return record


def _later(monkeypatch: pytest.MonkeyPatch, record: ResourceRecord) -> None:
    """Let the time pass that AWS takes."""
    monkeypatch.setattr("twin.aws.store.time.time", lambda: record.until + 1)


def test_a_creation_takes_its_time(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    subnets = program.network()
    _pace(monkeypatch, 0.05)
    began = time.monotonic()
    program.cluster(subnets)
    assert time.monotonic() - began >= 10 * 0.05
    seen = program.read("cluster")
    assert seen is not None
    assert seen.outputs["status"] == "ACTIVE"


def test_a_killed_creation_goes_on_and_refuses_what_comes_too_early(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    subnets = program.network()
    program.cluster(subnets)
    role = program.node_role()
    source = f"p.create({GROUP!r}, 'pool', **node_group({role!r}, {subnets!r}))"
    record = _killed_while_waiting(program, source, GROUP, "CREATING")
    left = Resource("urn", GROUP, "pool")
    state = ResourceState("prod:pool", record.inputs, record.outputs)
    seen = program.provider.read(left, state)
    assert seen is not None
    assert seen.outputs["status"] == "CREATING"
    with pytest.raises(AwsError, match=r"ResourceInUseException.*Nodegroup cannot be deleted"):
        program.provider.delete(left, state, 0)
    with pytest.raises(AwsError, match=r"ResourceInUseException.*already exists"):
        program.create(GROUP, "pool", **node_group(role, subnets))
    with pytest.raises(AwsError, match=r"ResourceInUseException.*nodegroups attached"):
        program.delete("cluster")
    _later(monkeypatch, record)
    seen = program.provider.read(left, state)
    assert seen is not None
    assert seen.outputs["status"] == "ACTIVE"
    program.provider.delete(left, state, 0)
    assert GROUP not in program.store.load().records or not program.store.load().records[GROUP]


def test_a_cluster_that_is_being_made_takes_no_nodes(program: Program) -> None:
    subnets = program.network()
    role = program.node_role()
    _killed_while_waiting(program, f"p.cluster({subnets!r})", "aws:eks/cluster:Cluster", "CREATING")
    with pytest.raises(AwsError, match=r"InvalidRequestException.*not in ACTIVE status"):
        program.create(GROUP, "pool", **node_group(role, subnets))


def test_a_killed_deletion_goes_on(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    subnets = program.network()
    program.cluster(subnets)
    role = program.node_role()
    program.create(GROUP, "pool", **node_group(role, subnets))
    record = _killed_while_waiting(
        program,
        f"s = p.store.load().records[{GROUP!r}]['prod:pool']\n"
        "from twin.provider.contract import Resource, ResourceState\n"
        f"p.provider.delete(Resource('urn', {GROUP!r}, 'pool'), ResourceState('prod:pool', s.inputs, s.outputs), 0)",
        GROUP,
        "DELETING",
    )
    with pytest.raises(OperationError, match="ResourceInUseException"):
        program.create(GROUP, "again", **node_group(role, subnets))
    _later(monkeypatch, record)
    assert program.read("pool") is None
    program.create(GROUP, "again", **node_group(role, subnets))
