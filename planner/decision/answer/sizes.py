"""Sizes that follow the load: how many nodes a group has at each level, in which hours, and how many start in a month.

The hours are told in local time, because it is people whose load they follow: in the time zone of the routes whose load
rises and falls, where that is one, and else in UTC. As everywhere in a plan, the offset is that of the first whole week
of the horizon.
"""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from planner.decision.answer.solved import Solved
from planner.decision.candidates.existing import paid_machines
from planner.domain.demand import local_hours
from planner.plan.schedule import Schedule, schedule
from planner.words.units import HOURS_PER_WEEK

UTC = "UTC"


def time_zone(solved: Solved) -> str:
    """Return the time zone of the plan's schedules: that of all routes whose load follows local hours, or UTC."""
    zones = {
        route.route.traffic.timezone
        for route in solved.demand.routes
        if route.route.traffic.profile not in ("flat", "global") or route.week.origin != "stated"
    }
    return zones.pop() if len(zones) == 1 else UTC


def schedule_of(solved: Solved, by_level: Sequence[int]) -> Schedule | None:
    """Return the schedule of a size by level; None where it is the same at all of them."""
    if len(set(by_level)) < 2:
        return None
    zone = time_zone(solved)
    found: dict[int, int] = {}
    start = solved.environment.horizon.start
    for local, level in zip(local_hours(ZoneInfo(zone), start), solved.demand.level_of_hour, strict=True):
        found[local] = max(by_level[level], found.get(local, 0))
    # Where clocks are put forward in that week, an hour of it is missing: it has the larger size of those around it.
    hours = range(HOURS_PER_WEEK)
    around = {hour: max(found.get((hour + step) % HOURS_PER_WEEK, 0) for step in (-1, 0, 1)) for hour in hours}
    return schedule(zone, tuple(found.get(hour, around[hour]) for hour in hours))


def nodes_by_level(solved: Solved, group: str) -> tuple[int, ...]:
    """Return the nodes of a group at each level, with those that are spot."""
    key, answer = solved.groups[group][0].replica_class.node_group, solved.choice.answer
    return tuple(answer.nodes_at(key, t) for t in range(solved.choice.levels))


def spot_by_level(solved: Solved, group: str) -> tuple[int, ...]:
    """Return the spot nodes of a group at each level."""
    key, answer = solved.groups[group][0].replica_class.node_group, solved.choice.answer
    return tuple(answer.spot_at(key, t) for t in range(solved.choice.levels))


def firm_by_level(solved: Solved, group: str) -> tuple[int, ...]:
    """Return the nodes of a group at each level that are not spot."""
    both = zip(nodes_by_level(solved, group), spot_by_level(solved, group), strict=True)
    return tuple(every - spot for every, spot in both)


def follows_load(solved: Solved, group: str) -> bool:
    """Say whether the size of a group changes."""
    return len(set(nodes_by_level(solved, group))) > 1 or len(set(spot_by_level(solved, group))) > 1


def counted_by_level(solved: Solved, group: str) -> bool:
    """Say whether the machines of a group are counted by level: some group of their type follows its load.

    What is paid for otherwise covers the nodes of its type, whatever group these are of, so that what is left for a
    group to buy depends on the size of the others.
    """
    instance_type = solved.groups[group][0].replica_class.instance_type
    same = (name for name, pools in solved.groups.items() if pools[0].replica_class.instance_type == instance_type)
    return any(follows_load(solved, name) for name in same)


def hours_of(solved: Solved, by_level: Sequence[int]) -> float:
    """Return the hours a month that machines run of which there are so many at each level."""
    return sum(count * hours for count, hours in zip(by_level, solved.choice.question.level_hours, strict=True))


def starts_of(solved: Solved, by_level: Sequence[int]) -> float:
    """Return how many machines start in a month of which there are so many at each level."""
    changes = solved.choice.question.changes
    return sum(times * max(0, by_level[later] - by_level[earlier]) for earlier, later, times in changes)


def warm_seconds(solved: Solved, group: str) -> int:
    """Return the time from the request for a node of a group until a replica on it serves; 0 where none starts."""
    return max(pool.warm_seconds for pool in solved.groups[group]) if follows_load(solved, group) else 0


def on_demand_by_level(solved: Solved, group: str) -> tuple[int, ...]:
    """Return the nodes of a group at each level that are bought on demand.

    Machines that are paid for already and commitments cover the nodes of their type at each level, whatever group these
    are of; groups take them in the order of names.
    """
    instance_type = solved.groups[group][0].replica_class.instance_type
    left = [
        sum(
            each.count
            for each in paid_machines(solved.environment, solved.catalog)
            if each.instance_type == instance_type
        )
        + sum(count for (name, _), count in solved.choice.answer.committed.items() if name == instance_type)
    ] * solved.choice.levels
    for name, pools in solved.groups.items():
        if pools[0].replica_class.instance_type != instance_type:
            continue
        firm = firm_by_level(solved, name)
        bought = tuple(max(0, count - covered) for count, covered in zip(firm, left, strict=True))
        left = [max(0, covered - count) for count, covered in zip(firm, left, strict=True)]
        if name == group:
            return bought
    raise KeyError(group)
