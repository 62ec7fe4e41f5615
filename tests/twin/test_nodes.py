from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes.client import AppsV1Api, CoreV1Api, PolicyV1Api

from tests.machines import instance
from twin import nodes
from twin.cluster import RunningCluster
from twin.nodes.device_plugin import _runs_plugin

GPU_TAINT = nodes.Taint("nvidia.com/gpu", "present", "NO_SCHEDULE")


def wait_for(condition: Callable[[], Any], patience_s: float = 20.0) -> Any:
    deadline = time.monotonic() + patience_s
    while not (result := condition()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)
    return result


# Karpenter's published table (instance-types.md, 2026-07-11): allocatable CPU (m), memory (MiB), pods by interfaces.
@pytest.mark.parametrize(
    ("name", "vcpus", "gpus", "cpu_m", "memory_mib", "network_pods"),
    [
        ("g4dn.xlarge", 4, 1, 3920, 14481, 29),
        ("g5.xlarge", 4, 1, 3920, 14162, 58),
        ("g5.12xlarge", 48, 4, 47810, 173400, 737),
        ("g6e.48xlarge", 192, 8, 191450, 1449132, 492),
        ("p4d.24xlarge", 96, 8, 95690, 1082712, 737),
        ("p5.48xlarge", 192, 8, 191450, 1938410, 100),
    ],
)
def test_allocatable_agrees_with_karpenters_table(
    name: str, vcpus: int, gpus: int, cpu_m: int, memory_mib: int, network_pods: int
) -> None:
    kind = nodes.describe(name)
    assert (kind.vcpus, kind.gpus, kind.architecture) == (vcpus, gpus, "amd64")
    assert kind.allocatable_cpu_millicores == cpu_m
    assert kind.allocatable_memory_mib == memory_mib
    assert kind.network_pods == network_pods


def test_a_managed_node_group_caps_the_pods_of_a_node() -> None:
    assert nodes.describe("g5.xlarge").max_pods == 58
    assert nodes.describe("g5.4xlarge").max_pods == 110
    assert nodes.describe("g5.12xlarge").max_pods == 250


def test_a_type_that_ec2_lacks_is_named() -> None:
    with pytest.raises(nodes.UnknownInstanceTypeError, match=r"p9\.24xlarge"):
        nodes.describe("p9.24xlarge")


def test_a_node_shows_what_eks_shows_and_the_node_groups_own_labels() -> None:
    labels = {"k8s.amazonaws.com/accelerator": "nvidia-a10g", "spillway/pool": "chat"}
    node = nodes.node_object(instance(7, labels=labels, taints=(GPU_TAINT,), capacity_type="SPOT"))
    assert (
        node["metadata"]["labels"].items()
        >= {
            **labels,
            "eks.amazonaws.com/capacityType": "SPOT",
            "eks.amazonaws.com/nodegroup": "gpu",
            "node.kubernetes.io/instance-type": "g5.12xlarge",
            "topology.k8s.aws/zone-id": "use1-az1",
            "topology.kubernetes.io/zone": "us-east-1a",
        }.items()
    )
    assert node["spec"]["taints"] == [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]
    assert node["status"]["allocatable"]["cpu"] == "47810m"
    assert "nvidia.com/gpu" not in node["status"]["capacity"]


def test_a_taint_effect_in_kubernetes_spelling_is_refused_as_eks_does() -> None:
    with pytest.raises(ValueError, match="NO_SCHEDULE"):
        nodes.node_object(instance(7, taints=(nodes.Taint("a", "b", "NoSchedule"),)))


@pytest.mark.parametrize(
    ("image", "recognised"),
    [
        ("nvcr.io/nvidia/k8s-device-plugin:v0.17.1", True),
        ("602401143452.dkr.ecr.us-east-1.amazonaws.com/nvidia/k8s-device-plugin@sha256:00", True),
        ("localhost:5000/k8s-device-plugin", True),
        ("nvcr.io/nvidia/k8s-device-plugin-exporter:v1", False),
        ("nvcr.io/nvidia/cloud-native/gpu-feature-discovery:v0.17.1", False),
    ],
)
def test_the_device_plugin_is_known_by_its_image(image: str, recognised: bool) -> None:
    assert _runs_plugin({"containers": [{"image": image}]}) is recognised


