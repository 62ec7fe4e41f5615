"""Lock → values of the two charts. The module is pure; the charts' `values.schema.json` is the contract, which a test
holds.

Only what the lock or the platform decides is written. Everything else is the chart's own default.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from infra import ingress, monitoring
from infra.images import Image
from infra.naming import (
    GATEWAY_NAMESPACE,
    GATEWAY_RELEASE,
    NAMESPACE_LABEL,
    POOL_TAINT,
    SERVING_NAMESPACE,
    label_value,
)
from infra.priorities import EQUAL, most_on_a_node, priority_of_canary
from infra.replica_hours import autoscaling
from infra.secret_rules import KeyStore, key_variables
from infra.sizing import load_seconds, replica_share
from infra.streaming import buffer_bytes
from planner.documents import routing
from planner.documents.lock import Lock
from planner.plan.engine import PoolCanary
from planner.plan.fleet import EngineSettings, NodeGroup, Pool, RopeParameters
from planner.plan.ingress import PlannedPoolTls

ZONE_ID_LABEL = "topology.k8s.aws/zone-id"
GATEWAY_LABELS = {"app.kubernetes.io/name": "gateway", "app.kubernetes.io/instance": GATEWAY_RELEASE}


def weights_prefix(pool: Pool) -> str:
    """Say where the pool's weights lie in the model bucket. Pools of one model and revision share them."""
    return f"{pool.hf_id}/{pool.revision or 'main'}"


def weights_source(pool: Pool, bucket: str) -> str:
    """Return the address of the pool's weights: the team's own, or their copy in the model bucket."""
    return pool.weights or f"s3://{bucket}/{weights_prefix(pool)}"


def own_places(pools: Iterable[Pool]) -> tuple[str, ...]:
    """Return the addresses of all that pools read from the team's own buckets, sorted: weights and adapters."""
    listed = tuple(pools)
    weights = {pool.weights for pool in listed if pool.weights is not None}
    return tuple(sorted(weights | {adapter.weights for pool in listed for adapter in pool.adapters}))


