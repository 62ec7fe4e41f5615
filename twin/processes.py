"""Programs that run for the length of a block, and never longer: each is ended by its own id, also after a crash."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
"""Loaded here and not in the child, which may take no lock between fork and exec."""
_END_S = 10.0


@contextmanager
def program(
    name: str, command: Sequence[str | Path], folder: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for the length of the block. Its output goes to `FOLDER/NAME.log`.

    environment: the whole environment of the program beside PATH.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.log").open("wb") as log:
        running = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ.get("PATH", os.defpath), **environment},
            preexec_fn=die_with_parent,
        )
    try:
        yield running
    finally:
        end(running)


class HeldModule:
    """A module of this project that runs as a program from this line until `close`.

    The program holds the reading end of a pipe whose writing end only this process has. When this process ends, however
    it ends, the pipe closes and the program goes, with all that it started. `pid` is the program's id.

    stderr: file that receives it; None for this process's own.
    end_s: time in which the program may end by itself, seconds.
    """

    def __init__(self, module: str, *arguments: str, stderr: IO[bytes] | None = None, end_s: float) -> None:
        self._end_s = end_s
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=Path(__file__).resolve().parents[1],
            start_new_session=True,
        )
        self.pid = self._process.pid

    def close(self) -> None:
        """End the program. Nothing happens when it has ended."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        end(self._process, self._end_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def end(running: subprocess.Popen[bytes], patience_s: float = _END_S) -> None:
    """End a program: it may do so by itself first. Nothing happens when it has ended."""
    running.terminate()
    try:
        running.wait(patience_s)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()


def die_with_parent() -> None:
    """Let the child, before exec, be killed when its parent ends, and stay out of the terminal's signals."""
    os.setsid()
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
