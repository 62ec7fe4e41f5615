"""Time of one engine step of a replica, and what follows from it for one request.

    step = max(dense + experts·(1 − (1 − k/E)^(C+P)) + kv·X,  compute·(C+P) + attention·P·context)
           + overhead + comm_per_step + comm_per_token·(C+P)

C sequences decode one token each while holding X tokens of context in all; P prompt tokens are computed in the same
step, each attending to `context` tokens on average (half the prompt for a whole prompt). Left of the max is reading
memory, right is arithmetic. The expert term is the expected number of distinct experts that C + P tokens visit. An
all-reduce carries a ring's volume on every link, in one hop through a switch and TP − 1 round a PCIe bus; shared host
bridges are not modelled, so decoding over PCIe at TP 8 comes out faster than published runs.

A `StepClock` is this formula with its nine numbers for one deployment class. It is what a plan is rehearsed against,
so it must not know percentiles, arrivals or memory limits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from planner.domain.models import Architecture, Quantization
from planner.domain.offerings import Gpu, Link
from planner.performance.coefficients import Coefficients
from planner.performance.memory import dense_bytes, kv_share, state_bytes
from planner.performance.precision import (
    KV_BYTES_RATIO,
    PACKED,
    ComputeType,
    KvFormat,
    Unsupported,
    bytes_per_weight,
    peak_flops,
    support,
)

Floats = NDArray[np.float64]
REFERENCE_CONTEXT_TOKENS = 2048.0
"""Context at which windowed layers and constant state are spread over tokens when the workload is not known."""


@dataclass(frozen=True, slots=True)
class StepClock:
    """The step time of one deployment class. All times in milliseconds on one rank; ranks step together."""

    dense_read_ms: float
    expert_read_ms: float
    """Reading every routed expert once."""
    expert_hit_fraction: float
    """k/E; 0 for a dense model."""
    kv_read_ms_per_token: float
    compute_ms_per_token: float
    attention_ms_per_token_pair: float
    overhead_ms: float
    comm_ms_per_token: float
    comm_ms_per_step: float

    def step_ms(
        self, decode_sequences: float, context_tokens: float, prefill_tokens: float = 0.0, prefill_context: float = 0.0
    ) -> float:
        """One step: `decode_sequences` over `context_tokens` in all, and `prefill_tokens` of prompt."""
        tokens = decode_sequences + prefill_tokens
        missed = math.pow(1.0 - self.expert_hit_fraction, tokens)
        read = self.dense_read_ms + self.expert_read_ms * (1.0 - missed) + self.kv_read_ms_per_token * context_tokens
        compute = (
            self.compute_ms_per_token * tokens + self.attention_ms_per_token_pair * prefill_tokens * prefill_context
        )
        return max(read, compute) + self.overhead_ms + self.comm_ms_per_step + self.comm_ms_per_token * tokens

    def tpot_ms(
        self, concurrency: float, input_tokens: float, output_tokens: float, max_num_batched_tokens: int = 8192
    ) -> float:
        """Mean time per output token when `concurrency` equal requests are always in the engine.

        A request of O > 1 tokens sees each of the others' prompts once in its life: T_dec + (C − 1)/O · ΔT_prefill.
        """
        context = concurrency * (input_tokens + output_tokens / 2.0)
        added = self.prefill_added_ms(concurrency, context, input_tokens, max_num_batched_tokens)
        return self.step_ms(concurrency, context) + (concurrency - 1.0) / output_tokens * added

    def prefill_ms(self, input_tokens: float, max_num_batched_tokens: int = 8192) -> float:
        """Time to the first token of one prompt on an idle replica, queue and network left out."""
        chunks = max(1, math.ceil(input_tokens / max_num_batched_tokens))
        return chunks * self.step_ms(0.0, 0.0, input_tokens / chunks, input_tokens / 2.0)

    def prefill_added_ms(
        self, decode_sequences: float, context_tokens: float, input_tokens: float, max_num_batched_tokens: int = 8192
    ) -> float:
        """What one prompt adds to the decode steps that it shares."""
        chunks = max(1, math.ceil(input_tokens / max_num_batched_tokens))
        shared = self.step_ms(decode_sequences, context_tokens, input_tokens / chunks, input_tokens / 2.0)
        return chunks * (shared - self.step_ms(decode_sequences, context_tokens))

    def slowed(self, factor: float) -> StepClock:
        """The same class with every step `factor` times as long: a margin, or an engine slower than planned."""
        times = {f.name: getattr(self, f.name) * factor for f in fields(self) if f.name != "expert_hit_fraction"}
        return replace(self, **times)


@dataclass(frozen=True, slots=True)
class ClockTable:
    """The same nine numbers of many classes, each an array that broadcasts against the others."""

    dense_read_ms: Floats
    expert_read_ms: Floats
    expert_hit_fraction: Floats
    kv_read_ms_per_token: Floats
    compute_ms_per_token: Floats
    attention_ms_per_token_pair: Floats
    overhead_ms: Floats
    comm_ms_per_token: Floats
    comm_ms_per_step: Floats

    def step_ms(
        self, decode_sequences: Floats, context_tokens: Floats, prefill_tokens: Floats, prefill_context: Floats
    ) -> Floats:
        """`StepClock.step_ms`, element by element under numpy's broadcasting."""
        tokens = decode_sequences + prefill_tokens
        missed = np.exp(tokens * np.log1p(-self.expert_hit_fraction))
        read = self.dense_read_ms + self.expert_read_ms * (1.0 - missed) + self.kv_read_ms_per_token * context_tokens
        compute = (
            self.compute_ms_per_token * tokens + self.attention_ms_per_token_pair * prefill_tokens * prefill_context
        )
        fixed = self.overhead_ms + self.comm_ms_per_step
        result: Floats = np.maximum(read, compute) + fixed + self.comm_ms_per_token * tokens
        return result


