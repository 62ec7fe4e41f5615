"""Hours of nodes become scheduled actions that AWS takes, whatever the hours were before."""

from __future__ import annotations

import random
from typing import Any

import pytest

from infra.hours import DAY, WEEK, sizes
from infra.node_hours import MOST_EARLIER, Action, NodeHours, UnschedulableError, actions, is_settled
from tests.infra.clocks import WARM_SECONDS, WORKING, ZONE
from twin.aws.scheduled_actions import moments


def stated(by_hour: list[int] | tuple[int, ...], warm_seconds: int = WARM_SECONDS) -> NodeHours:
    return NodeHours(tuple(by_hour), ZONE, warm_seconds)


def played(found: tuple[Action, ...]) -> list[int]:
    """The size in each minute of the week from Monday 00:00, as the last action before it says."""
    at = {(minute - DAY) % WEEK: action.count for action in found for minute in moments(action.recurrence)}
    assert len(at) == sum(len(moments(action.recurrence)) for action in found), "two actions at one moment"
    count, seen = at[max(at)], []
    for minute in range(WEEK):
        count = at.get(minute, count)
        seen.append(count)
    return seen


def test_equal_times_on_several_days_are_one_action() -> None:
    found = actions(stated([4 if working else 1 for working in WORKING]))
    assert found == (Action("0742", "42 7 * * 1-5", 4), Action("2000", "0 20 * * 1-5", 1))


def test_nodes_come_on_the_day_before_where_they_take_that_long() -> None:
    found = actions(stated([2 if hour < 20 else 0 for hour in range(168)]))
    assert found == (Action("2000", "0 20 * * 1", 0), Action("2342", "42 23 * * 0", 2))


def test_where_days_differ_at_one_time_the_fewer_begin_a_minute_earlier() -> None:
    week = [(4 if hour < 96 else 2) if hour % 24 >= 8 and hour < 120 else 1 for hour in range(168)]
    found = actions(stated(week))
    at_eight = [action for action in found if action.name.startswith("07")]
    assert at_eight == [Action("0741", "41 7 * * 5", 2), Action("0742", "42 7 * * 1-4", 4)]


@pytest.mark.parametrize("seed", range(60))
def test_actions_say_the_minutes_of_the_sizes(seed: int) -> None:
    """A size begins up to some minutes earlier, and never after its minute; no two share a time of day."""
    drawn = random.Random(seed)
    week = [drawn.choice((0, 1, 2, 4)) if hour % 24 in (7, 12, 19) else 0 for hour in range(168)]
    hours = stated(week, drawn.choice((61, 900, 1021, 3000)))
    wanted = sizes(hours.by_hour, -(-hours.warm_seconds // 60), 0)
    if len(set(wanted)) == 1:
        assert actions(hours) == ()
        return
    found = actions(hours)
    assert len({action.name for action in found}) == len(found)
    for minute, count in enumerate(played(found)):
        near = {wanted[(minute + later) % WEEK] for later in range(MOST_EARLIER + 1)}
        assert count in near, minute


def test_more_actions_than_aws_takes_are_refused() -> None:
    drawn = random.Random(1)
    week = [drawn.randrange(50) for _ in range(168)]
    with pytest.raises(UnschedulableError, match=r"scheduled actions; an Auto Scaling group takes 125|free minutes"):
        actions(stated(week, 120))


def test_a_moment_that_would_pass_another_change_is_refused() -> None:
    """On Monday nodes go at 08:00 and come at 08:01 for the hour after; on Tuesday others come at that time."""
    week = [1] * 168
    week[7], week[8], week[9] = 2, 1, 4
    week[31], week[32], week[33] = 2, 1, 3
    with pytest.raises(UnschedulableError, match="more sizes begin at 08:01 than there are free minutes before it"):
        actions(stated(week, 59 * 60))
    assert len(actions(stated(week, 50 * 60))) == 5


def state_of(least: int, most: int, found: tuple[Action, ...], zone: str = ZONE) -> dict[tuple[str, str], Any]:
    group = {("aws:eks/nodeGroup:NodeGroup", "gpu-a"): {"scalingConfig": {"minSize": least, "maxSize": most}}}
    return group | {
        ("aws:autoscaling/schedule:Schedule", f"gpu-a-{action.name}"): {
            "recurrence": action.recurrence,
            "desiredCapacity": action.count,
            "timeZone": zone,
        }
        for action in found
    }


def test_a_group_is_settled_when_the_state_has_its_hours_and_no_others() -> None:
    found = actions(stated([4 if working else 1 for working in WORKING]))
    whole = state_of(1, 4, found)
    other = {("aws:autoscaling/schedule:Schedule", "gpu-a-spot-0500"): {"recurrence": "0 5 * * *"}}
    assert is_settled({**whole, **other}, "gpu-a", 1, 4, found, ZONE)
    assert not is_settled({}, "gpu-a", 1, 4, found, ZONE)
    assert not is_settled(whole, "gpu-a", 1, 5, found, ZONE)
    assert not is_settled(whole, "gpu-a", 1, 4, found, "Asia/Tokyo")
    assert not is_settled(state_of(1, 4, found[:1]), "gpu-a", 1, 4, found, ZONE)
    assert not is_settled(whole, "gpu-a", 1, 4, found[:1], ZONE)
