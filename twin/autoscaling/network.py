"""A network that has loopback alone, for programs that would listen on all addresses."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

_TRY_S = 10


def closed(command: Sequence[str]) -> list[str]:
    """Return a command that runs another in a network namespace with loopback alone (Linux)."""
    inside = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command]
    return ["unshare", "--map-root-user", "--net", *inside]


def can_be_closed() -> bool:
    """Tell whether this machine lets us make such a namespace."""
    try:
        return subprocess.run(closed(["true"]), capture_output=True, timeout=_TRY_S, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
