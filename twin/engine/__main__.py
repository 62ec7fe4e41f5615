"""`python -m twin.engine` serves replicas of one pool until it is told to stop.

    python -m twin.engine --clock FILE --port P [--replicas N] [--speed 10] [--slow-down 1.5] [--stream-interval K]
    python -m twin.engine … --ssl-certfile FILE --ssl-keyfile FILE      # the same with TLS
    python -m twin.engine … --port P --own-addresses                    # as pods: one port, an address for each
    python -m twin.engine … --shutdown-timeout S                        # after SIGTERM, what runs may finish

N replicas share one event loop and take the ports P, P+1, …; `--port 0` takes free ones. When all listen, one line of
JSON on stdout says so: `{"pool": …, "ports": […], "addresses": […]}`. SIGTERM and SIGINT end it: nobody is let in any
more, and what runs gets `--shutdown-timeout` seconds of real traffic, which pass faster at a speed. Without it, as with
vLLM, it is cut off.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import sys
from pathlib import Path

from aiohttp import web

from twin import loopback
from twin.addresses import Addresses, NoAddressError
from twin.engine.clock import ClockFileError, EngineClock, read_clock
from twin.engine.replica import EngineReplica
from twin.engine.server import application


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal comes. The exit code is 0 then, and 2 for a clock file or a port that cannot be used."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.own_addresses and not options.port:
        parser.error("--own-addresses needs --port: a name in the DNS has one port for all addresses")
    try:
        clock = read_clock(options.clock)
        loopback.run(_serve(clock, options), options.port)
    except (ClockFileError, loopback.PortError, NoAddressError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


async def _serve(clock: EngineClock, options: argparse.Namespace) -> None:
    stop = loopback.stop_signal()
    loop = asyncio.get_running_loop()
    encryption = _encryption(options)
    runners: list[web.AppRunner] = []
    listeners: list[asyncio.Server] = []
    ports: list[int] = []
    addresses: list[str] = []
    own_addresses = Addresses()
    try:
        for index in range(options.replicas):
            replica = EngineReplica(clock, options.speed, options.slow_down, options.stream_interval)
            runner = loopback.runner_of(application(replica), options.shutdown_timeout / options.speed)
            runners.append(runner)
            await runner.setup()
            address = own_addresses.take([options.port]) if options.own_addresses else "127.0.0.1"
            port = options.port + index if options.port and not options.own_addresses else options.port
            assert runner.server is not None, "set up above"
            listener = await loop.create_server(runner.server, address, port, backlog=4096, ssl=encryption)
            listeners.append(listener)
            addresses.append(address)
            ports.append(int(listener.sockets[0].getsockname()[1]))
            replica.on_death = _Death(runner, listener)
        print(json.dumps({"pool": clock.pool, "ports": ports, "addresses": addresses}), flush=True)
        await stop.wait()
    finally:
        for listener in listeners:
            listener.close()
        await asyncio.gather(*(runner.cleanup() for runner in runners))


def _encryption(options: argparse.Namespace) -> ssl.SSLContext | None:
    if options.ssl_certfile is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.ssl_certfile, options.ssl_keyfile)
    return context


class _Death:
    """A death is the end of a replica as seen from outside: its port closes, and its connections are reset."""

    def __init__(self, runner: web.AppRunner, listener: asyncio.Server) -> None:
        self._runner = runner
        self._listener = listener

    def __call__(self) -> None:
        # The port first: who learns of the death by a reset must find it closed already.
        self._listener.close()
        for connection in list(self._runner.server.connections if self._runner.server else ()):
            if connection.transport is not None:
                connection.transport.abort()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m twin.engine", description="A vLLM replica without a GPU.")
    parser.add_argument("--clock", type=Path, required=True, metavar="FILE", help="coefficients file of the pool")
    parser.add_argument("--port", type=int, default=0, help="first port on 127.0.0.1; 0 takes free ones")
    parser.add_argument("--replicas", type=_positive_int, default=1, help="replicas of this pool in one process")
    parser.add_argument("--own-addresses", action="store_true", help="a loopback address for each replica, one port")
    parser.add_argument("--shutdown-timeout", type=_seconds, default=0.0, help="time to finish after SIGTERM, seconds")
    parser.add_argument("--speed", type=_positive, default=1.0, help="times faster than real time")
    parser.add_argument("--slow-down", type=_positive, default=1.0, help="factor on every step's time")
    parser.add_argument("--stream-interval", type=_positive_int, default=1, help="tokens gathered in one chunk")
    parser.add_argument("--ssl-certfile", type=Path, metavar="FILE", help="certificate (PEM); clear text without it")
    parser.add_argument("--ssl-keyfile", type=Path, metavar="FILE", help="its key (PEM), as vLLM takes both")
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} must be above 0")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} must be 0 or more")
    return value


def _positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} must be at least 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
