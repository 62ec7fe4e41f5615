"""Run a program that ends with whoever started this process: `python -I -S leash.py PROGRAM ARGUMENT...`.

The engine closes its plugins by a signal, and the twin of AWS notices by itself that its engine was killed. A real
plugin does not: it would go on waiting for pods on behalf of nobody. On a leash it ends with its engine. It shares this
process's output, where the engine reads its port; and should the leash itself be killed, the kernel ends the program
(`PR_SET_PDEATHSIG`, Linux).
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys

_PR_SET_PDEATHSIG = 1
_ADOPTION_CHECK_S = 0.5
_GRACE_S = 2


def main(command: list[str]) -> int:
    """Run the program to its end and return its exit status."""
    starter = os.getppid()
    # The engine runs plugins in groups of their own, so an interrupt is the engine's word and not the terminal's.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    program = subprocess.Popen(command, preexec_fn=_die_with_parent)  # safe: no thread exists
    try:
        while os.getppid() == starter:
            try:
                return program.wait(timeout=_ADOPTION_CHECK_S)
            except subprocess.TimeoutExpired:
                continue
        return 1
    finally:
        _end(program)


def _end(program: subprocess.Popen[bytes]) -> None:
    program.terminate()
    try:
        program.wait(timeout=_GRACE_S)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
