"""What the HTTP twins share: each listens on loopback until a signal comes, and says what keeps it from that."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop
from aiohttp import web

SHUTDOWN_S = 0.2


class PortError(Exception):
    """A server cannot listen on its port; the message says why and what to do."""


def run(serving: Coroutine[Any, Any, None], port: int) -> None:
    """Run a server to its end. Raises PortError for a port that cannot be used."""
    try:
        uvloop.run(serving)
    except OSError as error:
        raise PortError(f"cannot listen on port {port}: {error.strerror}; use --port 0") from error


async def serve(app: web.Application, port: int, listening: Callable[[int], None]) -> None:
    """Serve on 127.0.0.1 until a signal comes.

    port: 0 takes a free one.
    listening: is told the port when the server listens.
    """
    stop = stop_signal()
    runner = runner_of(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
        listening(runner.addresses[0][1])
        await stop.wait()
    finally:
        await runner.cleanup()


def stop_signal() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set from now on, in the running loop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def runner_of(app: web.Application, finish_s: float = 0.0) -> web.AppRunner:
    """Return a runner that cancels a request when its client goes away, as vLLM and the APIs do.

    Connections outlive the gateway's idle limit.

    finish_s: time that running requests get when the server ends, seconds.
    """
    patience_s = max(SHUTDOWN_S, finish_s)
    return web.AppRunner(
        app, access_log=None, handler_cancellation=True, keepalive_timeout=75, shutdown_timeout=patience_s
    )
