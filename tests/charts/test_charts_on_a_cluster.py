"""Both charts on a real control plane: admitted under Pod Security `restricted`, placed, rolled out and removed.

Helm, API server, admission, scheduler and controllers are real; machines and containers are the twin's.
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client import (
    AdmissionregistrationV1Api,
    ApiextensionsV1Api,
    AppsV1Api,
    AuthenticationV1Api,
    CoreV1Api,
    CustomObjectsApi,
    NetworkingV1Api,
    SchedulingV1Api,
)
from kubernetes.client.exceptions import ApiException

from tests.charts.pod_security import violations
from tests.charts.rendering import CHARTS, HELMS, example, merged, pool
from tests.charts.test_chart_pod_security import BREAKING, GOOD_POD
from tests.charts.test_gateway_doors import DOORS, ROUTES
from tests.machines import instance
from tests.tools import require_tool
from twin import nodes
from twin.cluster import RunningCluster
from twin.cluster.pod_identity import ADDRESS, AUDIENCE, FOLDER, LABEL, NAME, webhook

pytestmark = pytest.mark.cluster

GPU_GROUP = "l40s-restricted"
ROUTES_OF = ("gateway.networking.k8s.io", "v1")
GPU_TAINTS = (
    nodes.Taint("nvidia.com/gpu", "present", "NO_SCHEDULE"),
    nodes.Taint("spillway.dev/node-group", GPU_GROUP, "NO_SCHEDULE"),
)


@pytest.fixture(scope="module")
def client(cluster: RunningCluster) -> Iterator[Any]:
    """A cluster of three nodes of four GPUs in one node group and zone, and two system nodes."""
    client = cluster.client()
    core = CoreV1Api(client)
    wait_for(lambda: core.list_namespaced_service_account("kube-system").items)
    AppsV1Api(client).create_namespaced_daemon_set("kube-system", _device_plugin())
    group = {"spillway.dev/node-group": GPU_GROUP}
    machines = [instance(number, "g5.12xlarge", labels=group, taints=GPU_TAINTS) for number in (1, 2, 3)]
    machines += [instance(number, "m7i.2xlarge") for number in (11, 12)]
    server = nodes.ApiServer(cluster.kubeconfig)
    nodes.wait_ready(server, nodes.join(server, machines))
    wait_for(lambda: sum(int((n.status.allocatable or {}).get("nvidia.com/gpu", 0)) for n in _all(core)) == 12)
    yield client
    client.close()


@pytest.fixture
def namespace(client: Any) -> Iterator[str]:
    """A namespace that admits pods of the profile `restricted` only."""
    name = f"charts-{uuid.uuid4().hex[:8]}"
    core = CoreV1Api(client)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    core.create_namespace({"metadata": {"name": name, "labels": labels}})
    wait_for(lambda: core.list_namespaced_service_account(name).items)
    yield name
    core.delete_namespace(name)
    wait_for(lambda: not core.list_namespaced_pod(name).items)


def test_the_checker_and_the_api_servers_admission_agree(client: Any, namespace: str) -> None:
    core = CoreV1Api(client)

    def refusal(pod: dict[str, Any]) -> str:
        whole = copy.deepcopy(pod)
        whole["spec"]["containers"][0]["image"] = "example.test/c:1"
        try:
            core.create_namespaced_pod(namespace, whole, dry_run="All")
        except ApiException as error:
            return "by Pod Security" if "violates PodSecurity" in error.body else "before Pod Security"
        return ""

    assert refusal(GOOD_POD) == ""
    answers = {}
    for name, breaking in BREAKING.items():
        pod = copy.deepcopy(GOOD_POD)
        breaking(pod["spec"], pod["spec"]["containers"][0])
        assert violations(pod)
        answers[name] = refusal(pod)
    # Two contradict other fields of the pod (privileged without escalation, Unmasked on the host's users), which the
    # API server says first.
    contradictions = dict.fromkeys(("privileged", "procMount"), "before Pod Security")
    assert answers == {**dict.fromkeys(BREAKING, "by Pod Security"), **contradictions}


@pytest.mark.parametrize("helm", HELMS)
def test_a_restricted_pool_lives_on_two_nodes_of_its_group(
    cluster: RunningCluster, client: Any, namespace: str, tmp_path: Path, helm: str
) -> None:
    values = merged(_fitting(example("vllm", "restricted-tp2")), {"nodeGroup": {"capacityType": "on-demand"}})
    release = Release(cluster, helm, namespace, "extract", "vllm", tmp_path)
    release.install(values)
    assert sorted(_nodes_of(client, namespace).values()) == [1, 1]
    assert _groups_of(client, namespace) == {GPU_GROUP}
    first = _pods(client, namespace)

    release.upgrade(merged(values, {"engine": {"maxNumSeqs": 64}}))
    # The last of the old pods may be gone a moment before the last of the new ones has its node.
    wait_for(lambda: not _pods(client, namespace) & first and sorted(_nodes_of(client, namespace).values()) == [1, 1])

    release.uninstall()
    wait_for(lambda: not _pods(client, namespace))
    classes = SchedulingV1Api(client).list_priority_class().items
    assert not [item.metadata.name for item in classes if item.metadata.name.startswith(f"{namespace}-")]


def test_a_bound_per_node_holds_whatever_the_other_nodes_hold(
    cluster: RunningCluster, client: Any, namespace: str, tmp_path: Path
) -> None:
    """Seven replicas, three nodes of four GPUs, three at most: 3 + 3 + 1 or 3 + 2 + 2, never 4."""
    values = _fitting(pool(replicas=7, placement={"maxReplicasPerNode": 3}))
    Release(cluster, "helm3", namespace, "bounded", "vllm", tmp_path).install(values)
    assert max(_nodes_of(client, namespace).values()) == 3
    Release(cluster, "helm3", namespace, "bounded", "vllm", tmp_path).uninstall()


def test_packed_replicas_fill_a_node_before_the_next(
    cluster: RunningCluster, client: Any, namespace: str, tmp_path: Path
) -> None:
    values = _fitting(pool(replicas=4, placement={"strategy": "pack"}))
    release = Release(cluster, "helm3", namespace, "packed", "vllm", tmp_path)
    release.install(values)
    assert list(_nodes_of(client, namespace).values()) == [4]
    release.uninstall()


def test_a_large_replica_displaces_small_ones_which_fit_elsewhere(
    cluster: RunningCluster, client: Any, namespace: str, tmp_path: Path
) -> None:
    small = Release(cluster, "helm3", namespace, "small", "vllm", tmp_path)
    small.install(_fitting(pool(replicas=6, placement={"maxReplicasPerNode": 4})))
    assert len(_nodes_of(client, namespace)) == 3, "every node holds some, so no node is whole"
    large = Release(cluster, "helm3", namespace, "large", "vllm", tmp_path)
    large.install(_fitting(pool(replicas=1, engine={"tensorParallelSize": 4})))
    wait_for(lambda: sum(_nodes_of(client, namespace).values()) == 7)
    assert sorted(_nodes_of(client, namespace).values()) in ([1, 2, 4], [1, 3, 3])
    for release in (large, small):
        release.uninstall()


@pytest.mark.parametrize("helm", HELMS)
def test_gateways_stand_on_two_nodes_and_roll_out_with_the_policy(
    cluster: RunningCluster, client: Any, namespace: str, tmp_path: Path, helm: str
) -> None:
    _define_routes(client)
    values = merged(example("gateway", "restricted"), {**DOORS, "networkPolicy": {"clients": [{"podSelector": {}}]}})
    release = Release(cluster, helm, namespace, "gateway", "gateway", tmp_path)
    release.install(values)
    assert CoreV1Api(client).read_namespaced_service("gateway", namespace).spec.ports[0].node_port == 30080
    assert NetworkingV1Api(client).read_namespaced_ingress("gateway", namespace).spec.ingress_class_name == "nginx"
    route = CustomObjectsApi(client).get_namespaced_custom_object(*ROUTES_OF, namespace, "httproutes", "gateway")
    assert route["spec"]["rules"][0]["timeouts"] == {"request": "0s"}
    assert sorted(_nodes_of(client, namespace).values()) == [1, 1]
    first = _pods(client, namespace)
    release.upgrade(merged(values, {"policy": {"document": {"environment": "other"}}}))
    wait_for(lambda: not _pods(client, namespace) & first and len(_pods(client, namespace)) == 2)
    assert sorted(_nodes_of(client, namespace).values()) == [1, 1]
    release.uninstall()


def _define_routes(client: Any) -> None:
    """Give the cluster the Gateway API's routes, and wait until it serves them."""
    definitions = ApiextensionsV1Api(client)
    wanted = json.loads(ROUTES.read_text(encoding="utf-8"))
    name = wanted["metadata"]["name"]
    if name not in [each.metadata.name for each in definitions.list_custom_resource_definition().items]:
        definitions.create_custom_resource_definition(wanted)

    def served() -> bool:
        conditions = definitions.read_custom_resource_definition(name).status.conditions or ()
        return any(each.type == "Established" and each.status == "True" for each in conditions)

    wait_for(served)


