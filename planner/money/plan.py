"""A plan: what will run, where each route goes, what it costs and why, as frozen values.

These are the parts that the lock file holds. They say what was decided; how it was decided stands in `decision`. Lists
are sorted by name. Units stand in the names; money is USD, and a month has 730 hours.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from planner.money.numbers import Dollars, Figure, UnitPrice

Provenance = Literal["measured", "calibrated", "analytic"]
CapacityType = Literal["on-demand", "spot", "reserved", "capacity-block"]
State = Literal["pass", "warn", "deny"]


class Part(BaseModel):
    """Base of everything in a plan. Unknown keys of a newer minor version are not read, but kept: the content digest
    of the lock covers them."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Level(Part):
    """Hours of a month that look alike. `mean` bills, `planned` sizes: p95 of the rate over the scale-up window."""

    name: str
    hours: Figure
    mean_requests_per_second: dict[str, Figure]
    planned_requests_per_second: dict[str, Figure]


class NodePlacement(Part):
    """Which pools' replicas stand on how many equal nodes of a group."""

    nodes: int
    replicas: dict[str, int]


class NodeGroup(Part):
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


class Engine(Part):
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


class StepClock(Part):
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


class Capacity(Part):
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


class Replicas(Part):
    """Fixed pools have min = max. `schedule` is for pools that follow the clock, which come later."""

    min: int
    max: int
    schedule: tuple[str, ...] = ()


class Pool(Part):
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
    engine: Engine
    clock: StepClock
    kv_tokens: int
    weights_gib_per_gpu: Figure
    load_seconds: Figure
    capacity: tuple[Capacity, ...]
    peak_utilization: Figure
    adapters: tuple[str, ...] = ()


class Band(Part):
    """Requests of a route whose prompt is at most `max_input_tokens` long (None: no bound)."""

    max_input_tokens: int | None
    share_of_requests: Figure
    mean_input_tokens: Figure
    mean_output_tokens: Figure
    weights: dict[str, Figure]
    api_share: Annotated[Figure, Field(description="share sent to the API at every hour, as planned")]
    spill_by_level: Annotated[dict[str, Figure], Field(description="share sent to the API at each level")]


class Triggers(Part):
    """When the gateway gives up on the local pools, in ms."""

    spill_after_ms: int
    deadline_ms: int
    queue_ms: int


class Slo(Part):
    """What is promised at the 95th percentile."""

    ttft_p95_base_ms: Figure
    ttft_p95_per_1k_input_ms: Figure
    tpot_p95_ms: Figure
    availability: Figure


class Route(Part):
    """Where the requests of a route go."""

    name: str
    task: str
    privacy: Literal["public", "internal", "restricted"]
    residency: tuple[str, ...]
    slo: Slo
    model: str | None
    bytes_per_token: Figure
    bands: tuple[Band, ...]
    fallback: tuple[str, ...]
    triggers: Triggers
    spill_share: Figure
    usd_per_month: Dollars
    usd_per_million_tokens: Figure
    binding: str
    reasons: tuple[str, ...]
    tiers: tuple[str, ...] = ()


class ApiModel(Part):
    """A hosted model that some route may spill to."""

    name: str
    provider: str
    model: str
    base_url: str
    api_key_env: str
    supports: tuple[str, ...]
    renames: dict[str, str]
    context_tokens: int
    usd_per_million_input_tokens: UnitPrice
    usd_per_million_cached_input_tokens: UnitPrice | None
    usd_per_million_output_tokens: UnitPrice
    tokens_per_minute: int | None
    requests_per_minute: int | None


class CostLine(Part):
    """quantity × unit_price = usd_per_month, with where the price comes from."""

    name: str
    component: str
    kind: Literal["fixed", "usage"]
    quantity: Figure
    unit: str
    unit_price: UnitPrice
    usd_per_month: Dollars
    price: Annotated[str, Field(description="key of the row in the price snapshot")]
    source: str
    as_of: str


class Cost(Part):
    """The bill of a month. Low and high carry the error interval of the capacities to the dollar."""

    lines: tuple[CostLine, ...]
    fixed_usd_per_month: Dollars
    usage_usd_per_month: Dollars
    usd_per_month: Dollars
    low_usd_per_month: Dollars
    high_usd_per_month: Dollars


class Verdict(Part):
    """One judgement on the plan."""

    name: str
    state: State
    message: str


class Alternative(Part):
    """A plan that was not taken, or a baseline that the environment was forced into. None: it does not exist."""

    name: str
    usd_per_month: Dollars | None
    description: str


class ScalePoint(Part):
    """The plan re-solved at a multiple of the load."""

    scale: Figure
    usd_per_month: Dollars
    all_api_usd_per_month: Dollars | None
    gpus: int
    api_share: Figure
    fleet: str
    routes: Annotated[dict[str, str], Field(description="route → self-host | api | hybrid")]


class Omission(Part):
    """Candidates that were not considered further, counted by their first reason."""

    reason: str
    count: int


class OverrideInForce(Part):
    """A pool size set by hand, shown in every report until it expires."""

    pool: str
    min: int
    max: int
    reason: str
    expires: str


class Solver(Part):
    """How the optimum was found and how far it can be from the true one."""

    status: str
    gap: Figure
    bound_usd_per_month: Dollars
    classes: int
    levels: int
    versions: dict[str, str]
    options: dict[str, str]


class Platform(Part):
    """Where the plan runs; copied from the environment, as infra reads nothing else."""

    account: str
    region: str
    zones: tuple[str, ...]
    nat: Literal["none", "single", "per-zone"]
    cidr: str
    public_cidrs: tuple[str, ...]
    deploy_role: str | None
    admin_roles: tuple[str, ...]
    kubernetes: str


class Plan(Part):
    """The whole answer."""

    platform: Platform
    levels: tuple[Level, ...]
    node_groups: tuple[NodeGroup, ...]
    pools: tuple[Pool, ...]
    routes: tuple[Route, ...]
    apis: tuple[ApiModel, ...]
    cost: Cost
    verdicts: tuple[Verdict, ...]
    overrides: tuple[OverrideInForce, ...]
    baselines: tuple[Alternative, ...]
    runners_up: tuple[Alternative, ...]
    break_even: tuple[ScalePoint, ...]
    omitted: tuple[Omission, ...]
    solver: Solver
