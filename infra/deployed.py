"""What the stack deploys now, as its outputs say: where it stands, what of it is there, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import pulumi
from pulumi.runtime.invoke import invoke

USD = "usd_per_month"
"""Name of the output with the bill of the lock that is deployed, USD a month."""


def deployed_outputs() -> Mapping[str, Any]:
    """Return the outputs of what is deployed; none where nothing is, or where nobody can say.

    The engine answers from the state that it has, so that nothing is registered for the question.
    """
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    try:
        answer = invoke("pulumi:pulumi:readStackOutputs", {"name": name}).value or {}
    except Exception as error:  # what `invoke` raises has no type of its own
        pulumi.log.warn(f"what is deployed cannot be read: {error}")
        return {}
    outputs = answer.get("outputs")
    return outputs if isinstance(outputs, Mapping) else {}


def usd_of(outputs: Mapping[str, Any]) -> Decimal | None:
    """Return the bill of what is deployed, USD a month; None where nothing is, or where nobody can say."""
    try:
        return Decimal(str(outputs[USD]))
    except (KeyError, InvalidOperation):
        return None


def has_cluster(outputs: Mapping[str, Any]) -> bool:
    """Say whether a cluster is deployed."""
    return "cluster" in outputs


def has_gateway(outputs: Mapping[str, Any]) -> bool:
    """Say whether a gateway is deployed: more than a cluster."""
    return "gateway" in outputs
