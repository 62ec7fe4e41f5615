"""What an environment must say of a network that is there already, and what it cannot say beside it."""

from __future__ import annotations

from collections.abc import Iterator

from planner.words.diagnostics import Problem
from planner.words.spans import Document, mapping_at, value_at

_NETWORK = ("platform", "network")
_OF_A_NEW_ONE = (("platform", "network", "cidr"), ("platform", "nat"))
"""Paths of the keys that say how a network is made."""


def existing_network_problems(document: Document) -> Iterator[Problem]:
    """Yield ENV005 where a VPC lacks the subnet of a zone, a subnet its zone or its VPC, or a key says how the network
    is made that nobody makes."""
    subnets = mapping_at(document.value, *_NETWORK, "subnets")
    if value_at(document.value, (*_NETWORK, "vpc")) is None:
        if subnets:
            hint = "add `vpc:`, or leave `subnets:` out, and a network is made"
            yield Problem("ENV005", "subnets are named and no VPC", document.at((*_NETWORK, "subnets")), hint)
        return
    for path in _OF_A_NEW_ONE:
        if value_at(document.value, path) is not None:
            message = (
                f"`{'.'.join(path)}` says how a network is made, and `platform.network.vpc` names one that is there"
            )
            yield Problem("ENV005", message, document.at(path), "leave one of them out")
    zones = value_at(document.value, ("platform", "zones"))
    stated = [str(zone) for zone in zones] if isinstance(zones, list) else []
    missing = [zone for zone in stated if zone not in subnets]
    if missing:
        hint = "write `subnets: {ZONE ID: subnet-…}` with the private subnet of each zone"
        message = f"no subnet is named for {', '.join(missing)}"
        yield Problem("ENV005", message, document.key((*_NETWORK, "vpc")), hint)
    for zone in subnets:
        if str(zone) not in stated:
            message = f"`{zone}` is not among `platform.zones`"
            yield Problem("ENV005", message, document.at((*_NETWORK, "subnets", zone)), "add the zone, or leave it out")
