"""What an environment must say of nodes that are given back, and what a plan must keep of sizes that follow the clock.

The first part works on the values as they were read, like `contradictions`, which asks it. The second counts the hours
of a week once more: those that nodes run, and those that nodes start in, which are paid for until their replicas serve.

A lock does not say which hour belongs to which level. So a pool that follows the clock is held against its levels in
the order of their sizes: its busiest hours, as many as a level has, must carry that level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from planner.documents.paid_rules import TOLERANCE
from planner.domain.environment import Environment
from planner.money.cost import STARTING
from planner.plan.fleet import NodeGroup, Pool
from planner.plan.plan import Plan
from planner.plan.schedule import sizes_of_levels
from planner.words.diagnostics import Problem
from planner.words.spans import Document, value_at
from planner.words.units import HOURS_PER_MONTH, HOURS_PER_WEEK

ELASTIC = ("elastic",)
MONTH_BY_WEEK = Decimal(HOURS_PER_MONTH) / HOURS_PER_WEEK
"""Hours of a month ÷ hours of a week."""


def elastic_problems(document: Document) -> Iterator[Problem]:
    """Yield ENV005 where nodes of a cluster that is there already are to be given back."""
    elastic = value_at(document.value, ELASTIC)
    if not isinstance(elastic, dict) or not any(allowed is True for allowed in elastic.values()):
        return
    if value_at(document.value, ("platform", "cluster")) is not None:
        message = "`elastic` gives nodes back, and those of a cluster that is there already are paid for in any case"
        yield Problem("ENV005", message, document.key(ELASTIC), "leave it out, or leave out `platform.cluster`")


def hours_a_month(by_hour: Sequence[int]) -> Decimal:
    """Return the hours a month that so many machines run."""
    return sum(by_hour) * MONTH_BY_WEEK


def starts_a_month(by_hour: Sequence[int]) -> Decimal:
    """Return how many machines start in a month."""
    return sum(max(0, count - by_hour[hour - 1]) for hour, count in enumerate(by_hour)) * MONTH_BY_WEEK


def starting_hours(group: NodeGroup) -> Decimal:
    """Return the hours a month that nodes of a group are paid for before they serve."""
    started = starts_a_month(group.firm_by_hour) + starts_a_month(group.spot_by_hour)
    return started * group.warm_seconds / 3600


def node_hours(group: NodeGroup) -> Decimal:
    """Return all hours a month that nodes of a group run, with those in which they start."""
    return hours_a_month(group.by_hour) + starting_hours(group)


def carries(plan: Plan, pool: Pool, load: Callable[[str], Decimal], lost: Callable[[int], int]) -> str | None:
    """Return the level that a pool does not carry, or None where it carries all of them.

    load: replicas that a level keeps busy, by its name. lost: replicas that may be lost of so many.
    """
    wanted = sorted(((load(level.name), level) for level in plan.levels), key=lambda item: (-item[0], item[1].name))
    there = sizes_of_levels(pool.replicas.by_hour, (level.hours for _, level in wanted))
    for (busy, level), count in zip(wanted, there, strict=True):
        if busy > (count - lost(count)) * (1 + TOLERANCE):
            return level.name
    return None


def schedules_held(plan: Plan, environment: Environment) -> Iterator[Problem]:
    """Require that only nodes are given back that may be, and that sizes by the clock agree with each other."""
    groups = {group.name: group for group in plan.node_groups}
    zones = {each.timezone for group in plan.node_groups for each in (group.schedule, group.spot_schedule) if each}
    zones |= {pool.replicas.week.timezone for pool in plan.pools if pool.replicas.week}
    if len(zones) > 1:
        yield Problem("CHK014", f"schedules stand in several time zones: {', '.join(sorted(zones))}")
    for group in plan.node_groups:
        yield from _group(group, environment)
    for pool in plan.pools:
        replicas, own = pool.replicas, groups.get(pool.node_group)
        counts = replicas.by_hour
        if replicas.week and (min(counts), max(counts)) != (replicas.min, replicas.max):
            message = f"pool `{pool.name}` has {min(counts)} to {max(counts)} replicas by the clock"
            yield Problem("CHK014", f"{message}, and {replicas.min} to {replicas.max} at all")
        if own is None or not (replicas.week or own.schedule):
            continue
        needed = [count * pool.engine.gpus for count in counts]
        if any(use > nodes * own.gpus_per_node for use, nodes in zip(needed, own.by_hour, strict=True)):
            yield Problem("CHK014", f"pool `{pool.name}` has more replicas by the clock than its nodes hold")


def following_bill(plan: Plan) -> Iterator[Problem]:
    """Require that nodes which come and go are billed for the hours in which they run and start."""
    following = [group for group in plan.node_groups if group.follows_the_clock]
    for instance_type in sorted({group.instance_type for group in following}):
        own = [group for group in plan.node_groups if group.instance_type == instance_type]
        covered = sum(group.paid + sum(group.committed.values()) for group in own)
        firm = [sum(counts) for counts in zip(*(group.firm_by_hour for group in own), strict=True)]
        wanted = {
            "on demand": hours_a_month([max(0, count - covered) for count in firm]),
            "spot": sum((hours_a_month(group.spot_by_hour) for group in own), Decimal(0)),
            "starting": sum((starting_hours(group) for group in own), Decimal(0)),
        }
        billed = dict.fromkeys(wanted, Decimal(0))
        for line in plan.cost.lines:
            if line.unit == "hour" and line.component in {group.name for group in own}:
                if STARTING in line.name:
                    billed["starting"] += line.quantity
                elif line.name == f"{instance_type} on-demand":
                    billed["on demand"] += line.quantity
                elif line.name == f"{instance_type} spot":
                    billed["spot"] += line.quantity
        for words, hours in wanted.items():
            if abs(billed[words] - hours) > TOLERANCE * max(hours, Decimal(1)):
                message = f"{instance_type} runs {hours:,.1f} hours a month {words} by the clock"
                yield Problem("CHK007", f"{message}; {billed[words]:,.1f} are billed")


def _group(group: NodeGroup, environment: Environment) -> Iterator[Problem]:
    about = f"node group `{group.name}`"
    if not group.follows_the_clock:
        if group.warm_seconds:
            yield Problem("CHK014", f"{about} has no schedule, and says how long its nodes take to come again")
        return
    if group.quota_family not in environment.elastic_families:
        yield Problem("CHK014", f"{about} gives nodes back; `elastic` does not allow it of {group.quota_family}")
    nodes, spot = group.by_hour, group.spot_by_hour
    if min(nodes) != group.min_nodes or max(nodes) > group.max_nodes or max(spot) != group.spot:
        message = f"{about} has {min(nodes)} to {max(nodes)} nodes by the clock, up to {max(spot)} of them spot"
        yield Problem("CHK014", f"{message}, and {group.min_nodes} to {group.max_nodes} and {group.spot} at all")
    if min(group.firm_by_hour) < 0:
        yield Problem("CHK014", f"{about} has more spot nodes by the clock than nodes")
    if max(group.firm_by_hour) > group.max_nodes - group.spot:
        yield Problem("CHK014", f"{about} has more nodes by the clock that are not spot than it may")
    if not group.warm_seconds:
        yield Problem("CHK014", f"{about} gives nodes back and says nothing of how long they take to come")
