"""Nodes are renewed beside the old ones where the quota has room for the surge, and in their place where it has not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from planner.decision.answer.updates import surge_vcpus, update_verdicts, with_updates
from planner.plan.fleet import NodeGroup
from tests.infra import locks


def group(name: str, vcpus: int, nodes: int, zones: int = 2, family: str = "G") -> NodeGroup:
    return locks.group(locks.plan(), "vault").model_copy(
        update={
            "name": name,
            "vcpus_per_node": vcpus,
            "max_nodes": nodes,
            "zones": tuple(f"use1-az{zone + 1}" for zone in range(zones)),
            "quota_family": family,
        }
    )


def ways(groups: list[NodeGroup], **quotas: int) -> dict[str, str]:
    return {one.name: one.update for one in with_updates(groups, quotas)}


def test_a_surge_needs_two_nodes_in_each_zone() -> None:
    groups = [group("a", vcpus=4, nodes=2)]
    assert ways(groups, G=8 + 16) == {"a": "default"}
    assert ways(groups, G=8 + 15) == {"a": "minimal"}


def test_an_upgrade_renews_all_groups_at_once() -> None:
    groups = [group("large", vcpus=8, nodes=1), group("small", vcpus=4, nodes=1)]
    assert ways(groups, G=12 + 48) == {"large": "default", "small": "default"}
    assert ways(groups, G=12 + 47) == {"large": "minimal", "small": "default"}
    assert ways(groups, G=12) == {"large": "minimal", "small": "minimal"}


def test_a_quota_that_is_not_stated_holds_everything() -> None:
    assert ways([group("a", vcpus=192, nodes=8, family="P")], G=0) == {"a": "default"}


def test_what_is_away_during_an_update_is_a_verdict() -> None:
    groups = with_updates([group("a", vcpus=4, nodes=2), group("b", vcpus=4, nodes=2, family="P")], {"G": 8})
    (verdict,) = update_verdicts(groups)
    assert (verdict.name, verdict.state) == ("updates a", "warn")
    assert "up to 16 vCPUs" in verdict.message


@given(
    st.lists(st.tuples(st.sampled_from([4, 8, 48, 192]), st.integers(1, 5), st.integers(1, 3)), min_size=1, max_size=5),
    st.integers(0, 4000),
)
def test_the_surges_of_all_that_surge_fit(shapes: list[tuple[int, int, int]], quota: int) -> None:
    groups = [group(f"g{index}", *shape) for index, shape in enumerate(shapes)]
    renewed = with_updates(groups, {"G": quota})
    surges = sum(surge_vcpus(one) for one in renewed if one.update == "default")
    used = sum(one.vcpus_per_node * one.max_nodes for one in groups)
    assert surges == 0 or used + surges <= quota
    assert [one.model_copy(update={"update": "default"}) for one in renewed] == groups