def clock_table(clocks: Sequence[StepClock], dimensions: int) -> ClockTable:
    """Stack clocks along the first of `dimensions` axes, the others of length 1."""
    shape = (len(clocks),) + (1,) * (dimensions - 1)
    return ClockTable(*(np.array([getattr(c, f.name) for c in clocks]).reshape(shape) for f in fields(StepClock)))


@dataclass(frozen=True, slots=True)
class IdealStep:
    """The same step on perfect hardware: datasheet bandwidth and peak, no overhead, links at their datasheet rate.

    Coefficients divide these times by the share of the datasheet that is reached.
    """

    dense_read_ms: float
    packed_read_ms: float
    """Always-touched weights in a 4-bit format, which kernels unpack on the way."""
    expert_read_ms: float
    expert_hit_fraction: float
    kv_read_ms_per_token: float
    compute_ms_per_token: tuple[tuple[ComputeType, float], ...]
    attention_ms_per_token_pair: float
    layers: int
    moe_layers: int
    all_reduces: int
    """Two in each layer from TP 2 on."""
    hops: float
    """Steps of one all-reduce: 1 through a switch, TP − 1 round a bus."""
    volume_ms_per_token: float
    link: Link


def ideal_step(
    shape: Architecture,
    quantization: Quantization,
    gpu: Gpu,
    tensor_parallel_size: int,
    *,
    kv_format: KvFormat = "bf16",
    context_tokens: float = REFERENCE_CONTEXT_TOKENS,
) -> IdealStep:
    """The ideal step of a class whose sequences hold `context_tokens` on average.

    Raises ValueError when the GPU does not run the format; `memory_fit` gives that reason as a value first.
    """
    dense_compute = _compute_type(quantization.dense, gpu)
    expert_compute = _compute_type(quantization.experts, gpu)
    ranks = tensor_parallel_size
    ms_per_byte = 1e3 / (gpu.bandwidth_gb_per_s * 1e9)
    ms_per_16bit_flop = 1e3 / ranks / peak_flops(gpu, "16-bit")
    dense = dense_bytes(shape, quantization, ranks) * ms_per_byte
    head = shape.vocab * shape.hidden * 2.0 / ranks * ms_per_byte
    packed = quantization.dense in PACKED
    experts = shape.routed_expert_params * bytes_per_weight(quantization.experts, shape.hidden) / ranks
    hit = shape.experts.experts_per_token / shape.experts.experts if shape.experts else 0.0
    held = KV_BYTES_RATIO[kv_format] * kv_share(shape, ranks)
    in_window = min(context_tokens, float(shape.sliding_window or 0))
    kv = held * (shape.kv_bytes_per_token_growing * context_tokens + shape.kv_bytes_per_token_windowed * in_window)
    kv += 2.0 * state_bytes(shape) / ranks
    pair = 2.0 * shape.heads * _score_and_value_width(shape)
    per_token: tuple[tuple[ComputeType, float], ...] = (
        (dense_compute, 2e3 * shape.dense_params / ranks / peak_flops(gpu, dense_compute)),
        (expert_compute, 2e3 * shape.routed_expert_params * hit / ranks / peak_flops(gpu, expert_compute)),
        ("16-bit", pair * shape.sliding_layers * in_window * ms_per_16bit_flop),
    )
    copies, hops = _all_reduce(gpu.link, ranks)
    return IdealStep(
        dense_read_ms=(0.0 if packed else dense) + head,
        packed_read_ms=dense if packed else 0.0,
        expert_read_ms=experts * ms_per_byte,
        expert_hit_fraction=hit,
        kv_read_ms_per_token=kv / context_tokens * ms_per_byte,
        compute_ms_per_token=per_token,
        attention_ms_per_token_pair=pair * shape.full_layers * ms_per_16bit_flop,
        layers=shape.layers,
        moe_layers=shape.moe_layers,
        all_reduces=2 * shape.layers if ranks > 1 else 0,
        hops=hops,
        volume_ms_per_token=2 * shape.layers * shape.hidden * 2.0 * copies / _link_bytes_per_second(gpu) * 1e3,
        link=gpu.link,
    )


