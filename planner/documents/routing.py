"""What carries traffic, from the lock: the gateway's policy document, and the clock of each pool's engine.

Both are plain values for JSON. In the cluster a pool is found by its headless service. A rehearsal gives URLs of
replicas instead, and may run faster than life, which divides every duration. The clocks are for rehearsals alone.
Restricted routes get no API of any kind here, and the gateway refuses a document that would give them one.

A pool with a canary is two pools of the document, `POOL` and `POOL-canary`, which answer to the same model name. Each
weight of the pool is shared by their replicas. A rehearsal plays the plan without canaries, as nobody has timed them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from planner.documents.lock import Lock
from planner.plan.engine import PoolCanary, canary_of
from planner.plan.fleet import Pool, PoolClock, tokens_of_step
from planner.plan.plan import Plan
from planner.plan.traffic import MOST_FULL, FallbackApi, PlannedRoute, RouteBand
from planner.words.numbers import price

POLICY_VERSION = "1.0"
METERED = Decimal("0.000001")
"""The smallest part of a price for a million tokens that the gateway counts, USD."""
SHARE = Decimal("0.000001")
"""Steps of the part of a pool's traffic that its canary gets."""
CLOCK_VERSION = "1.0"
SERVING_NAMESPACE = "serving"
POOL_PORT = 8000
POOL_FEATURES = ("functions", "logit_bias", "logprobs", "n", "response_format", "tools", "vllm")
"""Request features that a vLLM pool can answer. Pictures and sound need a multimodal model, which is not planned
yet."""

TOOLS = ("tools",)
"""Features that need a parser of the model's calls of tools."""


@dataclass(frozen=True)
class Addresses:
    """The addresses say where backends are; what is absent has the cluster's own name or the provider's own URL.

    pools: URLs of replicas, by pool.
    apis: base URL, by API.
    """

    pools: Mapping[str, Sequence[str]] = field(default_factory=dict)
    apis: Mapping[str, str] = field(default_factory=dict)


IN_CLUSTER = Addresses()


def policy(lock: Lock, addresses: Addresses = IN_CLUSTER, speed: float = 1.0) -> dict[str, Any]:
    """Return the policy document of a lock. Its schema is the gateway's own (`gateway/policy.py`).

    A replay at `speed`-fold speed divides all durations by it.
    """
    plan, beside = lock.plan, canaries(lock.plan)
    pools = {pool.name: _pool(pool, pool.name, addresses) for pool in plan.pools}
    tried = {beside[pool.name].name: pool for pool in plan.pools if pool.name in beside}
    shares = {pool.name: _shares(pool, beside.get(pool.name)) for pool in plan.pools}
    return {
        "version": POLICY_VERSION,
        "environment": lock.name,
        "lock_digest": lock.digests.content,
        "pools": pools | {name: _pool(pool, name, addresses) for name, pool in tried.items()},
        "apis": {api_name(api.name): _api(api, addresses) for api in plan.apis},
        "routes": {route.name: _route(route, plan, shares, speed) for route in plan.routes if route.reaches_gateway},
    }


def canaries(plan: Plan) -> dict[str, PoolCanary]:
    """Return the canary of each pool that has one, by pool."""
    found = ((pool.name, canary_of(plan.platform.engine, pool.name)) for pool in plan.pools)
    return {name: canary for name, canary in found if canary is not None}


def without_canaries(lock: Lock) -> Lock:
    """Return the lock with all replicas of each pool on one image. Its digests stay those of the whole lock."""
    platform = lock.plan.platform.model_copy(update={"engine": None})
    return lock.model_copy(update={"plan": lock.plan.model_copy(update={"platform": platform})})


def _shares(pool: Pool, canary: PoolCanary | None) -> dict[str, Decimal]:
    """Return which part of a pool's traffic goes to each of its pools in the document. They add up to 1 exactly."""
    if canary is None:
        return {pool.name: Decimal(1)}
    tried = (Decimal(canary.replicas) / pool.replicas.max).quantize(SHARE)
    return {pool.name: 1 - tried, canary.name: tried}


def clock(pool: Pool) -> dict[str, Any]:
    """Return what an imitation of this pool's engine needs to keep the plan's time (schema: `twin/engine`).

    Copies of the attention step together, so that they are one engine here, with the places and tokens of all of them.
    With a drafter, a step of the clock is the time in which each sequence receives one token
    (`planner.performance.speculation`).
    """
    engine, copies = pool.engine, pool.engine.data_parallel_size
    step = {name: float(getattr(pool.clock, name)) for name in PoolClock.model_fields}
    tokens = tokens_of_step(
        engine.max_num_batched_tokens, engine.max_num_seqs, engine.num_speculative_tokens, step["tokens_per_sequence"]
    )
    return {
        "version": CLOCK_VERSION,
        "pool": pool.name,
        "model": pool.name,
        "max_model_len": engine.max_model_len,
        "max_num_seqs": engine.max_num_seqs * copies,
        "max_num_batched_tokens": tokens * copies,
        "kv_tokens": pool.kv_tokens,
        "max_num_queued_reqs": engine.max_num_queued_reqs,
        "max_num_queued_tokens": engine.max_num_queued_tokens,
        "step": step,
        **({"adapters": [adapter.name for adapter in pool.adapters]} if pool.adapters else {}),
    }


def api_name(name: str) -> str:
    """Return the name of an API in the policy: `openai/gpt-4.1-mini@eu` becomes `openai.gpt-4.1-mini.eu`."""
    return name.replace("/", ".").replace("@", ".")


