"""What speaks against a cluster that is there already: each rule, all in one run, and no more than there is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.existing_facts import ExistingFacts, FoundNode, Right, quantity
from infra.existing_preflight import MANAGED, cluster_problems, plan_problems, theirs
from planner.domain.existing_cluster import ExistingCluster
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem
from tests.infra import clocks, existing_sites, locks
from tests.infra.existing_sites import GKE, LARGE, ON_PREMISES, SMALL, Site

UID = "0b9d3c1e-7f7a-4c55-9a53-1f6f6b0f7a10"
HANDED_OVER = {"spillway.dev/environment": "prod"}


def existing_of(plan: Plan) -> ExistingCluster:
    assert plan.platform.existing is not None
    return plan.platform.existing


def facts(site: Site = ON_PREMISES, **changes: Any) -> ExistingFacts:
    """A cluster on which everything stands as it should."""
    nodes = tuple(
        FoundNode(
            name=node.name,
            labels=node.labels,
            taints=frozenset(node.taints),
            is_ready=True,
            gpus=node.gpus,
            cpu_m=node.cpus * 1000,
            memory_mib=node.memory_mib,
        )
        for node in site.nodes(set_apart=True)
    )
    found = ExistingFacts(UID, 36, nodes, {"kube-system": {}}, {}, ())
    return replace(found, **changes)


def with_node(found: ExistingFacts, name: str, **changes: Any) -> ExistingFacts:
    nodes = tuple(replace(node, **changes) if node.name == name else node for node in found.nodes)
    return replace(found, nodes=nodes)


def problems(
    found: ExistingFacts, site: Site = ON_PREMISES, remembered: str | None = None, **keys: str
) -> list[Problem]:
    plan = existing_sites.plan(site, "twin", **keys)
    return list(cluster_problems(plan, existing_of(plan), found, "prod", remembered))


def test_a_cluster_that_has_everything_is_not_refused() -> None:
    assert problems(facts(), remembered=UID, uid=f"'{UID}'") == []
    claims = {"serving": HANDED_OVER}, {"models": ("ReadWriteMany",)}
    assert problems(facts(GKE, namespaces=claims[0], claims=claims[1]), GKE) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"is_ready": False}, "takes no pods"),
        ({"gpus": 0}, "offers 0 of 4 nvidia.com/gpu"),
        ({"taken_gpus": 2}, "lends 2 GPUs to other pods"),
        ({"taints": frozenset({"team=a:NoSchedule"})}, "has taint team=a:NoSchedule"),
        ({"taints": frozenset({"nvidia.com/gpu=present:NoExecute"})}, "has taint nvidia.com/gpu=present:NoExecute"),
        ({"memory_mib": 1000}, "gives 48000m CPU and 1000 MiB"),
    ],
)
def test_a_node_that_will_not_do_is_told_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    (problem,) = problems(with_node(facts(), "rack-4xl40s-2", **changes))
    assert problem.code == "DEP043"
    assert problem.message.startswith(f"node group `shared` needs 2 × {LARGE}; 1 of the 2 nodes")
    assert f"rack-4xl40s-2 {reason}" in problem.message


def test_a_taint_that_is_stated_or_of_gpus_speaks_against_no_node() -> None:
    assert problems(with_node(facts(), "rack-4xl40s-2", taints=frozenset({"nvidia.com/gpu=x:NoSchedule"}))) == []


@pytest.mark.parametrize("mark", ["label", "taint"])
def test_restricted_data_gets_nodes_of_its_own_only(mark: str) -> None:
    plain = {node.name: node for node in ON_PREMISES.nodes(set_apart=False)}["rack-1xl40s-1"]
    changes: dict[str, Any] = {"labels": plain.labels} if mark == "label" else {"taints": frozenset()}
    (problem,) = problems(with_node(facts(), "rack-1xl40s-1", **changes))
    assert problem.code == "DEP043"
    assert f"needs 2 × {SMALL}; 1 of the 2" in problem.message
    assert "as one of its own" in problem.message


def test_nodes_that_are_set_apart_carry_no_other_pool() -> None:
    taints = frozenset({"spillway.dev/pool=extraction-1xl40s:NoSchedule"})
    (problem,) = problems(with_node(facts(), "rack-4xl40s-1", taints=taints))
    assert "rack-4xl40s-1 has taint spillway.dev/pool=extraction-1xl40s:NoSchedule" in problem.message


def test_nodes_without_any_gpus_need_a_device_plugin_unless_it_is_ours() -> None:
    blind = facts()
    for name in ("rack-4xl40s-1", "rack-4xl40s-2", "rack-1xl40s-1", "rack-1xl40s-2"):
        blind = with_node(blind, name, gpus=0)
    assert [problem.code for problem in problems(blind)] == ["DEP044", "DEP044"]
    assert problems(blind, device_plugin="ours") == []


def test_everything_is_told_in_one_run() -> None:
    denied = tuple(
        Right(verb, *what) for what in (("", "namespaces"), ("", "services", "gateway")) for verb in ("create", "get")
    )
    found = facts(minor=28, nodes=(), denied=denied, namespaces={"serving": {}, "gateway": {"a": "b"}})
    told = problems(found, remembered="another")
    assert [p.code for p in told] == ["DEP041", "DEP042", "DEP043", "DEP043", "DEP043", "DEP045", "DEP046", "DEP046"]
    assert "this user may not: create/get namespaces, create/get services in gateway" in told[5].message


@pytest.mark.parametrize(
    ("labels", "told", "is_theirs"),
    [
        (HANDED_OVER, False, True),
        ({**HANDED_OVER, **MANAGED}, False, False),
        ({"spillway.dev/environment": "dev"}, True, True),
    ],
)
def test_a_namespace_is_handed_over_made_here_or_refused(labels: dict[str, str], told: bool, is_theirs: bool) -> None:
    found = facts(namespaces={"gateway": labels})
    assert bool(problems(found)) is told
    assert theirs(found.namespaces) == (frozenset({"gateway"}) if is_theirs else frozenset())


@pytest.mark.parametrize("modes", [None, ("ReadWriteOnce",)])
def test_the_volume_of_weights_is_there_for_several_nodes(modes: tuple[str, ...] | None) -> None:
    claims = {} if modes is None else {"models": modes}
    (problem,) = problems(facts(GKE, namespaces={"serving": HANDED_OVER}, claims=claims), GKE)
    assert problem.code == "DEP048"


def test_gateways_need_two_nodes_that_they_tolerate() -> None:
    (problem,) = problems(with_node(facts(GKE), "cpu-1", taints=frozenset({"a=b:NoSchedule"})), GKE)[:1]
    assert problem.message == "gateways need 2 nodes; 1 will do"
    named = "{labels: {pool: web}, taints: ['a=b:NoSchedule']}"
    found = facts()
    for name in ("cpu-1", "cpu-2"):
        found = with_node(found, name, taints=frozenset({"a=b:NoSchedule"}), labels={"pool": "web"})
    assert problems(found, gateway=named) == []


def test_a_lock_with_restricted_data_needs_network_policies() -> None:
    plan = existing_sites.plan(ON_PREMISES, "twin")
    open_to_all = existing_of(plan).model_copy(update={"network_policies": "none"})
    assert [p.code for p in plan_problems(plan, open_to_all)] == ["DEP047"]
    assert list(plan_problems(plan, existing_of(plan))) == []


def test_a_lock_says_where_weights_lie() -> None:
    plan = existing_sites.plan(ON_PREMISES, "twin")
    nowhere = existing_of(plan).model_copy(update={"weights": type(existing_of(plan).weights)()})
    assert [p.code for p in plan_problems(plan, nowhere)] == ["DEP048"] * 3
    own = locks.replaced(plan, "pools", "chat-1xl40s", weights="s3://team/chat")
    assert [p.code for p in plan_problems(own, nowhere)] == ["DEP048"] * 3


def test_a_machine_without_labels_and_shared_restricted_nodes_are_refused() -> None:
    plan = existing_sites.plan(ON_PREMISES, "twin")
    bent = locks.replaced(plan, "node_groups", "vault", exclusive=False, instance_type="rack.8xh200")
    assert [p.code for p in plan_problems(bent, existing_of(plan))] == ["DEP049", "DEP025"]


def test_a_cluster_without_keda_is_told_with_the_command_that_installs_it() -> None:
    plan = clocks.asleep(existing_sites.plan(ON_PREMISES, "twin"))
    group = {"min_nodes": 2, "schedule": None, "warm_seconds": 0}
    plan = locks.replaced(plan, "node_groups", "vault", **group)
    existing = existing_of(plan)
    assert list(plan_problems(plan, existing)) == []
    (told,) = cluster_problems(plan, existing, facts(), "prod", None)
    assert told.code == "DEP029"
    assert "pool `extraction-1xl40s` follows the clock, and the cluster has no `scaledobjects.keda.sh`" in told.message
    assert "helm upgrade --install keda" in (told.hint or "")
    assert "--kube-context twin" in (told.hint or "")
    assert list(cluster_problems(plan, existing, facts(has_scaled_objects=True), "prod", None)) == []


def test_what_is_deployed_nowhere_yet_is_refused_here_too() -> None:
    """Values take the largest size, so that a pool that scales would be deployed at its most, and silently."""
    plan = existing_sites.plan(ON_PREMISES, "twin")
    assert list(plan_problems(plan, existing_of(plan))) == []
    chat = plan.pools[0]
    scales = chat.replicas.model_copy(update={"min": 1, "max": 4})
    elastic = locks.replaced(plan, "pools", chat.name, replicas=scales)
    assert [p.code for p in plan_problems(elastic, existing_of(plan))] == ["DEP021"]
    grows = locks.replaced(plan, "node_groups", "shared", min_nodes=1)
    assert [p.code for p in plan_problems(grows, existing_of(plan))] == ["DEP021"]
    long = locks.replaced(plan, "pools", chat.name, name="a" * 60)
    assert [p.code for p in plan_problems(long, existing_of(plan))] == ["DEP026"]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 6), st.integers(0, 6))
def test_as_many_nodes_as_a_group_has_are_enough(there: int, broken: int) -> None:
    """The group of two is refused exactly when fewer than two good nodes are there."""
    kind = next(node for node in facts().nodes if node.name == "rack-4xl40s-1")
    large = [replace(kind, name=f"n{i}", is_ready=i >= broken) for i in range(there)]
    others = tuple(node for node in facts().nodes if not node.name.startswith("rack-4x"))
    told = problems(replace(facts(), nodes=(*others, *large)))
    assert bool(told) is (max(0, there - broken) < 2)


@pytest.mark.parametrize(
    ("text", "number"),
    [("3920m", "3.92"), ("8", "8"), ("1Ki", "1024"), ("30Gi", str(30 * 2**30)), ("2G", "2000000000")],
)
def test_quantities_of_kubernetes(text: str, number: str) -> None:
    assert str(quantity(text).normalize()) == str(type(quantity("1"))(number).normalize())


def test_what_is_no_quantity_is_refused() -> None:
    with pytest.raises(ValueError, match="no quantity"):
        quantity("8 cores")
