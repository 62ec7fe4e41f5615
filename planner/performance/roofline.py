"""From a datasheet to a step clock: the ideal step of a class, and what the fitted coefficients make of it.

    reading       bytes / (share · bandwidth)
    multiplying   FLOP / (share · peak)
    experts       the share falls to share · w/(w + half) with their inner width w on one rank
    latency       two all-reduces a layer · hops · time of one hop
    volume        2(TP − 1)/TP · payload / (share · rate)

Narrow products fill fewer units of a GPU, which the line for experts says. A hop behind NVLink takes less time, the
faster the generation of NVLink is. The rate over PCIe is lower where an all-reduce crosses from one socket to the
other.

Many classes are computed at once as arrays, so that a fit can move the coefficients and ask again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from planner.domain.architecture import Architecture
from planner.domain.models import Quantization
from planner.domain.offerings import Gpu
from planner.performance.coefficients import NVLINK_REFERENCE_GB_PER_S, Coefficients, LinkClass, link_class
from planner.performance.memory import cache_bytes, dense_bytes, state_bytes
from planner.performance.precision import (
    ComputeType,
    KvFormat,
    Unsupported,
    bytes_per_weight,
    peak_flops,
    support,
)
from planner.performance.step_time import ClockTable, StepClock
from planner.words.arrays import Floats

REFERENCE_WATT_PER_TFLOPS = 700.0 / 989.0
"""Power of an H100 for each TFLOP/s of its datasheet, watts. A GPU with less power sustains a smaller share of its
peak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdealStep:
    """A step on perfect hardware: datasheet bandwidth and peak, no overhead, links at their datasheet rate.

    Coefficients divide these times by the share of the datasheet that is reached. All times are ms on one rank.

    dense_read_ms: reading the weights that every token uses, without the output head.
    dense_format: format in which these weights are stored.
    dense_compute_ms_per_token: multiplying one token with them.
    dense_compute_type: type in which the GPU multiplies them.
    head_read_ms: reading the output head.
    head_compute_ms: the output head of one sequence, always in 16 bit.
    expert_read_ms: reading every routed expert once.
    expert_format: format in which routed experts are stored.
    expert_compute_ms_per_token: multiplying one token with the experts that it visits.
    expert_compute_type: type in which the GPU multiplies them.
    expert_hit_fraction: share of the experts that one token visits; 0 for a dense model.
    expert_width: inner width of one expert on one rank; infinite for a dense model.
    kv_read_ms_per_token: reading the KV cache and the state of one token of context.
    window_attention_ms_per_token: attention of one prompt token in layers that see a bounded part of the context.
    attention_ms_per_token_pair: attention of one prompt token to one token before it, in layers that see all.
    power_headroom: power for each FLOP/s at the peak, relative to the reference; at most 1.
    layers: layers of the model, each of which is launched.
    link: class of the link between the GPUs.
    latency_hops: hops of all all-reduces, two all-reduces a layer. An all-reduce is one hop of the reference NVLink,
    scaled by the generation, or TP − 1 hops over PCIe.
    volume_ms_per_token: volume of the all-reduces for one token.
    crosses_sockets: 1 for more than four GPUs on PCIe, where half of them stand behind the other socket; else 0.
    """

    dense_read_ms: float
    dense_format: str
    dense_compute_ms_per_token: float
    dense_compute_type: ComputeType
    head_read_ms: float
    head_compute_ms: float
    expert_read_ms: float
    expert_format: str
    expert_compute_ms_per_token: float
    expert_compute_type: ComputeType
    expert_hit_fraction: float
    expert_width: float
    kv_read_ms_per_token: float
    window_attention_ms_per_token: float
    attention_ms_per_token_pair: float
    power_headroom: float
    layers: int
    link: LinkClass
    latency_hops: float
    volume_ms_per_token: float
    crosses_sockets: float


