"""The inside of a container that is a program of its own: `python -m twin.workloads.container MODULE ARGUMENT...`.

It runs a module as `python -m MODULE` does, on a network that is the pod's own: connections leave from the pod's
address (`SPILLWAY_TWIN_ADDRESS`), and names are looked up in a file (`SPILLWAY_TWIN_NETWORK`) that stands for the
cluster's DNS and is read for each question. What the file does not name does not exist, and no connection leaves
loopback. The module's event loop must be uvloop's.
"""

from __future__ import annotations

import errno
import ipaddress
import json
import os
import runpy
import socket
import sys
from pathlib import Path
from typing import Any, Final

import uvloop

ADDRESS_VARIABLE: Final = "SPILLWAY_TWIN_ADDRESS"
NETWORK_VARIABLE: Final = "SPILLWAY_TWIN_NETWORK"
ANY_PORT: Final = "*"

_Found = list[tuple[int, int, int, str, tuple[str, int]]]


def look_up(network: Path, host: str, port: int) -> list[tuple[str, int]]:
    """Return addresses and ports behind a name and a port. Raises `socket.gaierror` for a name that is not known."""
    names: dict[str, dict[str, list[tuple[str, int | None]]]] = json.loads(network.read_text())["names"]
    answers = names.get(host.rstrip("."), {})
    places = answers.get(str(port), answers.get(ANY_PORT, []))
    if not places:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return [(address, port if own is None else own) for address, own in places]


def live_in(address: str, network: Path) -> None:
    """Let every event loop of this process look names up in the file, and call from the address."""
    own_lookup, own_connect = uvloop.Loop.getaddrinfo, uvloop.Loop.sock_connect

    async def getaddrinfo(loop: Any, host: Any, port: Any, **wanted: Any) -> _Found:
        if host is None or _is_address(str(host)):
            found: _Found = await own_lookup(loop, host, port, **wanted)
            return found
        places = look_up(network, str(host), int(port or 0))
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place) for place in places]

    async def sock_connect(loop: Any, sock: Any, place: Any) -> Any:
        if not ipaddress.ip_address(place[0]).is_loopback:
            raise OSError(errno.ENETUNREACH, f"{place[0]} is not on loopback")
        sock.bind((address, 0))
        return await own_connect(loop, sock, place)

    uvloop.Loop.getaddrinfo, uvloop.Loop.sock_connect = getaddrinfo, sock_connect


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


if __name__ == "__main__":
    live_in(os.environ[ADDRESS_VARIABLE], Path(os.environ[NETWORK_VARIABLE]))
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
