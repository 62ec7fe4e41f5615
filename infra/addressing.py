"""Address plan of an environment's network: the zone's id alone decides which subnet it gets.

    private subnet of zone n = n-th block of prefix + 4     (a /16 network: 4,096 addresses a zone)
    public subnet of zone n  = n-th block of prefix + 8     (all in block 0 of the private ones)

n is the number in the zone id (`use1-az4` → 4), which AWS never reuses. So adding a zone moves no other.
"""

from __future__ import annotations

import ipaddress
import re

PRIVATE_BITS = 4
PUBLIC_BITS = 8
LARGEST_ZONE = 2**PRIVATE_BITS - 1
LARGEST_NETWORK, SMALLEST_NETWORK = 16, 20
"""Prefix lengths. A VPC holds at most a /16; below a /20, a zone's subnet is too small for nodes and pods."""
_ZONE_ID = re.compile(r"^[a-z]{2,4}\d-az(\d{1,2})$")


def zone_number(zone_id: str) -> int:
    """Return the number in a zone id, 1-15. Raises ValueError for anything that is not the id of a regular zone."""
    match = _ZONE_ID.match(zone_id)
    number = int(match.group(1)) if match else 0
    if not 1 <= number <= LARGEST_ZONE:
        raise ValueError(f"`{zone_id}` is not a zone id; write ids such as use1-az4, not names such as us-east-1a")
    return number


def private_cidr(network: str, zone_id: str) -> str:
    """Return the CIDR of the zone's subnet for nodes and pods. Raises ValueError for a wrong zone id or an unfit
    network."""
    return _block(_network(network), PRIVATE_BITS, zone_number(zone_id))


def public_cidr(network: str, zone_id: str) -> str:
    """Return the CIDR of the zone's subnet for NAT gateways. Raises ValueError as `private_cidr` does."""
    return _block(_network(network), PUBLIC_BITS, zone_number(zone_id))


def _block(network: ipaddress.IPv4Network, bits: int, number: int) -> str:
    """Return the `number`-th subnet of `network` when it is cut into 2^bits."""
    size = 2 ** (32 - network.prefixlen - bits)
    return str(ipaddress.IPv4Network((int(network.network_address) + number * size, network.prefixlen + bits)))


def _network(text: str) -> ipaddress.IPv4Network:
    network = ipaddress.IPv4Network(text)
    if not LARGEST_NETWORK <= network.prefixlen <= SMALLEST_NETWORK:
        raise ValueError(f"the network {text} must be between /{LARGEST_NETWORK} and /{SMALLEST_NETWORK}")
    return network
