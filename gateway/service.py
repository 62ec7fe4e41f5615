"""A running gateway: its parts are put together, started, drained and stopped.

This is the lifetime of one process. A gateway can be started more than once in one interpreter, each time with its own
ports, registry and sessions. The module reads no files and no arguments; `__main__` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Literal

import aiohttp
from aiohttp import web

from gateway.app import Front
from gateway.bodies import BodyBudget
from gateway.discovery import Discovery
from gateway.dispatch import Dispatcher
from gateway.document import LoadedPolicy
from gateway.exchange import monotonic_s
from gateway.forward import open_session
from gateway.gate import Gate
from gateway.key_files import KeyFiles, KeysInForce, keep_reading
from gateway.keys import Keys
from gateway.metrics import Metrics
from gateway.settings import GatewaySettings
from gateway.upstreams import ApiClient, api_chains, chained_apis


class Gateway:
    """A gateway runs on one event loop.

    keys: keys of clients, None for no authentication.
    secrets: API -> Authorization header.
    files: where the keys lie, None if they are not looked at again.
    write_audit: takes one JSON line without its newline.
    seed: seed of all random draws, None for unpredictable ones.
    pool_trust: whose certificates replicas of pools must have; None speaks clear text to them.
    """

    def __init__(
        self,
        loaded: LoadedPolicy,
        keys: Keys | None,
        settings: GatewaySettings,
        secrets: Mapping[str, str],
        write_audit: Callable[[str], None],
        seed: int | None = None,
        pool_trust: ssl.SSLContext | None = None,
        files: KeyFiles | None = None,
    ) -> None:
        self._loaded = loaded
        self._keys = keys
        self._settings = settings
        self._secrets = dict(secrets)
        self._files = files
        self._write_audit = write_audit
        self._rng = random.Random(seed)
        self._pool_trust = pool_trust
        self._closing = contextlib.AsyncExitStack()
        self._front: Front | None = None
        self._public_site: web.TCPSite | None = None
        self.port = 0
        self.admin_port = 0

    async def start(self, host: str, port: int, admin_port: int) -> None:
        """Find the replicas, then listen. A port of 0 is chosen freely; `port` and `admin_port` then tell it.

        Raises OSError when a port cannot be had; nothing keeps running then.
        """
        policy, settings = self._loaded.policy, self._settings
        try:
            caps = {name: pool.max_in_flight for name, pool in policy.pools.items()}
            gate = Gate(caps, self._rng, monotonic_s, settings.queue_length)
            metrics = Metrics(policy, self._loaded.digest, gate)
            local = await self._closing.enter_async_context(open_session(settings, self._pool_trust))
            chains = await self._open_chains()
            dispatcher = Dispatcher(policy, settings, gate, local, chains, metrics, self._rng)
            budget = BodyBudget(settings.bodies_bytes)
            front = Front(
                loaded=self._loaded,
                keys=self._keys,
                settings=settings,
                dispatcher=dispatcher,
                metrics=metrics,
                write_audit=self._write_audit,
                budget=budget,
            )
            self._front = front
            if self._files is not None:
                await self._reread(self._files)
            scheme: Literal["http", "https"] = "http" if self._pool_trust is None else "https"
            await self._discover(Discovery(policy.pools, gate, settings.discovery_interval_s, scheme=scheme))
            _, self.admin_port = await self._listen(front.admin(), host, admin_port)
            self._public_site, self.port = await self._listen(front.public(), host, port)
            front.ready = True
        except BaseException:
            await self.stop()
            raise

    async def drain(self, limit_s: float) -> int:
        """Take no new connections and wait for requests in flight. The answer is how many were left after `limit_s`
        seconds."""
        front = self._front
        if front is None or self._public_site is None:
            return 0
        front.draining = True
        await self._public_site.stop()
        if front.in_flight:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    await front.idle.wait()
        return front.in_flight

    async def stop(self) -> None:
        """Close everything at once."""
        await self._closing.aclose()

    async def _open_chains(self) -> Mapping[str, Mapping[str, ApiClient]]:
        policy = self._loaded.policy
        if not chained_apis(policy):
            return {}
        outside: aiohttp.ClientSession = await self._closing.enter_async_context(open_session(self._settings))
        return api_chains(policy, outside, self._secrets, self._settings.rate_window_s, monotonic_s)

    async def _discover(self, discovery: Discovery) -> None:
        await discovery.look()
        self._until_stopped(discovery.keep_looking())

    async def _reread(self, files: KeyFiles) -> None:
        """Take keys that change while the gateway runs, or since they were read."""
        known = await asyncio.to_thread(files.content)
        self._take(await asyncio.to_thread(files.read))
        self._until_stopped(keep_reading(files, known, self._settings.key_interval_s, self._take))

    def _take(self, held: KeysInForce) -> None:
        if self._front is not None:
            self._front.keys = held.keys
        # An API that has lost its key keeps the old one until there is another.
        self._secrets.update(held.secrets)

    def _until_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        running = asyncio.create_task(work)

        async def stop() -> None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        self._closing.push_async_callback(stop)

    async def _listen(self, app: web.Application, host: str, port: int) -> tuple[web.TCPSite, int]:
        # A client that leaves cancels the request, which closes the connection to the backend.
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._closing.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, host, port, backlog=self._settings.listen_backlog)
        await site.start()
        return site, int(runner.addresses[-1][1])
