"""Memory of one tensor-parallel rank: what the weights take, and how many tokens of context remain.

    weights    = dense·β/TP + copies + experts·β/TP + (embedding + head)·2/TP + rotary table
    activation = max(forward peak, 39 B · max_num_seqs · vocabulary)   the sampler warm-up dominates small models
    overhead   = 0.15 GiB (TP 1) | 0.6 GiB (TP ≥ 2, NCCL) + CUDA graphs
    KV budget  = utilization · usable − weights − activation − overhead

`copies`: KV projections are held twice where TP exceeds the number of KV heads; MLA's down projections and its cache
are whole on every rank. Published checks: Llama 70B in FP8 at TP 2 occupies 33.88 GiB a GPU, activations of 1,024
sequences and 128,256 words 4.8 GiB, non-torch memory 0.13 and 0.55 GiB.

It answers whether a deployment class can be loaded at all, with a reason if not; it knows nothing of speed. KV bytes
per token come from the catalog's growing and windowed columns, because layers × heads × head size is wrong for
windowed, latent and linear-attention models.
"""

from __future__ import annotations

from dataclasses import dataclass

from planner.domain.models import Architecture, Model, Quantization
from planner.domain.offerings import Gpu
from planner.performance.precision import (
    KV_BYTES_RATIO,
    KvFormat,
    Unsupported,
    bytes_per_weight,
    kv_support,
    quantization_support,
)

GIB = 2.0**30
GPU_MEMORY_UTILIZATION = 0.92
"""vLLM's share of the device that we set on every pool."""
SAMPLER_BYTES_PER_LOGIT = 39.0
"""Measured warm-up of the sampler: 38 to 40 bytes for each (sequence, vocabulary word)."""
OVERHEAD_SINGLE_GIB = 0.15
OVERHEAD_PARALLEL_GIB = 0.6
"""CUDA context alone, and with NCCL's buffers (measured 0.13 and 0.55 GiB)."""
CUDA_GRAPHS_GIB = 0.5
"""Captured decode graphs; vLLM's own log reports 0.3 to 0.9 GiB for 7B to 70B models. An assumption, not fitted."""
STATE_BYTES_PER_ELEMENT = 2.0
"""Linear-attention state follows the model's own 16-bit type (vLLM's `mamba_ssm_cache_dtype: auto`)."""


@dataclass(frozen=True, slots=True)
class MemoryFit:
    """A loadable replica, in bytes on each of its GPUs."""

    weights_bytes: float
    activation_bytes: float
    overhead_bytes: float
    kv_budget_bytes: float
    kv_growing_bytes: float
    """KV bytes of one token on one GPU, of the layers that remember everything."""
    kv_windowed_bytes: float
    window_tokens: int
    state_bytes: float
    """Constant bytes of one sequence on one GPU."""

    def sequence_bytes(self, context_tokens: float) -> float:
        """Bytes on one GPU of a sequence that holds `context_tokens`."""
        windowed = min(context_tokens, float(self.window_tokens))
        return self.kv_growing_bytes * context_tokens + self.kv_windowed_bytes * windowed + self.state_bytes

    def sequences(self, context_tokens: float) -> float:
        """How many sequences of `context_tokens` each fit at once (a real number: lengths are averages)."""
        return self.kv_budget_bytes / max(self.sequence_bytes(context_tokens), 1.0)

    def kv_tokens(self, context_tokens: float) -> float:
        """Tokens of context that fit in all, when every sequence holds `context_tokens`."""
        return self.sequences(context_tokens) * context_tokens


@dataclass(frozen=True, slots=True)
class NoFit:
    """The replica cannot be loaded, and why, in one sentence."""

    reason: str


def memory_fit(
    model: Model,
    quantization: Quantization,
    gpu: Gpu,
    *,
    tensor_parallel_size: int,
    max_num_seqs: int,
    max_model_len: int,
    max_num_batched_tokens: int = 8192,
    kv_format: KvFormat = "bf16",
    gpu_memory_utilization: float = GPU_MEMORY_UTILIZATION,
) -> MemoryFit | NoFit:
    """Whether the replica loads and can hold one sequence of `max_model_len` tokens; the reason if not."""
    refusal = _refusal(model, quantization, kv_format, gpu, tensor_parallel_size, max_model_len)
    if refusal is not None:
        return refusal
    shape = model.architecture
    weights = weights_bytes(model, quantization, tensor_parallel_size)
    activation = activation_bytes(shape, tensor_parallel_size, max_num_seqs, max_num_batched_tokens)
    overhead = overhead_bytes(tensor_parallel_size)
    offered = gpu_memory_utilization * gpu.memory_bytes
    budget = offered - weights - activation - overhead
    held = KV_BYTES_RATIO[kv_format] * kv_share(shape, tensor_parallel_size)
    found = MemoryFit(
        weights,
        activation,
        overhead,
        budget,
        shape.kv_bytes_per_token_growing * held,
        shape.kv_bytes_per_token_windowed * held,
        shape.sliding_window or 0,
        state_bytes(shape) / tensor_parallel_size,
    )
    on = f"{tensor_parallel_size} × {gpu.name}"
    if budget <= 0:
        needed = (weights + activation + overhead) / GIB
        return NoFit(
            f"{model.key} in {quantization.name} needs {needed:.1f} GiB a GPU before any context, {on} offers "
            f"{offered / GIB:.1f} GiB a GPU"
        )
    if found.sequences(max_model_len) < 1.0:
        return NoFit(
            f"one sequence of {max_model_len} tokens needs {found.sequence_bytes(max_model_len) / GIB:.1f} GiB of KV "
            f"cache a GPU, {budget / GIB:.1f} GiB are left on {on}"
        )
    return found


