"""Where audit lines go: to a file descriptor, written by a thread of its own.

The thread stands between the event loop and a reader that may stall, because a full pipe must not stop requests. Lines
wait in memory up to a limit. Beyond the limit they are dropped and counted, and the log says so. What a line says is in
`exchange`.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque

_log = logging.getLogger("spillway.gateway")

WAITING_LINES = 100_000
"""Lines that may wait, about 60 MB: more than a minute at a thousand requests a second."""


GATHER_S = 0.05
"""Lines of this time go out in one write, seconds. To wake a thread for each line costs more than the line."""


class AuditLog:
    """An audit log takes lines from one thread and writes them in order from another.

    dropped: number of lines that found no room.
    """

    def __init__(self, descriptor: int, waiting_lines: int = WAITING_LINES) -> None:
        self._descriptor = descriptor
        self._waiting_lines = waiting_lines
        self._lines: deque[str] = deque()
        self._wake = threading.Event()
        self._closing = False
        self.dropped = 0
        self._writer = threading.Thread(target=self._write, name="audit", daemon=True)
        self._writer.start()

    def write(self, line: str) -> None:
        """Hand over one line without its newline. This returns at once."""
        if len(self._lines) >= self._waiting_lines:
            if self.dropped == 0:
                _log.error("the reader of the audit is stalled; lines are being dropped")
            self.dropped += 1
            return
        self._lines.append(line)
        self._wake.set()

    def close(self, limit_s: float) -> int:
        """Write what waits, for up to `limit_s` seconds, and return how many lines were lost in all."""
        self._closing = True
        self._wake.set()
        self._writer.join(limit_s)
        return self.dropped + len(self._lines)

    def _write(self) -> None:
        while not (self._closing and not self._lines):
            self._wake.wait()
            self._wake.clear()
            if not self._closing:
                time.sleep(GATHER_S)
            while self._lines:
                # Lines leave the queue only once they are written, so that a stalled reader keeps them counted.
                batch = list(self._lines)
                try:
                    self._write_all("".join(f"{line}\n" for line in batch).encode())
                except OSError as error:
                    _log.error("the audit cannot be written any more: %s", error)
                    self._waiting_lines = 0
                    return
                for _ in batch:
                    self._lines.popleft()

    def _write_all(self, text: bytes) -> None:
        # Not through sys.stdout: a thread that is stuck in there holds its lock, and the interpreter could not end.
        unwritten = memoryview(text)
        while unwritten:
            unwritten = unwritten[os.write(self._descriptor, unwritten) :]
