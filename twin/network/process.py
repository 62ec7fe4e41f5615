"""Starting and ending the proxy of one account, from the outside."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from twin.processes import HeldModule

_END_LIMIT_S: Final = 30.0


class NetworkError(Exception):
    """The proxy did not start."""


class Network(HeldModule):
    """The network of one account, from this line until `close`.

    address: URL of the proxy.
    """

    def __init__(self, account_folder: Path) -> None:
        super().__init__("twin.network.proxy", str(account_folder), end_s=_END_LIMIT_S)
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
