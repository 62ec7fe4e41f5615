"""What a release asks of Helm, with a Helm that only remembers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from twin.kubernetes import release
from twin.kubernetes.helm import HELM_VARIABLE, Helm, HelmError, helm3
from twin.provider.contract import OperationError, PartialOperationError, Resource, ResourceState
from twin.provider.wire import UNKNOWN

RESOURCE = Resource("urn:pulumi:dev::p::kubernetes:helm.sh/v3:Release::vllm", release.TYPE, "vllm")
INPUTS: dict[str, Any] = {"name": "vllm", "namespace": "serving", "chart": "./chart", "values": {"replicas": 1}}
MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: vllm}
---
# nothing
---
apiVersion: v1
kind: Service
metadata: {name: vllm, namespace: other}
"""


class Remembering(Helm):
    """Keeps one release; `error` is what Helm says when it fails, `leaves` whether a failed release is there then."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.found: dict[str, Any] | None = None
        self.error: str | None = None
        self.leaves = True

    def install(self, name: str, chart: str, namespace: str, options: Any, values: Any) -> None:
        self._operate(["install", *options], values)

    def upgrade(self, name: str, chart: str, namespace: str, options: Any, values: Any) -> None:
        self._operate(["upgrade", *options], values)

    def uninstall(self, name: str, namespace: str, options: Any) -> None:
        self.commands.append(["uninstall", name, *options])
        self.found = None

    def status(self, name: str, namespace: str) -> dict[str, Any] | None:
        return self.found

    def chart_of(self, name: str, namespace: str) -> tuple[str, str, str]:
        return "small", "0.1.0", "1"

    def _operate(self, command: list[str], values: Any) -> None:
        self.commands.append(command)
        if self.error is None or self.leaves:
            self.found = {
                "name": "vllm",
                "namespace": "serving",
                "version": (self.found or {"version": 0})["version"] + 1,
                "info": {"status": "failed" if self.error else "deployed"},
                "config": values,
                "manifest": MANIFEST,
            }
        if self.error is not None:
            raise HelmError(self.error)


@pytest.fixture
def helm() -> Remembering:
    return Remembering()


def test_create_is_install_and_waits(helm: Remembering) -> None:
    state = release.install(helm, {**INPUTS, "timeout": 90, "createNamespace": True, "version": "0.1.0"}, 0)
    assert helm.commands == [["install", "--create-namespace", "--timeout", "90s", "--wait", "--version", "0.1.0"]]
    assert state.id == "serving/vllm"
    assert state.outputs["status"]["status"] == "deployed"
    assert state.outputs["status"]["revision"] == 1
    assert state.outputs["resourceNames"] == {"Deployment/apps/v1": ["serving/vllm"], "Service/v1": ["other/vllm"]}


def test_update_is_upgrade(helm: Remembering) -> None:
    old = release.install(helm, INPUTS, 0)
    changed = {**INPUTS, "values": {"replicas": 2}, "skipAwait": True, "maxHistory": 5}
    assert [change.path for change in release.difference(old, changed).changes] == [
        "maxHistory",
        "skipAwait",
        "values.replicas",
    ]
    state = release.upgrade(helm, changed, 120)
    assert helm.commands[-1] == ["upgrade", "--timeout", "120s", "--history-max", "5"]
    assert state.outputs["status"]["revision"] == 2


def test_a_failed_install_that_left_a_release_is_partial(helm: Remembering) -> None:
    helm.error = "context deadline exceeded"
    with pytest.raises(PartialOperationError, match=r"created but has a failed status.*deadline exceeded") as caught:
        release.install(helm, INPUTS, 0)
    assert caught.value.state.id == "serving/vllm"
    assert caught.value.state.outputs["status"]["status"] == "failed"


def test_a_failed_install_that_left_nothing_is_nothing(helm: Remembering) -> None:
    helm.error, helm.leaves = "chart not found", False
    with pytest.raises(OperationError, match="chart not found") as caught:
        release.install(helm, INPUTS, 0)
    assert not isinstance(caught.value, PartialOperationError)


def test_a_name_that_is_taken_is_an_error(helm: Remembering) -> None:
    release.install(helm, INPUTS, 0)
    helm.error, helm.leaves = "cannot re-use a name that is still in use", False
    with pytest.raises(OperationError, match="still in use") as caught:
        release.install(helm, INPUTS, 0)
    assert not isinstance(caught.value, PartialOperationError)


def test_values_that_somebody_changed_show(helm: Remembering) -> None:
    old = release.install(helm, INPUTS, 0)
    assert helm.found is not None
    helm.found["config"] = {"replicas": 9}
    seen = release.read(helm, old)
    assert seen is not None
    assert [change.path for change in release.difference(seen, INPUTS).changes] == ["values.replicas"]
    release.uninstall(helm, old, 0)
    assert release.read(helm, old) is None


def test_names_are_invented_once() -> None:
    first = release.completed(RESOURCE, {}, {"chart": "./c"}, b"seed", "default")
    assert first["name"].startswith("vllm-")
    assert first["namespace"] == "default"
    again = release.completed(RESOURCE, first, {"chart": "./c"}, b"other", "default")
    assert again == first
    assert release.completed(RESOURCE, first, {"chart": "./c", "name": "x"}, b"s", "n")["name"] == "x"


def test_another_name_is_another_release() -> None:
    found = release.difference(ResourceState("serving/vllm", INPUTS, {}), {**INPUTS, "name": "other"})
    assert [change.replaces for change in found.changes] == [True]
    assert not found.delete_first


def test_a_preview_promises_the_status() -> None:
    assert release.planned(INPUTS)["status"] is UNKNOWN


def test_settings_that_are_not_imitated_are_problems() -> None:
    assert [problem.path for problem in release.problems({**INPUTS, "postrender": "x"})] == ["postrender"]


def test_helm_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(HELM_VARIABLE, str(tmp_path / "helm"))
    with pytest.raises(HelmError, match="not a file"):
        helm3()
    (tmp_path / "helm").touch()
    assert helm3() == tmp_path / "helm"
