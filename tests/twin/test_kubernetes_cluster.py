"""Plain objects and releases on a real control plane with real Helm, without the engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tools import require_tool
from twin.cluster import RunningCluster
from twin.kubernetes.helm import HELM_VARIABLE, Helm, helm3
from twin.kubernetes.provider import KubernetesProvider
from twin.kubernetes.release import TYPE
from twin.provider.arguments import Sdk
from twin.provider.contract import OperationError, PartialOperationError, Resource, ResourceState
from twin.stage import PLUGINS

pytestmark = pytest.mark.cluster

SDK = Sdk("pulumi_kubernetes")
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: x}}
  template:
    metadata: {labels: {app: x}}
    spec: {containers: [{name: x, image: "x:1"}]}
"""


@pytest.fixture
def provider(cluster: RunningCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesProvider]:
    monkeypatch.setenv(HELM_VARIABLE, str(require_tool("helm3")))
    made = KubernetesProvider(SDK)
    made.configure({"kubeconfig": cluster.kubeconfig.read_text()})
    yield made
    made.close()


@pytest.fixture
def chart(tmp_path: Path) -> str:
    folder = tmp_path / "chart"
    (folder / "templates").mkdir(parents=True)
    (folder / "templates" / "deployment.yaml").write_text(DEPLOYMENT)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: small\nversion: 0.1.0\n")
    return str(folder)


@pytest.fixture
def namespace(provider: KubernetesProvider, request: pytest.FixtureRequest) -> str:
    name = request.node.name.replace("_", "-")[:60].strip("-")
    apply(provider, "kubernetes:core/v1:Namespace", "v1", "Namespace", {"name": name})
    return str(name)


def apply(
    provider: KubernetesProvider, token: str, api_version: str, kind: str, metadata: dict[str, Any], **body: Any
) -> ResourceState:
    resource = Resource(f"urn:pulumi:dev::p::{token}::{metadata['name']}", token, metadata["name"])
    inputs = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}
    checked = provider.check(resource, {}, inputs, b"seed")
    assert checked.problems == []
    return provider.create(resource, checked.inputs, 20)


def release(chart: str, namespace: str, replicas: int, timeout: int) -> dict[str, Any]:
    return {
        "name": "vllm",
        "namespace": namespace,
        "chart": chart,
        "timeout": timeout,
        "values": {"replicas": replicas},
    }


def resource(token: str) -> Resource:
    return Resource(f"urn:pulumi:dev::p::{token}::x", token, "x")


def test_objects_of_many_kinds_come_are_read_and_go(provider: KubernetesProvider, namespace: str) -> None:
    rbac, scheduling = "rbac.authorization.k8s.io/v1", "scheduling.k8s.io/v1"
    here = {"name": "x", "namespace": namespace}
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    for group, api_version, kind, metadata, body in (
        ("core/v1", "v1", "ServiceAccount", here, {}),
        ("core/v1", "v1", "Secret", here, {"stringData": {"k": "v"}}),
        (rbac, rbac, "Role", here, {"rules": rules}),
        (scheduling, scheduling, "PriorityClass", {"name": namespace[:30]}, {"value": 7}),
    ):
        token = f"kubernetes:{group}:{kind}"
        state = apply(provider, token, api_version, kind, metadata, **body)
        seen = provider.read(resource(token), state)
        assert seen is not None
        assert seen.inputs == state.inputs
        provider.delete(resource(token), state, 20)
        assert provider.read(resource(token), state) is None


def test_what_somebody_changed_shows_and_is_put_right(
    provider: KubernetesProvider, cluster: RunningCluster, namespace: str
) -> None:
    from kubernetes.client import CoreV1Api

    token = "kubernetes:core/v1:ConfigMap"
    state = apply(provider, token, "v1", "ConfigMap", {"name": "policy", "namespace": namespace}, data={"a": "1"})
    client = cluster.client()
    CoreV1Api(client).patch_namespaced_config_map("policy", namespace, {"data": {"a": "9", "b": "not ours"}})
    client.close()
    seen = provider.read(resource(token), state)
    assert seen is not None
    found = provider.diff(resource(token), seen, state.inputs)
    assert [change.path for change in found.changes] == ["data.a"]


def test_a_field_that_the_api_does_not_know_is_refused(provider: KubernetesProvider, namespace: str) -> None:
    with pytest.raises(OperationError, match="colour"):
        apply(
            provider,
            "kubernetes:core/v1:ConfigMap",
            "v1",
            "ConfigMap",
            {"name": "c", "namespace": namespace},
            colour="red",
        )


def test_a_deployment_that_cannot_run_is_kept_as_not_ready(provider: KubernetesProvider, namespace: str) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "c:1"}]}}
    inputs = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
    }
    with pytest.raises(PartialOperationError, match="0 of 1 replicas are available") as caught:
        provider.create(resource("kubernetes:apps/v1:Deployment"), inputs, 1)
    assert caught.value.state.id == f"{namespace}/d"


def test_a_release_fails_is_kept_and_converges(provider: KubernetesProvider, namespace: str, chart: str) -> None:
    with pytest.raises(PartialOperationError, match="failed status") as caught:
        provider.create(resource(TYPE), release(chart, namespace, 1, 2), 0)
    failed = caught.value.state
    assert failed.outputs["status"]["status"] == "failed"
    done = provider.update(resource(TYPE), failed, release(chart, namespace, 0, 20), 0)
    assert done.outputs["status"] | {"revision": 2, "status": "deployed"} == done.outputs["status"]
    seen = provider.read(resource(TYPE), done)
    assert seen == done
    with pytest.raises(OperationError, match="cannot re-use a name that is still in use"):
        provider.create(resource(TYPE), release(chart, namespace, 0, 20), 0)
    provider.delete(resource(TYPE), done, 20)
    assert provider.read(resource(TYPE), done) is None


def test_a_kill_takes_helm_along_and_leaves_the_release_pending(
    cluster: RunningCluster, provider: KubernetesProvider, namespace: str, chart: str, tmp_path: Path
) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from twin.kubernetes.helm import Helm, helm3\n"
        f"helm = Helm(helm3(), Path({str(cluster.kubeconfig)!r}).read_text())\n"
        f"helm.install('vllm', {chart!r}, {namespace!r}, ['--wait', '--timeout', '60s'], {{'replicas': 1}})\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(PLUGINS.parents[1]), "TMPDIR": str(tmp_path)},
    ) as running:
        helm = Helm(helm3(), cluster.kubeconfig.read_text())
        try:
            deadline = time.monotonic() + 30
            while helm.status("vllm", namespace) is None and time.monotonic() < deadline:
                time.sleep(0.1)
            children = children_of(running.pid)
            running.send_signal(signal.SIGKILL)
            running.wait(timeout=10)
            assert children
            while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert not any(Path(f"/proc/{child}").exists() for child in children)
            found = helm.status("vllm", namespace)
            assert found is not None
            assert found["info"]["status"] == "pending-install"
        finally:
            helm.close()
    state = ResourceState(f"{namespace}/vllm", release(chart, namespace, 0, 5), {})
    with pytest.raises(OperationError, match=r"another operation .* in progress"):
        provider.update(resource(TYPE), state, state.inputs, 0)


def children_of(number: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{number}/task/{number}/children").read_text().split()]
