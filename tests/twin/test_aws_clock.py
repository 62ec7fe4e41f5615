"""Scheduled actions are taken and refused as AWS does, and machines follow them on a clock that a person moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.twin.aws_program import Program, node_group
from twin.aws import faults
from twin.aws.__main__ import main
from twin.aws.account import CALLS, AwsError
from twin.aws.clock import DAYS, moment, move
from twin.aws.scheduled_actions import MOST, moments
from twin.cluster import CLUSTER_FOLDER_VARIABLE

GROUP, SCHEDULE = "aws:eks/nodeGroup:NodeGroup", "aws:autoscaling/schedule:Schedule"
LIMITS = {"scalingConfig": {"minSize": 1, "desiredSize": 4, "maxSize": 4}}


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A group of one to four machines, four of which run."""
    monkeypatch.delenv(CLUSTER_FOLDER_VARIABLE, raising=False)
    program = Program(tmp_path)
    subnets = program.network()
    program.cluster(subnets)
    program.create(GROUP, "pool", **{**node_group(program.node_role(), subnets, 4), **LIMITS})
    return program


def action(program: Program, recurrence: str = "42 7 * * 1-5", count: int = 4, **changes: Any) -> dict[str, Any]:
    (part,) = program.states["pool"][1].outputs["resources"]
    stated = {
        "autoscalingGroupName": part["autoscalingGroups"][0]["name"],
        "scheduledActionName": recurrence.replace(" ", ""),
        "recurrence": recurrence,
        "timeZone": "Europe/Berlin",
        "desiredCapacity": count,
        "minSize": -1,
        "maxSize": -1,
    }
    return {key: value for key, value in {**stated, **changes}.items() if value is not None}


def night_and_day(program: Program) -> None:
    program.create(SCHEDULE, "day", **action(program))
    program.create(SCHEDULE, "night", **action(program, "0 20 * * 1-5", 1))


def rows(program: Program) -> list[dict[str, Any]]:
    return sorted(program.store.load().tables.get("ec2.instances", {}).values(), key=lambda row: row["index"])


def desired(program: Program) -> int:
    state = program.read("pool")
    assert state is not None
    assert state.inputs["scalingConfig"] == state.outputs["scalingConfig"]
    return int(state.outputs["scalingConfig"]["desiredSize"])


@pytest.mark.parametrize(
    ("at", "machines"),
    [
        ("mon 07:41", 1),
        ("mon 07:42", 4),
        ("mon 19:59", 4),
        ("mon 20:00", 1),
        ("sat 12:00", 1),
        ("fri 08:00", 4),
    ],
)
def test_machines_are_those_of_the_last_action(program: Program, at: str, machines: int) -> None:
    night_and_day(program)
    move(program.store, at)
    assert len(rows(program)) == machines
    assert desired(program) == machines


def test_of_a_group_that_shrinks_the_oldest_go_and_the_zones_stay_even(program: Program) -> None:
    """The machines on which replicas stand the longest are not spared."""
    program.create(SCHEDULE, "night", **action(program, "0 20 * * 1-5", 2))
    assert [row["zone_id"] for row in rows(program)] == ["use1-az1", "use1-az2"] * 2
    move(program.store, "mon 20:00")
    assert [(row["index"], row["zone_id"]) for row in rows(program)] == [(2, "use1-az1"), (3, "use1-az2")]


def test_the_engine_changes_something_else_and_the_number_stays_the_clocks(program: Program) -> None:
    """The engine still has four in its state; a provider sends no scaling where the engine changes none of it."""
    night_and_day(program)
    move(program.store, "mon 20:00")
    inputs = dict(program.states["pool"][1].inputs)
    program.update("pool", **{**inputs, "labels": {"a": "b"}})
    assert len(rows(program)) == 1
    program.update("pool", **{**inputs, "scalingConfig": {"minSize": 1, "desiredSize": 3, "maxSize": 3}})
    assert len(rows(program)) == 3


