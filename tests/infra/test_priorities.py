"""Who may take whose place: nobody where every pool leaves the others theirs, larger replicas elsewhere."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from infra.priorities import BASE, EQUAL, leaves_places, priorities, priority_of, priority_of_canary
from planner.plan.fleet import NodePlacement
from planner.plan.plan import Plan
from tests.infra import locks

UNEQUAL = (
    NodePlacement(nodes=1, replicas={"chat-1xl40s": 4}),
    NodePlacement(nodes=1, replicas={"code-2xl40s": 2}),
)
"""Nodes of one group that hold other pools each: chat could stand in the places of code for good."""


def on(placement: tuple[NodePlacement, ...]) -> Plan:
    return locks.replaced(locks.plan(), "node_groups", "shared", placement=placement)


def test_equal_nodes_leave_every_pool_its_places() -> None:
    plan = locks.plan()
    assert all(leaves_places(group, plan.pools) for group in plan.node_groups)
    assert list(priorities(plan, ())) == [EQUAL]


def test_on_unequal_nodes_larger_replicas_displace_smaller_ones() -> None:
    plan = on(UNEQUAL)
    values = {pool.name: priority_of(pool, plan) for pool in plan.pools}
    assert (values["chat-1xl40s"].value, values["code-2xl40s"].value) == (BASE + 1, BASE + 2)
    assert values["extraction-1xl40s"] == EQUAL
    assert [each.name for each in priorities(plan, ())] == ["spillway-replica", "spillway-tp-1", "spillway-tp-2"]


@given(st.sampled_from([locks.plan(), on(UNEQUAL)]), st.sets(st.sampled_from([p.name for p in locks.plan().pools])))
def test_every_canary_is_below_every_pool(plan: Plan, tried: set[str]) -> None:
    found = list(priorities(plan, tried))
    pools = {priority_of(pool, plan) for pool in plan.pools}
    canaries = {priority_of_canary(pool) for pool in plan.pools if pool.name in tried}
    assert set(found) == pools | canaries
    assert len({each.name for each in found}) == len(found)
    assert all(0 < canary.value < pool.value for canary in canaries for pool in pools)
