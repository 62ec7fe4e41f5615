"""Run a program that ends when this process's parent does: `python -I -S leash.py PARENT PROGRAM ARGUMENT...`.

The kernel is told to kill the process with its parent, and keeps to it when the process becomes the program. Done
in a process of its own because a provider full of gRPC threads must not run code between fork and exec. On systems
without that call the program simply starts; the provider ends it when it closes in an orderly way.
"""

import os
import sys

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9


def main(parent: int, command: list[str]) -> None:
    """Become the program; exit status 1 when the parent has gone in the meantime."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL)
        if os.getppid() != parent:
            sys.exit(1)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
