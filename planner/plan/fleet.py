"""What runs: node groups with the placement of replicas on them, and pools with the settings of their engines."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Literal

from planner.domain.offerings import CapacityType
from planner.plan.parts import PlanPart, Provenance
from planner.plan.schedule import Schedule, sizes_by_hour
from planner.words.fields import left_out_at
from planner.words.numbers import Figure


class NodePlacement(PlanPart):
    """A placement says what stands on some equal nodes of a group.

    nodes: number of these nodes.
    replicas: number of replicas on each of them, by pool.
    """

    nodes: int
    replicas: dict[str, int]


class NodeGroup(PlanPart):
    """A node group is equal machines that are bought and scaled together.

    allocatable_cpu_m: CPU that Kubernetes can give to the pods of a node, thousandths of a vCPU.
    allocatable_memory_mib: memory that Kubernetes can give to the pods of a node, MiB.
    quota_family: family of instance types whose vCPU quota the nodes use; empty for nodes that are there already.
    zones: ids of the availability zones that the nodes may stand in.
    min_nodes, max_nodes: number of nodes; a group of fixed size has min = max.
    schedule: number of nodes by the clock, with those that are spot; None for a group of fixed size.
    spot_schedule: how many of them are spot, where that changes too; `spot` is the most of them.
    warm_seconds: time from the request for a node until a replica on it serves, seconds; 0 for a group of fixed size.
    exclusive: whether it holds replicas of one pool only, as restricted data demands.
    disk_gb: root volume of each node, GB; 0 for nodes that are there already.
    owned: nodes that are machines of the team's own, outside AWS: nothing creates them, and they join by their labels.
    reservations, blocks: nodes on open capacity reservations and on capacity blocks of the account, by the id `cr-…`.
    existing: nodes whose machines the team pays for already, at the price that the environment states; a reservation or
    a savings plan of the account covers them when they are created.
    spot: nodes that are spot, which AWS may take back. They bear the labels of the others, and stand in a node group of
    EKS of their own.
    committed: nodes that a commitment of the account covers, by the commitment's key, such as
    `reserved-1y/no-upfront`; they are nodes on demand of which AWS bills the commitment.
    update: how EKS renews nodes: `default` starts new ones first, up to two a zone beside the old ones; `minimal` ends
    an old one first and needs no room.
    """

    name: str
    instance_type: str
    capacity_type: CapacityType
    min_nodes: int
    max_nodes: int
    existing: int = left_out_at(0)
    owned: int = left_out_at(0)
    reservations: dict[str, int] = left_out_at({})
    blocks: dict[str, int] = left_out_at({})
    spot: int = left_out_at(0)
    committed: dict[str, int] = left_out_at({})
    gpu: str
    gpus_per_node: int
    exclusive: bool
    placement: tuple[NodePlacement, ...]
    zones: tuple[str, ...]
    disk_gb: int
    quota_family: str
    vcpus_per_node: int
    memory_gib_per_node: int
    allocatable_cpu_m: int
    allocatable_memory_mib: int
    update: Literal["default", "minimal"] = left_out_at("default")
    schedule: Schedule | None = left_out_at(None)
    spot_schedule: Schedule | None = left_out_at(None)
    warm_seconds: int = left_out_at(0)

    @property
    def paid(self) -> int:
        """Return the number of its nodes whose machines are paid for already, in whatever way."""
        return self.existing + self.owned + sum(self.reservations.values()) + sum(self.blocks.values())

    @property
    def quota_nodes(self) -> int:
        """Return the number of its nodes, but for spot, that count against the account's quota."""
        return self.max_nodes - self.spot - self.owned - sum(self.blocks.values())

    @property
    def follows_the_clock(self) -> bool:
        """Say whether its nodes, or the spot ones among them, change their number by the clock."""
        return self.schedule is not None or self.spot_schedule is not None

    @property
    def by_hour(self) -> tuple[int, ...]:
        """Return its nodes in each hour of the local week, with those that are spot."""
        return sizes_by_hour(self.schedule, self.max_nodes)

    @property
    def spot_by_hour(self) -> tuple[int, ...]:
        """Return its spot nodes in each hour of the local week."""
        return sizes_by_hour(self.spot_schedule, self.spot)

    @property
    def firm_by_hour(self) -> tuple[int, ...]:
        """Return its nodes in each hour of the local week that are not spot."""
        return tuple(every - spot for every, spot in zip(self.by_hour, self.spot_by_hour, strict=True))

    @property
    def count_words(self) -> str:
        """Say how many nodes it has, like `4`, or `1 to 4` where their number follows the clock."""
        return f"{self.max_nodes}" if self.schedule is None else f"{self.min_nodes} to {self.max_nodes}"

    @property
    def ways(self) -> str:
        """Say how its nodes are paid for, like `4 on-demand, 2 spot`; one way alone stands without its number."""
        paid = self.paid + self.spot + sum(self.committed.values())
        counts = {
            "owned": self.owned,
            "capacity block": sum(self.blocks.values()),
            "reserved capacity": sum(self.reservations.values()),
            "existing": self.existing,
            self.capacity_type: self.max_nodes - paid,
            **{key.replace("/", " "): count for key, count in sorted(self.committed.items())},
            "spot": self.spot,
        }
        told = {words: count for words, count in counts.items() if count}
        return ", ".join(f"{count} {words}" if len(told) > 1 else words for words, count in told.items())


