"""Starting and ending workloads, and calling them, from the outside."""

from __future__ import annotations

import json
import select
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from twin.processes import HeldModule

_START_LIMIT_S: Final = 90.0
_END_LIMIT_S: Final = 15.0


class WorkloadsError(Exception):
    """Ready pods could not be run, or nothing serves behind a Service. The message says which and why."""


class Workloads(HeldModule):
    """What the ready pods of a cluster run, from this line until `close`.

    folder: where files and logs lie.
    clocks: served name of a model -> clock of its engine (`twin.engine.clock`).
    account: folder of the imitated account in whose Secrets Manager keys lie; None without one.
    offers: what hosted APIs sell (`twin.api.offers`); None where none answers.

    Raises `WorkloadsError`. `pid` is the id of the program that runs them.
    """

    def __init__(
        self,
        kubeconfig: Path,
        folder: Path,
        clocks: Mapping[str, Any],
        *,
        account: Path | None = None,
        region: str = "us-east-1",
        offers: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        command = ["--kubeconfig", str(kubeconfig.resolve()), "--folder", str(self.folder)]
        command += ["--clocks", str(self._written("clocks", clocks))]
        if account is not None:
            command += ["--account", str(account.resolve()), "--region", region]
        if offers is not None:
            command += ["--offers", str(self._written("offers", offers))]
        with (self.folder / "workloads.log").open("wb") as log:
            super().__init__("twin.workloads", *command, stderr=log, end_s=_END_LIMIT_S)
        try:
            self._await_ready()
        except BaseException:
            self.close()
            raise

    def forward(self, namespace: str, service: str, port: int) -> str:
        """Return the URL of one ready pod behind a Service's port, as `kubectl port-forward service/…` finds it.

        Raises `WorkloadsError` when there is none.
        """
        places = self._network()["services"].get(f"{namespace}/{service}", {}).get(str(port), [])
        if not places:
            raise WorkloadsError(f"nothing that is ready serves port {port} of Service {namespace}/{service}")
        address, target = places[0]
        return f"http://{address}:{target}"

    def serving(self) -> dict[str, str]:
        """Return what serves: pod, as NAMESPACE/NAME, to its address."""
        return {name: pod["address"] for name, pod in self._network()["pods"].items() if pod["ready"]}

    def problems(self) -> dict[str, str]:
        """Return the ready pods that cannot be run, each with the reason."""
        found: dict[str, str] = self._network()["problems"]
        return found

    def _network(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "network.json").read_text())
        return found

    def _written(self, name: str, document: Mapping[str, Any]) -> Path:
        path = self.folder / f"{name}.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(document))
        return path

    def _await_ready(self) -> None:
        assert self._process.stdout is not None
        waiting, _, _ = select.select([self._process.stdout], [], [], _START_LIMIT_S)
        said = self._process.stdout.readline().decode().strip() if waiting else "nothing was said in time"
        if said != "ready":
            rest = self._process.stdout.read().decode() if waiting and self._process.poll() is not None else ""
            log = (self.folder / "workloads.log").read_text(errors="replace")[-1500:]
            raise WorkloadsError(f"workloads did not start: {said} {rest}\n{log}".strip())