def test_a_size_beyond_the_limits_of_the_group_fails_when_its_moment_comes(program: Program) -> None:
    program.create(SCHEDULE, "day", **action(program, count=5))
    assert move(program.store, "mon 08:00") == ["pool: action 427**1-5 failed, as 5 nodes are not 1 to 4"]
    assert len(rows(program)) == 4


def test_what_is_not_stated_is_zero_as_at_the_provider(program: Program) -> None:
    """Without -1 the limits of the group would be 0 too, and every machine would go."""
    program.create(SCHEDULE, "night", **action(program, count=0, minSize=None, maxSize=None))
    move(program.store, "mon 08:00")
    assert rows(program) == []


def test_a_group_without_capacity_stays_smaller_and_says_so(program: Program) -> None:
    night_and_day(program)
    move(program.store, "mon 20:00")
    faults.put(program.store, [{"kind": "capacity", "instance_type": rows(program)[0]["instance_type"]}])
    (line,) = move(program.store, "tue 08:00")
    assert "it lacks some" in line
    assert "InsufficientInstanceCapacity" in line
    assert len(rows(program)) == 1
    faults.put(program.store, [])
    assert desired(program) == 4
    assert len(rows(program)) == 4


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no group": ({"autoscalingGroupName": "eks-nobody"}, "name not found"),
    "no size": ({"desiredCapacity": -1}, "At least one of"),
    "a desired size below the least": ({"minSize": 5}, "not in order"),
    "no expression": ({"recurrence": "whenever"}, "Given recurrence string"),
    "a day that is none": ({"recurrence": "0 8 * * 7"}, "Given recurrence string"),
    "no such zone": ({"timeZone": "Europe/Atlantis"}, "Given time zone"),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_what_aws_refuses(program: Program, case: str) -> None:
    changes, words = REFUSED[case]
    with pytest.raises(AwsError, match="(?i)" + words):
        program.create(SCHEDULE, "day", **action(program, **changes))


def test_two_actions_at_one_moment_are_refused(program: Program) -> None:
    program.create(SCHEDULE, "day", **action(program))
    with pytest.raises(AwsError, match="start time already exists"):
        program.create(SCHEDULE, "friday", **action(program, "42 7 * * 5", 2))
    program.update("day", **action(program, "42 7 * * 1-4", scheduledActionName="427**1-5"))
    program.create(SCHEDULE, "friday", **action(program, "42 7 * * 5", 2))


def test_no_group_has_more_than_125_actions(program: Program) -> None:
    for number in range(MOST):
        program.create(SCHEDULE, f"a{number}", **action(program, f"{number % 60} {number // 60} * * 1"))
    with pytest.raises(AwsError, match="limit of 125"):
        program.create(SCHEDULE, "last", **action(program, "0 12 * * 1"))


def test_an_action_goes_and_the_group_stays_as_it_is(program: Program) -> None:
    night_and_day(program)
    move(program.store, "mon 20:00")
    for name in ("day", "night"):
        program.delete(name)
    assert move(program.store, "tue 08:00") == []
    assert len(rows(program)) == 1
    calls = program.store.load().tables[CALLS]
    wanted = ("PutScheduledUpdateGroupAction", "DescribeScheduledActions", "DeleteScheduledAction")
    assert {f"autoscaling:{name}" for name in wanted} <= calls.keys()


def test_the_command(program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    night_and_day(program)
    assert main(["clock", "--folder", str(program.store.folder), "--at", "sun 03:00"]) == 0
    assert capsys.readouterr().out == "pool has 1 nodes by action 020**1-5\n"
    assert main(["clock", "--folder", str(program.store.folder), "--at", "someday"]) == 2
    assert "no moment of the week" in capsys.readouterr().err


def test_moments_are_counted_from_sunday_as_cron_does() -> None:
    assert moments("5 8 * * 0,6") == {8 * 60 + 5, (6 * 24 + 8) * 60 + 5}
    assert moment("Mon 06:00") == (24 + 6) * 60
    assert len(DAYS) == 7
