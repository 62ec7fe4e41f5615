"""Where a pool's replicas are: at fixed endpoints, or behind the A records of a headless service.

Kubernetes itself says which pods are ready: a headless service publishes one record for each ready pod. This module
measures no health. The gate passes over a replica that refuses connections, and the replica leaves with its record.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from gateway.gate import Gate
from gateway.policy import PoolPolicy

_log = logging.getLogger("spillway.gateway")

Resolve = Callable[[str, int], Awaitable[list[str]]]

_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


async def addresses_of(host: str, port: int) -> list[str]:
    """Look up the IP addresses behind a name, sorted. The answer is empty when the name has none now.

    Raises OSError when the resolver fails.
    """
    try:
        answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in _NO_SUCH_NAME:
            return []  # a headless service without a ready pod has no records
        raise
    return sorted({str(address[0]) for *_, address in answers})


class Discovery:
    """The discovery keeps the gate's replicas in step with the policy's pools."""

    def __init__(
        self,
        pools: Mapping[str, PoolPolicy],
        gate: Gate,
        interval_s: float,
        resolve: Resolve = addresses_of,
        scheme: Literal["http", "https"] = "http",
    ) -> None:
        self._pools = pools
        self._gate = gate
        self._interval_s = interval_s
        self._resolve = resolve
        self._scheme = scheme

    async def look(self) -> None:
        """Look at all pools once. A pool stays as it was when the resolver fails."""
        await asyncio.gather(*(self._look_at(name, pool) for name, pool in self._pools.items()))

    async def keep_looking(self) -> None:
        """Look again after each interval, until this task is cancelled.

        It returns at once if all endpoints are fixed.
        """
        while any(pool.address is not None for pool in self._pools.values()):
            await asyncio.sleep(self._interval_s)
            try:
                await self.look()
            except Exception:
                # Nobody awaits this task: what ended it would be seen only when replicas had moved away.
                _log.exception("looking for replicas failed; they stay as they were until the next look")

    async def _look_at(self, name: str, pool: PoolPolicy) -> None:
        if pool.endpoints is not None:
            self._gate.set_replicas(name, pool.endpoints)
            return
        assert pool.address is not None
        host, _, port = pool.address.rpartition(":")
        try:
            addresses = await self._resolve(host, int(port))
        except OSError as error:
            _log.warning("pool %s: %s cannot be resolved (%s); replicas stay as they were", name, host, error)
            return
        self._gate.set_replicas(name, [f"{self._scheme}://{f'[{ip}]' if ':' in ip else ip}:{port}" for ip in addresses])
