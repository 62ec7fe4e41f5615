"""A group of the lock that is bought in two ways is two groups at EKS and, for Kubernetes, one of equal machines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from infra.naming import own_name
from infra.preflight import problems
from infra.purchases import Share, shares
from infra.stray_costs import usd_per_month
from infra.upgrades import group_sizes
from planner.plan.plan import Plan
from tests.infra import locks
from tests.infra.conftest import Run
from tests.infra.programs import Account, Registered
from tests.planner.plans import bent

GROUP, TEMPLATE = "aws:eks/nodeGroup:NodeGroup", "aws:ec2/launchTemplate:LaunchTemplate"
WITH_SPOT = locks.environment_text(purchase="{spot: {max_share: 100%}}")


def split(on_demand: int, spot: int) -> Plan:
    return locks.plan(shared_nodes=on_demand + spot, spot=spot)


def registered(run: Run, plan: Plan, **recorded: int) -> Registered:
    """The program on a state in which groups have so many nodes."""
    urn = f"urn:pulumi:prod::spillway::spillway:aws:NodeGroup${GROUP}::gpu-"
    state: dict[str, dict[str, Any]] = {
        f"{urn}{name.replace('_', '-')}": {
            "nodeGroupName": f"{name}-at-aws",
            "status": "ACTIVE",
            "scalingConfig": {"minSize": nodes, "desiredSize": nodes, "maxSize": nodes},
        }
        for name, nodes in recorded.items()
    }
    return run(plan, environment=WITH_SPOT, account=Account(state=state))


def names(urns: tuple[str, ...]) -> set[str]:
    return {urn.rpartition("::")[2] for urn in urns}


def test_both_are_the_same_machines_and_each_is_bought_in_its_way(run: Run) -> None:
    made = registered(run, split(1, 2))
    groups = {group.name: group.inputs for group in made.of(GROUP)}
    demand, spot = groups["gpu-shared"], groups["gpu-shared-spot"]
    assert (demand["capacityType"], demand["scalingConfig"]["maxSize"]) == ("ON_DEMAND", 1)
    assert (spot["capacityType"], spot["scalingConfig"]) == (
        "SPOT",
        dict.fromkeys(("minSize", "desiredSize", "maxSize"), 2),
    )
    apart = {"capacityType", "scalingConfig", "nodeGroupName", "launchTemplate", "tags"}
    assert {k: v for k, v in demand.items() if k not in apart} == {k: v for k, v in spot.items() if k not in apart}
    assert len(spot["subnetIds"]) == 2
    templates = {one.name: one.inputs for one in made.of(TEMPLATE)}
    named = {"tagSpecifications", "tags"}
    one, other = ({k: v for k, v in templates[n].items() if k not in named} for n in ("gpu-shared", "gpu-shared-spot"))
    assert one == other


def test_a_group_that_is_wholly_spot_has_no_group_on_demand(run: Run) -> None:
    assert registered(run, split(0, 2)).names(GROUP) == ["gpu-shared-spot", "gpu-vault", "system"]


def test_what_is_committed_is_built_as_any_other(run: Run) -> None:
    environment = locks.environment_text(purchase="{reserved_1y: true}")
    plain, committed = locks.plan(), locks.plan(committed={"reserved-1y/no-upfront": 2})
    made = {group.name: group.inputs for group in run(committed, environment=environment).of(GROUP)}
    assert made == {group.name: group.inputs for group in run(plain).of(GROUP)}


@pytest.mark.parametrize(
    ("before", "wanted", "order"),
    [
        ({"gpu-shared": 4}, (2, 2), ["gpu-shared-spot", "gpu-shared < gpu-shared-spot"]),
        ({"gpu-shared": 2, "gpu-shared-spot": 2}, (3, 1), ["gpu-shared", "gpu-shared-spot < gpu-shared"]),
        ({"gpu-shared": 3, "gpu-shared-spot": 1}, (2, 2), ["gpu-shared-spot", "gpu-shared < gpu-shared-spot"]),
        ({}, (2, 2), ["gpu-shared", "gpu-shared-spot"]),
        ({"gpu-shared": 2, "gpu-shared-spot": 2}, (2, 2), ["gpu-shared", "gpu-shared-spot"]),
        ({"gpu-shared": 2}, (2, 2), ["gpu-shared", "gpu-shared-spot"]),
        ({"gpu-shared": 2, "gpu-shared-spot": 2}, (4, 0), ["gpu-shared"]),
        ({"gpu-shared": 4}, (0, 4), ["gpu-shared-spot"]),
    ],
)
def test_what_shrinks_waits_for_what_grows(before: dict[str, int], wanted: tuple[int, int], order: list[str]) -> None:
    group = locks.group(split(*wanted), "shared")
    assert [share.name + (f" < {share.after}" if share.after else "") for share in shares(group, before)] == order


@pytest.mark.parametrize(
    ("before", "wanted", "waiting", "awaited"),
    [
        ({"shared": 3}, (1, 2), "gpu-shared", "gpu-shared-spot"),
        ({"shared": 1, "shared_spot": 2}, (2, 1), "gpu-shared-spot", "gpu-shared"),
    ],
)
def test_the_engine_is_told_what_waits(
    run: Run, before: dict[str, int], wanted: tuple[int, int], waiting: str, awaited: str
) -> None:
    made = registered(run, split(*wanted), **before)
    awaits = {name: names(made.depends["spillway:aws:NodeGroup", name]) for name in (waiting, awaited)}
    assert awaited in awaits[waiting]
    assert waiting not in awaits[awaited]
    order = [resource.name for resource in made.of(GROUP)]
    assert order.index(awaited) < order.index(waiting)


def test_pools_wait_for_both(run: Run) -> None:
    made = registered(run, split(1, 1))
    pool = made.depends["spillway:kubernetes:ServingPool", "spillway-prod-chat-1xl40s"]
    assert {"gpu-shared", "gpu-shared-spot"} <= names(pool)


def test_sizes_are_those_of_the_state() -> None:
    state = {
        (GROUP, "gpu-x"): {"scalingConfig": {"maxSize": 3, "desiredSize": 1}},
        (GROUP, "gpu-y"): {},
        (TEMPLATE, "gpu-x"): {},
    }
    assert group_sizes(state) == {"gpu-x": 3, "gpu-y": 0}


def test_a_long_name_leaves_room_for_its_way_of_buying() -> None:
    group = locks.group(split(1, 1), "shared").model_copy(update={"name": "x" * 80})
    names = [own_name(share.name) for share in shares(group)]
    assert len(set(names)) == 2
    assert all(len(name) <= 55 for name in names)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"spot": 1, "zones": ("use1-az4",)}, "spot nodes in use1-az4 alone"),
        ({"spot": 3}, "2 nodes, 3 of them spot"),
        ({"capacity_type": "spot"}, "not deployed yet"),
    ],
)
def test_what_cannot_be_bought_so_is_refused(changes: dict[str, Any], said: str) -> None:
    found = problems(locks.replaced(locks.plan(), "node_groups", "shared", **changes), "inside")
    assert [problem.code for problem in found if said in problem.message] == ["DEP020"]


def test_two_groups_of_one_name_are_refused() -> None:
    plan = locks.plan(spot=1)
    twin = locks.group(plan, "vault").model_copy(update={"name": "shared-spot"})
    found = problems(plan.model_copy(update={"node_groups": (*plan.node_groups, twin)}), "inside")
    assert any("would both be `gpu-shared-spot`" in problem.message for problem in found)


def test_a_stray_costs_what_its_own_machines_and_disks_cost() -> None:
    plan = split(1, 3)
    lines = {line.name: float(line.usd_per_month) for line in plan.cost.lines if line.component == "shared"}
    demand, spot = (usd_per_month(plan, GROUP, name) for name in ("gpu-shared", "gpu-shared-spot"))
    assert demand == pytest.approx(lines["nodes shared"] + lines["root volumes"] / 4)
    assert spot == pytest.approx(lines["g6e.12xlarge spot"] + lines["root volumes"] * 3 / 4)
    assert usd_per_month(locks.plan(), GROUP, "gpu-shared-spot") is None


def test_a_share_names_its_nodes() -> None:
    demand, spot = shares(locks.group(split(1, 2), "shared"))
    assert demand == Share("gpu-shared", "ON_DEMAND", 1)
    assert spot == replace(demand, name="gpu-shared-spot", capacity_type="SPOT", nodes=2)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("owned", 1, "1 of its nodes are machines of your own, and no program here lets them join EKS"),
        ("blocks", {"cr-0123456789abcdef0": 2}, "2 of its nodes are of capacity block cr-0123456789abcdef0"),
    ],
)
def test_nodes_that_nothing_makes_on_eks_are_refused_by_name(path: str, value: Any, told: str) -> None:
    plan = split(2, 0)
    index = next(i for i, group in enumerate(plan.node_groups) if group.name == "shared")
    found = problems(bent(plan, {f"node_groups/{index}/{path}": value}), "inside")
    (problem,) = [problem for problem in found if problem.code == "DEP020"]
    assert told in problem.message
    assert problem.hint
    reserved = bent(plan, {f"node_groups/{index}/reservations": {"cr-0fedcba9876543210": 1}})
    assert problems(reserved, "inside") == problems(plan, "inside")
