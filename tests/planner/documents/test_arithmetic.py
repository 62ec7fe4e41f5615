"""The arithmetic of a plan: a good one has no problem, and each way to bend it is told by exactly its rule."""

from __future__ import annotations

from typing import Any

import pytest

from planner.documents.arithmetic import arithmetic, cluster_bill
from planner.documents.codes import CODES
from planner.documents.environment_file import parse
from planner.domain.environment import Environment
from tests.planner.plans import API, CHAT_GROUP, CHAT_POOL, ENVIRONMENT, PRIVATE, bent, plan


def environment(old: str = "", new: str = "") -> Environment:
    assert not old or ENVIRONMENT.count(old) == 1
    return parse(ENVIRONMENT.replace(old, new) if old else ENVIRONMENT, "prod.yaml")[0]


def test_a_good_plan_adds_up() -> None:
    assert arithmetic(plan(), environment()) == ()
    assert tuple(cluster_bill(plan())) == ()


BENT: list[tuple[str, dict[str, Any], list[tuple[str, str]]]] = [
    (
        "pool twice",
        {"pools/1/name": CHAT_POOL, "pools/1/privacy": "restricted"},
        [
            ("CHK001", f"pool `{CHAT_POOL}` stands twice in the plan"),
            ("CHK001", f"node group `{PRIVATE}` names pool `{PRIVATE}`, which is not in the plan"),
            ("CHK001", f"route `extraction` names pool `{PRIVATE}`, which is not in the plan"),
        ],
    ),
    (
        "group unknown",
        {"pools/0/node_group": "elsewhere"},
        [("CHK001", f"pool `{CHAT_POOL}` names node group `elsewhere`, which is not in the plan")],
    ),
    (
        "API unknown",
        {"apis": []},
        [("CHK001", f"route `chat` names API `{API}`, which is not in the plan")],
    ),
    (
        "limit of an API that is not asked",
        {"routes/0/api_max_input_tokens": {"a/b": 9000}},
        [("CHK001", "route `chat` limits the prompts of API `a/b`, which it may not ask")],
    ),
    (
        "spill that no API may be sent",
        {"routes/0/api_max_input_tokens": {API: 999}},
        [("CHK010", "route `chat` band 1 sends prompts of 1000 tokens to APIs that may be sent no more than 999")],
    ),
    (
        "placed pool unknown",
        {"node_groups/0/placement/0/replicas/ghost": 1},
        [("CHK001", f"node group `{CHAT_GROUP}` names pool `ghost`, which is not in the plan")],
    ),
    (
        "weighted pool unknown",
        {"routes/0/bands/0/weights": {"ghost": "1"}},
        [("CHK001", "route `chat` names pool `ghost`, which is not in the plan")],
    ),
    (
        "rate unknown",
        {"levels/1/planned_requests_per_second": {"chat": "4"}},
        [("CHK001", "level trough has no rate of route `extraction`")],
    ),
    (
        "too many GPUs on a node",
        {"pools/0/engine/tensor_parallel_size": 4},
        [("CHK002", f"node group `{CHAT_GROUP}`: 8 GPUs are placed on a node of 4")],
    ),
    (
        "replicas without a place",
        {"pools/0/replicas": {"min": 3, "max": 3}},
        [("CHK002", f"pool `{CHAT_POOL}` has 3 replicas, of which 2 are placed on its node group")],
    ),
    (
        "nodes without a use",
        {"node_groups/0/placement/0/nodes": 2},
        [
            ("CHK002", f"node group `{CHAT_GROUP}`: the placement does not use its 1 nodes"),
            ("CHK002", f"pool `{CHAT_POOL}` has 2 replicas, of which 4 are placed on its node group"),
        ],
    ),
    (
        "hours missing",
        {"levels/1/hours": "500"},
        [("CHK009", "the levels have 700 hours; a month has 730")],
    ),
    (
        "requests missing",
        {"routes/0/bands/0/share_of_requests": "0.7"},
        [("CHK009", "route `chat`: its bands hold 0.9000 of its requests, not all of them")],
    ),
    (
        "band without a pool",
        {"routes/0/bands/0/weights": {}},
        [
            ("CHK009", "route `chat`, band 0: 75% of it has no pool at level peak"),
            ("CHK009", "route `chat`, band 0: 100% of it has no pool at level trough"),
        ],
    ),
    (
        "half a weight",
        {"routes/0/bands/0/weights": {CHAT_POOL: "0.5"}},
        [("CHK009", "route `chat`, band 0: the weights of its pools sum to 0.5000, not 1")],
    ),
    (
        "spill without an API",
        {"routes/1/bands/0/spill_by_level": {"peak": "0.1"}},
        [("CHK009", "route `extraction`, band 0: 10% of it has no API at level peak")],
    ),
    (
        "more at the API than planned",
        {"routes/0/bands/0/api_share": "0.2"},
        [("CHK009", "route `chat`, band 0: 20% goes to the API at every hour, but at level trough 0%")],
    ),
    (
        "too much load",
        {"levels/0/planned_requests_per_second/chat": "17"},
        [("CHK003", f"pool `{CHAT_POOL}` needs 2.12 replicas at level peak, it has 2")],
    ),
    (
        "no capacity known",
        {"pools/0/capacity/1/band": 7},
        [("CHK003", f"pool `{CHAT_POOL}` serves route `chat`, band 1, with no capacity for it")],
    ),
    (
        "capacity of zero",
        {"pools/0/capacity/1/requests_per_second": "0"},
        [("CHK003", f"pool `{CHAT_POOL}` serves route `chat`, band 1, with no capacity for it")],
    ),
    (
        "no reserve",
        {"levels/0/planned_requests_per_second/extraction": "2.2"},
        [("CHK004", f"pool `{PRIVATE}` needs 1.10 replicas; after losing a node 1 remain, and no API may help")],
    ),
    (
        "restricted with an API",
        {"routes/1/fallback": [API]},
        [("CHK006", "route `extraction` is restricted and names an API")],
    ),
    (
        "restricted called internal",
        {"routes/1/privacy": "internal"},
        [("CHK006", "route `extraction` is restricted in the environment, internal here")],
    ),
    (
        "restricted pool not marked",
        {"pools/1/privacy": "internal"},
        [("CHK006", f"pool `{PRIVATE}` serves restricted data and is marked internal")],
    ),
    (
        "restricted on shared nodes",
        {"node_groups/1/exclusive": False},
        [("CHK006", f"pool `{PRIVATE}` serves restricted data on shared nodes")],
    ),
    (
        "line does not multiply",
        {"cost/lines/0/quantity": "1152.1"},
        [("CHK007", f"cost line `{API} input tokens`: 1152.1 × 0.75 is not 864.00")],
    ),
    (
        "a cent too much in a sum",
        {"cost/usage_usd_per_month": "1900.81", "cost/usd_per_month": "13136.88"},
        [("CHK007", "the usage lines sum to 1900.80, the plan says 1900.81")],
    ),
    (
        "total does not sum",
        {"cost/usd_per_month": "13136.86", "cost/low_usd_per_month": "13136.86"},
        [("CHK007", "fixed and usage do not sum to the total")],
    ),
    (
        "range beside the total",
        {"cost/low_usd_per_month": "13136.88"},
        [("CHK007", "the total is not between its low and high estimates")],
    ),
    (
        "nodes that nobody pays for",
        {"node_groups/1/max_nodes": 3, "node_groups/1/placement/0/nodes": 3, "pools/1/replicas": {"min": 3, "max": 3}},
        [("CHK007", f"node group `{PRIVATE}` runs 3 nodes, 1460 hours are billed")],
    ),
]


