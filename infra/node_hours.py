"""The hours of a node group as scheduled actions of its Auto Scaling group, within the limits of AWS; pure.

AWS takes no second action of a group at one moment. So each time of day has one action, which bears the time as its
name: equal sizes on several days are one, and where days differ at one time, the sizes of fewer days begin some minutes
earlier. Whatever changes, an action of a new lock never meets one of the old lock at its moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra import hours
from infra.deployed import Recorded
from infra.hours import DAY, WEEK, Step

SCHEDULE = "aws:autoscaling/schedule:Schedule"
MOST_ACTIONS = 125
"""Most scheduled actions of an Auto Scaling group (docs.aws.amazon.com/autoscaling/ec2/userguide, quotas)."""
MOST_EARLIER = 15
"""Longest time by which a size begins earlier, because its time of day is another's, minutes."""


class UnschedulableError(ValueError):
    """AWS would not take these hours. The message says why."""


@dataclass(frozen=True)
class NodeHours:
    """The hours are the sizes by the clock of the nodes that are bought in one way.

    by_hour: nodes in each of the 168 hours of the local week.
    timezone: zone of these hours.
    warm_seconds: time from the request for a node until a replica on it serves, seconds.
    """

    by_hour: tuple[int, ...]
    timezone: str
    warm_seconds: int


@dataclass(frozen=True)
class Action:
    """An action sets the number of nodes that a group wants, at one time of day on some days.

    name: time of day, such as `0545`.
    recurrence: expression of cron.
    count: nodes from then on.
    """

    name: str
    recurrence: str
    count: int


def actions(stated: NodeHours) -> tuple[Action, ...]:
    """Return the actions of a group, sorted by name; none where the warm time leaves no hour with fewer nodes.

    Nodes are asked for the warm time before their hour, and go when it ends.

    Raises `UnschedulableError` where AWS would not take them.
    """
    changes = hours.steps(hours.sizes(stated.by_hour, hours.minutes(stated.warm_seconds), 0))
    moments: dict[int, dict[int, list[Step]]] = {}
    for step in changes:
        moments.setdefault(step.minute % DAY, {}).setdefault(step.count, []).append(step)
    placed: dict[int, tuple[int, list[int]]] = {}
    taken = {step.minute for step in changes}
    late: list[tuple[int, int, list[Step]]] = []
    for time, by_count in sorted(moments.items()):
        (count, alike), *others = sorted(by_count.items(), key=lambda item: (-len(item[1]), item[0]))
        placed[time] = (count, [step.minute for step in alike])
        late += [(time, *other) for other in others]
    for time, count, alike in late:
        earlier = _free(time, alike, taken, {*placed, *moments})
        placed[(time - earlier) % DAY] = (count, [(step.minute - earlier) % WEEK for step in alike])
    if len(placed) > MOST_ACTIONS:
        raise UnschedulableError(f"{len(placed)} scheduled actions; an Auto Scaling group takes {MOST_ACTIONS}")
    return tuple(
        Action(f"{time // 60:02}{time % 60:02}", hours.cron(time, {hours.day_of(minute) for minute in at}), count)
        for time, (count, at) in sorted(placed.items())
    )


def is_settled(state: Recorded, name: str, least: int, most: int, wanted: Sequence[Action], timezone: str) -> bool:
    """Say whether the state holds a group with these limits and these actions, and no others: then the number of its
    nodes is what the clock has made of it.

    name: the group's name in the program.
    """
    group = state.get(("aws:eks/nodeGroup:NodeGroup", name))
    limits: Mapping[str, object] = (group or {}).get("scalingConfig") or {}
    if (limits.get("minSize"), limits.get("maxSize")) != (least, most):
        return False
    recorded = {
        (outputs.get("recurrence"), outputs.get("desiredCapacity"), outputs.get("timeZone"))
        for (token, own), outputs in state.items()
        if token == SCHEDULE and own.rpartition("-")[0] == name
    }
    return recorded == {(action.recurrence, action.count, timezone) for action in wanted}


def _free(time: int, alike: Sequence[Step], taken: set[int], times: set[int]) -> int:
    """Return by how many minutes a size begins earlier, so that its time of day is nobody's and it passes no change."""
    for earlier in range(1, MOST_EARLIER + 1):
        passed = {(step.minute - minute) % WEEK for step in alike for minute in range(1, earlier + 1)}
        if passed & taken:
            break
        if (time - earlier) % DAY not in times:
            return earlier
    raise UnschedulableError(
        f"more sizes begin at {time // 60:02}:{time % 60:02} than there are free minutes before it"
    )