def ideal_step(
    shape: Architecture,
    quantization: Quantization,
    gpu: Gpu,
    tensor_parallel_size: int,
    *,
    context_tokens: float,
    kv_format: KvFormat = "bf16",
    expert_parallel_size: int = 1,
) -> IdealStep:
    """Return the ideal step of a class whose sequences hold `context_tokens` on average.

    expert_parallel_size: GPUs that share out whole experts; 1 where tensor parallelism cuts each of them. Where it is a
    multiple of the tensor-parallel size, that many copies of the attention share the sequences (data-parallel
    attention). The step is then that of all of them together: a token of the batch costs a rank its share of the
    tokens.

    Raises ValueError when the GPU does not run the format. Ask `memory_fit` first: it gives that reason as a value.
    """
    dense_compute = _compute_type(quantization.dense, gpu)
    expert_compute = _compute_type(quantization.experts, gpu)
    ranks, link = tensor_parallel_size, link_class(gpu.link)
    copies = max(1, expert_parallel_size // ranks)
    expert_ranks = expert_parallel_size if expert_parallel_size > 1 else ranks
    ms_per_byte = 1e3 / (gpu.bandwidth_gb_per_s * 1e9)
    ms_per_16bit_flop = 1e3 / (ranks * copies) / peak_flops(gpu, "16-bit")
    experts = shape.routed_expert_params * bytes_per_weight(quantization.experts, shape.hidden) / expert_ranks
    hit = shape.experts.experts_per_token / shape.experts.experts if shape.experts else 0.0
    growing, windowed = cache_bytes(shape, ranks, kv_format)
    in_window = min(context_tokens, float(shape.sliding_window or 0))
    in_sight = min(context_tokens, float(shape.indexer.picked)) if shape.indexer else context_tokens
    kv = (growing * in_sight + windowed * in_window + 2.0 * state_bytes(shape) / ranks) / copies
    full = 2.0 * shape.heads * _score_and_value_width(shape, shape.full_head_dim or shape.head_dim) * shape.full_layers
    sliding = 2.0 * shape.heads * _score_and_value_width(shape, shape.head_dim) * shape.sliding_layers
    bounded = sliding * in_window + (full * in_sight if shape.indexer else 0.0)
    unbounded = 0.0 if shape.indexer else full
    payload_copies, exchanges = _exchanges(shape, ranks, expert_ranks, copies)
    hops = NVLINK_REFERENCE_GB_PER_S / gpu.link_gb_per_s if link == "nvlink" else ranks * copies - 1.0
    return IdealStep(
        dense_read_ms=dense_bytes(shape, quantization, ranks) * ms_per_byte,
        dense_format=quantization.dense,
        dense_compute_ms_per_token=2e3 * shape.dense_params / (ranks * copies) / peak_flops(gpu, dense_compute),
        dense_compute_type=dense_compute,
        head_read_ms=shape.vocab * shape.hidden * 2.0 / ranks * ms_per_byte,
        head_compute_ms=2.0 * shape.vocab * shape.hidden * ms_per_16bit_flop,
        expert_read_ms=experts * ms_per_byte,
        expert_format=quantization.experts,
        expert_compute_ms_per_token=2e3
        * shape.routed_expert_params
        * hit
        / expert_ranks
        / peak_flops(gpu, expert_compute),
        expert_compute_type=expert_compute,
        expert_hit_fraction=hit,
        expert_width=_expert_width(shape, ranks if copies == 1 else 1),
        kv_read_ms_per_token=kv / context_tokens * ms_per_byte,
        window_attention_ms_per_token=bounded * ms_per_16bit_flop,
        attention_ms_per_token_pair=unbounded * ms_per_16bit_flop,
        power_headroom=power_headroom(gpu),
        layers=shape.layers,
        link=link,
        latency_hops=exchanges * shape.layers * hops,
        volume_ms_per_token=payload_copies * shape.layers * shape.hidden * 2.0 / _link_bytes_per_second(gpu) * 1e3,
        crosses_sockets=float(link == "pcie" and ranks * copies > 4),
    )


def step_clock(ideal: IdealStep, coefficients: Coefficients) -> StepClock:
    """Return the clock that the fitted coefficients give to an ideal step."""
    return IdealTable([ideal]).clocks(coefficients).clock(0)


def power_headroom(gpu: Gpu) -> float:
    """Return the power of a GPU for each FLOP/s of its datasheet, relative to the reference; at most 1."""
    return min(1.0, gpu.tdp_watt / (peak_flops(gpu, "16-bit") / 1e12) / REFERENCE_WATT_PER_TFLOPS)


class IdealTable:
    """Many ideal steps as arrays of shape (n,), so that it costs little to compute their clocks again."""

    def __init__(self, steps: Sequence[IdealStep]) -> None:
        self._columns = {
            name: np.array([getattr(step, name) for step in steps], dtype=np.float64)
            for name, kind in IdealStep.__annotations__.items()
            if kind in ("float", "int")
        }
        self._words = {
            name: np.unique([getattr(step, name) for step in steps], return_inverse=True)
            for name, kind in IdealStep.__annotations__.items()
            if kind not in ("float", "int")
        }

    def only(self, chosen: NDArray[np.bool_]) -> IdealTable:
        """Return the table of the chosen steps."""
        part = copy(self)
        part._columns = {name: column[chosen] for name, column in self._columns.items()}
        part._words = {name: (words, place[chosen]) for name, (words, place) in self._words.items()}
        return part

    def clocks(self, c: Coefficients) -> ClockTable:
        """Return the clocks that the coefficients give to all steps; every field has shape (n,)."""
        i = self._columns
        dense_share = self._each("dense_format", c.dense_share)
        expert_share = self._each("expert_format", c.expert_share)
        power = i["power_headroom"] ** c.power_exponent
        dense_flops = power * self._each("dense_compute_type", lambda kind: c.compute[cast(ComputeType, kind)])
        expert_flops = power * self._each("expert_compute_type", lambda kind: c.compute[cast(ComputeType, kind)])
        expert_flops = expert_flops * c.expert_compute / (1.0 + c.expert_half_width / i["expert_width"])
        latency = self._each("link", lambda link: c.links[cast(LinkClass, link)].latency_ms)
        reached = self._each("link", lambda link: c.links[cast(LinkClass, link)].bandwidth)
        reached = reached * c.socket_crossing ** i["crosses_sockets"]
        return ClockTable(
            dense_read_ms=i["dense_read_ms"] / dense_share + i["head_read_ms"] / c.dense_bandwidth,
            dense_compute_ms_per_token=i["dense_compute_ms_per_token"] / dense_flops
            + i["window_attention_ms_per_token"] / (c.attention * power),
            expert_read_ms=i["expert_read_ms"] / expert_share,
            expert_compute_ms_per_token=i["expert_compute_ms_per_token"] / expert_flops,
            expert_hit_fraction=i["expert_hit_fraction"],
            kv_read_ms_per_token=i["kv_read_ms_per_token"] / c.kv_bandwidth,
            attention_ms_per_token_pair=i["attention_ms_per_token_pair"] / (c.attention * power),
            overhead_ms=c.overhead_ms + c.overhead_per_layer_ms * i["layers"],
            overhead_ms_per_sequence=c.overhead_per_sequence_ms + i["head_compute_ms"] / c.compute["16-bit"],
            comm_ms_per_token=i["volume_ms_per_token"] / reached,
            comm_ms_per_step=i["latency_hops"] * latency,
            server_ms_per_sequence=np.full_like(latency, c.engines["vllm"].server_ms_per_token),
            tokens_per_sequence=np.ones_like(latency),
        )

    def _each(self, name: str, share: Callable[[str], float]) -> Floats:
        """Return a number for every step, which one of its words decides."""
        words, place = self._words[name]
        numbers: Floats = np.array([share(str(word)) for word in words])[place]
        return numbers


def _exchanges(shape: Architecture, ranks: int, expert_ranks: int, copies: int) -> tuple[float, float]:
    """Return what the ranks exchange in one layer: (payloads of a token of the batch on one rank, exchanges).

    One copy of the attention makes two all-reduces a layer, with the volume of a ring. Several copies make one among
    the ranks of each copy, and send each token to the ranks of its experts and back.
    """
    ring = 2.0 * (ranks - 1.0) / ranks
    if copies == 1 or shape.experts is None:
        return 2.0 * ring, 2.0 if ranks > 1 else 0.0
    elsewhere = (expert_ranks - 1.0) / expert_ranks * min(shape.experts.experts_per_token, expert_ranks)
    return ring / copies + 2.0 * elsewhere / expert_ranks, 3.0 if ranks > 1 else 2.0


def _expert_width(shape: Architecture, cut: int) -> float:
    """Return the inner width of one expert on one rank.

    Runs that share out whole experts without copies of the attention were no faster than runs that cut them, so that
    both count as cut.
    """
    return shape.experts.expert_intermediate / cut if shape.experts else math.inf


def _compute_type(form: str, gpu: Gpu) -> ComputeType:
    way = support(form, gpu)
    if isinstance(way, Unsupported):
        raise ValueError(way.reason)
    return way.compute


def _score_and_value_width(shape: Architecture, head_dim: int) -> float:
    """Return the multiplications of one head for one (query, key) pair: the score product and the value product."""
    if shape.latent:
        return float(shape.latent.qk_nope_head_dim + shape.latent.qk_rope_head_dim + shape.latent.v_head_dim)
    return 2.0 * head_dim


def _link_bytes_per_second(gpu: Gpu) -> float:
    """Return the rate of the link in one direction: half of NVLink's figure, or that of the PCIe slot, bytes/s."""
    return (gpu.link_gb_per_s / 2.0 if gpu.link.startswith("nvlink") else float(gpu.pcie_gb_per_s)) * 1e9
