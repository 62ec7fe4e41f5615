"""When nodes and replicas come and go in a week, so that the size of each hour of the plan holds in that hour.

What grows is asked for ahead of its hour by the time that it needs to serve. What shrinks goes ahead of its hour too
where something else waits for it to be gone. The module is pure and counts minutes of the local week from Monday 00:00.
Cron has Sunday as day 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from planner.words.units import HOURS_PER_WEEK

DAY, WEEK = 24 * 60, HOURS_PER_WEEK * 60
"""Minutes of a day and of a week."""
EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True)
class Step:
    """A size holds from a minute of the week on, until the next step.

    count: nodes or replicas.
    """

    minute: int
    count: int


@dataclass(frozen=True)
class Window:
    """A window is a part of some days in which there are at least so many; it may end on a later day.

    start, end: expressions of cron, each with one range of days at the most.
    """

    start: str
    end: str
    count: int


def minutes(seconds: float) -> int:
    """Return whole minutes that hold so many seconds."""
    return -int(-seconds // 60)


def sizes(by_hour: Sequence[int], grows_before: int, shrinks_before: int) -> tuple[int, ...]:
    """Return the size in each minute of the week.

    by_hour: size of the plan in each of the 168 hours.
    grows_before, shrinks_before: how long before its hour a larger and a smaller size begins, minutes. Between two
    hours that are nearer than that, the larger size stays.
    """
    least = min(by_hour)
    found = [least] * WEEK
    for count in sorted({*by_hour} - {least}):
        for first, last in _runs([size >= count for size in by_hour]):
            for minute in range(60 * first - grows_before, 60 * last - shrinks_before):
                found[minute % WEEK] = count
    return tuple(found)


def steps(found: Sequence[int]) -> tuple[Step, ...]:
    """Return the minutes in which a size by the minute changes; none where it never does."""
    return tuple(Step(minute, found[minute]) for minute in range(WEEK) if found[minute] != found[minute - 1])


def windows(found: Sequence[int]) -> tuple[Window, ...]:
    """Return the windows of a size by the minute above its least, the smaller counts first.

    Windows of several days that follow each other at equal times are one.
    """
    return tuple(
        window
        for count in sorted({*found} - {min(found)})
        for window in _equal_days(count, _runs([size >= count for size in found]))
    )


def cron(minute: int, days: Iterable[int]) -> str:
    """Return the expression for a minute of the day on some days of cron."""
    return f"{minute % 60} {minute // 60} * * {_listed(days)}"


def day_of(minute: int) -> int:
    """Return the day of cron on which a minute of the week falls."""
    return (minute // DAY + 1) % 7


def _equal_days(count: int, runs: Iterable[tuple[int, int]]) -> Iterator[Window]:
    kinds: dict[tuple[int, int, int], set[int]] = {}
    for first, last in runs:
        kinds.setdefault((first % DAY, last % DAY, (last // DAY - first // DAY) % 7), set()).add(day_of(first))
    for (first, last, later), days in sorted(kinds.items()):
        for together in _neighbours(days, later):
            ends = {(day + later) % 7 for day in together}
            yield Window(cron(first, together), cron(last, ends), count)


def _neighbours(days: set[int], later: int) -> Iterator[set[int]]:
    """Yield days in ranges, cut where the days of the ends begin anew with Sunday."""
    if days == EVERY_DAY:
        yield days
        return
    part: set[int] = set()
    for day in range(7):
        if part and (day not in days or (day + later) % 7 == 0):
            yield part
            part = set()
        if day in days:
            part.add(day)
    if part:
        yield part


def _runs(holds: Sequence[bool]) -> list[tuple[int, int]]:
    """Return the first and the one behind the last of each run in a circle. A run over its end has a last beyond it."""
    length = len(holds)
    begins = [index for index in range(length) if holds[index] and not holds[index - 1]]
    found = []
    for first in begins:
        last = first
        while holds[last % length]:
            last += 1
        found.append((first, last))
    return found


def _listed(days: Iterable[int]) -> str:
    """Spell days as cron does: `1-5`, or `0,6`."""
    wanted = sorted(days)
    if len(wanted) == len(EVERY_DAY):
        return "*"
    parts: list[list[int]] = []
    for day in wanted:
        if parts and parts[-1][-1] == day - 1:
            parts[-1].append(day)
        else:
            parts.append([day])
    return ",".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)
