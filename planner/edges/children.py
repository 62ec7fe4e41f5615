"""Programs that live no longer than their caller: they are started with their own log, and ended by their own id.

When the `with` block is left, every program is ended, also after an exception or Ctrl-C. A child is in a session of its
own and does not hear the terminal. Where the system can promise it (Linux), a child also dies with a caller that was
killed outright.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

GRACE_S = 3.0
"""Time between asking a program to end and killing it, seconds."""
_LOG_TAIL = 2000
_PR_SET_PDEATHSIG = 1


class ChildFailed(RuntimeError):
    """A program did not start, or it ended before its time. The message has its name and the end of its log."""


class Child:
    """One program that was started.

    name: its name in messages.
    pid: its process id.
    """

    def __init__(self, name: str, program: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.pid = program.pid
        self._program = program
        self._log = log

    def first_line(self, timeout_s: float) -> Any:
        """Return the JSON document that the program prints as its first line. Raises ChildFailed."""
        out = self._program.stdout
        assert out is not None
        ready, _, _ = select.select([out], [], [], timeout_s)
        line = out.readline() if ready else b""
        if not line:
            raise self.failure(f"said nothing within {timeout_s:.0f} s" if not ready else "ended before it was ready")
        try:
            return json.loads(line)
        except ValueError as error:
            raise self.failure(f"said {line[:200]!r}, which is not JSON") from error

    def wait(self, timeout_s: float) -> int:
        """Wait for a program that ends by itself, and return its exit code. Raises ChildFailed when it does not end."""
        try:
            return self._program.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise self.failure(f"had not ended after {timeout_s:.0f} s") from error

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._program.poll() is None

    def kill(self) -> None:
        """End it without a warning, as a power cut would."""
        self._program.kill()
        self._program.wait()

    def ask_to_end(self) -> None:
        """Ask it to end, and do not wait."""
        if self.is_running:
            self._program.terminate()

    def make_end(self, deadline_s: float) -> None:
        """Wait until `deadline_s` (monotonic clock), then kill it."""
        try:
            self._program.wait(max(0.0, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.kill()
        if self._program.stdout is not None:
            self._program.stdout.close()

    def failure(self, what: str) -> ChildFailed:
        """Return the error that says what went wrong, like `ended before it was ready`, with the end of its log."""
        tail = self._log.read_text(errors="replace")[-_LOG_TAIL:].strip() if self._log.exists() else ""
        return ChildFailed(f"{self.name} {what}" + (f"; its log ends:\n{tail}" if tail else ""))


class Children:
    """All programs of one run. Their logs go to `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: list[Child] = []
        self._logs: list[IO[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_all()

    def start_module(
        self, name: str, module: str, arguments: Sequence[str], environment: Mapping[str, str], out: Path | None = None
    ) -> Child:
        """Start `python -m module arguments` with exactly this environment.

        out: file that receives stdout; without one, `Child.first_line` reads it.
        """
        log = self._folder / f"{name}.log"
        log_file = log.open("wb")
        self._logs.append(log_file)
        out_file = None if out is None else out.open("wb")
        if out_file is not None:
            self._logs.append(out_file)
        program = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if out_file is None else out_file,
            stderr=log_file,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=_end_with(os.getpid()),
        )
        child = Child(name, program, log)
        self._children.append(child)
        return child

    def end_all(self) -> None:
        """End every program that still runs. All are asked at once, and killed after `GRACE_S`."""
        for child in self._children:
            child.ask_to_end()
        deadline_s = time.monotonic() + GRACE_S
        for child in self._children:
            child.make_end(deadline_s)
        for file in self._logs:
            file.close()
        self._children.clear()
        self._logs.clear()


def _end_with(parent: int) -> Callable[[], None] | None:
    """Return what a child does between fork and exec so that it ends with its parent; None where no system call can."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)  # loaded here: after the fork only async-safe calls may follow

    def bind() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return bind
