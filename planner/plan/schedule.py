"""A size that follows the clock: how many nodes or replicas run in each hour of the week.

A schedule repeats every week. It states changes alone: each size holds from its moment until the next one, and the last
of the week holds over to the first of the next week. Its moments are local times of one zone, so that daylight saving
moves them with the people whose load they follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Literal, get_args

from planner.plan.parts import PlanPart
from planner.words.units import HOURS_PER_MONTH, HOURS_PER_WEEK

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)


class Size(PlanPart):
    """A size holds from a moment of the week on.

    day: day of the week.
    hour: full hour of that day, 0 to 23.
    count: nodes or replicas that run from then on.
    """

    day: Day
    hour: int
    count: int

    @property
    def hour_of_week(self) -> int:
        """Return the hour of the week in which it begins, 0 at Monday 00:00."""
        return DAYS.index(self.day) * 24 + self.hour


class Schedule(PlanPart):
    """A schedule is the sizes of a week.

    timezone: zone of its moments, a name of the IANA database.
    sizes: in the order of the week, each unlike the one before it; at least two.
    """

    timezone: str
    sizes: tuple[Size, ...]

    @property
    def by_hour(self) -> tuple[int, ...]:
        """Return the size in each of the 168 hours of the local week, from Monday 00:00."""
        counts, current, begins = [], self.sizes[-1].count, {size.hour_of_week: size.count for size in self.sizes}
        for hour in range(HOURS_PER_WEEK):
            current = begins.get(hour, current)
            counts.append(current)
        return tuple(counts)

    @property
    def words(self) -> str:
        """Say what runs when, like `4 from 6:00, 1 from 20:00 (mon to fri, Europe/Berlin)`."""
        changes = {day: tuple((s.hour, s.count) for s in self.sizes if s.day == day) for day in DAYS}
        parts = []
        for alike in dict.fromkeys(changes[day] for day in DAYS if changes[day]):
            days = _days([day for day in DAYS if changes[day] == alike])
            parts.append((", ".join(f"{count} from {hour}:00" for hour, count in alike), days))
        *first, (last, days) = parts
        return "; ".join([*(f"{sizes} ({when})" for sizes, when in first), f"{last} ({days}, {self.timezone})"])


def _days(days: list[Day]) -> str:
    """Name days of the week; three or more in a row are named by the first and the last."""
    places = [DAYS.index(day) for day in days]
    if len(days) > 2 and places[-1] - places[0] == len(days) - 1:
        return f"{days[0]} to {days[-1]}"
    return ", ".join(days)


def schedule(timezone: str, by_hour: tuple[int, ...]) -> Schedule | None:
    """Return the schedule of 168 sizes by local hour, from Monday 00:00; None where they are all alike."""
    changes = [hour for hour in range(HOURS_PER_WEEK) if by_hour[hour] != by_hour[hour - 1]]
    sizes = (Size(day=DAYS[hour // 24], hour=hour % 24, count=by_hour[hour]) for hour in changes)
    return Schedule(timezone=timezone, sizes=tuple(sizes)) if changes else None


def sizes_by_hour(stated: Schedule | None, always: int) -> tuple[int, ...]:
    """Return a size in each of the 168 hours of the local week; `always` is that of a thing without a schedule."""
    return stated.by_hour if stated else (always,) * HOURS_PER_WEEK


def sizes_of_levels(by_hour: Sequence[int], hours: Iterable[float | Decimal]) -> tuple[int, ...]:
    """Return the least size in the hours of each load level.

    A lock does not say which hours are those of a level. The levels come in order, the one that needs the largest sizes
    first, and each has the hours with the largest sizes that are left.

    hours: length of each level, hours a month.
    """
    largest, found, end = sorted(by_hour, reverse=True), [], 0.0
    for length in hours:
        end += float(length) * HOURS_PER_WEEK / HOURS_PER_MONTH
        found.append(largest[min(max(round(end), 1), HOURS_PER_WEEK) - 1])
    return tuple(found)
