"""What is built is what is billed: every AWS resource has a cost line or is free, and the lock alone decides both."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from infra.billing import BILLED, FREE
from planner.edges.catalog_files import load_catalog
from planner.money.cost import cluster_lines
from planner.plan.cost import Cost
from planner.plan.plan import Plan
from planner.plan.platform import EncryptionKey, LogGroup, SystemNodes
from tests.examples import ENVIRONMENTS, environment_name, lock_paths
from tests.infra import clocks, locks
from tests.infra.conftest import Run
from tests.infra.programs import Registered, run_worked_lock

REGION = "us-east-1"


def aws_types(registered: Registered) -> Counter[str]:
    return Counter(r.type for r in registered.resources if r.custom and r.type.startswith("aws:"))


def without_a_line(registered: Registered, cost: Cost) -> list[str]:
    """Types that are registered and neither free nor on the bill."""
    items = {line.price.rpartition("/")[2] for line in cost.lines}
    return sorted(t for t in aws_types(registered) if t not in FREE and BILLED.get(t) not in items)


@pytest.mark.parametrize("name", [environment_name(path) for path in lock_paths()])
def test_every_resource_of_a_worked_lock_is_on_its_bill_or_free(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, registered = run_worked_lock(ENVIRONMENTS, name, monkeypatch)
    assert without_a_line(registered, lock.plan.cost) == []
    assert bool(aws_types(registered)) == bool(lock.plan.pools)


def counts(plan: Plan) -> dict[str, int]:
    """How many resources of each billed type the lock stands for."""
    parts = plan.platform.cluster
    if parts is None:
        return dict.fromkeys(BILLED, 0)
    return {
        "aws:cloudwatch/logGroup:LogGroup": len(parts.log_groups),
        "aws:ec2/eip:Eip": len(parts.nat_zones),
        "aws:ec2/natGateway:NatGateway": len(parts.nat_zones),
        "aws:ecr/repository:Repository": 0 if parts.mirrored_images_gb is None else 1,
        "aws:eks/cluster:Cluster": 1,
        "aws:kms/key:Key": len(parts.keys),
        "aws:lb/loadBalancer:LoadBalancer": int(parts.load_balancer is not None),
        "aws:s3/bucket:Bucket": 1,
        "aws:secretsmanager/secret:Secret": len(parts.secrets),
        "aws:eks/nodeGroup:NodeGroup": 1 + len(plan.node_groups),
    }


@pytest.mark.parametrize("name", [environment_name(path) for path in lock_paths()])
def test_a_worked_lock_builds_as_many_as_it_bills(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, registered = run_worked_lock(ENVIRONMENTS, name, monkeypatch)
    built_types = aws_types(registered)
    assert {kind: built_types[kind] for kind in BILLED} == counts(lock.plan)
    for cluster in registered.of("eks/cluster:Cluster"):  # extended support costs six times as much
        assert cluster.inputs["upgradePolicy"] == {"supportType": "STANDARD"}
        bucket = lock.plan.platform.cluster
        assert bucket is not None
        assert built(registered)["old_version_days"] == [bucket.model_bucket.old_version_days]


def test_the_two_tables_name_only_what_is_registered(run: Run) -> None:
    supplied = locks.on_platform(locks.plan(cluster=locks.SUPPLIED), image_mirror="ecr", alerts=locks.ALERTS)
    behind = locks.behind_balancer(**locks.FROM_INTERNET)
    registered = {*aws_types(run(supplied)), *aws_types(run(behind)), *aws_types(run(clocks.elastic()))}
    assert registered == set(BILLED) | set(FREE)
    assert not set(BILLED) & set(FREE)


def test_a_resource_without_a_price_is_found(run: Run) -> None:
    plan = locks.plan()
    lines = tuple(line for line in plan.cost.lines if not line.price.endswith("/nat-gateway"))
    cost = plan.cost.model_copy(update={"lines": lines})
    assert without_a_line(run(plan), cost) == ["aws:ec2/natGateway:NatGateway"]


CHANGES: dict[str, dict[str, Any]] = {
    "three larger system nodes": {"system_nodes": SystemNodes(instance_type="c7i.2xlarge", nodes=3, disk_gb=50)},
    "a NAT gateway in each zone": {"nat_zones": locks.ZONES},
    "keys and images of its own": {
        "secrets": locks.SUPPLIED.secrets,
        "mirrored_images_gb": locks.SUPPLIED.mirrored_images_gb,
    },
    "logs that are kept for a year": {
        "log_groups": (
            LogGroup(name="control-plane", retention_days=365, gb_per_month=12),
            LogGroup(name="network-flows", retention_days=365, gb_per_month=8),
        )
    },
}


def built(registered: Registered) -> dict[str, Any]:
    """What of the platform the program builds, in the lock's words."""
    system = registered.one("eks/nodeGroup:NodeGroup", "system").inputs
    template = registered.one(":LaunchTemplate", "system").inputs
    return {
        "nodes": (system["instanceTypes"], system["scalingConfig"]["desiredSize"]),
        "disk_gb": template["blockDeviceMappings"][0]["ebs"]["volumeSize"],
        "nat": len(registered.of(":NatGateway")),
        "addresses": len(registered.of(":Eip")),
        "secrets": sorted(secret.inputs["name"] for secret in registered.of(":Secret")),
        "retention_days": sorted(group.inputs["retentionInDays"] for group in registered.of(":LogGroup")),
        "keys": [key.inputs["deletionWindowInDays"] for key in registered.of(":Key")],
        "old_version_days": [
            rule["noncurrentVersionExpiration"]["noncurrentDays"]
            for settings in registered.of(":BucketLifecycleConfiguration")
            for rule in settings.inputs["rules"]
        ],
    }


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_lock_moves_the_program_and_the_bill_together(run: Run, change: dict[str, Any]) -> None:
    parts = locks.CLUSTER.model_copy(update=change)
    prices = load_catalog().prices
    (before, _), (after, gaps) = cluster_lines(REGION, locks.CLUSTER, prices), cluster_lines(REGION, parts, prices)
    changed = {line.name for line in after} ^ {line.name for line in before}
    changed |= {a.name for a in after for b in before if a.name == b.name and a.quantity != b.quantity}
    assert changed or gaps  # no price of that machine is a gap and never a line of zero
    now, was = built(run(locks.plan(cluster=parts))), built(run(locks.plan()))
    assert now != was
    assert now["nodes"] == ([parts.system_nodes.instance_type], parts.system_nodes.nodes)
    assert now["disk_gb"] == parts.system_nodes.disk_gb
    assert now["nat"] == now["addresses"] == len(parts.nat_zones)
    assert now["retention_days"] == sorted(group.retention_days for group in parts.log_groups)