class SpeculativeConfig(PlanPart):
    """The speculative configuration is vLLM's `--speculative-config`: what proposes tokens, and how many in one step.

    model: checkpoint of the drafter; None where it is a part of the model's own.
    """

    method: Literal["mtp", "eagle3"]
    num_speculative_tokens: int
    model: str | None = left_out_at(None)


def tokens_of_step(
    max_num_batched_tokens: int, max_num_seqs: int, num_speculative_tokens: int, tokens_per_sequence: float
) -> int:
    """Return the most tokens of a step of the clock, in which each sequence receives one token.

    A step of the engine holds B tokens: V of each of C sequences, which are verified, and the prompts of A steps of the
    clock. That is C + (B − V·C)/A in a full batch; and B where no token is proposed.
    """
    if not num_speculative_tokens:
        return max_num_batched_tokens
    verified = 1 + num_speculative_tokens
    received = verified / tokens_per_sequence
    return max_num_seqs + math.floor((max_num_batched_tokens - verified * max_num_seqs) / received)


class RopeParameters(PlanPart):
    """The rope parameters say how positions are scaled; vLLM's `--hf-overrides` puts them into the configuration."""

    rope_type: Literal["yarn"]
    factor: Figure
    original_max_position_embeddings: int
    rope_theta: Figure


class EngineSettings(PlanPart):
    """The engine settings are vLLM's arguments for every replica of a pool, in vLLM's own words.

    tensor_parallel_size: GPUs of one copy of the attention.
    max_num_seqs, max_num_batched_tokens: sequences and tokens of a step, of each copy of the attention.
    max_num_queued_reqs, max_num_queued_tokens: limits of the whole replica.
    quantization: how weights are quantized while they load; None where the checkpoint says so itself.
    dtype: precision of activations.
    kv_cache_dtype: form of the KV cache; `auto` is that of the model.
    data_parallel_size: copies of the attention, each with a KV cache and a scheduler of its own.
    enable_expert_parallel: whether experts lie whole on one GPU each.
    api_server_count: processes that speak HTTP, make tokens of text and stream them.
    speculative_config: how tokens are proposed (speculative decoding); None where they are not.
    rope_parameters: how positions are scaled, where that is not what the model's configuration says.
    max_loras, max_lora_rank: slots of LoRA adapters, and the rank of each; 0 without adapters.
    tool_call_parser, reasoning_parser, chat_template, tokenizer_mode: how calls of tools and thoughts are read, and
    chats are written; None as the engine does without the flag.
    language_model_only: whether parts for pictures and sound stay out, because the pool serves text alone.
    """

    tensor_parallel_size: int
    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    max_num_queued_reqs: int
    max_num_queued_tokens: int
    gpu_memory_utilization: Figure
    quantization: str | None
    dtype: str
    kv_cache_dtype: str = left_out_at("auto")
    data_parallel_size: int = left_out_at(1)
    enable_expert_parallel: bool = left_out_at(False)
    api_server_count: int = left_out_at(1)
    speculative_config: SpeculativeConfig | None = left_out_at(None)
    rope_parameters: RopeParameters | None = left_out_at(None)
    max_loras: int = left_out_at(0)
    max_lora_rank: int = left_out_at(0)
    tool_call_parser: str | None = left_out_at(None)
    reasoning_parser: str | None = left_out_at(None)
    chat_template: str | None = left_out_at(None)
    tokenizer_mode: str | None = left_out_at(None)
    language_model_only: bool = left_out_at(False)

    @property
    def gpus(self) -> int:
        """Return the GPUs of one replica."""
        return self.tensor_parallel_size * self.data_parallel_size

    @property
    def num_speculative_tokens(self) -> int:
        """Return the tokens that are proposed for each sequence in one step; 0 without speculative decoding."""
        return self.speculative_config.num_speculative_tokens if self.speculative_config else 0


