"""The machines and engines of a choice, in the words of the lock: node groups with their placement, and pools."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from planner.decision.answer.sizes import nodes_by_level, schedule_of, spot_by_level, warm_seconds
from planner.decision.answer.solved import Solved
from planner.decision.candidates.platform import NODE_DISK_GB
from planner.decision.candidates.rating import traffic_of
from planner.decision.candidates.replicas import question_of
from planner.decision.candidates.ruler import Ruler
from planner.decision.candidates.self_hosted import SelfHosted
from planner.domain.adapters import Adapter, max_lora_rank
from planner.domain.models import Drafter, Model, ScaledPositions
from planner.performance.admission import gate, queued_requests, queued_tokens
from planner.performance.full_gate import GatePart, full_gate
from planner.performance.memory import memory_share
from planner.performance.precision import engine_dtype
from planner.plan.fleet import (
    EngineSettings,
    NodeGroup,
    NodePlacement,
    Pool,
    PoolAdapter,
    PoolCapacity,
    PoolClock,
    Replicas,
    RopeParameters,
    SpeculativeConfig,
    tokens_of_step,
)
from planner.words.numbers import six_digits


def node_groups(solved: Solved) -> tuple[NodeGroup, ...]:
    """Return the node groups, sorted by name."""
    return tuple(_node_group(solved, name, pools) for name, pools in solved.groups.items())


def pools(solved: Solved, gates: Mapping[str, int]) -> tuple[Pool, ...]:
    """Return the pools, sorted by name. gates: see `gates`; a pool without one has its first gate."""
    return tuple(_pool(solved, pool, gates.get(pool.name) or _first_gate(solved, pool)) for pool in solved.pools)


def gates(solved: Solved, ruler: Ruler) -> dict[str, int]:
    """Return the requests that the gateway may let into one replica at once, by pool, for pools that spill.

    They are those up to which a replica in overload keeps what it promises. Where some route may use no API, requests
    wait at a full gate instead, and a lower one would only make them wait longer: the pool keeps its first gate.
    """
    return {
        pool.name: full_gate(_parts(solved, ruler, pool), _first_gate(solved, pool))
        for pool in solved.pools
        if all(solved.apis_of(route.name) for route in solved.routes_of(pool))
    }


def _parts(solved: Solved, ruler: Ruler, pool: SelfHosted) -> list[GatePart]:
    """Return the bands of a pool with their planned rates at the level where the pool is busiest."""
    choice, capacity = solved.choice, pool.replica_class.capacity
    most = solved.fleet.replicas[pool.name]
    busy = [six_digits(share * most) for share in choice.utilization(pool.name, most)]
    level = busy.index(max(busy))
    replicas = choice.replicas_at(pool.name, level, most)
    rates = {key: choice.planned(key, pool.name)[level] for key in choice.bands_of(pool.name)}
    return [
        GatePart(
            question=question_of(pool.replica, key, ruler),
            traffic=traffic_of(pool.replica, key),
            requests_per_second=rate / replicas,
            capacity=capacity[key],
        )
        for key, rate in rates.items()
        if rate > 0
    ]


def _node_group(solved: Solved, name: str, pools: Sequence[SelfHosted]) -> NodeGroup:
    k, offering = pools[0].replica_class, pools[0].offering
    nodes, made = solved.fleet.nodes[k.node_group], solved.environment.platform.cluster is None
    return NodeGroup(
        name=name,
        instance_type=k.instance_type,
        gpu=pools[0].shape.gpu.key,
        gpus_per_node=k.gpus_per_node,
        vcpus_per_node=k.vcpus_per_node,
        memory_gib_per_node=int(offering.instance.ram_gib),
        allocatable_cpu_m=offering.instance.allocatable_cpu_m,
        allocatable_memory_mib=offering.instance.allocatable_memory_mib,
        quota_family=k.quota_family if made else "",
        capacity_type="on-demand",
        zones=tuple(sorted(offering.zones)),
        min_nodes=min(nodes_by_level(solved, name)),
        max_nodes=len(nodes),
        exclusive=k.exclusive,
        placement=_placement(nodes),
        disk_gb=NODE_DISK_GB if made else 0,
        existing=solved.existing.count(name, "existing"),
        owned=solved.existing.count(name, "owned"),
        reservations=solved.existing.reserved(name, "reservation"),
        blocks=solved.existing.reserved(name, "block"),
        spot=solved.spot_of(name),
        committed={each.key: count for each, count in sorted(solved.committed[name].items())},
        schedule=schedule_of(solved, nodes_by_level(solved, name)),
        spot_schedule=schedule_of(solved, spot_by_level(solved, name)),
        warm_seconds=warm_seconds(solved, name),
    )


def _placement(nodes: Sequence[Mapping[str, int]]) -> tuple[NodePlacement, ...]:
    """Return the replicas of nodes. Equal nodes stand together, and the fullest come first."""
    counts: dict[tuple[tuple[str, int], ...], int] = {}
    for node in nodes:
        key = tuple(sorted(node.items()))
        counts[key] = counts.get(key, 0) + 1
    ordered = sorted(counts, key=lambda key: (-sum(n for _, n in key), key))
    return tuple(NodePlacement(nodes=counts[key], replicas=dict(key)) for key in ordered)


def _pool(solved: Solved, pool: SelfHosted, in_flight: int) -> Pool:
    replica, shape = pool.replica, pool.shape
    count, each = solved.fleet.replicas[pool.name], pool.replica_class.replicas_per_node
    by_level = tuple(nodes * each for nodes in nodes_by_level(solved, pool.group_name))
    scheduled = schedule_of(solved, by_level)
    routes = tuple(shape.route(route.name) for route in solved.routes_of(pool))
    kinds = {route.route.data for route in routes}
    context = max(route.lengths.mean_context for route in routes)
    adapters = adapters_of(solved, pool)
    return Pool(
        name=pool.name,
        model=shape.model.key,
        hf_id=shape.quantization.checkpoint or shape.model.hf_id,
        revision=shape.model.revision,
        format=shape.quantization.name,
        gpu=shape.gpu.key,
        node_group=pool.group_name,
        privacy="restricted" if "restricted" in kinds else "internal" if "internal" in kinds else "public",
        replicas=Replicas(min=min(by_level) if scheduled else count, max=count, week=scheduled),
        max_in_flight=in_flight,
        engine=EngineSettings(
            tensor_parallel_size=shape.parallelism.tensor_parallel_size,
            max_model_len=shape.max_model_len,
            max_num_seqs=replica.max_num_seqs,
            max_num_batched_tokens=replica.max_num_batched_tokens,
            max_num_queued_reqs=queued_requests(in_flight),
            max_num_queued_tokens=queued_tokens(
                replica.clock,
                [route.lengths for route in routes],
                [route.target for route in routes],
                tokens_of_step(
                    replica.max_num_batched_tokens,
                    replica.max_num_seqs,
                    shape.drafted,
                    replica.clock.tokens_per_sequence,
                )
                * shape.copies,
                [0.0 if replica.memory.state_bytes else route.repeated.shared_tokens for route in routes],
            ),
            gpu_memory_utilization=Decimal(str(memory_share(shape.gpu))),
            # vLLM reads the precision of a published checkpoint by itself; only quantizing while loading is asked for.
            quantization=shape.quantization.name if shape.quantization.at_load else None,
            dtype=engine_dtype(shape.quantization, shape.gpu),
            kv_cache_dtype=shape.kv_cache_dtype,
            data_parallel_size=shape.copies,
            enable_expert_parallel=shape.parallelism.enable_expert_parallel,
            api_server_count=replica.api_servers,
            speculative_config=_speculative_config(shape.drafter),
            rope_parameters=_rope_parameters(shape.model.positions),
            max_loras=len(adapters),
            max_lora_rank=max_lora_rank(adapters),
            **_flags(shape.model),
        ),
        clock=PoolClock(**{name: getattr(replica.clock, name) for name in PoolClock.model_fields}),
        kv_tokens=int(replica.memory.kv_tokens(context)),
        weights_gib_per_gpu=Decimal(replica.memory.weights_bytes / 2**30),
        load_seconds=pool.load_seconds,
        capacity=tuple(_capacity(pool, key[0], key[1]) for key in solved.choice.bands_of(pool.name)),
        peak_utilization=max(solved.choice.utilization(pool.name, count)),
        weights=shape.model.weights if shape.quantization.checkpoint == shape.model.hf_id else None,
        gated_licence=shape.model.gated_licence if shape.quantization.checkpoint == shape.model.hf_id else None,
        adapters=tuple(PoolAdapter(name=a.key, weights=a.weights, rank=a.rank) for a in adapters),
    )


def adapters_of(solved: Solved, pool: SelfHosted) -> tuple[Adapter, ...]:
    """Return the adapters that the replicas of a pool hold, sorted by name: those of the routes that it serves."""
    return pool.shape.adapters_of(route.name for route in solved.routes_of(pool))


def _flags(model: Model) -> dict[str, Any]:
    """Return what the engine must be told of a model. Pools serve text alone: the gateway lets nothing else through."""
    flags = model.engine_flags
    return {
        "tool_call_parser": flags and flags.tool_call_parser,
        "reasoning_parser": flags and flags.reasoning_parser,
        "chat_template": flags and flags.chat_template,
        "tokenizer_mode": flags and flags.tokenizer_mode,
        "language_model_only": model.architecture.vision is not None,
    }


def _rope_parameters(positions: ScaledPositions | None) -> RopeParameters | None:
    if positions is None:
        return None
    return RopeParameters(
        rope_type=positions.rope_type,
        factor=Decimal(str(positions.factor)),
        original_max_position_embeddings=positions.original_max_position_embeddings,
        rope_theta=Decimal(str(positions.rope_theta)),
    )


def _speculative_config(drafter: Drafter | None) -> SpeculativeConfig | None:
    if drafter is None:
        return None
    return SpeculativeConfig(
        method=drafter.method, num_speculative_tokens=drafter.num_speculative_tokens, model=drafter.checkpoint
    )


def _capacity(pool: SelfHosted, route: str, band: int) -> PoolCapacity:
    capacity = pool.replica.capacities[(route, band)]
    asked = pool.shape.route(route)
    longest = asked.mix_for(band, pool.shape.max_model_len).input_quantile(0.95)
    return PoolCapacity(
        route=route,
        band=band,
        requests_per_second=capacity.requests_per_second,
        low=capacity.low,
        high=capacity.high,
        provenance=capacity.provenance,
        binding=capacity.binding,
        ttft_p95_ms=capacity.ttft_ms_p95,
        tpot_p95_ms=capacity.tpot_ms_p95,
        e2e_p95_ms=capacity.e2e_ms_p95 if asked.target.e2e_ms < math.inf else None,
        p95_input_tokens=longest / asked.counts.ratio,
    )


def _first_gate(solved: Solved, pool: SelfHosted) -> int:
    """Return the requests that a replica of a pool serves at once at its capacity, in its busiest minute.

    Each band weighs as much as the time of replicas that it takes at its busiest level.
    """
    weighted = []
    for key in solved.choice.bands_of(pool.name):
        capacity = pool.replica.capacities[key]
        busy_replicas = solved.choice.busiest(key, pool.name) / capacity.requests_per_second
        weighted.append((busy_replicas, capacity.concurrency))
    return gate(weighted, pool.replica.max_num_seqs * pool.shape.copies)
