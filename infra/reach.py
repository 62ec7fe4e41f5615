"""Whether this machine will reach the Kubernetes API, said before anything is made. The module is pure.

A machine is `inside` the network (or in one that `private_from` names), `outside`, or it states its IPv4 address. What
becomes of the state where it does not, is said by `kept_state`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Literal

from planner.plan.ingress import opens_to_everyone
from planner.plan.platform import PlannedPlatform
from planner.words.diagnostics import Problem

Stage = Literal["cluster", "all"]
"""How far a run goes: to the cluster, for which the Kubernetes API is not needed, or to the end."""
_WAYS = (
    "make the cluster first (`pulumi config set spillway:stage cluster`) and the rest from a runner inside "
    "(SPILLWAY_RUNNER=inside, stage all), or name this machine's address in `platform.endpoint.public_cidrs`"
)


def reach_problems(platform: PlannedPlatform, runner: str, stage: Stage = "all", serves: bool = False) -> list[Problem]:
    """List what speaks against this run as far as the Kubernetes API goes.

    runner: where this machine is.
    serves: whether something is deployed in the cluster already.
    """
    found = list(_addresses(platform))
    if stage == "cluster" and serves:
        message = "the gateway and the pools are deployed, and stage `cluster` would take them away"
        hint = "run `pulumi config set spillway:stage all`; `pulumi destroy` removes an environment"
        found.append(Problem("DEP030", message, hint=hint))
    if stage == "all" and not found and (refused := _refused(platform, runner)):
        found.append(Problem("DEP014", refused, hint=_WAYS))
    return found


def inside_of(platform: PlannedPlatform) -> tuple[str, ...]:
    """Return the networks that may reach the private side, as far as the lock says it."""
    return platform.private_from or ((platform.cidr,) if platform.cidr else ())


def _addresses(platform: PlannedPlatform) -> Iterator[Problem]:
    """Require networks, none of which is everyone's."""
    for key, cidrs in (("public_cidrs", platform.public_cidrs), ("private_from", platform.private_from)):
        for cidr in cidrs:
            try:
                network = ipaddress.ip_network(cidr)
            except ValueError as error:
                message = f"platform.endpoint.{key}: {error}"
                yield Problem("DEP013", message, hint="write the addresses as a CIDR")
                continue
            if opens_to_everyone(str(network)):
                hint = "name the addresses that deploy, or leave it empty"
                yield Problem("DEP013", f"platform.endpoint.{key} opens the Kubernetes API to everyone", hint=hint)


def _refused(platform: PlannedPlatform, runner: str) -> str | None:
    """Say why the API will not answer this machine; None if it will."""
    private = platform.cidr or f"the VPC {platform.network.vpc if platform.network else ''}".strip()
    if runner == "inside":
        return None
    if runner == "outside":
        if platform.public_cidrs:
            return None
        return f"the Kubernetes API will be private to {private}, and this machine is said to be outside"
    admitted = (*platform.public_cidrs, *inside_of(platform))
    if _within(runner, admitted):
        return None
    return f"the Kubernetes API will admit {', '.join(admitted) or private}, and this machine is {runner}"


def _within(address: str, cidrs: Iterable[str]) -> bool:
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(cidr) for cidr in cidrs)