class PoolAdapter(PlanPart):
    """A pool's adapter is a LoRA adapter that every replica holds beside the weights.

    name: the model name that the engine is asked for.
    weights: where its files lie, `s3://BUCKET/PREFIX`.
    rank: the largest rank of its matrices.
    """

    name: str
    weights: str
    rank: int


class PoolClock(PlanPart):
    """A pool's clock is the coefficients of one engine step, ms. The hit fraction and the tokens have no unit.

    Their formula stands in `planner.performance.step_time`.
    """

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
    server_ms_per_sequence: Figure = left_out_at(Decimal(0))
    tokens_per_sequence: Figure = left_out_at(Decimal(1))


class PoolCapacity(PlanPart):
    """A capacity says what one replica can serve of one input band within the route's SLO.

    band: index of the input band.
    low, high: requests/s at the ends of the error interval of step times.
    binding: what gives way first above the capacity.
    ttft_p95_ms, tpot_p95_ms, e2e_p95_ms: latency at the capacity, 95th percentile, ms. The last one is stated for
    routes that promise it.
    p95_input_tokens: prompt that 95 % of the band's requests do not exceed, tokens; None in locks that do not say it.
    """

    route: str
    band: int
    requests_per_second: Figure
    low: Figure
    high: Figure
    binding: str
    ttft_p95_ms: Figure
    tpot_p95_ms: Figure
    e2e_p95_ms: Figure | None = left_out_at(None)
    p95_input_tokens: Figure | None = left_out_at(None)
    provenance: Provenance


class Replicas(PlanPart):
    """The replicas of a pool number `min` to `max`. A pool of fixed size has min = max.

    week: how many of them run by the clock; None in a pool of fixed size.
    """

    min: int
    max: int
    week: Schedule | None = left_out_at(None)

    @property
    def by_hour(self) -> tuple[int, ...]:
        """Return how many there are in each hour of the local week."""
        return sizes_by_hour(self.week, self.max)

    @property
    def words(self) -> str:
        """Say how many there are, like `4`, or `1 to 4` where their number follows the clock."""
        return f"{self.max}" if self.week is None else f"{self.min} to {self.max}"


class Pool(PlanPart):
    """A pool is equal replicas of one model on one node group. It becomes one Helm release.

    hf_id, revision: repository and commit of the weights at Hugging Face.
    weights: where a team's own weights lie, `s3://BUCKET/PREFIX`; the key stands in the file only for those.
    gated_licence: licence that must be accepted at Hugging Face before the weights can be read; None where none must.
    format: format of the weights in GPU memory.
    privacy: the strictest class of data that it serves.
    max_in_flight: requests that the gateway lets into one replica at once.
    clock: step times that the plan expects, for rehearsals.
    kv_tokens: tokens that the KV cache of one replica holds.
    load_seconds: time from the start of a container until it serves, seconds.
    capacity: what one replica can serve of each band that is sent to the pool.
    peak_utilization: share of the replicas that is busy at the busiest level.
    adapters: LoRA adapters that its replicas hold, sorted by name.
    """

    name: str
    model: str
    format: str
    gpu: str
    replicas: Replicas
    node_group: str
    privacy: Literal["public", "internal", "restricted"]
    peak_utilization: Figure
    hf_id: str
    revision: str | None
    weights: str | None = left_out_at(None)
    gated_licence: str | None = left_out_at(None)
    adapters: tuple[PoolAdapter, ...] = left_out_at(())
    engine: EngineSettings
    max_in_flight: int
    kv_tokens: int
    weights_gib_per_gpu: Figure
    load_seconds: Figure
    capacity: tuple[PoolCapacity, ...]
    clock: PoolClock
