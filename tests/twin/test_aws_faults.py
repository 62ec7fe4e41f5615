from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.twin.aws_program import Program
from twin.aws import faults
from twin.aws.store import StoreError
from twin.provider.contract import OperationError
from twin.stage import PLUGINS

LOGS = "aws:cloudwatch/logGroup:LogGroup"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_throttling_strikes_as_often_as_asked(program: Program) -> None:
    faults.put(program.store, [{"kind": "throttle", "operation": "create", "type": "LogGroup", "times": 2}])
    for _ in range(2):
        with pytest.raises(OperationError, match="ThrottlingException: Rate exceeded"):
            program.create(LOGS, "l")
    program.create(LOGS, "l")
    assert faults.in_force(program.store.folder) == []


def test_faults_strike_only_what_they_name(program: Program) -> None:
    faults.put(program.store, [{"kind": "throttle", "operation": "delete", "type": "*", "name": "other"}])
    program.create(LOGS, "l")
    program.delete("l")
    assert len(faults.in_force(program.store.folder)) == 1


@pytest.mark.parametrize(("moment", "left"), [("before", 0), ("after", 1)])
def test_death_in_the_middle(program: Program, tmp_path: Path, moment: str, left: int) -> None:
    faults.put(program.store, [{"kind": "kill", "type": "LogGroup", "moment": moment}])
    source = (
        "from pathlib import Path\n"
        "from tests.twin.aws_program import Program\n"
        f"Program(Path({str(tmp_path)!r})).create({LOGS!r}, 'l')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", source], env={**os.environ, "PYTHONPATH": str(PLUGINS.parents[1])}, check=False
    )
    assert run.returncode == -signal.SIGKILL
    assert len(program.store.load().records.get(LOGS, {})) == left
    assert faults.in_force(tmp_path) == []


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ({"kind": "flood"}, "unknown kind of fault 'flood'"),
        ({"kind": "quota", "code": "L-1"}, "needs vcpus"),
        ({"kind": "capacity", "zones": "a"}, "has no zones"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(program: Program, fault: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        faults.put(program.store, [fault])
    assert faults.in_force(program.store.folder) == []


def test_a_broken_file_is_named(program: Program) -> None:
    (program.store.folder / "faults.json").write_text("[")
    with pytest.raises(StoreError, match=r"faults\.json"):
        program.create(LOGS, "l")


def test_an_answer_gets_lost_after_aws_has_done_its_part(program: Program) -> None:
    faults.put(program.store, [{"kind": "lost", "type": "LogGroup"}])
    with pytest.raises(OperationError, match="connection reset"):
        program.create(LOGS, "l")
    assert len(program.store.load().records[LOGS]) == 1
    assert faults.in_force(program.store.folder) == []


def test_the_list_by_tags_may_be_late(program: Program) -> None:
    def listed() -> list[str]:
        found = program.provider.invoke("aws:resourcegroupstaggingapi/getResources:getResources", {})
        return [row["resourceArn"] for row in found["resourceTagMappingLists"]]

    program.create(LOGS, "l", tags={"a": "b"})
    (arn,) = listed()
    program.delete("l")
    assert listed() == []
    faults.put(program.store, [{"kind": "lag", "seconds": 60}])
    assert listed() == [arn]
    with pytest.raises(OperationError, match="couldn't find resource"):
        program.provider.invoke("aws:cloudwatch/getLogGroup:getLogGroup", {"name": arn.rpartition(":")[2]})
    faults.put(program.store, [{"kind": "lag", "seconds": 0}])
    assert listed() == []
