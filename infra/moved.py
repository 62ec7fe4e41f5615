"""Whether what is deployed stands where the lock says: an account, a region, a name and a network are fixed for life.

A lock with another region would not move an environment. Pulumi would replace everything that it has, in an order in
which two halves of a cluster stand in two regions; another account is one whose resources the state no longer reaches.
EKS moves no cluster into another network, nor into a zone in which it had no subnet, and says so only when the new
network is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.deployed import CLUSTER, Recorded, has_cluster
from infra.naming import stack_prefix
from planner.plan.platform import PlannedPlatform
from planner.words.diagnostics import Problem

VPC, SUBNET = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet"
_NEVER = (
    "an environment never moves: give the new place an environment and a stack of its own, move the traffic, then "
    "destroy the old one; or run `pulumi destroy` first, if it may be down meanwhile"
)


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
                hint=_NEVER,
            )


def network_problems(platform: PlannedPlatform, state: Recorded) -> Iterator[Problem]:
    """Yield what the lock says of the network and what is deployed, where they differ.

    Before there is a cluster, nothing stands in a network, and it may be replaced. A zone less is no move. Zones of a
    network that others made are theirs, and AWS judges them.
    """
    if not has_cluster(state):
        return
    stands = _network(state)
    wanted = f"VPC {platform.network.vpc}" if platform.network is not None else f"a network of {platform.cidr}"
    if stands is not None and stands != wanted:
        yield Problem("DEP079", f"the lock says {wanted}, and what is deployed has {stands}", hint=_NEVER)
        return
    zones = {outputs.get("availabilityZoneId") for (token, _), outputs in state.items() if token == SUBNET}
    new = sorted(set(platform.zones) - zones)
    if zones and new:
        message = f"the lock says zone {', '.join(new)}, and what is deployed has no subnet there"
        yield Problem("DEP079", message, hint=_NEVER)


def _network(state: Recorded) -> str | None:
    """Return the network in which an environment stands; None where nobody says it."""
    for (token, _), outputs in state.items():
        if token == VPC and outputs.get("cidrBlock"):
            return f"a network of {outputs['cidrBlock']}"
    for (token, _), outputs in state.items():
        if token == CLUSTER and (vpc := (outputs.get("vpcConfig") or {}).get("vpcId")):
            return f"VPC {vpc}"
    return None
