"""The addresses of an environment's network.

Who states none gets a /16 that its name and its region decide, so that environments beside each other can be connected
later. The ranges that clusters use inside are left out: 10.42 and 10.43 (k3s), 10.96 (kubeadm) and 10.100 (EKS).
"""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Final

_TAKEN: Final = frozenset({42, 43, 96, 100})
SECOND_NUMBERS: Final = tuple(number for number in range(16, 240) if number not in _TAKEN)
"""Second numbers of the networks 10.N.0.0/16 that are given out. The lowest are left to offices, which like them."""


def derived_cidr(name: str, region: str) -> str:
    """Return the network of an environment that states none."""
    digest = hashlib.sha256(f"{name}/{region}".encode()).digest()
    return f"10.{SECOND_NUMBERS[int.from_bytes(digest[:8], 'big') % len(SECOND_NUMBERS)]}.0.0/16"


def overlap(one: str, other: str) -> bool:
    """Say whether two networks share addresses. Raises ValueError for a text that is no network."""
    return ipaddress.IPv4Network(one).overlaps(ipaddress.IPv4Network(other))


def free_cidr(taken: frozenset[str]) -> str | None:
    """Return the first network that overlaps with none of `taken`; None when all are taken."""
    every = (f"10.{number}.0.0/16" for number in SECOND_NUMBERS)
    return next((cidr for cidr in every if not any(overlap(cidr, other) for other in taken)), None)
