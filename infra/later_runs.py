"""What a run that ends early cannot judge: strays of which only a later run can say whether the lock builds them.

A run ends after its secrets while one has no value, and after the cluster at stage `cluster`. What it did not come to
is no waste for that reason: the next run takes it into the state. Groups of GPU nodes are in the plan by name, so that
one which nobody will build is told at once. The module is pure.
"""

from __future__ import annotations

from typing import Literal

from infra.naming import gpu_name, own_name
from infra.purchases import shares
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem

Reached = Literal["secrets", "cluster", "all"]
"""How far a run came: what it has registered."""

_GROUPS = ("aws:eks/nodeGroup:NodeGroup", "aws:ec2/launchTemplate:LaunchTemplate")
_AFTER_CLUSTER = (
    "aws:acm/certificate:Certificate",
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:eks/podIdentityAssociation:PodIdentityAssociation",
    "aws:lb/listener:Listener",
    "aws:lb/loadBalancer:LoadBalancer",
    "aws:lb/targetGroup:TargetGroup",
)
"""Types of which stage `cluster` may have left some to the next one."""


def may_be_built(plan: Plan, token: str, name: str, reached: Reached) -> bool:
    """Say whether a later run may build a resource that this one did not register.

    name: its name in the program.
    """
    if reached == "all":
        return False
    if token in _GROUPS:
        planned = {own_name(share.name) for group in plan.node_groups for share in shares(group)}
        return name in planned or (reached == "secrets" and not name.startswith(gpu_name("")))
    return reached == "secrets" or token in _AFTER_CLUSTER


def told(token: str, identifier: str, cost: str, reached: Reached) -> Problem:
    """Return what to say of such a stray.

    cost: what it costs, in words.
    """
    what = token.rpartition(":")[2]
    message = f"{what} {identifier} is at AWS and not in the state, and this run does not come to it; {cost}"
    next_run = {"secrets": "give the secrets their values", "cluster": "run `up` at stage `all`"}.get(
        reached, "run `up`"
    )
    hint = f"{next_run}: what the lock builds is taken into the state then; `pulumi destroy` does not know it before"
    return Problem("DEP085", message, hint=hint, severity="warning")
