"""A door is a port at a pod's address that knows who calls, by the caller's address, and lets in whom it is told to.

What a network would drop is not answered: the connection stays silent for a while and is reset.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from twin import loopback

DROP_S: Final = 1.0
"""Time after which a connection that is not let in is reset, seconds. A network lets its caller wait longer."""

Admits = Callable[[str], bool]
"""Tells whether the caller with an address is let in."""


class Door:
    """An application behind a door. Open it before use, and close it."""

    def __init__(self, app: web.Application, admits: Admits, encryption: ssl.SSLContext | None = None) -> None:
        self._runner = loopback.runner_of(app)
        self._admits, self._encryption = admits, encryption
        self._listener: asyncio.Server | None = None
        self.port = 0

    async def open(self, address: str, port: int) -> None:
        """Listen. port: 0 takes a free one, which `port` then tells. Raises OSError."""
        await self._runner.setup()
        serving = self._runner.server
        assert serving is not None, "set up above"
        self._listener = await asyncio.get_running_loop().create_server(
            lambda: _Porter(serving, self._admits), address, port, ssl=self._encryption
        )
        self.port = int(self._listener.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Close the port, and end what goes on behind it."""
        if self._listener is not None:
            self._listener.close()
        await self._runner.cleanup()


class _Porter(asyncio.Protocol):
    """The porter hands a connection over to the server, or keeps it until it is reset."""

    def __init__(self, serving: Callable[[], Any], admits: Admits) -> None:
        self._serving, self._admits = serving, admits

    def connection_made(self, transport: Any) -> None:
        if self._admits(transport.get_extra_info("peername")[0]):
            server = self._serving()
            transport.set_protocol(server)
            server.connection_made(transport)
        else:
            asyncio.get_running_loop().call_later(DROP_S, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Hear nothing of a caller that is not let in."""
