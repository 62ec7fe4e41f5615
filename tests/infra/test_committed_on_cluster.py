"""Every pod of every committed lock is placed by the real scheduler, on the nodes of its own node group only.

The worked environments go through the real Pulumi engine, real Helm and a real control plane onto the twin. Of `prod`,
tests/system/test_demo.py shows it: the demo deploys it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from planner.documents.lock import load
from tests.engine import Engine, stage
from tests.examples import ENVIRONMENTS, environment_name, lock_paths
from tests.infra.checkout import checkout, published
from tests.infra.pods import ClusterView
from twin.cluster import RunningCluster

pytestmark = pytest.mark.engine

PLANS = {environment_name(path): load(path.read_text(), str(path)).plan for path in lock_paths()}

DEMO = "prod"
"""The environment of the demo."""


@pytest.mark.parametrize("name", [name for name, plan in PLANS.items() if plan.pools and name != DEMO])
def test_every_pod_stands_on_its_own_node_group(cluster: RunningCluster, tmp_path: Path, name: str) -> None:
    root, plan = checkout(tmp_path / "checkout"), PLANS[name]
    for file in (f"{name}.yaml", f"{name}.lock.json"):
        shutil.copy(ENVIRONMENTS / file, root / "environments" / file)
    account = plan.platform.account
    here = stage(tmp_path / "stage", cluster=cluster.folder)
    pulumi = published(Engine(here, root, name, {"SPILLWAY_RUNNER": "inside"}))
    assert account == "123456789012", "the twin's account is the one that the worked environments name"
    up = pulumi.up()
    try:
        assert up.status == 0, up.output
        pods = ClusterView(cluster.kubeconfig).settled()
        for pool in plan.pools:
            release = f"vllm-{pool.name}"
            assert pods.ready()[release] == pool.replicas.max
            assert pods.node_groups(release) == {pool.node_group}
        assert pods.ready()["gateway"] >= 2
        assert pods.node_groups("gateway") == {"system"}
    finally:
        destroy = pulumi.destroy()
    assert destroy.status == 0, destroy.output


def test_a_plan_without_pools_makes_no_cluster(tmp_path: Path) -> None:
    root = checkout(tmp_path / "checkout")
    name = next(name for name, plan in PLANS.items() if not plan.pools)
    for file in (f"{name}.yaml", f"{name}.lock.json"):
        shutil.copy(ENVIRONMENTS / file, root / "environments" / file)
    pulumi = Engine(stage(tmp_path / "stage"), root, name)
    up = pulumi.up()
    assert up.status == 0, up.output
    assert pulumi.account.is_empty()
    assert pulumi.outputs()["policy"]["environment"] == name
