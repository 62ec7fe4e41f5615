"""Run a provider as the engine's plugin: announce one port, serve, and end with the engine.

The engine waits ten seconds for the first line of output, so this module imports no more than gRPC needs before it
prints; whatever is heavy is loaded by the first question that needs it. A plugin must never outlive its engine: the
engine closes it with SIGTERM or SIGKILL, and when the engine itself is killed the plugin notices that it was adopted.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
from pulumi.runtime.proto import add_ResourceProviderServicer_to_server

from twin.provider.contract import Provider
from twin.provider.servicer import Servicer

_PARALLEL_OPERATIONS = 64
_MESSAGE_BYTES = 400 * 1024 * 1024  # what the engine itself allows
_ADOPTION_CHECK_S = 0.5


def start(provider: Provider) -> tuple[grpc.Server, int]:
    """A running server on a free loopback port, and the port."""
    server = grpc.server(
        ThreadPoolExecutor(max_workers=_PARALLEL_OPERATIONS, thread_name_prefix="operation"),
        options=[
            ("grpc.max_receive_message_length", _MESSAGE_BYTES),
            ("grpc.max_send_message_length", _MESSAGE_BYTES),
        ],
    )
    add_ResourceProviderServicer_to_server(Servicer(provider), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def serve(make_provider: Callable[[], Provider]) -> int:
    """Serve until the engine is done or gone. Returns the exit status."""
    provider = make_provider()
    engine = os.getppid()
    ended = threading.Event()
    # The engine runs plugins in groups of their own, so an interrupt is the engine's word and not the terminal's.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    server, port = start(provider)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while not ended.wait(_ADOPTION_CHECK_S):
        if os.getppid() != engine:
            break
    provider.close()
    server.stop(grace=1).wait()
    # Operations may sit in threads that never return (a wait for nodes); the engine has stopped listening.
    sys.stdout.flush()
    os._exit(0)
