"""`python -m twin.engine`: serve replicas of one pool until told to stop.

    python -m twin.engine --clock FILE --port P [--replicas N] [--speed 10] [--slow-down 1.5] [--stream-interval K]

N replicas share one event loop and take the ports P, P+1, …; `--port 0` takes free ones. When all listen, one line of
JSON on stdout says so: `{"pool": …, "ports": […]}`. SIGTERM and SIGINT end it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

import uvloop
from aiohttp import web

from twin.engine.clock import Clock, ClockFileError, read_clock
from twin.engine.replica import Replica
from twin.engine.server import application

SHUTDOWN_S = 0.2


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        clock = _limited(read_clock(options.clock), options)
    except ClockFileError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        uvloop.run(_serve(clock, options))
    except OSError as error:
        print(f"error: cannot listen on port {options.port}: {error.strerror}; use --port 0", file=sys.stderr)
        return 2
    return 0


async def _serve(clock: Clock, options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runners: list[web.AppRunner] = []
    listeners: list[asyncio.Server] = []
    ports: list[int] = []
    try:
        for index in range(options.replicas):
            replica = Replica(clock, options.speed, options.slow_down, options.stream_interval)
            # A client that goes away cancels its request, as in vLLM; connections outlive the gateway's idle limit.
            runner = web.AppRunner(
                application(replica),
                access_log=None,
                handler_cancellation=True,
                keepalive_timeout=75,
                shutdown_timeout=SHUTDOWN_S,
            )
            runners.append(runner)
            await runner.setup()
            wanted = options.port + index if options.port else 0
            assert runner.server is not None, "set up above"
            listener = await loop.create_server(runner.server, "127.0.0.1", wanted, backlog=4096)
            listeners.append(listener)
            ports.append(int(listener.sockets[0].getsockname()[1]))
            replica.on_death = _Death(runner, listener)
        print(json.dumps({"pool": clock.pool, "ports": ports}), flush=True)
        await stop.wait()
    finally:
        for listener in listeners:
            listener.close()
        for runner in runners:
            await runner.cleanup()


class _Death:
    """What the end of a replica looks like from outside: port closed, connections reset."""

    def __init__(self, runner: web.AppRunner, listener: asyncio.Server) -> None:
        self._runner = runner
        self._listener = listener

    def __call__(self) -> None:
        # The port first: who learns of the death by a reset must find it closed already.
        self._listener.close()
        for connection in list(self._runner.server.connections if self._runner.server else ()):
            if connection.transport is not None:
                connection.transport.abort()


def _limited(clock: Clock, options: argparse.Namespace) -> Clock:
    """vLLM's own queue flags win over the clock file."""
    limits = {
        "max_num_queued_reqs": options.max_num_queued_reqs,
        "max_num_queued_tokens": options.max_num_queued_tokens,
    }
    return clock.model_copy(update={name: value for name, value in limits.items() if value is not None})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m twin.engine", description="A vLLM replica without a GPU.")
    parser.add_argument("--clock", type=Path, required=True, metavar="FILE", help="coefficients file of the pool")
    parser.add_argument("--port", type=int, default=0, help="first port on 127.0.0.1; 0 takes free ones")
    parser.add_argument("--replicas", type=_positive_int, default=1, help="replicas of this pool in one process")
    parser.add_argument("--speed", type=_positive, default=1.0, help="times faster than real time")
    parser.add_argument("--slow-down", type=_positive, default=1.0, help="factor on every step's time")
    parser.add_argument("--stream-interval", type=_positive_int, default=1, help="tokens gathered in one chunk")
    parser.add_argument("--max-num-queued-reqs", type=_positive_int, help="requests in flight before 503")
    parser.add_argument("--max-num-queued-tokens", type=_positive_int, help="prompt tokens in prefill before 503")
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} must be above 0")
    return value


def _positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} must be at least 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
