"""The twins through the real Pulumi CLI: preview, up, no change, drift, shortage, kill, converge, destroy."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.engine import Engine, engine, kill
from tests.twin import serving_program
from twin.aws import drift, faults
from twin.cluster import RunningCluster, unreachable

pytestmark = pytest.mark.engine

WRONG_NETWORK = """
import pulumi, pulumi_aws as aws
account = aws.Provider("aws", region="us-east-1")
aws.ec2.Subnet("wrong", vpc_id="vpc-404", cidr_block="10.0.0.0/24", opts=pulumi.ResourceOptions(provider=account))
"""
SECRET = """
import os, pulumi, pulumi_aws as aws
account = aws.Provider("aws", region="us-east-1")
on_aws = pulumi.ResourceOptions(provider=account)
value = pulumi.Output.secret("hunter2-" + os.environ.get("SUFFIX", "a"))
aws.cloudwatch.LogGroup("logs", name="/logs", tags={"key": value}, opts=on_aws)
"""


@pytest.fixture
def network(tmp_path: Path) -> Engine:
    """Network, EKS and a node group, without a Kubernetes cluster behind."""
    return engine(tmp_path, serving_program.source(in_cluster=False))


def test_the_whole_life_of_an_account(network: Engine) -> None:
    """Throttling, death, a group that EKS cannot make, drift, and a shortage, until nothing is left."""
    preview = network.preview()
    assert preview.status == 0, preview.output
    assert network.account.is_empty()
    assert set(preview.changed().values()) == {"create"}

    faults.put(
        network.account,
        [
            {"kind": "throttle", "type": "Vpc", "operation": "create"},
            {"kind": "kill", "type": "Subnet", "name": "public", "moment": "before"},
            {"kind": "capacity", "instance_type": "g6.*"},
        ],
    )
    # One operation at a time: what else a killed provider had begun would be left at AWS, here as there.
    throttled, killed = (network.up("--parallel", "1") for _ in range(2))
    assert any("ThrottlingException" in message for message in throttled.diagnostics), throttled.output
    assert killed.status != 0

    failed = network.up()
    assert failed.status != 0
    assert any("InsufficientInstanceCapacity" in message for message in failed.diagnostics)
    assert set(preview.changed()) == {*throttled.changed(), *killed.changed(), *failed.changed()}
    group = network.resources()["gpu"]
    assert group["outputs"]["status"] == "CREATE_FAILED"
    assert group["initErrors"]
    faults.put(network.account, [])
    unchanged = network.up()  # nothing has changed, so the provider asks for nothing
    assert (unchanged.status, unchanged.diagnostics) == (0, [])
    assert network.resources()["gpu"]["outputs"]["status"] == "CREATE_FAILED"
    healed = network.up("--replace", group["urn"])
    assert healed.status == 0, healed.output
    assert network.resources()["gpu"]["outputs"]["status"] == "ACTIVE"
    assert network.outputs()["caller"] == "123456789012"
    assert network.preview("--refresh").changed() == {}

    drift.poke(network.account, "Vpc", "vpc", {"enableDnsHostnames": False})
    drift.vanish(network.account, "Addon", "vpc-cni")
    drifted = {"vpc": "update", "vpc-cni": "create"}
    assert network.preview("--refresh").changed() == drifted
    assert network.up("--refresh").changed() == drifted

    network.extra["SIZE"] = "2"
    faults.put(network.account, [{"kind": "quota", "code": "L-DB2E81BA", "vcpus": 4}])
    short = network.up()
    assert short.status != 0
    assert any("VcpuLimitExceeded" in message for message in short.diagnostics)
    faults.put(network.account, [])
    grown = network.up()
    assert (grown.status, grown.changed()) == (0, {"gpu": "update"})
    assert grown.changed_properties("gpu") >= {"scalingConfig"}
    assert network.preview("--refresh").changed() == {}

    gone = network.destroy()
    assert gone.status == 0, gone.output
    assert network.account.is_empty()
    assert network.resources() == {}


def test_what_aws_refuses_stops_the_up_with_aws_s_words(tmp_path: Path) -> None:
    stack = engine(tmp_path, WRONG_NETWORK)
    refused = stack.up()
    assert refused.status != 0
    assert any("api error InvalidVpcID.NotFound" in message for message in refused.diagnostics)


def test_a_property_that_the_provider_lacks_fails_in_the_preview(tmp_path: Path) -> None:
    source = WRONG_NETWORK.replace('cidr_block="10.0.0.0/24"', 'cidr_block="10.0.0.0/24", tags={"aws:x": "y"}')
    preview = engine(tmp_path, source).preview()
    assert preview.status != 0
    assert "reserved" in preview.output


def test_secrets_stay_secret_in_the_state(tmp_path: Path) -> None:
    stack = engine(tmp_path, SECRET)
    assert stack.up().status == 0
    state = (stack.stage.folder / "state").rglob("*.json")
    assert not any("hunter2" in path.read_text() for path in state)
    stack.extra["SUFFIX"] = "b"
    changed = stack.up()
    assert changed.changed() == {"logs": "update"}
    assert "hunter2" not in changed.output
    assert stack.destroy().status == 0


@pytest.mark.cluster
def test_the_whole_line_on_a_real_control_plane(tmp_path: Path, cluster: RunningCluster) -> None:
    """What a killed run made is taken up, and pods get their place; a rollout that cannot end fails by its timeout; a
    cluster that was deleted by hand is forgotten when a person says so."""
    from kubernetes.client import AppsV1Api, CoreV1Api

    stack = engine(tmp_path, serving_program.source(in_cluster=True), cluster=cluster.folder)
    serving_program.write_chart(stack.project)
    stack.extra |= {"NODE": "nowhere", "TIMEOUT": "120"}
    client = cluster.client()
    core = CoreV1Api(client)
    running = stack.start("up", "--yes", "--skip-preview")
    try:
        deadline = time.monotonic() + 90
        while not _deployments(client) and time.monotonic() < deadline and running.poll() is None:
            time.sleep(0.2)
    finally:
        kill(running)
    assert _deployments(client) == ["vllm"]
    assert "vllm:serving/vllm" not in stack.resources(), "the engine never heard of it"
    stack.extra.clear()
    stack.cancel()
    healed = stack.up("--refresh")
    assert healed.status == 0, healed.output
    found = AppsV1Api(client).read_namespaced_deployment("vllm", "serving")
    assert found.status.available_replicas == 1
    nodes = {node.metadata.name: node.metadata.labels for node in core.list_node().items}
    assert [labels["node.kubernetes.io/instance-type"] for labels in nodes.values()] == ["g6.xlarge"]
    placed = [pod for pod in core.list_namespaced_pod("serving").items if pod.metadata.deletion_timestamp is None]
    assert {pod.spec.node_name for pod in placed} == set(nodes)
    assert stack.preview("--refresh").changed() == {}

    # Pods that fit nowhere: the rollout fails by its timeout, and the next up converges.
    stack.extra |= {"NODE": "nowhere", "TIMEOUT": "3"}
    stuck = stack.up()
    assert stuck.status != 0
    assert any("failed to fully initialize" in message for message in stuck.diagnostics), stuck.diagnostics
    del stack.extra["NODE"], stack.extra["TIMEOUT"]
    converged = stack.up()
    assert (converged.status, set(converged.changed())) == (0, {"vllm:serving/vllm"})

    inside = stack.in_kubernetes()
    assert "Deployment vllm" in inside
    for kind, name in (("NodeGroup", "gpu"), ("Addon", "vpc-cni"), ("Cluster", "cluster")):
        drift.vanish(stack.account, kind, name)
    with unreachable(cluster.folder):
        lost = stack.refresh()
        assert lost.status != 0
        assert "unreachable" in " ".join(lost.diagnostics)
        assert stack.in_kubernetes() == inside
        stack.extra["PULUMI_K8S_DELETE_UNREACHABLE"] = "true"
        forgotten = stack.refresh()
        assert forgotten.status == 0, forgotten.output
        assert stack.in_kubernetes() == []
    del stack.extra["PULUMI_K8S_DELETE_UNREACHABLE"]
    destroyed = stack.destroy()
    assert destroyed.status == 0, destroyed.diagnostics
    assert stack.account.is_empty()
    client.close()


def _deployments(client: Any) -> list[str]:
    from kubernetes.client import AppsV1Api

    return [item.metadata.name for item in AppsV1Api(client).list_namespaced_deployment("serving").items]
