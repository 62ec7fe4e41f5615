"""`python -m gateway` reads the policy and the keys, listens, and drains on SIGTERM.

The exit code is 0 after a clean drain, 1 if requests were cut at the end of the drain, and 2 if the gateway could not
start (stderr then lists every reason). Stdout carries the audit alone, one JSON line a request.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import ssl
import sys
from pathlib import Path

import uvloop

from gateway.audit import AuditLog
from gateway.awaiting import Waiting, expected_digest
from gateway.document import LoadedPolicy, PolicyError, load_policy, parse_policy
from gateway.key_files import KeyFiles
from gateway.keys import Keys, KeysError
from gateway.pool_tls import require_encrypted, trust_in
from gateway.service import Gateway
from gateway.settings import GatewaySettings
from gateway.upstreams import MissingSecret

_AUDIT_CLOSE_S = 5.0
"""Longest time to wait at the end for the reader of stdout, seconds."""


def main(arguments: list[str] | None = None) -> int:
    """Run a gateway until it is told to stop, and return the exit code."""
    options = _options(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="gateway: %(levelname)s: %(message)s")
    try:
        settings = GatewaySettings().at_speed(options.speed)
        loaded = _policy(options, settings)
        if loaded is None:
            return 0
        files = KeyFiles(loaded.policy, options.keys, options.secrets, os.environ)
        held = files.read()
        trust = _pool_trust(options, loaded)
    except (PolicyError, KeysError, MissingSecret, ValueError) as error:
        return _refuse(str(error))
    _warn_of_strange_routes(held.keys, loaded)
    audit = AuditLog(sys.stdout.fileno())
    gateway = Gateway(loaded, held.keys, settings, held.secrets, audit.write, options.seed, trust, files)
    drain_s = settings.drain_s if options.drain_seconds is None else options.drain_seconds
    code: int = uvloop.run(_run(gateway, options, drain_s))
    lost = audit.close(_AUDIT_CLOSE_S)
    if lost:
        logging.error("%d audit lines were lost", lost)
    return code


def _policy(options: argparse.Namespace, settings: GatewaySettings) -> LoadedPolicy | None:
    """Return the policy, after a wait where its digest is stated; None when a signal ends the wait."""
    if options.policy_digest is None:
        return load_policy(options.policy)
    waiting = Waiting(options.policy, expected_digest(options.policy_digest), settings)
    text = waiting.look()
    if text is None:
        text = uvloop.run(_wait(waiting, options))
    return None if text is None else parse_policy(text, str(options.policy))


async def _wait(waiting: Waiting, options: argparse.Namespace) -> bytes | None:
    stopping = _stopped_by_signal()
    try:
        async with waiting.probes(options.host, options.port, options.admin_port) as ports:
            logging.info("answering probes on %s ports %d, %d", options.host, *ports)
            looking = asyncio.ensure_future(waiting.document())
            stopped = asyncio.ensure_future(stopping.wait())
            try:
                await asyncio.wait((looking, stopped), return_when=asyncio.FIRST_COMPLETED)
                return looking.result() if looking.done() else None
            finally:
                looking.cancel()
                stopped.cancel()
    except OSError as error:
        raise ValueError(_not_listening(options, error)) from None


def _stopped_by_signal() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


async def _run(gateway: Gateway, options: argparse.Namespace, drain_s: float) -> int:
    stopping = _stopped_by_signal()
    try:
        await gateway.start(options.host, options.port, options.admin_port)
    except OSError as error:
        return _refuse(_not_listening(options, error))
    logging.info("listening on %s:%d, admin on %s:%d", options.host, gateway.port, options.host, gateway.admin_port)
    await stopping.wait()
    cut = await gateway.drain(drain_s)
    await gateway.stop()
    if cut:
        logging.warning("%d requests were cut after %g s of draining", cut, drain_s)
    return 1 if cut else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m gateway", description="An OpenAI-compatible proxy by policy.")
    parser.add_argument("--policy", type=Path, required=True, help="policy document (JSON)")
    parser.add_argument("--policy-digest", help="serve nothing before the document has this digest (sha256:…)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, required=True, help="port for clients (0: any free one)")
    parser.add_argument("--admin-port", type=int, required=True, help="port for /metrics and /policy (0: any)")
    access = parser.add_mutually_exclusive_group(required=True)
    access.add_argument("--keys", type=Path, help="keys file (JSON)")
    access.add_argument("--no-auth", action="store_true", help="serve everybody, every route")
    parser.add_argument("--secrets", type=Path, help="folder with a file for each API key, named as its variable")
    parser.add_argument("--seed", type=int, help="seed of all random choices, for replays")
    parser.add_argument("--speed", type=float, default=1.0, help="divide the gateway's own timeouts by this")
    parser.add_argument("--drain-seconds", type=float, help="time for requests in flight after SIGTERM (default: 30)")
    parser.add_argument("--pool-ca", type=Path, help="speak TLS to all pools and trust this authority (PEM) alone")
    return parser.parse_args(arguments)


def _pool_trust(options: argparse.Namespace, loaded: LoadedPolicy) -> ssl.SSLContext | None:
    if options.pool_ca is None:
        return None
    require_encrypted(loaded.policy)
    return trust_in(options.pool_ca)


def _warn_of_strange_routes(keys: Keys | None, loaded: LoadedPolicy) -> None:
    for unknown in keys.routes_unknown_to(loaded.policy.routes) if keys is not None else ():
        logging.warning("a key names a route that the policy does not have: %s", unknown)


def _not_listening(options: argparse.Namespace, error: OSError) -> str:
    return f"cannot listen on {options.host} ports {options.port}, {options.admin_port}: {error.strerror}"


def _refuse(reason: str) -> int:
    sys.stderr.write(f"gateway: cannot start: {reason}\n")
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
