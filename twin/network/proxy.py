"""A proxy on loopback that carries connections to EKS endpoints, or drops them as AWS's network would.

It runs as `python -m twin.network.proxy ACCOUNT_FOLDER`, says one line on stdout, its port, and then works silently. It
ends upon SIGTERM, or at the end of its stdin: whoever started it is gone. It reads the account anew for every
connection, so that a change of an endpoint holds from the next one on.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from twin.aws.store import Store
from twin.cluster import ClusterError, running_cluster
from twin.network.place import place_of
from twin.network.verdict import Carried, Dropped, verdict

DROP_S: Final = 1.0
"""Time after which a dropped connection ends, seconds. AWS's clients wait 30 s; a test need not."""
_CHUNK: Final = 65536


async def serve(account_folder: Path) -> None:
    """Listen until the end of stdin or a signal."""
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    loop.add_reader(sys.stdin.fileno(), end.set)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await _connection(account_folder, reader, writer)
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await end.wait()
    server.close()


async def _connection(folder: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    method, target, _ = (await reader.readline()).decode("latin-1").split(" ", 2)
    while (await reader.readline()).strip():
        pass  # headers say nothing that is needed
    host, _, port = target.rpartition(":")
    if method != "CONNECT" or not port.isdigit():
        _answer(writer, 405, "only CONNECT HOST:PORT is carried")
        return
    fate = verdict(Store(folder).load(), place_of(folder), host, int(port))
    if isinstance(fate, Dropped):
        await asyncio.sleep(DROP_S)
        _answer(writer, 504, f"dial tcp {host}:{port}: i/o timeout ({fate.reason})")
        return
    if not isinstance(fate, Carried):
        _answer(writer, fate.status, fate.reason)
        return
    try:
        door = urlsplit(running_cluster(fate.control_plane).endpoint)
        far_reader, far_writer = await asyncio.open_connection(door.hostname, door.port)
    except (ClusterError, OSError) as error:
        _answer(writer, 503, f"dial tcp {host}:{port}: connect: connection refused ({type(error).__name__})")
        return
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await asyncio.gather(_carry(reader, far_writer), _carry(far_reader, writer))


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Carry bytes one way until either side ends."""
    with contextlib.suppress(OSError):
        while chunk := await source.read(_CHUNK):
            target.write(chunk)
            await target.drain()
    with contextlib.suppress(OSError):
        target.close()


def _answer(writer: asyncio.StreamWriter, status: int, reason: str) -> None:
    """Answer with a status whose phrase says why: clients print the phrase."""
    writer.write(f"HTTP/1.1 {status} {reason}\r\nContent-Length: 0\r\n\r\n".encode("latin-1", "replace"))


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]).resolve()))
