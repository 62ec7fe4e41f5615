"""Placement, times and disruption of a pool: what a node loss, a drain, a rollout and a slow load meet."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.settings import GatewaySettings
from tests.charts.rendering import Object, container, example, one, pool, render, template

pytestmark = pytest.mark.charts


def _deployment(values: dict[str, Any]) -> Object:
    spec: Object = one(render("vllm", values), "Deployment")["spec"]
    return spec


def _pod(values: dict[str, Any]) -> Object:
    spec: Object = _deployment(values)["template"]["spec"]
    return spec


def _bound(values: dict[str, Any], key: str = "kubernetes.io/hostname") -> int | None:
    """Most replicas that one domain may hold, or None."""
    for rule in _pod(values).get("topologySpreadConstraints", []):
        if rule["topologyKey"] == key and rule["whenUnsatisfiable"] == "DoNotSchedule":
            assert rule["minDomains"] >= 1000, "else maxSkew is a difference, not a bound"
            old_apart = rule.get("matchLabelKeys") == ["pod-template-hash"]
            surges = values.get("rollout", {}).get("maxSurge", 0) > 0
            assert old_apart == surges, "else a rollout takes other pools' places, or one that surges cannot begin"
            return int(rule["maxSkew"])
    return None


@pytest.mark.parametrize(("replicas", "most"), [(1, 1), (2, 1), (3, 2), (4, 2), (8, 4)])
def test_spread_survives_the_loss_of_a_node(replicas: int, most: int) -> None:
    assert _bound(pool(replicas=replicas)) == most


def test_the_plans_placement_wins() -> None:
    assert _bound(pool(replicas=6, placement={"maxReplicasPerNode": 2})) == 2
    assert _bound(pool(replicas=6, placement={"strategy": "pack", "maxReplicasPerNode": 4})) == 4


@pytest.mark.parametrize("key", ["kubernetes.io/hostname", "topology.kubernetes.io/zone"])
def test_old_replicas_count_beside_new_ones_unless_the_rollout_surges(key: str) -> None:
    values = pool(replicas=4, placement={"zoneSpread": "required"})
    assert _bound(values, key) == _bound({**values, "rollout": {"maxSurge": 1, "maxUnavailable": 0}}, key) == 2


def test_packed_replicas_seek_company_and_have_no_bound() -> None:
    values = pool(placement={"strategy": "pack"})
    assert _bound(values) is None
    preferred = _pod(values)["affinity"]["podAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert [term["weight"] for term in preferred] == [100, 50]
    assert "podAffinity" not in _pod(pool()).get("affinity", {})


def test_zones() -> None:
    values = pool(replicas=4, placement={"zones": ["use1-az4", "use1-az1"], "zoneKey": "topology.k8s.aws/zone-id"})
    (term,) = _pod(values)["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert term["matchExpressions"] == [
        {"key": "topology.k8s.aws/zone-id", "operator": "In", "values": ["use1-az1", "use1-az4"]}
    ]
    zone = "topology.kubernetes.io/zone"
    assert _bound(pool(replicas=4, placement={"zoneSpread": "required"}), zone) == 2
    assert _bound(pool(replicas=4), zone) is None
    keys = [rule["topologyKey"] for rule in _pod(pool(placement={"zoneSpread": "none"}))["topologySpreadConstraints"]]
    assert keys == ["kubernetes.io/hostname"]


def test_replicas_stand_on_their_node_group_only() -> None:
    spec = _pod(pool(nodeGroup={"name": "h100-chat"}))
    assert spec["nodeSelector"] == {"spillway.dev/node-group": "h100-chat"}
    assert [entry["key"] for entry in spec["tolerations"]] == ["nvidia.com/gpu", "spillway.dev/node-group"]
    assert "nodeSelector" not in _pod(pool())


def test_a_replica_holds_whole_gpus_and_shared_memory() -> None:
    values = pool(engine={"tensorParallelSize": 4}, resources={"limits": {"memory": "64Gi"}})
    resources = container(render("vllm", values))["resources"]
    assert resources["limits"] == {"nvidia.com/gpu": "4", "memory": "64Gi"}
    assert resources["requests"] == {"nvidia.com/gpu": "4", "cpu": "3", "memory": "12Gi"}
    volumes = {volume["name"]: volume for volume in _pod(values)["volumes"]}
    assert volumes["shm"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "8Gi"}
    assert "shm" not in {volume["name"] for volume in _pod(pool())["volumes"]}
    assert _pod(pool(shm={"sizeLimit": "1Gi"}))["volumes"][-1]["emptyDir"]["sizeLimit"] == "1Gi"


def test_a_replica_holds_the_gpus_of_all_its_copies() -> None:
    objects = render("vllm", pool(engine={"tensorParallelSize": 2, "dataParallelSize": 4, "expertParallel": True}))
    assert container(objects)["resources"]["limits"]["nvidia.com/gpu"] == "8"
    volumes = {volume["name"]: volume for volume in one(objects, "Deployment")["spec"]["template"]["spec"]["volumes"]}
    assert volumes["shm"]["emptyDir"]["sizeLimit"] == "16Gi"
    assert one(objects, "PriorityClass")["value"] == 100_008


def test_larger_replicas_have_the_higher_priority() -> None:
    values = [one(render("vllm", pool(engine={"tensorParallelSize": size})), "PriorityClass") for size in (1, 2, 4, 8)]
    priorities = [item["value"] for item in values]
    assert priorities == sorted(set(priorities))
    assert all(str(item["value"]) in item["metadata"]["name"] for item in values), "the value is immutable"
    assert _pod(pool())["priorityClassName"] == values[0]["metadata"]["name"]


def test_an_existing_priority_class_is_named_and_none_is_made() -> None:
    objects = render("vllm", pool(priorityClass={"name": "serving-large"}))
    assert one(objects, "Deployment")["spec"]["template"]["spec"]["priorityClassName"] == "serving-large"
    assert "PriorityClass" not in {item["kind"] for item in objects}
    bare = render("vllm", pool(priorityClass={"create": False}))
    assert "priorityClassName" not in one(bare, "Deployment")["spec"]["template"]["spec"]


def test_a_full_pool_rolls_out_one_by_one() -> None:
    deployment = _deployment(pool(replicas=3))
    assert deployment["replicas"] == 3
    assert deployment["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
    }


def test_a_drain_takes_one_replica_and_never_waits_for_a_broken_one() -> None:
    objects = render("vllm", pool())
    budget = one(objects, "PodDisruptionBudget")["spec"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    labels = one(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert budget["selector"]["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize(("load_seconds", "budget"), [(10, 20), (240, 480), (601, 1202), (1800, 3600)])
def test_startup_budget_is_twice_the_load_time_for_probe_and_engine(load_seconds: int, budget: int) -> None:
    values = pool(probes={"loadSeconds": load_seconds})
    engine = container(render("vllm", values))
    probe = engine["startupProbe"]
    assert budget <= probe["periodSeconds"] * probe["failureThreshold"] < budget + 10
    assert {"name": "VLLM_ENGINE_READY_TIMEOUT_S", "value": str(budget)} in engine["env"]
    assert _deployment(values)["progressDeadlineSeconds"] > budget


def test_probes() -> None:
    engine = container(render("vllm", pool()))
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert engine[probe]["httpGet"] == {"path": "/health", "port": "http"}
    assert (engine["livenessProbe"]["periodSeconds"], engine["livenessProbe"]["failureThreshold"]) == (10, 10)
    assert 2 <= engine["readinessProbe"]["periodSeconds"] <= 5


@pytest.mark.parametrize(("drain", "grace"), [({}, 110), ({"shutdownTimeoutSeconds": 300}, 320)])
def test_grace_covers_the_drain(drain: dict[str, int], grace: int) -> None:
    values = pool(drain=drain)
    engine = container(render("vllm", values))
    assert engine["lifecycle"]["preStop"]["sleep"]["seconds"] == 15
    assert f"--shutdown-timeout={grace - 20}" in engine["args"]
    assert _pod(values)["terminationGracePeriodSeconds"] == grace


def test_default_drain_fits_spot() -> None:
    assert _pod(example("vllm", "restricted-tp2"))["terminationGracePeriodSeconds"] == 110


def test_the_service_lists_ready_replicas_under_the_releases_name() -> None:
    objects = render("vllm", pool(), release="chat-qwen3")
    service = one(objects, "Service")
    assert service["metadata"]["name"] == "chat-qwen3"
    assert service["spec"]["clusterIP"] == "None"
    assert "publishNotReadyAddresses" not in service["spec"]
    labels = one(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert container(objects)["ports"] == [{"name": "http", "containerPort": 8000}]


def test_names_with_dots_become_service_names() -> None:
    service = one(render("vllm", pool(), release="chat-llama-3.3"), "Service")
    assert service["metadata"]["name"] == "chat-llama-3-3"


def test_a_changed_pool_keeps_its_selector() -> None:
    """A Deployment's selector is immutable; an upgrade that changes it fails."""
    before = _deployment(pool())["selector"]
    after = _deployment(
        pool(
            image={"tag": "v0.34.0"},
            model={"servedName": "other"},
            privacy="restricted",
            nodeGroup={"name": "other"},
            podLabels={"a": "b"},
        )
    )["selector"]
    assert before == after


