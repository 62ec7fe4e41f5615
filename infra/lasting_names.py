"""Which resources keep the name that the provider invented once, and which need another one.

A name that the program gives is a promise that one resource bears it at a time: Pulumi then deletes the old resource
before it makes the new one, and AWS refuses to delete what is still in use. So a resource that is about to be replaced
while others use it is given no name, and the provider invents another. Of what the program names, only the load
balancer can be replaced by a change of the lock: log groups, launch templates, roles and buckets by their name alone,
and security and target groups with their VPC, which never changes (`moved`). A new load balancer stands before the old
one goes; only its listener is deleted first (`load_balancer`). The module is pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BALANCER = "aws:lb/loadBalancer:LoadBalancer"


def keeps_name(token: str, recorded: Mapping[str, Any], properties: Mapping[str, Any]) -> bool:
    """Say whether a resource stays the one that it is, so that it can bear the name that it has.

    recorded: its outputs in the state.
    properties: what the program states of it now, in the SDK's spelling; outputs of other resources may stand there.
    """
    if token != BALANCER:
        return True
    return recorded.get("internal") == properties.get("internal") and not _loses_subnet(
        recorded.get("subnets") or (), properties.get("subnets") or ()
    )


def _loses_subnet(had: Any, stated: Any) -> bool:
    """Say whether a subnet is taken away, as a network load balancer gets further ones only."""
    if len(stated) < len(had):
        return True
    return all(isinstance(subnet, str) for subnet in stated) and not set(had) <= set(stated)
