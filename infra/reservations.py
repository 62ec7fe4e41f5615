"""Asks the account which reserved instances it has, where the plan counts on some.

Pulumi's provider has no question for them. So the AWS CLI is asked, which a machine that deploys has for the cluster's
tokens, in the role that deploys. What it cannot say is a warning: nothing that runs depends on it.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from infra import commitments
from infra.commitments import ListPrice, Reserved
from infra.naming import stack_prefix
from planner.domain.purchases import COMMITMENTS
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem

PERMISSION = "ec2:DescribeReservedInstances"
PATIENCE_S = 60
_DAYS = {365: "1y", 1095: "3y"}
_DAY_S = 86_400
_PAYMENTS = {each.payment.replace("-", " ").title(): each.payment for each in COMMITMENTS}
"""How EC2 calls a payment, such as `No Upfront`, and how the plan does."""


class UnansweredError(Exception):
    """AWS has not said what it was asked. Its text says why."""


def problems(plan: Plan, environment: str, on_demand: ListPrice) -> Iterator[Problem]:
    """Yield a warning for each commitment of the plan that is not bought, or that nobody could ask for."""
    if not commitments.counts_on(plan):
        return
    try:
        reserved = asked(plan, environment)
    except UnansweredError as error:
        yield commitments.unknown(plan, str(error))
        return
    yield from commitments.problems(plan, reserved, on_demand)


def asked(plan: Plan, environment: str) -> tuple[Reserved, ...]:
    """Return the reservations that cover machines of the plan's kind. Raises `UnansweredError`."""
    platform = plan.platform
    variables = dict(os.environ)
    if platform.deploy_role is not None:
        name = stack_prefix(environment)
        role = ("sts", "assume-role", "--role-arn", platform.deploy_role, "--role-session-name", name)
        keys = _answer(variables, *role, "--region", platform.region)["Credentials"]
        variables |= {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["SessionToken"],
        }
        variables.pop("AWS_PROFILE", None)
    question = ("ec2", "describe-reserved-instances", "--filters", "Name=state,Values=active")
    rows = _answer(variables, *question, "--region", platform.region)["ReservedInstances"]
    return tuple(
        Reserved(str(row["InstanceType"]), _key(row), int(row["InstanceCount"])) for row in rows if _counts(row)
    )


def _counts(row: Mapping[str, Any]) -> bool:
    """Say whether a reservation covers any Linux machine of its type in the region, as a plan's nodes are."""
    return (
        row.get("Scope") == "Region"
        and row.get("InstanceTenancy", "default") == "default"
        and str(row.get("ProductDescription", "")).startswith("Linux/UNIX")
    )


def _key(row: Mapping[str, Any]) -> str:
    """Return the key of the commitment that a reservation is; of a convertible one, a text that is no key."""
    days, payment = round(row["Duration"] / _DAY_S), str(row["OfferingType"])
    if row.get("OfferingClass", "standard") != "standard" or days not in _DAYS or payment not in _PAYMENTS:
        return f"{row.get('OfferingClass', '')} reservations of {days} days, {payment.lower()}".strip()
    return f"reserved-{_DAYS[days]}/{_PAYMENTS[payment]}"


def _answer(variables: Mapping[str, str], *arguments: str) -> Any:
    command = ["aws", *arguments, "--output", "json"]
    try:
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnansweredError(f"`aws {' '.join(arguments[:2])}` could not be asked: {error}") from error
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or f"it ended with {done.returncode}"
        raise UnansweredError(f"`aws {' '.join(arguments[:2])}` (needs {PERMISSION}) says: {said}")
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        raise UnansweredError(f"`aws {' '.join(arguments[:2])}` printed no JSON") from error
