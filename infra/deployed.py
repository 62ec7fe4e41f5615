"""What the stack deploys now, as its outputs say: the base of rules that judge a change."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import pulumi
from pulumi.runtime.invoke import invoke

USD = "usd_per_month"
"""Name of the output with the bill of the lock that is deployed, USD a month."""


def deployed_usd() -> Decimal | None:
    """Return the bill of what is deployed, USD a month; None where nothing is, or where nobody can say.

    The engine answers from the state that it has, so that nothing is registered for the question.
    """
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    try:
        answer = invoke("pulumi:pulumi:readStackOutputs", {"name": name}).value or {}
        return Decimal(str(answer["outputs"][USD]))
    except (KeyError, TypeError, InvalidOperation):
        return None
    except Exception as error:  # what `invoke` raises has no type of its own
        pulumi.log.warn(f"what is deployed cannot be read: {error}")
        return None
