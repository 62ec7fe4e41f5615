"""What a deployment touches: what takes another's place, and the order of it as the program deploys."""

from __future__ import annotations

from typing import Any

import pytest

from planner.documents.diff import compare
from planner.documents.review import Touched
from planner.documents.review_figures import Side
from planner.documents.touched import replacements, touched
from planner.plan.plan import Plan
from tests.planner.documents.changes_of_plans import made
from tests.planner.plans import CHAT_GROUP, CHAT_POOL, PRIVATE, bent, lock, plan

OTHER = "gpt-oss-120b-mxfp4-h100-1of1"
ROOMY = {"node_groups/0/max_nodes": 2, "node_groups/0/min_nodes": 2}


def parts(old: Plan, new: Plan) -> dict[str, Touched]:
    base, proposed = lock(old), lock(new)
    found = touched(compare(base, proposed).parts, Side(base), Side(proposed))
    return {part.part: part for part in found}


def exchanged(**more: Any) -> Plan:
    """The plan with the chat pool under another name on the same nodes."""
    bands = {f"routes/0/bands/{i}/weights": {OTHER: "1"} for i in range(2)}
    placement = {"node_groups/0/placement/0/replicas": {OTHER: 2}}
    return bent(plan(), {"pools/0/name": OTHER, "pools/0/format": "fp8", **bands, **placement, **more})


def test_a_pool_that_takes_anothers_place_is_a_replacement() -> None:
    new = exchanged()
    assert replacements(Side(lock()), Side(lock(new))) == {OTHER: CHAT_POOL}
    found = parts(plan(), new)
    assert f"pool {CHAT_POOL}" not in found
    replaced = found[f"pool {OTHER}"]
    assert replaced.presence == "replaced"
    assert replaced.changes == (
        f"it replaces {CHAT_POOL}: 2 × gpt-oss-120b (mxfp4) on L40S by 2 × gpt-oss-120b (fp8) on L40S",
    )
    assert ("name", CHAT_POOL, OTHER) in replaced.values


def test_a_pool_of_other_routes_replaces_nothing() -> None:
    capacity = plan().model_dump(mode="json")["pools"][1]["capacity"]
    new = exchanged(**{"pools/0/capacity": capacity, "routes/0/bands/0/weights": {}, "routes/0/bands/1/weights": {}})
    assert replacements(Side(lock()), Side(lock(new))) == {}
    assert parts(plan(), new)[f"pool {CHAT_POOL}"].presence == "removed"


def test_on_full_nodes_the_new_pool_would_wait_for_the_old_one() -> None:
    """Two replicas of two GPUs fill the node of four, and Pulumi deletes last."""
    order = parts(plan(), exchanged())[f"pool {OTHER}"].order
    assert order.startswith(f"{OTHER} needs GPUs that {CHAT_POOL} holds")
    assert "Delete" in order
    assert "about 90 s" in order


def test_on_nodes_that_hold_both_no_time_is_without_service() -> None:
    order = parts(plan(), exchanged(**ROOMY, **{"node_groups/0/placement/0/nodes": 2}))[f"pool {OTHER}"].order
    assert order.startswith("both fit on the nodes")


def test_on_nodes_of_its_own_the_new_pool_is_made_first() -> None:
    new = exchanged(**{"node_groups/0/name": "p5-4xlarge-on-demand", "pools/0/node_group": "p5-4xlarge-on-demand"})
    found = parts(plan(), new)
    assert "no time without service, and both are paid for" in found[f"pool {OTHER}"].order
    assert found[f"node group {CHAT_GROUP}"].presence == "removed"
    assert "deleted last" in found[f"node group {CHAT_GROUP}"].order
    assert found["node group p5-4xlarge-on-demand"].order == ""


