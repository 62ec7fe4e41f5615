"""The Helm executable, as the provider uses it: one release at a time, waiting, never leaving a child behind.

The real provider has Helm inside, so killing it kills the operation; here the child is on a leash (leash.py). A
release that was killed stays as Helm leaves it: pending.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

HELM_VARIABLE: Final = "SPILLWAY_HELM3"
_LEASH: Final = Path(__file__).with_name("leash.py")


class HelmError(Exception):
    """Helm refused or failed; the message is Helm's own."""


class Helm:
    """Helm over one cluster. `binary` is Helm 3; files of its own lie in a temporary folder until `close`."""

    def __init__(self, binary: Path, kubeconfig: str, context: str | None = None) -> None:
        self._binary = binary
        self._folder = Path(tempfile.mkdtemp(prefix="spillway-helm-"))
        self._kubeconfig = self._folder / "kubeconfig"
        self._kubeconfig.touch(mode=0o600)
        self._kubeconfig.write_text(kubeconfig)
        self._context = context
        self._children: set[subprocess.Popen[str]] = set()
        self._guard = threading.Lock()

    def install(self, name: str, chart: str, namespace: str, options: Sequence[str], values: Mapping[str, Any]) -> None:
        """`helm install`. Raises `HelmError`."""
        self._with_values(["install", name, chart, "--namespace", namespace, *options], values)

    def upgrade(self, name: str, chart: str, namespace: str, options: Sequence[str], values: Mapping[str, Any]) -> None:
        """`helm upgrade`. Raises `HelmError`."""
        self._with_values(["upgrade", name, chart, "--namespace", namespace, *options], values)

    def uninstall(self, name: str, namespace: str, options: Sequence[str]) -> None:
        """`helm uninstall`; a release that is not there is fine. Raises `HelmError`."""
        self._run(["uninstall", name, "--namespace", namespace, "--ignore-not-found", *options])

    def status(self, name: str, namespace: str) -> dict[str, Any] | None:
        """The release's latest revision with its values, or None when there is no release. Raises `HelmError`."""
        try:
            found: dict[str, Any] = json.loads(
                self._run(["status", name, "--namespace", namespace, "--output", "json"])
            )
        except HelmError as error:
            if "release: not found" in str(error):
                return None
            raise
        return found

    def chart_of(self, name: str, namespace: str) -> tuple[str, str, str]:
        """Name, version and application version of the chart of a release's latest revision. Raises `HelmError`."""
        found = json.loads(self._run(["get", "metadata", name, "--namespace", namespace, "--output", "json"]))
        return found["chart"], found["version"], found.get("appVersion", "")

    def cancel(self) -> None:
        """Interrupt what runs; Helm marks the release as failed where it still can."""
        with self._guard:
            for child in self._children:
                child.send_signal(signal.SIGINT)

    def close(self) -> None:
        """End what runs and remove the temporary folder."""
        with self._guard:
            for child in self._children:
                child.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _with_values(self, arguments: list[str], values: Mapping[str, Any]) -> None:
        handle, path = tempfile.mkstemp(prefix="values-", suffix=".json", dir=self._folder)
        with os.fdopen(handle, "w") as file:
            json.dump(values, file)
        try:
            self._run([*arguments, "--values", path])
        finally:
            Path(path).unlink(missing_ok=True)

    def _run(self, arguments: list[str]) -> str:
        leash = [sys.executable, "-I", "-S", str(_LEASH), str(os.getpid())]
        command = [*leash, str(self._binary), *arguments]
        if self._context:
            command += ["--kube-context", self._context]
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("HELM_", "KUBECONFIG"))},
            "KUBECONFIG": str(self._kubeconfig),
            "HELM_CACHE_HOME": str(self._folder / "cache"),
            "HELM_CONFIG_HOME": str(self._folder / "config"),
            "HELM_DATA_HOME": str(self._folder / "data"),
        }
        with self._guard:
            child = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            self._children.add(child)
        try:
            output, complaint = child.communicate()
        finally:
            with self._guard:
                self._children.discard(child)
        if child.returncode != 0:
            raise HelmError(_complaint(complaint) or f"helm {arguments[0]} ended with status {child.returncode}")
        return output


def helm3() -> Path:
    """The Helm 3 executable: `SPILLWAY_HELM3`, else the toolchain's.

    Raises `HelmError` with what to do when there is none.
    """
    named = os.environ.get(HELM_VARIABLE)
    if named:
        if not Path(named).is_file():
            raise HelmError(f"{HELM_VARIABLE} names {named}, which is not a file")
        return Path(named)
    from twin import binaries

    try:
        return binaries.require("helm3")
    except binaries.MissingToolError as error:
        raise HelmError(str(error)) from error


def _complaint(text: str) -> str:
    """Helm's errors without its warnings."""
    lines = [line for line in text.splitlines() if line and not line.startswith(("WARNING:", "level=", "W1", "W0"))]
    return "\n".join(lines).removeprefix("Error: ")
