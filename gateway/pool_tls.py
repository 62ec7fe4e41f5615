"""TLS between the gateway and its pools: whom the gateway trusts, and under which name it meets a replica.

Replicas are reached by their addresses, which no certificate names. A certificate is held against the name of the
pool's service instead. There is no way back to clear text: a replica that cannot prove itself counts as one that cannot
be reached.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from gateway.policy import Policy, PoolPolicy


class PoolTlsError(ValueError):
    """The gateway cannot speak TLS to its pools as it is told to."""


def trust_in(file: Path) -> ssl.SSLContext:
    """Return a context that trusts the authorities of a PEM file and no others. Raises `PoolTlsError`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cafile=file)
    except (OSError, ssl.SSLError) as error:
        raise PoolTlsError(f"the authority of the pools in {file} cannot be read: {error}") from None
    if not context.get_ca_certs():
        raise PoolTlsError(f"{file} holds no certificate of an authority")
    return context


def require_encrypted(policy: Policy) -> None:
    """Raise `PoolTlsError` that names all pools whose fixed endpoints would be called in clear text."""
    clear = sorted(
        name for name, pool in policy.pools.items() if any(url.startswith("http:") for url in pool.endpoints or ())
    )
    if clear:
        raise PoolTlsError(f"pools are to be called with TLS, and endpoints of {', '.join(clear)} begin with http:")


def name_of(pool: PoolPolicy) -> str | None:
    """Return the name that a replica's certificate must have; None for a fixed endpoint, which is called by its own."""
    return None if pool.address is None else pool.address.rpartition(":")[0]