def test_a_pod_that_came_before_its_role_was_known_is_no_different(
    cluster: RunningCluster, client: Any, namespace: str, tmp_path: Path
) -> None:
    """The webhook of EKS learns of an association late. The pod's own token is good either way, and stands once."""
    core, admission = CoreV1Api(client), AdmissionregistrationV1Api(client)
    release = Release(cluster, "helm3", namespace, "identity", "vllm", tmp_path)
    with webhook(tmp_path) as eks:
        configuration = eks.configuration(namespace)
        admission.create_mutating_webhook_configuration(configuration)
        try:
            release.install(_fitting(pool(replicas=1)))
            (early,) = core.list_namespaced_pod(namespace).items
            assert LABEL not in early.metadata.labels, "the webhook did not know the association"
            assert _identity(client, early) == (ADDRESS, f"{FOLDER}/{NAME}", FOLDER, AUDIENCE)

            bound = {"kind": "Pod", "apiVersion": "v1", "name": early.metadata.name, "uid": early.metadata.uid}
            account = early.spec.service_account_name
            request = {"spec": {"audiences": [AUDIENCE], "boundObjectRef": bound}}
            token = core.create_namespaced_service_account_token(account, namespace, request).status.token
            review = {"spec": {"token": token, "audiences": [AUDIENCE]}}
            told = AuthenticationV1Api(client).create_token_review(review).status
            assert told.authenticated
            assert told.user.username == f"system:serviceaccount:{namespace}:{account}"

            eks.associations.add((namespace, account))
            core.delete_namespaced_pod(early.metadata.name, namespace)

            def later() -> Any:
                return [p for p in core.list_namespaced_pod(namespace).items if p.metadata.uid != early.metadata.uid]

            (late,) = wait_for(later)
            assert late.metadata.labels[LABEL] == "enabled", "the webhook changed it"
            assert _identity(client, late) == _identity(client, early)
        finally:
            admission.delete_mutating_webhook_configuration(configuration["metadata"]["name"])
            release.uninstall()


