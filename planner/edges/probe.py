"""How the programs of this machine fare: how long one takes to say that it lives, and how much processor each uses.

A replay that is sent on time may still wait inside a gateway that gets too little of the processor. No log of the
gateway shows that; a regular knock at its door does.
"""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Iterable
from pathlib import Path

from planner.edges.children import Child


class Probe:
    """Knocks at `http://127.0.0.1:port/path` on one connection that stays open.

    A knock that fails, because the program is gone, is not recorded and is no error.

    waits_s: time of each answer, seconds.
    """

    def __init__(self, port: int, path: str, timeout_s: float = 5.0) -> None:
        self.waits_s: list[float] = []
        self._path = path
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)

    def knock(self) -> None:
        """Ask once and wait for the answer. A late answer counts with the time that it took, at most the timeout."""
        begun_s = time.monotonic()
        try:
            self._connection.request("GET", self._path)
            self._connection.getresponse().read()
        except TimeoutError:
            self.waits_s.append(time.monotonic() - begun_s)
            self._connection.close()
        except (OSError, http.client.HTTPException):
            self._connection.close()
        else:
            self.waits_s.append(time.monotonic() - begun_s)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class ProcessorMeter:
    """Processor seconds that programs use from now on. They are zero where the system does not tell (no /proc)."""

    def __init__(self, programs: Iterable[Child]) -> None:
        self._open = {program: _processor_s(program) for program in programs}
        self._closed: dict[str, float] = {}

    def close(self, program: Child) -> None:
        """Read a program for the last time, before it ends."""
        self._closed[program.name] = max(0.0, _processor_s(program) - self._open.pop(program))

    def used_s(self) -> dict[str, float]:
        """Return the seconds until now by name of the program. A program that ended unread counts as 0."""
        still = {program.name: max(0.0, _processor_s(program) - before_s) for program, before_s in self._open.items()}
        return self._closed | still


def cores() -> int:
    """Return the number of cores that this program may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor_s(program: Child) -> float:
    try:
        fields = Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
