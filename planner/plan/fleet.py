"""What runs: node groups with the placement of replicas on them, and pools with the settings of their engines."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from planner.domain.offerings import CapacityType
from planner.plan.parts import PlanPart, Provenance
from planner.words.numbers import Figure


class NodePlacement(PlanPart):
    """Which pools' replicas stand on how many equal nodes of a group."""

    nodes: int
    replicas: dict[str, int]


class NodeGroup(PlanPart):
    """Equal machines that are bought and scaled together."""

    name: str
    instance_type: str
    gpu: str
    gpus_per_node: int
    vcpus_per_node: int
    memory_gib_per_node: int
    allocatable_cpu_m: int
    allocatable_memory_mib: int
    quota_family: str
    capacity_type: CapacityType
    zones: tuple[str, ...]
    min_nodes: int
    max_nodes: int
    exclusive: Annotated[bool, Field(description="holds replicas of one pool only; restricted data demands it")]
    placement: tuple[NodePlacement, ...]
    disk_gb: Annotated[int, Field(description="root volume of each node")]


class EngineSettings(PlanPart):
    """vLLM settings of every replica of a pool, in vLLM's own words."""

    tensor_parallel_size: int
    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    max_num_queued_reqs: int
    max_num_queued_tokens: int
    gpu_memory_utilization: Figure
    quantization: str | None
    dtype: str


class PoolClock(PlanPart):
    """Coefficients of one engine step (`planner.performance.step_time`); all in ms but the hit fraction."""

    dense_read_ms: Figure
    dense_compute_ms_per_token: Figure
    expert_read_ms: Figure
    expert_compute_ms_per_token: Figure
    expert_hit_fraction: Figure
    kv_read_ms_per_token: Figure
    attention_ms_per_token_pair: Figure
    overhead_ms: Figure
    overhead_ms_per_sequence: Figure
    comm_ms_per_token: Figure
    comm_ms_per_step: Figure


class PoolCapacity(PlanPart):
    """What one replica can take of one input band within the route's SLO."""

    route: str
    band: int
    requests_per_second: Figure
    low: Figure
    high: Figure
    provenance: Provenance
    binding: str
    ttft_p95_ms: Figure
    tpot_p95_ms: Figure


class Replicas(PlanPart):
    """How many replicas run. A pool of fixed size has min = max."""

    min: int
    max: int


class Pool(PlanPart):
    """Equal replicas of one model on one node group; one Helm release."""

    name: str
    model: str
    hf_id: str
    revision: str | None
    format: str
    gpu: str
    node_group: str
    privacy: Literal["public", "internal", "restricted"]
    replicas: Replicas
    max_in_flight: Annotated[int, Field(description="requests that the gateway lets into one replica at once")]
    engine: EngineSettings
    clock: PoolClock
    kv_tokens: int
    weights_gib_per_gpu: Figure
    load_seconds: Figure
    capacity: tuple[PoolCapacity, ...]
    peak_utilization: Figure