def test_identity_is_a_service_account_without_token() -> None:
    objects = render("vllm", pool())
    account = one(objects, "ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    assert one(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == account["metadata"]["name"]
    bare = render("vllm", pool(serviceAccount={"create": False, "name": "shared"}))
    assert "ServiceAccount" not in {item["kind"] for item in bare}
    assert one(bare, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "shared"


def test_helm_test_asks_the_pool_for_its_model() -> None:
    tester = one(render("vllm", pool()), "Pod")
    (asking,) = tester["spec"]["containers"]
    compile(asking["args"][0], "test", "exec")
    assert asking["args"][1:] == ["http://pool-a:8000", "Qwen/Qwen3-8B", "30"]
    assert asking["image"] == container(render("vllm", pool()))["image"]
    assert "nvidia.com/gpu" not in str(asking["resources"]), "a test must not wait for a free GPU"


def test_a_volume_with_weights_is_mounted_read_only() -> None:
    values = pool(model={"source": "/models/qwen"}, modelStore={"volumeClaim": "weights"})
    assert {"name": "models", "mountPath": "/models", "readOnly": True} in container(render("vllm", values))[
        "volumeMounts"
    ]
    assert "runai_streamer" not in template("vllm", values)


CAPACITY = "eks.amazonaws.com/capacityType"


@pytest.mark.parametrize("strategy", ["spread", "pack"])
def test_replicas_stand_on_spot_and_beside_it_where_that_is_possible(strategy: str) -> None:
    def rules(capacity: str) -> list[Object]:
        values = pool(
            replicas=4,
            nodeGroup={"capacityType": capacity},
            placement={"strategy": strategy, "maxReplicasPerNode": 2, "zoneSpread": "required"},
        )
        found: list[Object] = _pod(values)["topologySpreadConstraints"]
        return found

    plain, spot = rules("on-demand"), rules("spot")
    assert spot[:-1] == plain, "the bounds are those of any other group"
    assert [rule["whenUnsatisfiable"] for rule in plain] == ["DoNotSchedule"] * 2
    soft = spot[-1]
    assert (soft["topologyKey"], soft["maxSkew"]) == (CAPACITY, 1)
    assert soft["whenUnsatisfiable"] == "ScheduleAnyway"
    assert CAPACITY not in {rule["topologyKey"] for rule in plain}


def test_a_replica_on_spot_is_gone_before_the_notice_ends() -> None:
    """Two minutes after its notice AWS ends the machine. Gateways see the change of DNS while the pod still answers."""
    spec = _pod(pool(nodeGroup={"capacityType": "spot"}))
    (engine,) = spec["containers"]
    wait = engine["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = int(next(a for a in engine["args"] if a.startswith("--shutdown-timeout=")).partition("=")[2])
    assert spec["terminationGracePeriodSeconds"] == 110 >= wait + drain + 5
    records_live_s = 5  # CoreDNS answers for services with this time to live
    assert wait >= GatewaySettings().discovery_interval_s + records_live_s