@pytest.fixture
def server(cluster: RunningCluster) -> Iterator[nodes.ApiServer]:
    server = nodes.ApiServer(cluster.kubeconfig)
    yield server
    server.close()


@pytest.fixture
def client(cluster: RunningCluster, server: nodes.ApiServer) -> Iterator[Any]:
    """A client of the module's cluster, on which every node is removed afterwards."""
    client = cluster.client()
    yield client
    for node in CoreV1Api(client).list_node().items:
        nodes.terminate(server, node.metadata.name)
    client.close()


@pytest.fixture
def namespace(client: Any) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    core = CoreV1Api(client)
    core.create_namespace({"metadata": {"name": name}})
    wait_for(lambda: core.list_namespaced_service_account(name).items)
    yield name
    core.delete_namespace(name)


def pod(name: str, gpus: int = 0, tolerations: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "c", "image": "example.test/server:1"}
    if gpus:
        container["resources"] = {"limits": {"nvidia.com/gpu": str(gpus)}}
    return {"metadata": {"name": name}, "spec": {"containers": [container], "tolerations": list(tolerations)}}


def device_plugin(image: str = "nvcr.io/nvidia/k8s-device-plugin:v0.17.1") -> dict[str, Any]:
    labels = {"app": "device-plugin"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "c", "image": image}], "tolerations": [{"operator": "Exists"}]},
    }
    return {"metadata": {"name": "device-plugin"}, "spec": {"selector": {"matchLabels": labels}, "template": template}}


def deployment(name: str, replicas: int) -> dict[str, Any]:
    template = {**pod("unnamed"), "metadata": {"labels": {"app": name}}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"metadata": {"name": name}, "spec": spec}


def is_ready(pod: Any) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or ())


def why_unscheduled(core: Any, name: str, namespace: str) -> str:
    """The scheduler's own reason, once it has given one."""

    def reason() -> str | None:
        conditions = core.read_namespaced_pod(name, namespace).status.conditions or ()
        return next((c.message for c in conditions if c.type == "PodScheduled" and c.status == "False"), None)

    return str(wait_for(reason))


@pytest.mark.cluster
def test_a_gpu_pod_runs_only_with_the_device_plugin_and_the_toleration(
    client: Any, server: nodes.ApiServer, namespace: str
) -> None:
    core = CoreV1Api(client)
    names = nodes.join(server, [instance(1, taints=(GPU_TAINT,))])
    nodes.wait_ready(server, names)
    tolerating = ({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},)
    core.create_namespaced_pod(namespace, pod("tolerating", gpus=4, tolerations=tolerating))
    core.create_namespaced_pod(namespace, pod("intolerant"))
    assert "Insufficient nvidia.com/gpu" in why_unscheduled(core, "tolerating", namespace)
    assert "untolerated taint" in why_unscheduled(core, "intolerant", namespace)

    AppsV1Api(client).create_namespaced_daemon_set(namespace, device_plugin())
    placed = wait_for(lambda: (p := core.read_namespaced_pod("tolerating", namespace)) and is_ready(p) and p)
    assert placed.spec.node_name == names[0]
    assert placed.status.pod_ip
    core.create_namespaced_pod(namespace, pod("one-too-many", gpus=1, tolerations=tolerating))
    assert "Insufficient nvidia.com/gpu" in why_unscheduled(core, "one-too-many", namespace)
    assert core.read_namespaced_pod("intolerant", namespace).spec.node_name is None


@pytest.mark.cluster
def test_gpus_go_when_the_device_plugin_goes(client: Any, server: nodes.ApiServer, namespace: str) -> None:
    core, apps = CoreV1Api(client), AppsV1Api(client)
    (name,) = nodes.join(server, [instance(2)])
    apps.create_namespaced_daemon_set(namespace, device_plugin())
    wait_for(lambda: core.read_node(name).status.allocatable.get("nvidia.com/gpu") == "4")
    apps.delete_namespaced_daemon_set("device-plugin", namespace)
    wait_for(lambda: core.read_node(name).status.allocatable.get("nvidia.com/gpu") == "0")
    assert core.read_node(name).status.capacity["nvidia.com/gpu"] == "4"


