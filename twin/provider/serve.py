"""Run a provider as the engine's plugin: announce one port, serve, and end with the engine.

The engine waits ten seconds for the first line of output. This module therefore imports no more than gRPC needs before
it prints, and the first question that needs something heavy loads it. A plugin must never outlive its engine. The
engine closes it with SIGTERM or SIGKILL; when the engine itself is killed, the plugin notices that it was adopted.
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

from twin.provider.contract import ImitatedProvider
from twin.provider.servicer import Servicer

_PARALLEL_OPERATIONS = 64
_MESSAGE_BYTES = 400 * 1024 * 1024  # what the engine itself allows
_ADOPTION_CHECK_S = 0.5


def start(provider: ImitatedProvider) -> tuple[grpc.Server, int]:
    """Start a server on a free loopback port, and return it with the port."""
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


def serve(make_provider: Callable[[], ImitatedProvider]) -> int:
    """Serve until the engine is done or gone, and return the exit status."""
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
