"""IPv4 networks as people write them: the first address and the length of what all addresses share."""

from __future__ import annotations

import ipaddress


def ipv4_network(text: str) -> str:
    """Return an IPv4 network in its usual form. Raises ValueError, with what to write, for what is none."""
    try:
        return str(ipaddress.IPv4Network(text))
    except ValueError as error:
        hint = "write its first address and its length, like 10.64.0.0/16"
        raise ValueError(f"`{text}` is not an IPv4 network; {hint}") from error