@pytest.mark.cluster
def test_another_daemon_set_brings_no_gpus(client: Any, server: nodes.ApiServer, namespace: str) -> None:
    core = CoreV1Api(client)
    (name,) = nodes.join(server, [instance(3)])
    AppsV1Api(client).create_namespaced_daemon_set(namespace, device_plugin("example.test/log-shipper:1"))
    wait_for(lambda: any(is_ready(p) for p in core.list_namespaced_pod(namespace).items))
    assert nodes.advertise_gpus(server) == {}
    assert "nvidia.com/gpu" not in core.read_node(name).status.capacity


@pytest.mark.cluster
def test_joining_twice_changes_nothing_and_a_bad_label_is_refused(client: Any, server: nodes.ApiServer) -> None:
    core = CoreV1Api(client)
    (name,) = nodes.join(server, [instance(4, labels={"pool": "a"})])
    nodes.join(server, [instance(4, labels={"pool": "b"})])
    assert core.read_node(name).metadata.labels["pool"] == "a"
    with pytest.raises(nodes.ApiError, match=r"(?s)422.*spillway//pool"):
        nodes.join(server, [instance(5, labels={"spillway//pool": "a"})])


@pytest.mark.cluster
def test_a_drain_honours_the_disruption_budget_until_its_patience_ends(
    client: Any, server: nodes.ApiServer, namespace: str
) -> None:
    core = CoreV1Api(client)
    (name,) = nodes.join(server, [instance(6)])
    AppsV1Api(client).create_namespaced_deployment(namespace, deployment("web", replicas=1))
    wait_for(lambda: [p for p in core.list_namespaced_pod(namespace).items if is_ready(p)])
    budget = {"metadata": {"name": "web"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}
    policy = PolicyV1Api(client)
    policy.create_namespaced_pod_disruption_budget(namespace, budget)
    wait_for(lambda: policy.read_namespaced_pod_disruption_budget("web", namespace).status.current_healthy == 1)
    started = time.monotonic()
    assert nodes.leave(server, name, patience_s=1.5) is False
    assert time.monotonic() - started >= 1.5
    assert core.list_node().items == []


@pytest.mark.cluster
def test_pods_of_a_leaving_node_move_to_another(client: Any, server: nodes.ApiServer, namespace: str) -> None:
    core = CoreV1Api(client)
    names = nodes.join(server, [instance(8), instance(9)])
    nodes.wait_ready(server, names)
    AppsV1Api(client).create_namespaced_deployment(namespace, deployment("web", replicas=4))

    def ready_on() -> list[str]:
        return [p.spec.node_name for p in core.list_namespaced_pod(namespace).items if is_ready(p)]

    wait_for(lambda: len(ready_on()) == 4)
    assert set(ready_on()) == set(names)
    assert nodes.leave(server, names[0]) is True
    wait_for(lambda: ready_on() == [names[1]] * 4)
    nodes.terminate(server, names[1])
    wait_for(lambda: ready_on() == [])
    assert nodes.leave(server, names[0]) is True  # one that is gone already is no error


@pytest.mark.cluster
def test_what_the_api_server_refuses_has_its_status_and_words(server: nodes.ApiServer) -> None:
    with pytest.raises(nodes.ApiError, match=r'nodes "nobody" not found') as unknown:
        server.read("/api/v1/nodes/nobody")
    assert unknown.value.status == 404
    with pytest.raises(nodes.ApiError, match="404 page not found") as kind:
        server.items("/apis/nobody.example/v1/things")
    assert kind.value.status == 404


def test_the_twins_programs_start_without_the_kubernetes_library() -> None:
    """It takes a second to import, in every run of an engine."""
    source = (
        "import sys; from twin import nodes; import twin.aws.provider, twin.aws.pulls, twin.aws.instances, "
        "twin.workloads.objects; sys.exit('kubernetes' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", source], check=False).returncode == 0