def release_name(pool: str) -> str:
    """Return the name of a pool's Helm release, which its Service has too."""
    return f"vllm-{pool}"


def _pool(pool: Pool, name: str, addresses: Addresses) -> dict[str, Any]:
    """Return a pool of the document. name: its name there, the pool's own or its canary's."""
    entry: dict[str, Any] = {
        "model": pool.name,
        "max_in_flight": pool.max_in_flight,
        "max_model_len": pool.engine.max_model_len,
        "supports": _features(pool),
    }
    if name in addresses.pools:
        return {**entry, "endpoints": list(addresses.pools[name])}
    service = f"{release_name(name)}.{SERVING_NAMESPACE}.svc.cluster.local"
    return {**entry, "address": f"{service}:{POOL_PORT}"}


def _features(pool: Pool) -> list[str]:
    """Return the features of requests that a pool answers. Without a parser its engine refuses to choose tools."""
    without = () if pool.engine.tool_call_parser else TOOLS
    return [feature for feature in POOL_FEATURES if feature not in without]


def _api(api: FallbackApi, addresses: Addresses) -> dict[str, Any]:
    cached = api.usd_per_million_cached_input_tokens
    return {
        "provider": api.provider,
        "protocol": api.protocol,
        "base_url": addresses.apis.get(api.name, api.base_url),
        "model": api.model,
        "api_key_env": api.api_key_env,
        "supports": list(api.supports),
        "renames": dict(api.renames),
        "usd_per_mtok": {
            "input": _metered(api.usd_per_million_input_tokens),
            "cached_input": None if cached is None else _metered(cached),
            "output": _metered(api.usd_per_million_output_tokens),
        },
        "context_tokens": api.context_tokens,
        "limits": {"rpm": api.requests_per_minute, "tpm": api.tokens_per_minute},
    }


def _metered(usd: Decimal) -> str:
    """Return a price as the gateway counts it: to a millionth of a dollar, which a discount can go beyond."""
    metered = usd.quantize(METERED)
    return f"{usd if metered == usd else price(metered):f}"


Shares = Mapping[str, Mapping[str, Decimal]]
"""Pool of the plan → its pools in the document → which part of its traffic each of them gets."""


def _route(route: PlannedRoute, plan: Plan, shares: Shares, speed: float) -> dict[str, Any]:
    triggers = route.triggers
    entry: dict[str, Any] = {
        "privacy": route.privacy,
        "bytes_per_token": float(route.bytes_per_token),
        "bands": [_band(route, band, shares) for band in route.bands],
        "fallback": [api_name(name) for name in route.fallback],
        "overflow": "api" if route.fallback else "refuse",
        "spill_after_ms": _scaled(triggers.spill_after_ms, speed),
        # Both are rounded, and the gateway wants the first below the second at any speed.
        "deadline_ms": max(_scaled(triggers.deadline_ms, speed), _scaled(triggers.spill_after_ms, speed) + 1),
        "queue_ms": _scaled(triggers.queue_ms, speed),
    }
    if route.deferred and _stands_beside_others(route, plan):
        entry["most_full"] = MOST_FULL
    if (promised := _first_token(route, speed)) is not None:
        entry["first_token"] = promised
    if route.adapters:
        entry["models"] = dict(
            sorted((name, adapter) for pool, adapter in route.adapters.items() for name in shares[pool])
        )
    if route.api_max_input_tokens:
        limits = sorted(route.api_max_input_tokens.items())
        entry["api_max_input_tokens"] = {api_name(name): tokens for name, tokens in limits}
    return entry


def _stands_beside_others(route: PlannedRoute, plan: Plan) -> bool:
    """Say whether a route that may wait shares a pool with one that is answered at once."""
    others = {name for each in plan.routes if each.deferred is None for band in each.bands for name in band.weights}
    return any(name in others for band in route.bands for name in band.weights)


def _first_token(route: PlannedRoute, speed: float) -> dict[str, float] | None:
    """Return when the first token is promised, by the length of the prompt; None where nothing is promised."""
    slo = route.slo
    if slo.ttft_p95_base_ms is None:
        return None
    per_1k = slo.ttft_p95_per_1k_input_ms or 0
    return {"base_ms": float(slo.ttft_p95_base_ms) / speed, "per_1k_input_ms": float(per_1k) / speed}


def _api_share(route: PlannedRoute, band: RouteBand) -> float:
    """Return the share of what reaches the gateway that goes to an API at every hour. Batches do not reach it."""
    if route.deferred is None:
        return float(band.api_share)
    if not band.weights:
        return 0.0 if band.is_refused else 1.0
    return float(route.deferred.apis / (1 - route.deferred.in_batches)) if route.fallback else 0.0


def _band(route: PlannedRoute, band: RouteBand, shares: Shares) -> dict[str, Any]:
    parts = ((name, weight * part) for pool, weight in band.weights.items() for name, part in shares[pool].items())
    entry: dict[str, Any] = {
        "max_input_tokens": band.max_input_tokens,
        "weights": {name: float(weight) for name, weight in sorted(parts)},
        "api_share": _api_share(route, band),
    }
    if band.is_refused:
        entry["refused"] = True
    if band.cut_to_tokens is not None:
        entry["cut_to_tokens"] = band.cut_to_tokens
    return entry


def _scaled(duration_ms: int, speed: float) -> int:
    return max(1, round(duration_ms / speed)) if duration_ms else 0