def vllm(
    pool: Pool,
    group: NodeGroup,
    *,
    bucket: str,
    region: str,
    store_cidrs: Sequence[str],
    image: Image | None,
    priority: str = EQUAL.name,
    canary: PoolCanary | None = None,
    pool_tls: PlannedPoolTls | None = None,
    monitored: bool = False,
    prometheus: str | None = None,
) -> dict[str, Any]:
    """Return the values of a pool's release.

    bucket: name of the model bucket.
    store_cidrs: addresses of S3 in the region.
    image: image to run; None takes the chart's own.
    priority: name of its replicas' priority class.
    canary: what takes over some of its replicas; None where all are its own.
    pool_tls: how the gateway speaks TLS to it; None in clear text.
    monitored: whether the cluster has the definitions of the Prometheus operator.
    prometheus: address of the Prometheus that scrapes the gateways; None where there is none.
    """
    engine = pool.engine
    beside = canary.replicas if canary is not None else 0
    node_share = replica_share(group, engine.gpus)
    share, replica_memory = node_share.quantities(), node_share.memory_mib
    most = most_on_a_node(group, pool)
    spread = 0 < most < pool.replicas.max
    values: dict[str, Any] = {
        "pool": label_value(pool.name),
        "replicas": pool.replicas.max - beside,
        "replicasBeside": beside or None,
        "privacy": pool.privacy,
        "model": {
            "name": pool.hf_id,
            "revision": pool.revision,
            "servedName": pool.name,
            "source": weights_source(pool, bucket),
        },
        "adapters": [{"name": each.name, "source": each.weights} for each in pool.adapters] or None,
        "modelStore": {
            "region": region,
            "streamer": {"memoryLimitBytes": buffer_bytes(replica_memory << 20, engine) or None},
        },
        "engine": {
            "tensorParallelSize": engine.tensor_parallel_size,
            "dataParallelSize": None if engine.data_parallel_size == 1 else engine.data_parallel_size,
            "apiServerCount": None if engine.api_server_count == 1 else engine.api_server_count,
            "expertParallel": engine.enable_expert_parallel or None,
            "maxModelLen": engine.max_model_len,
            "maxNumSeqs": engine.max_num_seqs,
            "maxNumBatchedTokens": engine.max_num_batched_tokens,
            "maxNumQueuedReqs": engine.max_num_queued_reqs,
            "maxNumQueuedTokens": queued_tokens_of_a_server(engine),
            "gpuMemoryUtilization": float(engine.gpu_memory_utilization),
            "quantization": engine.quantization,
            "dtype": engine.dtype,
            "kvCacheDtype": None if engine.kv_cache_dtype == "auto" else engine.kv_cache_dtype,
            "speculativeConfig": engine.speculative_config and engine.speculative_config.model_dump(mode="json"),
            "ropeParameters": engine.rope_parameters and rope_values(engine.rope_parameters),
            "maxLoras": engine.max_loras or None,
            "maxLoraRank": engine.max_lora_rank or None,
            "toolCallParser": engine.tool_call_parser,
            "reasoningParser": engine.reasoning_parser,
            "chatTemplate": engine.chat_template,
            "tokenizerMode": engine.tokenizer_mode,
            "languageModelOnly": engine.language_model_only or None,
        },
        # CPU has no limit: throttling stalls the engine's step loop. Memory has: the share is the replica's own.
        "resources": {"requests": share, "limits": {"memory": share["memory"]}},
        "nodeGroup": {
            "name": label_value(group.name),
            "capacityType": "spot" if group.spot else group.capacity_type,
            "gpusPerNode": group.gpus_per_node,
        },
        "tolerations": tolerations(pool, group),
        "placement": {
            "strategy": "spread" if spread else "pack",
            "maxReplicasPerNode": most or None,
            "zones": sorted(group.zones),
            "zoneKey": ZONE_ID_LABEL,
        },
        "priorityClass": {"create": False, "name": priority},
        "pdb": _disruption(group, most, pool.replicas.max - beside),
        # The replicas fill their nodes: there is no place for one more while another is replaced.
        "rollout": {"maxSurge": 0, "maxUnavailable": 1},
        "autoscaling": autoscaling(pool, group, prometheus),
        "probes": {"loadSeconds": load_seconds(pool)},
        "service": {"port": routing.POOL_PORT},
        "monitoring": monitoring.pool_values() if monitored else None,
        "tls": ingress.pool_certificate(pool_tls, routing.release_name(pool.name)),
        "networkPolicy": {
            "gateway": {"podLabels": GATEWAY_LABELS, "namespaceLabels": {NAMESPACE_LABEL: GATEWAY_NAMESPACE}},
            "modelStoreCidrs": sorted(store_cidrs),
        },
    }
    return _stated({**values, "image": image.values()} if image else values)


def vllm_canary(
    values: dict[str, Any], pool: Pool, canary: PoolCanary, image: Image, pool_tls: PlannedPoolTls | None = None
) -> dict[str, Any]:
    """Return the values of a canary's release, from those of its pool's: the same settings, nodes and rights.

    Its place is its pool's whenever that wants it back, so that it has a lower priority and no disruption budget. It
    runs as its pool's service account. The pool's alerts read the engines of both.
    """
    own, release = pool.replicas.max - canary.replicas, routing.release_name(canary.name)
    watched = values.get("monitoring")
    changed: dict[str, Any] = {
        **values,
        "pool": label_value(canary.name),
        "replicas": canary.replicas,
        "replicasBeside": own,
        "priorityClass": {"create": False, "name": priority_of_canary(pool).name},
        "pdb": {"enabled": False},
        "serviceAccount": {"create": False, "name": routing.release_name(pool.name)},
        "monitoring": watched and {**watched, "rules": {"enabled": False}},
        "tls": ingress.pool_certificate(pool_tls, release),
        "image": image.values(),
    }
    return _stated(changed)


