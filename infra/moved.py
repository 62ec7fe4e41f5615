"""Whether what is deployed stands where the lock says: an account, a region and a name are fixed for life.

A lock with another region would not move an environment. Pulumi would replace everything that it has, in an order in
which two halves of a cluster stand in two regions; another account is one whose resources the state no longer reaches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.naming import stack_prefix
from planner.plan.platform import PlannedPlatform
from planner.words.diagnostics import Problem


def place(platform: PlannedPlatform, environment: str) -> dict[str, str]:
    """Return where an environment stands, as outputs of its stack. A change of any of them moves it."""
    return {"account": platform.account, "region": platform.region, "prefix": stack_prefix(environment)}


def problems(wanted: Mapping[str, str], deployed: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield each part of the place in which the lock and what is deployed differ.

    deployed: outputs of the stack; those of a stack that has deployed nothing are empty.
    """
    for name, value in wanted.items():
        stands = deployed.get(name)
        if stands is not None and stands != value:
            yield Problem(
                "DEP079",
                f"the lock says {name} {value}, and what is deployed has {name} {stands}",
                hint="an environment never moves: give the new place an environment and a stack of its own, move the "
                "traffic, then destroy the old one; or run `pulumi destroy` first, if it may be down meanwhile",
            )
