"""Scheduled actions of Auto Scaling groups: what AWS takes and what it refuses.

An action sets what a group wants at each of its moments. AWS takes 125 of them for a group, none without a size, and no
second one at the moment of another. AWS holds their next starts against each other; the twin holds all moments of the
week, which is stricter. Recurrences are of a week here: minute, hour and days. What the actions do, `clock` says.
"""

from __future__ import annotations

import re
import zoneinfo
from typing import Any

from twin.aws.account import Account, AwsError, imitates
from twin.aws.kinds import CreatedResource, ResourceKind, UpdatedResource, paths
from twin.aws.store import AccountState, ResourceRecord
from twin.provider.contract import ResourceState
from twin.provider.wire import Properties

SCHEDULE, NODE_GROUP = "aws:autoscaling/schedule:Schedule", "aws:eks/nodeGroup:NodeGroup"
MOST = 125
SIZES = ("minSize", "maxSize", "desiredCapacity")
_PUT = "PutScheduledUpdateGroupAction"


def moments(recurrence: str) -> frozenset[int]:
    """Return the minutes of the week, from Sunday 00:00, of an expression of cron. Raises ValueError for one that is no
    expression, or that is not of a week."""
    fields = recurrence.split()
    if len(fields) != 5 or fields[2:4] != ["*", "*"]:
        raise ValueError(f"Given recurrence string: {recurrence} is invalid")
    minutes, hours, days = (_field(text, most) for text, most in ((fields[0], 59), (fields[1], 23), (fields[4], 6)))
    return frozenset((day * 24 + hour) * 60 + minute for day in days for hour in hours for minute in minutes)


def size(inputs: Properties, key: str) -> int | None:
    """Return a size that an action sets, as the provider sends it: -1 is not sent, and what is not stated is 0."""
    stated = int(inputs.get(key) or 0)
    return None if stated == -1 else stated


def actions_of(state: AccountState, group: str) -> dict[str, ResourceRecord]:
    """Return the actions of an Auto Scaling group, by name."""
    return {r.inputs["scheduledActionName"]: r for r in state.find(SCHEDULE, autoscalingGroupName=group)}


def group_of(state: AccountState, name: str) -> tuple[str, ResourceRecord] | None:
    """Return the node group whose machines an Auto Scaling group holds, with its id; None where there is none."""
    for identifier, record in state.records.get(NODE_GROUP, {}).items():
        for part in record.outputs["resources"]:
            if name in (one["name"] for one in part["autoscalingGroups"]):
                return identifier, record
    return None


@imitates("autoscaling", _PUT)
def _put(aws: Account, request: dict[str, Any]) -> dict[str, Any]:
    group, name = request["AutoScalingGroupName"], request["ScheduledActionName"]
    if group_of(aws.state, group) is None:
        raise _refused("ValidationError", f"AutoScalingGroup name not found - AutoScalingGroup: {group} not found")
    sizes = [request.get(key) for key in ("MinSize", "DesiredCapacity", "MaxSize")]
    stated = [each for each in sizes if each is not None]
    if not stated:
        message = "At least one of MinSize, MaxSize or DesiredCapacity must be specified"
        raise _refused("ValidationError", message)
    if stated != sorted(stated) or min(stated) < 0:
        raise _refused("ValidationError", f"sizes {stated} are not in order: minimum, desired, maximum")
    zone = request.get("TimeZone")
    if zone is not None and zone not in zoneinfo.available_timezones():
        raise _refused("ValidationError", f"Given time zone: {zone} is invalid")
    try:
        wanted = moments(request["Recurrence"])
    except (KeyError, ValueError) as error:
        raise _refused("ValidationError", str(error)) from error
    others = {key: each for key, each in actions_of(aws.state, group).items() if key != name}
    if len(others) >= MOST:
        raise _refused("LimitExceeded", f"You have reached the limit of {MOST} scheduled actions for {group}")
    for other, record in sorted(others.items()):
        if moments(record.inputs["recurrence"]) & wanted:
            raise _refused("AlreadyExists", f"A scheduled action with this start time already exists: {other}")
    return {}


@imitates("autoscaling", "DescribeScheduledActions")
def _describe(aws: Account, request: dict[str, Any]) -> dict[str, Any]:
    found = actions_of(aws.state, request["AutoScalingGroupName"])
    return {"ScheduledUpdateGroupActions": [{"ScheduledActionName": name} for name in sorted(found)]}


@imitates("autoscaling", "DeleteScheduledAction")
def _remove(aws: Account, request: dict[str, Any]) -> dict[str, Any]:
    if request["ScheduledActionName"] not in actions_of(aws.state, request["AutoScalingGroupName"]):
        raise AwsError("autoscaling", "DeleteScheduledAction", "ValidationError", "Scheduled action name not found")
    return {}


def _create(aws: Account, inputs: Properties) -> CreatedResource:
    group, name = inputs["autoscalingGroupName"], inputs["scheduledActionName"]
    _order(aws, inputs)
    aws.call("autoscaling", "DescribeScheduledActions", AutoScalingGroupName=group, ScheduledActionNames=[name])
    arn = f"arn:aws:autoscaling:{aws.region}:{aws.id}:scheduledUpdateGroupAction:0:autoScalingGroupName/{group}"
    # The id is the name at the real provider, which finds the action within its group; it would not be alone here.
    return CreatedResource(f"{group}/{name}", {"arn": f"{arn}:scheduledActionName/{name}"})


def _update(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    _order(aws, inputs)
    return UpdatedResource({})


def _delete(aws: Account, old: ResourceState) -> None:
    aws.call(
        "autoscaling",
        "DeleteScheduledAction",
        AutoScalingGroupName=old.inputs["autoscalingGroupName"],
        ScheduledActionName=old.inputs["scheduledActionName"],
    )


def _order(aws: Account, inputs: Properties) -> None:
    aws.call(
        "autoscaling",
        _PUT,
        AutoScalingGroupName=inputs["autoscalingGroupName"],
        ScheduledActionName=inputs["scheduledActionName"],
        Recurrence=inputs.get("recurrence"),
        TimeZone=inputs.get("timeZone"),
        **{key[0].upper() + key[1:]: size(inputs, key) for key in SIZES},
    )


def _field(text: str, most: int) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if part != "*" and (match is None or not int(match[1]) <= int(match[2] or match[1]) <= most):
            raise ValueError(f"Given recurrence string: {text} is invalid")
        found |= set(range(most + 1)) if match is None else set(range(int(match[1]), int(match[2] or match[1]) + 1))
    return found


def _refused(code: str, message: str) -> AwsError:
    return AwsError("autoscaling", _PUT, code, message)


KINDS = (
    ResourceKind(
        SCHEDULE,
        create=_create,
        update=_update,
        delete=_delete,
        replace_on=paths("autoscalingGroupName scheduledActionName region"),
    ),
)