def weights_bytes(model: Model, quantization: Quantization, tensor_parallel_size: int) -> float:
    """Bytes of weights on each GPU, with what tensor parallelism copies instead of cutting."""
    shape = model.architecture
    experts = shape.routed_expert_params * bytes_per_weight(quantization.experts, shape.hidden)
    return (
        dense_bytes(shape, quantization, tensor_parallel_size)
        + (experts + shape.embedding_params * 2.0) / tensor_parallel_size
        + rotary_table_bytes(model)
    )


def dense_bytes(shape: Architecture, quantization: Quantization, tensor_parallel_size: int) -> float:
    """Bytes of the always-touched weights on each GPU, without embedding, head and routed experts."""
    if shape.latent:
        down = shape.latent.kv_lora_rank + shape.latent.qk_rope_head_dim + shape.latent.q_lora_rank
        copied = shape.layers * shape.hidden * down * (1.0 - 1.0 / tensor_parallel_size)
    else:
        projections = 2 * shape.full_layers + 2 * shape.sliding_layers
        whole = projections * shape.hidden * shape.kv_heads * shape.head_dim
        copied = whole * (kv_share(shape, tensor_parallel_size) - 1.0 / tensor_parallel_size)
    beta = bytes_per_weight(quantization.dense, shape.hidden)
    return beta * (shape.dense_params / tensor_parallel_size + copied)


def kv_share(shape: Architecture, tensor_parallel_size: int) -> float:
    """Share of the whole KV cache that one rank holds: 1/TP until the heads run out, all of it for MLA."""
    return 1.0 if shape.latent else 1.0 / min(tensor_parallel_size, shape.kv_heads)


def state_bytes(shape: Architecture) -> float:
    """Constant bytes of one sequence over all linear-attention layers and ranks."""
    return shape.linear_layers * shape.linear_state_elements * STATE_BYTES_PER_ELEMENT


def rotary_table_bytes(model: Model) -> float:
    """The 16-bit cosine and sine table that every rank holds: one row per position the model is trained for."""
    shape = model.architecture
    return model.max_context * (shape.latent.qk_rope_head_dim if shape.latent else shape.head_dim) * 2.0


def activation_bytes(
    shape: Architecture, tensor_parallel_size: int, max_num_seqs: int, max_num_batched_tokens: int
) -> float:
    """Peak of a forward pass at the token budget, or of the sampler's warm-up, whichever is larger.

    The forward pass holds, per token and at 16 bit, four hidden states (residual, normed, attention in and out) and
    three MLP widths (gate, up and their product); an MoE layer holds them for each expert that the token visits.
    """
    width = float(shape.intermediate)
    hidden = 4.0 * shape.hidden
    if shape.experts:
        width = max(width, shape.experts.experts_per_token * shape.experts.expert_intermediate)
        hidden += shape.experts.experts_per_token * shape.hidden
    forward = 2.0 * (hidden + 3.0 * width / tensor_parallel_size) * max_num_batched_tokens
    return max(forward, SAMPLER_BYTES_PER_LOGIT * max_num_seqs * shape.vocab)


def overhead_bytes(tensor_parallel_size: int) -> float:
    """Bytes outside PyTorch's allocator on each GPU, and captured CUDA graphs."""
    context = OVERHEAD_SINGLE_GIB if tensor_parallel_size == 1 else OVERHEAD_PARALLEL_GIB
    return (context + CUDA_GRAPHS_GIB) * GIB


def _refusal(
    model: Model,
    quantization: Quantization,
    kv_format: KvFormat,
    gpu: Gpu,
    tensor_parallel_size: int,
    max_model_len: int,
) -> NoFit | None:
    """The first rule of shape or silicon that forbids the replica."""
    for way in (quantization_support(model.key, quantization, gpu), kv_support(kv_format, gpu)):
        if isinstance(way, Unsupported):
            return NoFit(way.reason)
    shape, ranks = model.architecture, tensor_parallel_size
    if shape.heads % ranks:
        return NoFit(f"{model.key} has {shape.heads} attention heads, which TP {ranks} does not divide")
    if not shape.latent and shape.kv_heads % ranks and ranks % shape.kv_heads:
        return NoFit(f"{model.key} has {shape.kv_heads} KV heads, which TP {ranks} neither divides nor multiplies")
    if max_model_len > model.max_context:
        return NoFit(f"{model.key} takes at most {model.max_context} tokens of context, {max_model_len} are asked for")
    return None
