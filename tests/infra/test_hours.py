"""Sizes of the plan's hours as minutes in which something comes or goes."""

from __future__ import annotations

import random

import pytest

from infra import hours
from infra.hours import DAY, WEEK, Window, cron, day_of, minutes, sizes, steps, windows
from tests.infra.clocks import WORKING
from twin.aws.scheduled_actions import moments


def by_day(many: int, few: int) -> tuple[int, ...]:
    return tuple(many if working else few for working in WORKING)


def test_what_grows_comes_before_its_hour_and_what_shrinks_goes_with_it() -> None:
    found = steps(sizes(by_day(4, 1), 18, 0))
    assert [(step.minute % DAY, step.count) for step in found[:2]] == [(8 * 60 - 18, 4), (20 * 60, 1)]
    assert len(found) == 10


def test_what_has_to_be_gone_goes_before_the_end_of_its_hour() -> None:
    assert steps(sizes(by_day(4, 1), 2, 8))[1] == hours.Step(20 * 60 - 8, 1)


def test_what_comes_before_midnight_of_monday_comes_on_sunday() -> None:
    monday = tuple(2 if hour < 10 else 0 for hour in range(168))
    first, last = windows(sizes(monday, 30, 0)), steps(sizes(monday, 30, 0))
    assert first == (Window("30 23 * * 0", "0 10 * * 1", 2),)
    assert [step.minute for step in last] == [600, WEEK - 30]


def test_hours_nearer_than_the_time_to_start_keep_the_larger_size() -> None:
    lunch = tuple(1 if hour % 24 == 12 else 4 for hour in range(168))
    assert steps(sizes(lunch, 61, 0)) == ()
    assert len(steps(sizes(lunch, 59, 0))) == 14


@pytest.mark.parametrize("seed", range(40))
def test_each_hour_has_its_size_in_all_of_its_minutes_but_the_last_ones(seed: int) -> None:
    """Also of schedules that nobody would write, and never more than a neighbouring hour asks for."""
    drawn = random.Random(seed)
    plan = [drawn.choice((0, 1, 2, 5)) for _ in range(168)]
    before, after = drawn.choice((0, 7, 59, 60, 95)), drawn.choice((0, 3, 8))
    found = sizes(plan, before, after)
    for minute, count in enumerate(found):
        hour = minute // 60
        ends = min(plan[hour], plan[(hour + 1) % 168]) if 60 - minute % 60 <= after else plan[hour]
        ahead = max(plan[(minute + late) // 60 % 168] for late in range(before + 1))
        assert ends <= count <= max(plan[hour], ahead)


@pytest.mark.parametrize("seed", range(40))
def test_windows_say_the_same_minutes_as_the_sizes(seed: int) -> None:
    """As KEDA reads them: inside from a start to the next end; the larger holds; outside of all, the least."""
    drawn = random.Random(seed)
    plan = [drawn.choice((1, 2, 5)) if drawn.random() < 0.5 else 1 for _ in range(168)]
    if len(set(plan)) == 1:
        plan[drawn.randrange(168)] = 5
    found = sizes(plan, drawn.choice((2, 30)), drawn.choice((0, 3)))
    seen = [min(found)] * WEEK
    for window in windows(found):
        begins, ends = moments(window.start), moments(window.end)
        assert not begins & ends
        for begin in begins:
            minute = begin
            while minute % WEEK not in ends:
                monday_first = (minute - DAY) % WEEK
                seen[monday_first] = max(seen[monday_first], window.count)
                minute += 1
    assert tuple(seen) == found


def test_equal_days_are_one_expression() -> None:
    assert windows(sizes(by_day(4, 1), 2, 3)) == (Window("58 7 * * 1-5", "57 19 * * 1-5", 4),)
    assert cron(485, {0, 6}) == "5 8 * * 0,6"
    assert cron(485, range(7)) == "5 8 * * *"


def test_days_are_those_of_cron() -> None:
    assert [day_of(day * DAY) for day in range(7)] == [1, 2, 3, 4, 5, 6, 0]


def test_seconds_are_rounded_up() -> None:
    assert [minutes(seconds) for seconds in (0, 1, 60, 60.5)] == [0, 1, 1, 2]