def _identity(client: Any, pod: Any) -> tuple[str, str, str, str]:
    """Address, token's file, folder and audience of a pod's identity, each of which stands once."""
    spec = client.sanitize_for_serialization(pod)["spec"]
    (container,) = spec["containers"]
    names = [entry["name"] for entry in container["env"]]
    assert sorted(names) == sorted(set(names))
    variables = {entry["name"]: entry.get("value", "") for entry in container["env"]}
    (folder,) = [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == NAME]
    (volume,) = [volume for volume in spec["volumes"] if volume["name"] == NAME]
    (source,) = volume["projected"]["sources"]
    address = variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    file = variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]
    return address, file, folder, source["serviceAccountToken"]["audience"]


class Release:
    """One Helm release on the cluster; every verb waits, and a failure shows Helm's own words."""

    def __init__(self, cluster: RunningCluster, helm: str, namespace: str, name: str, chart: str, folder: Path) -> None:
        self._binary, self._cluster = str(require_tool(helm)), cluster
        self._namespace, self._name, self._chart, self._folder = namespace, name, CHARTS / chart, folder

    def install(self, values: Mapping[str, Any]) -> None:
        self._run("install", self._name, str(self._chart), "--values", self._file(values))

    def upgrade(self, values: Mapping[str, Any]) -> None:
        self._run("upgrade", self._name, str(self._chart), "--values", self._file(values))

    def uninstall(self) -> None:
        self._run("uninstall", self._name)

    def _file(self, values: Mapping[str, Any]) -> str:
        file = self._folder / f"{self._name}.yaml"
        file.write_text(yaml.safe_dump(dict(values)), encoding="utf-8")
        return str(file)

    def _run(self, *arguments: str) -> None:
        homes = {f"HELM_{kind}_HOME": str(self._folder / kind) for kind in ("CACHE", "CONFIG", "DATA")}
        command = [self._binary, *arguments, "--namespace", self._namespace, "--wait", "--timeout", "90s"]
        environment = {**os.environ, **self._cluster.environment(), **homes}
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
        assert done.returncode == 0, done.stderr


def wait_for(condition: Callable[[], Any], patience_s: float = 60.0) -> Any:
    deadline = time.monotonic() + patience_s
    while not (result := condition()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.1)
    return result


def _fitting(values: Mapping[str, Any]) -> dict[str, Any]:
    """On the twin's nodes: their group, the share of one GPU of a g5.12xlarge, and no zone of another region."""
    return merged(
        values,
        {
            "nodeGroup": {"name": GPU_GROUP, "gpusPerNode": 4},
            "placement": {"zones": []},
            "resources": {"requests": {"cpu": "4", "memory": "16Gi"}, "limits": {}},
        },
    )


def _running(client: Any, namespace: str) -> list[Any]:
    return [
        pod
        for pod in CoreV1Api(client).list_namespaced_pod(namespace).items
        if pod.metadata.deletion_timestamp is None
        and any(condition.type == "Ready" and condition.status == "True" for condition in pod.status.conditions or ())
    ]


def _pods(client: Any, namespace: str) -> set[str]:
    return {pod.metadata.name for pod in CoreV1Api(client).list_namespaced_pod(namespace).items}


def _nodes_of(client: Any, namespace: str) -> Counter[str]:
    """Ready pods of a namespace by node."""
    return Counter(pod.spec.node_name for pod in _running(client, namespace))


def _groups_of(client: Any, namespace: str) -> set[str]:
    labels = {node.metadata.name: node.metadata.labels for node in _all(CoreV1Api(client))}
    return {labels[name].get("spillway.dev/node-group") for name in _nodes_of(client, namespace)}


def _all(core: Any) -> list[Any]:
    found: list[Any] = core.list_node().items
    return found


def _device_plugin() -> dict[str, Any]:
    labels = {"app": "device-plugin"}
    containers = [{"name": "c", "image": "nvcr.io/nvidia/k8s-device-plugin:v0.17.1"}]
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": containers, "tolerations": [{"operator": "Exists"}]},
    }
    return {"metadata": {"name": "device-plugin"}, "spec": {"selector": {"matchLabels": labels}, "template": template}}