@pytest.mark.parametrize(
    ("changes", "order"),
    [
        ({"pools/1/engine/max_num_seqs": 32}, "its 2 replicas restart one after the other"),
        (
            {
                "pools/1/engine/max_num_seqs": 32,
                "pools/1/replicas": {"min": 1, "max": 1},
                "node_groups/1/max_nodes": 1,
                "node_groups/1/min_nodes": 1,
                "node_groups/1/placement/0/nodes": 1,
            },
            "its one replica stops before the next one starts: the pool is away for about 90 s",
        ),
        ({"pools/1/max_in_flight": 99}, ""),
    ],
)
def test_how_a_changed_pool_restarts(changes: dict[str, Any], order: str) -> None:
    told = parts(plan(), bent(plan(), changes))[f"pool {PRIVATE}"].order
    assert told.startswith(order)
    assert bool(told) == bool(order)


@pytest.mark.parametrize(
    ("changes", "part", "words"),
    [
        ({"platform/zones": ["use1-az1", "use1-az6"]}, "platform us-east-1", "the cluster is made anew"),
        ({"node_groups/1/zones": ["use1-az1"]}, f"node group {PRIVATE}", "EKS makes the group anew beside the old one"),
        ({"node_groups/1/disk_gb": 300}, f"node group {PRIVATE}", "its nodes are replaced one after the other"),
        (ROOMY, f"node group {CHAT_GROUP}", ""),
    ],
)
def test_how_machines_and_the_cluster_change(changes: dict[str, Any], part: str, words: str) -> None:
    told = parts(plan(), bent(plan(), changes))[part].order
    assert told.startswith(words)
    assert bool(told) == bool(words)


def test_another_region_is_one_replacement_of_everything() -> None:
    found = {part.part: part for part in made("region").review().touched}
    assert "platform us-east-1" not in found
    moved = found["platform eu-central-1"]
    assert (moved.presence, moved.values) == ("replaced", (("region", "us-east-1", "eu-central-1"),))
    assert moved.order.startswith("everything is made anew in eu-central-1")
    assert all(part.order == "" for name, part in found.items() if name != moved.part)


def on_own_cluster(of: Plan, context: str = "lab") -> Plan:
    existing = {
        "context": context,
        "network_policies": "enforced",
        "nodes": {"g6e.12xlarge": {"labels": {"a": "b"}}},
    }
    return bent(of, {"platform/existing": existing})


def test_nodes_of_a_cluster_that_is_there_are_set_apart_by_hand() -> None:
    private = next(group.name for group in plan().node_groups if group.exclusive)
    index = [group.name for group in plan().node_groups].index(private)
    more = on_own_cluster(bent(plan(), {f"node_groups/{index}/max_nodes": 4, f"node_groups/{index}/min_nodes": 4}))
    order = parts(on_own_cluster(plan()), more)[f"node group {private}"].order
    assert order == "its nodes are set apart by hand before the deployment"


def test_another_context_is_another_cluster() -> None:
    (platform,) = [
        p for name, p in parts(on_own_cluster(plan()), on_own_cluster(plan(), "den")).items() if "platform" in name
    ]
    assert "destroy it there first" in platform.order


def test_a_canary_takes_places_of_its_pool_and_an_image_restarts_it() -> None:
    new = "vllm/vllm-openai:v0.34.0"
    tried = bent(plan(), {"platform/engine": {"canary": {"image": new, "replicas": {CHAT_POOL: 1}}}})
    raised = parts(plan(), tried)
    assert raised.keys() == {f"pool {CHAT_POOL}"}  # and no machine, no route, no dollar
    (change,) = raised[f"pool {CHAT_POOL}"].changes
    assert change == f"canary of the engine: none → 1 of 2 replicas on {new}"
    assert raised[f"pool {CHAT_POOL}"].order.startswith("those replicas give their places to the canary's")
    back = parts(tried, plan())[f"pool {CHAT_POOL}"]
    assert back.order.startswith("the canary's replicas give their places back")
    moved = parts(tried, bent(plan(), {"platform/engine": {"image": new}}))
    assert moved.keys() == {f"pool {pool.name}" for pool in plan().pools}
    assert f"image of the engine: that of the charts, or of the stack → {new}" in moved[f"pool {PRIVATE}"].changes
    assert "restart one after the other" in moved[f"pool {CHAT_POOL}"].order
