"""What the stack deploys now, as its outputs say: the base of rules that judge a change."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import pulumi
from pulumi.runtime.invoke import invoke

USD = "usd_per_month"
"""Name of the output with the bill of the lock that is deployed, USD a month."""


def serves() -> bool:
    """Say whether the stack has a gateway: whether more than its cluster is deployed. False where nobody can say."""
    return "gateway" in _outputs()


def is_deployed() -> bool:
    """Say whether the stack has a cluster, as its outputs tell."""
    return "cluster" in _outputs()


def deployed_usd() -> Decimal | None:
    """Return the bill of what is deployed, USD a month; None where nothing is, or where nobody can say.

    The engine answers from the state that it has, so that nothing is registered for the question.
    """
    try:
        return Decimal(str(_outputs()[USD]))
    except (KeyError, InvalidOperation):
        return None


def _outputs() -> Mapping[str, Any]:
    """Return the outputs of the stack as they stand in its state; none where it has no state, or nobody can say."""
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    try:
        answer = invoke("pulumi:pulumi:readStackOutputs", {"name": name}).value or {}
    except Exception as error:  # what `invoke` raises has no type of its own
        pulumi.log.warn(f"what is deployed cannot be read: {error}")
        return {}
    outputs = answer.get("outputs")
    return outputs if isinstance(outputs, dict) else {}
