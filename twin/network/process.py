"""Starting and ending the proxy of one account, from the outside.

The proxy holds the reading end of a pipe whose writing end only the starter has. When the starter ends, however it
ends, the pipe closes and the proxy goes.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Final

_START_LIMIT_S: Final = 30.0


class NetworkError(Exception):
    """The proxy did not start."""


class Network:
    """The network of one account, from this line until `close`.

    address: URL of the proxy.
    """

    def __init__(self, account_folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "twin.network.proxy", str(account_folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).resolve().parents[2],
            start_new_session=True,
        )
        assert self._process.stdout is not None
        port = self._process.stdout.readline().decode().strip()
        if not port.isdigit():
            self.close()
            raise NetworkError(f"the network of {account_folder} did not start")
        self.address = f"http://127.0.0.1:{port}"

    def environment(self) -> dict[str, str]:
        """Return what clients need in their environment. Only names in capitals are set, as gRPC heeds the others and
        would send the engine's own calls this way."""
        return {"HTTPS_PROXY": self.address, "NO_PROXY": "127.0.0.1,localhost,::1"}

    def close(self) -> None:
        """End the proxy. Nothing happens when it has ended."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.terminate()
        try:
            self._process.wait(timeout=_START_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Network:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