@pytest.mark.parametrize(("changes", "told"), [row[1:] for row in BENT], ids=[row[0] for row in BENT])
def test_a_bent_plan_is_told_by_its_rule_and_by_no_other(changes: dict[str, Any], told: list[tuple[str, str]]) -> None:
    found = [(p.code, p.message) for p in arithmetic(bent(plan(), changes), environment())]
    allowed = {code for code, _ in told}
    assert [entry for entry in found if entry[0] in allowed] == told
    follow_ups = {
        "CHK001": {"CHK002", "CHK003", "CHK006", "CHK007"},
        "CHK002": set(),
        "CHK003": set(),
        "CHK009": {"CHK003"},
    }
    assert {code for code, _ in found} - allowed <= set().union(*(follow_ups.get(code, set()) for code in allowed))


PHASE = {"ended": [], "routes": [], "fleet": "", "why_not": "", "usd_per_month": str(plan().cost.usd_per_month)}
PHASES = [
    {**PHASE, "start": "2026-12-01", "end": "2027-03-01"},
    {**PHASE, "start": "2027-03-01", "end": "2027-12-01", "usd_per_month": "20000.00"},
]
MEAN = "18307.72"
"""(90 × the plan's cost + 275 × 20,000) ÷ 365"""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, ""),
        ({"phases/0/end": "2027-02-01"}, "the phases do not cover the horizon"),
        ({"phases/1/end": "2027-11-01"}, "the phases do not cover the horizon"),
        ({"phases/0/usd_per_month": "1.00"}, "the first phase costs 1.00, the plan"),
        ({"mean_usd_per_month": "5.00"}, "the plan says 5.00"),
    ],
)
def test_phases_cover_the_horizon_and_give_its_mean(changes: dict[str, Any], message: str) -> None:
    phased = bent(plan(), {"phases": PHASES, "mean_usd_per_month": MEAN, **changes})
    found = [(p.code, p.message) for p in arithmetic(phased, environment())]
    assert bool(found) == bool(message)
    assert all(code == "CHK011" for code, _ in found)
    assert any(message in words for _, words in found) or not found


