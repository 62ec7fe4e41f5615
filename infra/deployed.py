"""What the stack deploys now, as the engine's state says: outputs of the stack, and resources by type and name."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import pulumi
from pulumi.runtime.invoke import invoke

USD = "usd_per_month"
"""Name of the output with the bill of the lock that is deployed, USD a month."""

CLUSTER = "aws:eks/cluster:Cluster"
SERVING = ("spillway:kubernetes:ServingPool", "spillway:kubernetes:Gateway")
"""Components that stand in a cluster."""

Recorded = Mapping[tuple[str, str], Mapping[str, Any]]
"""Type and name in the program -> outputs."""


def stack_outputs() -> Mapping[str, Any]:
    """Return the outputs of the last run that ended well. They are empty where there is none."""
    return _asked("pulumi:pulumi:readStackOutputs", "name").get("outputs") or {}


def recorded() -> Recorded:
    """Return the resources of the state with their outputs. Nothing is registered for the question."""
    resources = _asked("pulumi:pulumi:readStackResourceOutputs", "stackName").get("outputs") or {}
    return {_type_and_name(urn): resource.get("outputs") or {} for urn, resource in sorted(resources.items())}


def usd_of(outputs: Mapping[str, Any]) -> Decimal | None:
    """Return the bill of what is deployed, USD a month; None where nothing is, or where nobody can say."""
    try:
        return Decimal(str(outputs[USD]))
    except (KeyError, InvalidOperation):
        return None


def has_cluster(state: Recorded) -> bool:
    """Say whether a cluster at AWS is in the state, also after a run that failed."""
    return any(token == CLUSTER for token, _ in state)


def has_pools(state: Recorded) -> bool:
    """Say whether more than a cluster is in the state: pools or the gateway, also after a run that failed."""
    return any(token in SERVING for token, _ in state)


def _asked(token: str, argument: str) -> Mapping[str, Any]:
    """Ask the engine, which answers from the state that it has; a new stack has nothing. Raises `pulumi.RunError`."""
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    try:
        return invoke(token, {argument: name}).value or {}
    except Exception as error:  # what `invoke` raises has no type of its own
        raise pulumi.RunError(f"what is deployed cannot be read, and nothing was changed: {error}") from error


def _type_and_name(urn: str) -> tuple[str, str]:
    """Take a URN apart: urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME."""
    _, _, types, name = urn.split("::", 3)
    return types.rpartition("$")[2], name
