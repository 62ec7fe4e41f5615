"""Node groups of the imitated account and the nodes of a real control plane."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.twin.aws_program import Program, node_group
from twin.aws import faults
from twin.cluster import CLUSTER_FOLDER_VARIABLE, RunningCluster
from twin.provider.contract import PartialOperationError

pytestmark = pytest.mark.cluster

GROUP = "aws:eks/nodeGroup:NodeGroup"


@pytest.fixture
def program(tmp_path: Path, cluster: RunningCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    monkeypatch.setenv(CLUSTER_FOLDER_VARIABLE, str(cluster.folder))
    new_program = Program(tmp_path)
    yield new_program
    faults.put(new_program.store, [])
    if "pool" in new_program.states:
        new_program.delete("pool")


@pytest.fixture
def core(cluster: RunningCluster) -> Iterator[Any]:
    from kubernetes.client import CoreV1Api

    client = cluster.client()
    yield CoreV1Api(client)
    client.close()


def test_nodes_follow_the_group(program: Program, core: Any) -> None:
    subnets = program.network()
    program.cluster(subnets)
    role = program.node_role()
    taint = {"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"}
    program.create(GROUP, "pool", **node_group(role, subnets, 3, labels={"a": "1"}, taints=[taint]))
    nodes = {node.metadata.name: node for node in core.list_node().items}
    assert len(nodes) == 3
    for node in nodes.values():
        assert node.metadata.labels["a"] == "1"
        assert node.metadata.labels["topology.k8s.aws/zone-id"] in {"use1-az1", "use1-az2"}
        assert ("nvidia.com/gpu", "NoSchedule") in {(t.key, t.effect) for t in node.spec.taints}

    program.update("pool", **node_group(role, subnets, 1, labels={"a": "2"}))
    (left,) = core.list_node().items
    assert left.metadata.name in nodes
    assert left.metadata.labels["a"] == "2"
    assert not any(t.key == "nvidia.com/gpu" for t in left.spec.taints or ())

    program.delete("pool")
    assert core.list_node().items == []


def test_what_the_quota_allows_joins_and_the_rest_follows_later(program: Program, core: Any) -> None:
    subnets = program.network()
    program.cluster(subnets)
    role = program.node_role()
    program.create(GROUP, "pool", **node_group(role, subnets, 1))
    faults.put(program.store, [{"kind": "quota", "code": "L-DB2E81BA", "vcpus": 8}])
    with pytest.raises(PartialOperationError, match="VcpuLimitExceeded"):
        program.update("pool", **node_group(role, subnets, 3))
    assert len(core.list_node().items) == 2
    faults.put(program.store, [])
    program.update("pool", **node_group(role, subnets, 3))
    assert len(core.list_node().items) == 3
