"""What the state says against this run: a step of Kubernetes that EKS refuses, and node groups that failed.

EKS takes one minor version at a time and none back. The state says what runs; the lock says what shall run.
"""

from __future__ import annotations

from collections.abc import Iterator

from infra.deployed import Recorded
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem

CLUSTER = "aws:eks/cluster:Cluster"
NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
FAILED = "CREATE_FAILED"


def problems(plan: Plan, state: Recorded) -> Iterator[Problem]:
    """Yield what speaks against bringing the deployed cluster to the plan's version of Kubernetes."""
    for (token, _), outputs in state.items():
        if token != CLUSTER or not plan.pools or not outputs.get("version"):
            continue
        runs, wanted = _minor(str(outputs["version"])), _minor(plan.platform.kubernetes)
        if wanted > runs + 1:
            message = f"Kubernetes runs in version 1.{runs}, and the lock says 1.{wanted}; EKS takes one step at a time"
            hint = f'write `platform.kubernetes: "1.{runs + 1}"`, plan, deploy; then go on'
            yield Problem("DEP088", message, hint=hint)
        if wanted < runs:
            message = f"Kubernetes runs in version 1.{runs}, and the lock says 1.{wanted}; EKS takes no step back"
            yield Problem("DEP088", message, hint=f'write `platform.kubernetes: "1.{runs}"` and plan again')


def failed_groups(state: Recorded) -> dict[str, str]:
    """Return the node groups that EKS could not make, by their names in the program, with their names at AWS.

    EKS changes no such group; it must be made anew.
    """
    return {
        name: str(outputs["nodeGroupName"])
        for (token, name), outputs in state.items()
        if token == NODE_GROUP and outputs.get("status") == FAILED
    }


def recorded_groups(state: Recorded) -> dict[str, str]:
    """Return the names at AWS of the node groups that are deployed, by their names in the program."""
    return {name: str(outputs.get("nodeGroupName")) for (token, name), outputs in state.items() if token == NODE_GROUP}


def _minor(version: str) -> int:
    return int(version.split(".")[1])
