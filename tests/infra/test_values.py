"""Values of the charts: the charts' own schemas accept them, and they say what the lock says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gateway.document import parse_policy
from infra.images import Image
from infra.priorities import EQUAL
from infra.values import gateway, vllm, weights_prefix
from planner.plan.fleet import NodeGroup, Pool, PoolAdapter
from planner.plan.plan import Plan
from tests.infra import locks

ROOT = Path(__file__).resolve().parents[2]
DIGEST = "sha256:" + "2" * 64
CIDRS = ["3.5.0.0/19", "16.15.176.0/20"]


def _schema(chart: str) -> Any:
    return json.loads((ROOT / "charts" / chart / "values.schema.json").read_text())


def _vllm(plan: Plan, name: str, image: Image | None = None) -> dict[str, Any]:
    pool = next(pool for pool in plan.pools if pool.name == name)
    return vllm(
        pool,
        locks.group(plan, pool.node_group),
        bucket="models",
        region="us-east-1",
        store_cidrs=CIDRS,
        image=image,
    )


def _gateway(plan: Plan, image: Image | None = None) -> dict[str, Any]:
    return gateway(locks.sealed(plan), image=image, client_keys="clients", provider_keys="providers")


@pytest.mark.parametrize("pool", [pool.name for pool in locks.plan().pools])
@pytest.mark.parametrize("image", [None, Image("mirror.example/vllm", "v0.33.0", DIGEST)], ids=["chart's", "own"])
def test_values_of_pools_fit_the_schema(pool: str, image: Image | None) -> None:
    jsonschema.validate(_vllm(locks.plan(), pool, image), _schema("vllm"))


@pytest.mark.parametrize("image", [None, Image("mirror.example/gateway", None, DIGEST)], ids=["chart's", "own"])
def test_values_of_the_gateway_fit_the_schema(image: Image | None) -> None:
    jsonschema.validate(_gateway(locks.plan(), image), _schema("gateway"))


def test_servers_share_the_tokens_that_may_wait() -> None:
    """Each server counts the tokens for itself, and takes the longest prompt of the replica."""
    plan = locks.plan()
    pool = plan.pools[0]
    limits = {"max_num_queued_tokens": 100_000, "max_model_len": 16_384, "max_num_queued_reqs": 90}
    for servers, tokens in ((1, 100_000), (3, 33_334), (8, 16_384)):
        engine = pool.engine.model_copy(update=limits | {"api_server_count": servers})
        pools = (pool.model_copy(update={"engine": engine}), *plan.pools[1:])
        found = _vllm(plan.model_copy(update={"pools": pools}), pool.name)["engine"]
        assert (found["maxNumQueuedTokens"], found["maxNumQueuedReqs"]) == (tokens, 90)
        assert found.get("apiServerCount", 1) == servers


def test_no_value_is_null() -> None:
    def nulls(value: Any, path: str) -> list[str]:
        if isinstance(value, dict):
            return [found for key, item in value.items() for found in nulls(item, f"{path}.{key}")]
        return [path] if value is None else []

    for values in (*(_vllm(locks.plan(), pool.name) for pool in locks.plan().pools), _gateway(locks.plan())):
        assert nulls(values, "") == []


def test_the_engine_is_the_locks() -> None:
    values = _vllm(locks.plan(), "code-2xl40s")
    assert values["replicas"] == 2
    assert values["model"]["servedName"] == "code-2xl40s"
    assert values["engine"] == {
        "tensorParallelSize": 2,
        "maxModelLen": 8192,
        "maxNumSeqs": 64,
        "maxNumBatchedTokens": 8192,
        "maxNumQueuedReqs": 8,
        "maxNumQueuedTokens": 20000,
        "gpuMemoryUtilization": 0.92,
        "dtype": "auto",
    }
    assert values["priorityClass"] == {"create": False, "name": EQUAL.name}


def test_replicas_stand_where_the_plan_put_them() -> None:
    chat, vault = _vllm(locks.plan(), "chat-1xl40s"), _vllm(locks.plan(), "extraction-1xl40s")
    assert chat["nodeGroup"]["name"] == "shared"
    assert chat["placement"] == {
        "strategy": "spread",
        "maxReplicasPerNode": 2,
        "zones": ["use1-az4", "use1-az6"],
        "zoneKey": "topology.k8s.aws/zone-id",
    }
    assert chat["tolerations"] == []
    assert vault["placement"]["maxReplicasPerNode"] == 1
    assert [taint["value"] for taint in vault["tolerations"]] == ["extraction-1xl40s"]


def test_one_node_for_all_replicas_is_packed() -> None:
    assert _vllm(locks.plan(shared_nodes=1), "chat-1xl40s")["placement"]["strategy"] == "pack"


def test_only_the_gateway_may_call_and_a_restricted_pool_says_so() -> None:
    values = _vllm(locks.plan(), "extraction-1xl40s")
    assert values["privacy"] == "restricted"
    assert "extraEgress" not in values["networkPolicy"]
    assert values["networkPolicy"]["gateway"]["namespaceLabels"] == {"kubernetes.io/metadata.name": "gateway"}
    assert values["networkPolicy"]["modelStoreCidrs"] == sorted(CIDRS)


def test_the_order_of_addresses_is_no_change() -> None:
    plan = locks.plan()
    pool, group = plan.pools[0], locks.group(plan, "shared")

    def values(cidrs: list[str]) -> dict[str, Any]:
        return vllm(pool, group, bucket="b", region="r", store_cidrs=cidrs, image=None)

    assert values(CIDRS) == values(CIDRS[::-1])


def test_weights_of_one_model_are_shared_by_revision() -> None:
    plan = locks.plan()
    pool: Pool = plan.pools[0]
    assert weights_prefix(pool) == "acme/chat-8b/0123abc"
    assert weights_prefix(pool.model_copy(update={"revision": None})) == "acme/chat-8b/main"


def test_own_weights_are_read_where_they_are() -> None:
    plan = locks.replaced(locks.plan(), "pools", "chat-1xl40s", weights="s3://acme-models/support/v3")
    assert _vllm(plan, "chat-1xl40s")["model"]["source"] == "s3://acme-models/support/v3"
    assert _vllm(locks.plan(), "chat-1xl40s")["model"]["source"].endswith("/acme/chat-8b/0123abc")


def test_adapters_are_copied_from_where_they_are_into_as_many_slots() -> None:
    adapters = (PoolAdapter(name="acme-support", weights="s3://acme-adapters/support/v1", rank=12),)
    plan = locks.replaced(locks.plan(), "pools", "chat-1xl40s", adapters=adapters)
    engine = plan.pools[0].engine.model_copy(update={"max_loras": 1, "max_lora_rank": 16})
    values = _vllm(locks.replaced(plan, "pools", "chat-1xl40s", engine=engine), "chat-1xl40s")
    assert values["adapters"] == [{"name": "acme-support", "source": "s3://acme-adapters/support/v1"}]
    assert (values["engine"]["maxLoras"], values["engine"]["maxLoraRank"]) == (1, 16)
    plain = _vllm(locks.plan(), "chat-1xl40s")
    assert "adapters" not in plain
    assert not {"maxLoras", "maxLoraRank"} & set(plain["engine"])


def test_the_gateway_reads_the_policy_of_the_lock() -> None:
    lock = locks.sealed(locks.plan())
    loaded = parse_policy(_gateway(locks.plan())["policy"]["document"].encode())
    assert loaded.policy.lock_digest == lock.digests.content
    assert loaded.policy.pools["chat-1xl40s"].address == "vllm-chat-1xl40s.serving.svc.cluster.local:8000"


def test_keys_are_named_and_never_written() -> None:
    values = _gateway(locks.plan())
    assert values["clientKeys"] == {"secretName": "clients"}
    assert values["providerKeys"] == [{"env": "OPENAI_API_KEY", "secretName": "providers", "key": "OPENAI_API_KEY"}]
    assert values["networkPolicy"]["apiEgress"] is True


def test_a_gateway_of_routes_that_never_spill_has_no_way_out() -> None:
    plan = locks.plan()
    routes = tuple(route.model_copy(update={"fallback": ()}) for route in plan.routes)
    values = _gateway(plan.model_copy(update={"routes": routes}))
    assert values["networkPolicy"]["apiEgress"] is False
    assert values["providerKeys"] == []


def test_shares_of_a_node_fit_it() -> None:
    plan = locks.plan()
    for group in plan.node_groups:
        cpu, memory = _asked(plan, group)
        assert cpu <= group.allocatable_cpu_m
        assert memory <= group.allocatable_memory_mib


def _asked(plan: Plan, group: NodeGroup) -> tuple[int, int]:
    """What the replicas on the fullest node ask for."""
    cpu = memory = 0
    for name, count in group.placement[0].replicas.items():
        asked = _vllm(plan, name)["resources"]["requests"]
        cpu += count * int(asked["cpu"].removesuffix("m"))
        memory += count * int(asked["memory"].removesuffix("Mi"))
    return cpu, memory


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("vllm/vllm-openai:v0.33.0", ("vllm/vllm-openai", "v0.33.0", None)),
        (f"registry.example:5000/gateway@{DIGEST}", ("registry.example:5000/gateway", None, DIGEST)),
        (f"registry.example:5000/gateway:1.0@{DIGEST}", ("registry.example:5000/gateway", "1.0", DIGEST)),
    ],
)
def test_image_references(reference: str, parts: tuple[str, str | None, str | None]) -> None:
    image = Image.parse(reference)
    assert (image.repository, image.tag, image.digest) == parts


@pytest.mark.parametrize("reference", ["gateway", "registry.example:5000/gateway", "@sha256:1", ":1"])
def test_an_image_without_a_version_is_refused(reference: str) -> None:
    with pytest.raises(ValueError, match="REPOSITORY:TAG"):
        Image.parse(reference)


@pytest.mark.parametrize(
    ("spot", "capacity", "at_once"),
    [(0, "on-demand", {}), (1, "spot", {"chat": 2}), (2, "spot", {"chat": 4, "code": 2})],
)
def test_a_pool_on_spot_lets_aws_take_all_of_it_at_once(spot: int, capacity: str, at_once: dict[str, int]) -> None:
    """The notice is two minutes for all spot nodes together; a budget of one would wait for a successor to load."""
    plan = locks.plan(spot=spot)
    found = {}
    for pool in plan.pools:
        if pool.node_group != "shared":
            continue
        made = _vllm(plan, pool.name)
        assert made["nodeGroup"]["capacityType"] == capacity
        if "pdb" in made:
            found[pool.name.partition("-")[0]] = made["pdb"]["maxUnavailable"]
    assert found == at_once