def test_the_disks_of_gpu_nodes_and_the_life_of_a_key_are_the_locks(run: Run) -> None:
    parts = locks.CLUSTER.model_copy(update={"keys": (EncryptionKey(name="secrets", deletion_days=7),)})
    registered = run(locks.plan(cluster=parts, disk_gb=500))
    template = registered.one(":LaunchTemplate", "vault").inputs
    assert template["blockDeviceMappings"][0]["ebs"]["volumeSize"] == 500
    assert built(registered)["keys"] == [7]


def test_disks_that_are_not_billed_are_refused(run: Run) -> None:
    with pytest.raises(Exception, match="1000 GB; 400 are billed"):
        run(locks.replaced(locks.plan(), "node_groups", "vault", disk_gb=500))


def test_a_plan_with_pools_and_no_cluster_is_refused(run: Run) -> None:
    with pytest.raises(Exception, match=r"CHK007|DEP027"):
        run(locks.on_platform(locks.plan(), cluster=None))


@pytest.mark.parametrize(
    "change",
    [
        {"keys": ()},
        {"log_groups": locks.CLUSTER.log_groups[:1] * 2},
        {"nat_zones": ("use1-az1",)},
    ],
    ids=["no key", "a log group twice", "a zone that is not the platform's"],
)
def test_parts_that_are_not_those_that_are_built_are_refused(run: Run, change: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="DEP027"):
        run(locks.on_cluster(**change))
