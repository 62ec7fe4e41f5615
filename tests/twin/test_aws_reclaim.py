"""Spot machines go with two minutes' notice, their pods move or wait, and they come again when there is capacity."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.twin.aws_program import Program, node_group
from twin.aws import faults
from twin.aws.__main__ import main
from twin.aws.reclaim import reclaim, regain
from twin.cluster import CLUSTER_FOLDER_VARIABLE, RunningCluster
from twin.provider.contract import OperationError, PartialOperationError

GROUP = "aws:eks/nodeGroup:NodeGroup"
ZONES = ("use1-az1", "use1-az2")
LABEL = "spillway.dev/node-group"


def pool(folder: Path, size: int, capacity: str = "SPOT") -> Program:
    program = Program(folder)
    subnets = program.network(ZONES)
    program.cluster(subnets)
    group = node_group(program.node_role(), subnets, size, capacityType=capacity, labels={LABEL: "pool"})
    program.create(GROUP, "pool", **group)
    return program


def zones(program: Program) -> list[str]:
    return sorted(row["zone_id"] for row in program.store.load().tables.get("ec2.instances", {}).values())


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CLUSTER_FOLDER_VARIABLE, raising=False)


@pytest.mark.usefixtures("alone")
def test_machines_of_the_zone_go_and_others_take_their_place_elsewhere(tmp_path: Path) -> None:
    program = pool(tmp_path, 4)
    before = program.store.load().tables["ec2.instances"]
    assert zones(program) == ["use1-az1", "use1-az1", "use1-az2", "use1-az2"]
    lines = reclaim(program.store, "pool", "use1-az1")
    assert len([line for line in lines if line.startswith("taken back: ")]) == 2
    assert lines[-1] == "pool has all its machines"
    assert zones(program) == ["use1-az2"] * 4
    stayed = {key for key, row in before.items() if row["zone_id"] == "use1-az2"}
    assert stayed < set(program.store.load().tables["ec2.instances"])


@pytest.mark.usefixtures("alone")
def test_without_capacity_the_group_stays_smaller_until_there_is_some(tmp_path: Path) -> None:
    program = pool(tmp_path, 4)
    reclaim(program.store, "pool", "use1-az1")
    (lack,) = [line for line in reclaim(program.store, "pool", "use1-az2") if "lacks" in line]
    assert "Could not launch Spot Instances. UnfulfillableCapacity" in lack
    assert zones(program) == []
    state = program.read("pool")
    assert state is not None
    assert state.outputs["status"] == "DEGRADED"
    faults.put(program.store, [])
    assert regain(program.store, "pool") == ["pool has all its machines"]
    assert zones(program) == ["use1-az1", "use1-az1", "use1-az2", "use1-az2"]


@pytest.mark.usefixtures("alone")
def test_the_engine_that_reads_the_group_finds_it_whole_again(tmp_path: Path) -> None:
    program = pool(tmp_path, 2)
    faults.put(program.store, [{"kind": "capacity", "capacity_type": "SPOT"}])
    reclaim(program.store, "pool", "use1-az1")
    assert zones(program) == ["use1-az2"]
    faults.put(program.store, [])
    program.read("pool")
    assert zones(program) == ["use1-az1", "use1-az2"]


@pytest.mark.usefixtures("alone")
def test_a_zone_without_spot_has_machines_on_demand(tmp_path: Path) -> None:
    program = pool(tmp_path, 2, "ON_DEMAND")
    faults.put(program.store, [{"kind": "capacity", "capacity_type": "SPOT"}])
    subnets = program.states["pool"][1].inputs["subnetIds"]
    role = program.states["pool"][1].inputs["nodeRoleArn"]
    program.update("pool", **node_group(role, subnets, 3, capacityType="ON_DEMAND", labels={LABEL: "pool"}))
    assert len(zones(program)) == 3


@pytest.mark.usefixtures("alone")
def test_what_is_not_spot_or_not_there_is_not_taken_back(tmp_path: Path) -> None:
    program = pool(tmp_path / "demand", 2, "ON_DEMAND")
    with pytest.raises(OperationError, match="spot machines alone"):
        reclaim(program.store, "pool", "use1-az1")
    assert len(zones(program)) == 2
    program = pool(tmp_path / "spot", 1)
    with pytest.raises(OperationError, match="no machine in use1-az2"):
        reclaim(program.store, "pool", "use1-az2")
    with pytest.raises(OperationError, match="is called 'nobody'"):
        reclaim(program.store, "nobody", "use1-az2")
    assert faults.in_force(program.store.folder) == []


@pytest.mark.usefixtures("alone")
def test_the_quota_of_spot_is_its_own_and_fails_as_at_aws(tmp_path: Path) -> None:
    program = pool(tmp_path, 1)
    faults.put(program.store, [{"kind": "quota", "code": "L-3819A6DF", "vcpus": 8}])
    inputs = program.states["pool"][1].inputs
    grown = node_group(inputs["nodeRoleArn"], inputs["subnetIds"], 3, capacityType="SPOT", labels={LABEL: "pool"})
    with pytest.raises(PartialOperationError, match="MaxSpotInstanceCountExceeded"):
        program.update("pool", **grown)
    assert len(zones(program)) == 2


@pytest.mark.usefixtures("alone")
def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = pool(tmp_path, 2)
    assert main(["reclaim", "--folder", str(tmp_path), "pool", "use1-az1"]) == 0
    assert main(["regain", "--folder", str(tmp_path), "pool"]) == 0
    assert "taken back: ip-" in capsys.readouterr().out
    assert main(["reclaim", "--folder", str(tmp_path), "pool", "use1-az1"]) == 1
    assert zones(program) == ["use1-az2"] * 2


@pytest.fixture
def standing(tmp_path: Path, cluster: RunningCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    monkeypatch.setenv(CLUSTER_FOLDER_VARIABLE, str(cluster.folder))
    program = pool(tmp_path, 2)
    yield program
    faults.put(program.store, [])
    program.delete("pool")


def _deployment() -> dict[str, Any]:
    """Two replicas that each need a node of their own: what a reclaim meets."""
    labels = {"app": "pool"}
    apart = {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}
    return {
        "metadata": {"name": "pool"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "nodeSelector": {LABEL: "pool"},
                    "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}},
                    "containers": [{"name": "engine", "image": "engine:1"}],
                },
            },
        },
    }


@pytest.mark.cluster
def test_pods_wait_while_no_node_is_there_and_run_when_one_comes(standing: Program, cluster: RunningCluster) -> None:
    from kubernetes.client import AppsV1Api, CoreV1Api

    client = cluster.client()
    core, apps = CoreV1Api(client), AppsV1Api(client)
    apps.create_namespaced_deployment("default", _deployment())

    def placed(wanted: list[str | None]) -> bool:
        """Whether the pods come to stand in these zones; None is a pod without a node."""
        for _ in range(150):
            nodes = core.list_node().items
            at = {node.metadata.name: node.metadata.labels["topology.k8s.aws/zone-id"] for node in nodes}
            pods = [p for p in core.list_namespaced_pod("default").items if p.metadata.deletion_timestamp is None]
            if sorted((at.get(pod.spec.node_name) for pod in pods), key=str) == sorted(wanted, key=str):
                return True
            time.sleep(0.2)
        return False

    try:
        assert placed(["use1-az1", "use1-az2"])
        faults.put(standing.store, [{"kind": "capacity", "capacity_type": "SPOT"}])
        reclaim(standing.store, "pool", "use1-az1")
        assert placed([None, "use1-az2"])
        faults.put(standing.store, [])
        regain(standing.store, "pool")
        assert placed(["use1-az1", "use1-az2"])
    finally:
        apps.delete_namespaced_deployment("pool", "default")
        client.close()
