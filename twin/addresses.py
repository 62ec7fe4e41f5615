"""Loopback addresses for pods: 127.x.y.z, of which Linux answers at all.

So each pod keeps its own port numbers, whatever else listens on this machine. Two programs that give out addresses
begin at different ones, by their process ids, and an address whose ports are taken is passed over.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from typing import Final

_MOST: Final = 254


class NoAddressError(RuntimeError):
    """No address can be had. The message says why."""


class Addresses:
    """The addresses that one program gives out."""

    def __init__(self) -> None:
        number = os.getpid()
        self._prefix = f"127.{1 + (number >> 8) % 254}.{number % 256}"
        self._next, self._given = 0, set[str]()

    def take(self, ports: Sequence[int]) -> str:
        """Return an address at which these ports are free. Raises `NoAddressError`."""
        for _ in range(_MOST):
            self._next = self._next % _MOST + 1
            address = f"{self._prefix}.{self._next}"
            if address not in self._given and _is_free(address, ports):
                self._given.add(address)
                return address
        raise NoAddressError(f"no address of {self._prefix}.0/24 has the ports {', '.join(map(str, ports))} free")

    def give_back(self, address: str) -> None:
        """Let an address be given out again."""
        self._given.discard(address)


def _is_free(address: str, ports: Sequence[int]) -> bool:
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    raise NoAddressError("this system answers at 127.0.0.1 alone: pods need Linux") from error
                if error.errno == errno.EACCES:
                    raise NoAddressError(f"port {port} needs rights of an administrator") from error
                return False
    return True