def test_a_second_pool_on_an_exclusive_group_is_told() -> None:
    moved = bent(
        plan(),
        {
            "node_groups/1/gpus_per_node": 4,
            "node_groups/1/placement/0/replicas": {PRIVATE: 1, CHAT_POOL: 1},
            "pools/0/node_group": PRIVATE,
            "node_groups/0/placement/0/replicas": {},
        },
    )
    found = [p.message for p in arithmetic(moved, environment())]
    assert found == [f"node group `{PRIVATE}` is for one pool alone and holds {CHAT_POOL}, {PRIVATE}"]


def test_a_pool_that_serves_restricted_beside_other_data_is_told() -> None:
    shared = bent(plan(), {"routes/1/bands/0/weights": {CHAT_POOL: "1"}})
    found = {p.message for p in arithmetic(shared, environment()) if p.code == "CHK006"}
    assert f"pool `{CHAT_POOL}` serves restricted data beside other data" in found
    assert f"pool `{CHAT_POOL}` serves restricted data on shared nodes" in found


@pytest.mark.parametrize(
    ("old", "new", "code", "message"),
    [
        ("{G: 96}", "{G: 63}", "CHK005", "the plan runs 64 vCPUs of family G; the quota is 63"),
        ("$20000", "$13136", "CHK008", "the plan costs $13,136.87 a month; the budget is $13,136"),
        ("$5000", "$1900", "CHK008", "the plan spends $1,900.80 a month on APIs; their budget is $1,900"),
    ],
)
def test_limits_of_the_environment_are_kept(old: str, new: str, code: str, message: str) -> None:
    assert [(p.code, p.message) for p in arithmetic(plan(), environment(old, new))] == [(code, message)]


def test_a_quota_that_is_not_stated_is_not_judged_here() -> None:
    assert arithmetic(plan(), environment("quotas: {G: 96}", "")) == ()
    assert arithmetic(plan(), environment("{G: 96}", "{G: 64, P: 0}")) == ()


def test_another_set_of_routes_is_told() -> None:
    fewer = bent(plan(), {"routes": plan().model_dump(mode="json")["routes"][:1]})
    assert [(p.code, p.message) for p in arithmetic(fewer, environment())] == [
        ("CHK001", "the plan's routes are not the environment's")
    ]


def test_the_rounding_of_six_digits_is_no_problem() -> None:
    changes = {"levels/0/planned_requests_per_second/chat": "16.0001", "levels/0/hours": "199.999"}
    assert arithmetic(bent(plan(), changes), environment()) == ()


REGION = "platform/us-east-1"
NODES = "ec2/us-east-1/{}/on-demand"


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (
            "system_nodes/instance_type",
            "c7i.2xlarge",
            [(NODES.format("c7i.2xlarge"), 1460, 0), (NODES.format("m6a.large"), 0, 1460)],
        ),
        ("system_nodes/nodes", 3, [(NODES.format("m6a.large"), 2190, 1460), (f"{REGION}/ebs-gp3-storage", 90, 60)]),
        ("system_nodes/disk_gb", 100, [(f"{REGION}/ebs-gp3-storage", 200, 60)]),
        ("nat_zones", [], [(f"{REGION}/nat-gateway", 0, 730), (f"{REGION}/public-ipv4", 0, 730)]),
        ("keys", [], [(f"{REGION}/kms-key", 0, 1)]),
        ("log_groups/0/retention_days", 365, [(f"{REGION}/logs-storage", "151.89", "43.3973")]),
        (
            "log_groups/0/gb_per_month",
            "22",
            [(f"{REGION}/logs-ingest", 30, 20), (f"{REGION}/logs-storage", "72.9863", "43.3973")],
        ),
        ("model_bucket/weights_gb", "120", [(f"{REGION}/s3-storage", 120, "98.1")]),
    ],
)
def test_a_cluster_that_is_not_the_one_that_is_billed_is_told(
    path: str, value: Any, told: list[tuple[str, Any, Any]]
) -> None:
    found = list(cluster_bill(bent(plan(), {f"platform/cluster/{path}": value})))
    assert {problem.code for problem in found} == {"CHK007"}
    assert [problem.message for problem in found] == [
        f"the platform has {built} of {key}; {billed} are billed" for key, built, billed in told
    ]


def test_a_bill_for_a_cluster_that_is_not_built_is_told() -> None:
    found = list(cluster_bill(bent(plan(), {"platform/cluster": None})))
    assert len(found) == len([line for line in plan().cost.lines if line.component == "platform"])
    assert "the platform has 0 of platform/us-east-1/kms-key; 1 are billed" in [problem.message for problem in found]


def test_disks_that_are_not_those_that_are_billed_are_told() -> None:
    found = list(cluster_bill(bent(plan(), {"node_groups/1/disk_gb": 500})))
    assert [(problem.code, problem.message) for problem in found] == [
        ("CHK007", f"the disks of node group `{PRIVATE}` have 1000 GB; 400 are billed")
    ]


def test_every_code_is_explained() -> None:
    assert {code for _, _, told in BENT for code, _ in told} <= set(CODES)
    assert {"CHK005", "CHK008"} <= set(CODES)
