"""Kubernetes, images and add-ons move when the lock says so, one step at a time; groups that failed are made anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from infra.node_group import NodeGroupArgs, name_at_aws
from infra.upgrades import problems
from planner.plan.plan import Plan
from tests.infra import locks
from tests.infra.conftest import Run
from tests.infra.programs import Account, Registered

CLUSTER = "urn:pulumi:prod::spillway::spillway:aws:Cluster$aws:eks/cluster:Cluster::spillway-prod"
GROUP = "urn:pulumi:prod::spillway::spillway:aws:NodeGroup$aws:eks/nodeGroup:NodeGroup::gpu-vault"


def on(version: str, patches: date | None = None) -> Plan:
    return locks.on_platform(locks.plan(), kubernetes=version, patches=patches)


@pytest.mark.parametrize(
    ("runs", "wanted", "hint"),
    [
        ("1.35", "1.35", None),
        ("1.35", "1.36", None),
        ("1.34", "1.36", '"1.35"'),
        ("1.36", "1.35", '"1.36"'),
    ],
)
def test_kubernetes_takes_one_step_and_none_back(runs: str, wanted: str, hint: str | None) -> None:
    found = list(problems(on(wanted), {("aws:eks/cluster:Cluster", "spillway-prod"): {"version": runs}}))
    assert [problem.code for problem in found] == ([] if hint is None else ["DEP088"])
    assert all(hint is not None and hint in str(problem.hint) for problem in found)


def test_a_skip_is_refused_before_anything_is_registered(run: Run) -> None:
    import pulumi

    account = Account(state={CLUSTER: {"version": "1.34", "arn": "arn:aws:eks:us-east-1:123456789012:cluster/x"}})
    with pytest.raises(pulumi.RunError, match=r"DEP088.*EKS takes one step at a time"):
        run(account=account)


def versions(registered: Registered) -> dict[str, str]:
    """Version of each add-on, release of each group's image."""
    return {
        **{addon.inputs["addonName"]: addon.inputs["addonVersion"] for addon in registered.of(":Addon")},
        **{group.name: group.inputs["releaseVersion"] for group in registered.of("eks/nodeGroup:NodeGroup")},
    }


def test_versions_stay_until_the_lock_moves_them(run: Run) -> None:
    first = run()
    outputs = {"releases": first.outputs["releases"]}
    later = Account(outputs=outputs, day="20261215")
    assert versions(run(account=later)) == versions(first)
    patched = versions(run(on("1.36", date(2026, 12, 15)), environment=locks.environment_text(), account=later))
    assert {name for name, version in patched.items() if version == versions(first)[name]} == set()
    assert all("20261215" in version for version in patched.values())


def test_a_pinned_addon_stays_where_it_is(run: Run) -> None:
    pinned = versions(run(addons='{"coredns": "v1.12.0-eksbuild.1"}'))
    assert pinned["coredns"] == "v1.12.0-eksbuild.1"


def arguments(**changes: Any) -> NodeGroupArgs:
    args = NodeGroupArgs(
        cluster_name="c",
        version="1.36",
        node_role="r",
        subnets=["s"],
        zones=["use1-az4"],
        instance_type="g6.xlarge",
        ami_type="AL2023_x86_64_NVIDIA",
        release="1.36.0-20261101",
        nodes=1,
        disk_gb=200,
        labels={},
        tags={},
    )
    return replace(args, **changes)


def test_a_group_keeps_its_name_and_other_machines_have_another() -> None:
    name = name_at_aws("gpu-vault", arguments())
    assert name_at_aws("gpu-vault", arguments(nodes=9, release="1.37.0-1", recorded=name)) == name
    assert (
        len(
            {
                name_at_aws("gpu-vault", arguments(**change))
                for change in ({}, {"instance_type": "g6.2xlarge"}, {"zones": ["use1-az6"]}, {"ami_type": "x"})
            }
        )
        == 4
    )
    assert len(name_at_aws("gpu-" + "x" * 90, arguments())) <= 63


def test_a_failed_group_alternates_between_two_names() -> None:
    name = name_at_aws("gpu-vault", arguments())
    other = name_at_aws("gpu-vault", arguments(recorded=name, failed=True))
    assert other != name
    assert name_at_aws("gpu-vault", arguments(recorded=other)) == other
    assert name_at_aws("gpu-vault", arguments(recorded=other, failed=True)) == name


def test_a_failed_group_is_made_anew(run: Run) -> None:
    name = run().one("eks/nodeGroup:NodeGroup", "gpu-vault").inputs["nodeGroupName"]
    arn = f"arn:aws:eks:us-east-1:123456789012:nodegroup/c/{name}/1"
    for status, kept in (("ACTIVE", True), ("CREATE_FAILED", False)):
        account = Account(state={GROUP: {"nodeGroupName": name, "status": status, "arn": arn}})
        made = run(account=account).one("eks/nodeGroup:NodeGroup", "gpu-vault")
        assert (made.inputs["nodeGroupName"] == name) == kept


def test_the_way_of_renewal_stands_in_the_lock(run: Run) -> None:
    plan = locks.replaced(locks.plan(), "node_groups", "vault", update="minimal")
    groups = {g.name: g.inputs["updateConfig"]["updateStrategy"] for g in run(plan).of("eks/nodeGroup:NodeGroup")}
    assert groups == {"gpu-shared": "DEFAULT", "gpu-vault": "MINIMAL", "system": "DEFAULT"}