def _disruption(group: NodeGroup, most: int, replicas: int) -> dict[str, int] | None:
    """Return how many replicas a drain may take at once, where that is more than the chart's one.

    AWS may take all spot nodes back with one notice of two minutes. A budget of one would let a second replica wait for
    the first one's successor, which loads for longer than that, and AWS would end it in the middle of its answers.
    """
    at_once = min(replicas, group.spot * (most or replicas))
    return {"maxUnavailable": at_once} if at_once > 1 else None


def rope_values(rope: RopeParameters) -> dict[str, Any]:
    """Return how positions are scaled, with numbers in place of the lock's texts."""
    return {**rope.model_dump(mode="json"), "factor": float(rope.factor), "rope_theta": float(rope.rope_theta)}


def queued_tokens_of_a_server(engine: EngineSettings) -> int:
    """Return the prompt tokens that may wait at one API server: its share of those of the replica.

    vLLM counts the waiting requests of all its API servers together, and the waiting tokens in each of them. Every
    server takes the longest prompt that the replica takes.
    """
    share = math.ceil(engine.max_num_queued_tokens / engine.api_server_count)
    return max(share, min(engine.max_num_queued_tokens, engine.max_model_len))


def tolerations(pool: Pool, group: NodeGroup) -> list[dict[str, str]]:
    """Return the tolerations beside the chart's own (GPU nodes): the taint that keeps others off an exclusive group."""
    if not group.exclusive:
        return []
    return [{"key": POOL_TAINT, "operator": "Equal", "value": label_value(pool.name), "effect": "NoSchedule"}]


def gateway(
    lock: Lock,
    *,
    image: Image | None,
    client_keys: str,
    provider_keys: str,
    key_store: KeyStore | None = None,
    node_cidrs: Sequence[str] = (),
    balancer: str | None = None,
    monitored: bool = False,
) -> dict[str, Any]:
    """Return the values of the gateway's release. The two keys are names of Kubernetes Secrets; no secret stands in
    values.

    A gateway whose routes never spill gets neither API keys nor a way to the Internet.

    key_store: where the keys lie at AWS, in place of the two Secrets.
    node_cidrs: addresses of the nodes.
    balancer: DNS name of the load balancer; None without one.
    monitored: whether the cluster has the definitions of the Prometheus operator.
    """
    spilling = any(route.fallback for route in lock.plan.routes)
    variables = key_variables(lock.plan)
    keys: dict[str, Any] = {
        "clientKeys": {"secretName": client_keys},
        "providerKeys": [{"env": name, "secretName": provider_keys, "key": name} for name in variables],
    }
    if key_store is not None:
        providers = [{"env": env, "name": name} for env, name in sorted(key_store.provider_keys.items())]
        stored = {"region": key_store.region, "clientKeys": key_store.client_keys, "providerKeys": providers}
        keys = {"awsSecrets": stored}
    values: dict[str, Any] = {
        "policy": {"document": json.dumps(routing.policy(lock), sort_keys=True, indent=2, ensure_ascii=False) + "\n"},
        **keys,
        "networkPolicy": {
            "apiEgress": spilling,
            "clients": ingress.clients(lock.plan.platform, node_cidrs),
            "pools": {"namespaceLabels": {NAMESPACE_LABEL: SERVING_NAMESPACE}, "port": routing.POOL_PORT},
        },
        **ingress.doors(lock.plan.platform, balancer),
        "poolTls": ingress.pool_authority(lock.plan.platform.pool_tls),
        "monitoring": monitoring.gateway_values(lock.plan) if monitored else None,
    }
    return _stated({**values, "image": image.values()} if image else values)


def _stated(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out nulls: what is not stated is the chart's default."""
    return {
        key: _stated(value) if isinstance(value, dict) else value for key, value in values.items() if value is not None
    }