def step_clock(ideal: IdealStep, coefficients: Coefficients) -> StepClock:
    """The clock that the fitted coefficients give to an ideal step."""
    c = coefficients
    return StepClock(
        dense_read_ms=ideal.dense_read_ms / c.dense_bandwidth + ideal.packed_read_ms / c.packed_bandwidth,
        expert_read_ms=ideal.expert_read_ms / c.expert_bandwidth,
        expert_hit_fraction=ideal.expert_hit_fraction,
        kv_read_ms_per_token=ideal.kv_read_ms_per_token / c.kv_bandwidth,
        compute_ms_per_token=sum(ms / c.compute[kind] for kind, ms in ideal.compute_ms_per_token),
        attention_ms_per_token_pair=ideal.attention_ms_per_token_pair / c.attention,
        overhead_ms=c.overhead_ms
        + c.overhead_per_layer_ms * ideal.layers
        + c.overhead_per_moe_layer_ms * ideal.moe_layers,
        comm_ms_per_token=ideal.volume_ms_per_token / c.links[ideal.link].bandwidth,
        comm_ms_per_step=ideal.all_reduces * ideal.hops * c.links[ideal.link].latency_ms,
    )


def _compute_type(form: str, gpu: Gpu) -> ComputeType:
    way = support(form, gpu)
    if isinstance(way, Unsupported):
        raise ValueError(way.reason)
    return way.compute


def _score_and_value_width(shape: Architecture) -> float:
    """Multiplications of one head for one (query, key) pair: the score product and the value product."""
    if shape.latent:
        return float(shape.latent.qk_nope_head_dim + shape.latent.qk_rope_head_dim + shape.latent.v_head_dim)
    return 2.0 * shape.head_dim


def _link_bytes_per_second(gpu: Gpu) -> float:
    """One direction of the link that an all-reduce goes over: half of NVLink's figure, or the PCIe slot."""
    return (gpu.link_gb_per_s / 2.0 if gpu.link.startswith("nvlink") else float(gpu.pcie_gb_per_s)) * 1e9


def _all_reduce(link: Link, tensor_parallel_size: int) -> tuple[float, float]:
    """(copies of the payload that one GPU's link carries, latency hops) of an all-reduce.

    The volume is a ring's on every link: 2(TP − 1)/TP copies. Behind an NVSwitch it takes one hop, round a bus TP − 1.
    That the GPUs of a node share PCIe host bridges is not in this form, only in the fitted share of the PCIe rate,
    which is the same for two GPUs as for eight.
    """
    if tensor_parallel_size == 1:
        return 0.0, 0.0
    ranks = float(tensor_parallel_size)
    if link.startswith("nvlink"):
        return 2.0 * (ranks - 1.0) / ranks, 1.0
    return 2.0 * (ranks - 1.0) / ranks, ranks - 1.0
