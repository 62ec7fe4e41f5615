"""A schedule of a week: changes alone are stated, and each hour reads its size from them."""

from __future__ import annotations

import random

from planner.plan.schedule import Day, Schedule, Size, schedule


def test_a_size_holds_until_the_next_one_and_over_the_end_of_the_week() -> None:
    office = Schedule(
        timezone="Europe/Berlin", sizes=(Size(day="mon", hour=6, count=4), Size(day="fri", hour=20, count=1))
    )
    assert office.by_hour[5] == 1
    assert office.by_hour[6] == office.by_hour[4 * 24 + 19] == 4
    assert office.by_hour[4 * 24 + 20] == office.by_hour[167] == office.by_hour[0] == 1


def test_hours_become_their_changes_and_back() -> None:
    draw = random.Random(14)
    for _ in range(50):
        hours = tuple(draw.choice((0, 1, 1, 3)) for _ in range(168))
        made = schedule("UTC", hours)
        assert made is not None
        assert made.by_hour == hours
        counts = [size.count for size in made.sizes]
        assert all(a != b for a, b in zip(counts, [counts[-1], *counts], strict=False))


def test_equal_hours_have_no_schedule() -> None:
    assert schedule("UTC", (2,) * 168) is None


def test_words_name_days_that_are_alike_together() -> None:
    def size(day: Day, hour: int, count: int) -> Size:
        return Size(day=day, hour=hour, count=count)

    workdays: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri")
    office = [each for day in workdays for each in (size(day, 7, 4), size(day, 21, 1))]
    week = Schedule(timezone="UTC", sizes=tuple(office))
    assert week.words == "4 from 7:00, 1 from 21:00 (mon to fri, UTC)"
    saturday = (*office, size("sat", 9, 2), size("sat", 18, 1))
    assert Schedule(timezone="Europe/Berlin", sizes=saturday).words == (
        "4 from 7:00, 1 from 21:00 (mon to fri); 2 from 9:00, 1 from 18:00 (sat, Europe/Berlin)"
    )
    apart = (size("mon", 6, 4), size("mon", 20, 1), size("thu", 6, 4), size("thu", 20, 1))
    assert Schedule(timezone="UTC", sizes=apart).words == "4 from 6:00, 1 from 20:00 (mon, thu, UTC)"
