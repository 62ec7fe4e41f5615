"""Night, morning and evening as a play: the hours around which sizes of the plan follow the clock.

The play has a part for each size on the way from the least to the most GPUs, and back. It begins with the last hour of
a night, after which the day is full soonest; the hours between two changes are left out. A size holds from the
beginning of its hour on: who comes serves then, because its node was asked for `warm_seconds` before, and who goes
leaves then.

A lock does not say which hours are those of a level. The level that keeps most GPUs busy has the hours with most of
them, and each part plays the heaviest level whose hours have no more GPUs than it has itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from decimal import Decimal

from planner.documents.hours import levels_of_pool
from planner.documents.outline import NoPlay, Outline, Part, nodes_usd_per_hour
from planner.plan.plan import Plan
from planner.plan.schedule import DAYS, sizes_of_levels
from planner.words.units import HOURS_PER_WEEK

NIGHT = "night"
PART_S = 150.0
"""Length of a part, seconds. A whole drain and the beginning of a load fit in it."""

Sizes = Mapping[str, int]


def outline(plan: Plan, part_s: float = PART_S) -> Outline:
    """Return the play of the plan's clock. Raises NoPlay where no size of a pool follows it.

    part_s: length of each part, seconds.
    """
    schedules = [pool.replicas.week for pool in plan.pools if pool.replicas.week]
    if not schedules:
        raise NoPlay("no size in the plan follows the clock")
    hours = _hours_of_the_play(plan)
    parts = tuple(
        Part(
            phase=f"from {_moment(hour)}" if index else NIGHT,
            lasts_s=part_s,
            level=_level(plan, _gpus(plan, hour)),
            promised=True,
            sizes=_sizes(plan, hour),
            planned_sizes=_sizes(plan, hour),
            nodes_usd_per_hour=nodes_usd_per_hour(plan, _nodes(plan, hour)),
        )
        for index, hour in enumerate(hours)
    )
    zones = ", ".join(sorted({schedule.timezone for schedule in schedules}))
    groups = {group.name: group for group in plan.node_groups}
    return Outline(
        story=f"sizes follow the clock ({zones}); the hours between two changes are left out",
        parts=parts,
        warm_s={pool.name: float(groups[pool.node_group].warm_seconds) for pool in plan.pools if pool.replicas.week},
        starting_usd=_starting_usd(plan, hours),
    )


def _hours_of_the_play(plan: Plan) -> list[int]:
    """Return the hours of the week in which the parts begin: the night's last, and those of all changes after it.

    The way from the least to the most is the shortest of the week, the way back the first after it.
    """
    gpus = [_gpus(plan, hour) for hour in range(HOURS_PER_WEEK)]
    least, most = min(gpus), max(gpus)
    nights = [hour for hour in range(HOURS_PER_WEEK) if gpus[hour] == least and gpus[_next(hour)] != least]
    if least == most:  # pools change places, and the total stays
        nights = [hour for hour in range(HOURS_PER_WEEK) if _sizes(plan, hour) != _sizes(plan, _next(hour))]
        return [nights[0], _next(nights[0])]
    night = min(nights, key=lambda hour: (_until(gpus, hour, most), hour))
    day = night + _until(gpus, night, most)
    evening = day + _until(gpus, day, least)
    last_of_day = max(hour for hour in range(day, evening) if gpus[hour % HOURS_PER_WEEK] == most)
    ways = [*range(night + 1, day + 1), *range(last_of_day + 1, evening + 1)]
    changes = [hour for hour in ways if _sizes(plan, hour) != _sizes(plan, hour - 1)]
    return [hour % HOURS_PER_WEEK for hour in (night, *changes)]


def _next(hour: int) -> int:
    return (hour + 1) % HOURS_PER_WEEK


def _until(gpus: list[int], hour: int, count: int) -> int:
    """Return how many hours after an hour there are so many GPUs again."""
    return next(step for step in range(1, HOURS_PER_WEEK + 1) if gpus[(hour + step) % HOURS_PER_WEEK] == count)


def _moment(hour: int) -> str:
    return f"{DAYS[hour // 24]} {hour % 24}:00"


def _sizes(plan: Plan, hour: int) -> dict[str, int]:
    return {pool.name: pool.replicas.by_hour[hour % HOURS_PER_WEEK] for pool in plan.pools}


def _nodes(plan: Plan, hour: int) -> dict[str, int]:
    return {group.name: group.by_hour[hour % HOURS_PER_WEEK] for group in plan.node_groups}


def _gpus(plan: Plan, hour: int) -> int:
    sizes = _sizes(plan, hour)
    return sum(sizes[pool.name] * pool.engine.gpus for pool in plan.pools)


def _level(plan: Plan, gpus: int) -> str:
    """Return the heaviest level whose hours have no more GPUs than these."""
    busy: dict[str, float] = dict.fromkeys((level.name for level in plan.levels), 0.0)
    for pool in plan.pools:
        for each in levels_of_pool(plan, pool):
            busy[each.name] += each.wanted * pool.engine.gpus
    rates = {level.name: sum(level.planned_requests_per_second.values()) for level in plan.levels}
    heaviest = sorted(plan.levels, key=lambda level: (-busy[level.name], -rates[level.name], level.name))
    by_hour = [_gpus(plan, hour) for hour in range(HOURS_PER_WEEK)]
    there = sizes_of_levels(by_hour, (level.hours for level in heaviest))
    for level, count in zip(heaviest, there, strict=True):
        if count <= gpus:
            return level.name
    return heaviest[-1].name


def _starting_usd(plan: Plan, hours: list[int]) -> Decimal | None:
    """Return what the nodes that come in the play cost until they serve, USD; None where the lock does not tell it."""
    total = Decimal(0)
    for earlier, later in itertools.pairwise(hours):
        before, after = _nodes(plan, earlier), _nodes(plan, later)
        for group in plan.node_groups:
            come = max(0, after[group.name] - before[group.name])
            price = nodes_usd_per_hour(plan, {group.name: come})
            if price is None:
                return None
            total += price * group.warm_seconds / 3600
    return total
