"""What the state says against this run: a step of Kubernetes that EKS refuses, and node groups that failed.

EKS takes one minor version at a time and none back. The state says what runs; the lock says what shall run.
"""

from __future__ import annotations

from collections.abc import Iterator

from infra.deployed import CLUSTER, Recorded
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem

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


def group_names(state: Recorded) -> dict[str, str]:
    """Return the names of node groups at AWS by their names in the program."""
    return {name: str(outputs.get("nodeGroupName")) for (token, name), outputs in state.items() if token == NODE_GROUP}


def group_sizes(state: Recorded) -> dict[str, int]:
    """Return the largest numbers of nodes that groups may have, by the groups' names in the program. A group of fixed
    size always has it."""
    sizes = {}
    for (token, name), outputs in state.items():
        if token == NODE_GROUP:
            sizes[name] = int((outputs.get("scalingConfig") or {}).get("maxSize") or 0)
    return sizes


def failed_groups(state: Recorded) -> frozenset[str]:
    """Return the node groups that EKS could not make, by their names in the program. EKS changes no such group."""
    groups = {name: outputs.get("status") for (token, name), outputs in state.items() if token == NODE_GROUP}
    return frozenset(name for name, status in groups.items() if status == FAILED)


def renewals(state: Recorded) -> Iterator[Problem]:
    """Yield a warning for each node group that is made anew because EKS could not make it."""
    for name in sorted(failed_groups(state)):
        message = f"EKS could not make node group {group_names(state)[name]} ({name}), and changes no such group"
        hint = "`up` makes it anew; see that quota and capacity are there"
        yield Problem("DEP087", message, hint=hint, severity="warning")


def _minor(version: str) -> int:
    return int(version.split(".")[1])
