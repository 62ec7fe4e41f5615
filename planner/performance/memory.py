"""Memory of one tensor-parallel rank: what the weights take, and how many tokens of context remain.

    weights    = dense·β/TP + copies + experts·β/TP + (embedding + head + vision)·2/TP + rotary table
    activation = max(forward peak, 39 B · max_num_seqs · vocabulary, vision peak) + images kept for the prompt
    overhead   = 0.15 GiB (TP 1) or 0.6 GiB (TP ≥ 2, NCCL)
    share      = min(0.92, 1 − 2.2 GiB / usable), rounded down to whole percents
    KV budget  = share · usable − weights − activation − overhead
    beside     = (1 − share) · usable, where the CUDA graphs and the driver's context lie

`copies`: KV projections are held twice where TP exceeds the number of KV heads, and the down projections of MLA, an
indexer, and the caches of both are whole on every rank. With expert parallelism a rank holds whole experts, E/EP
rounded up, instead of a slice of each.

A drafter (speculative decoding) adds its layers' weights and cache. The sampler gets a row for each verified token, a
sequence keeps room for the tokens that are proposed, and one linear-attention state for each of them beside its own.
Slots of LoRA adapters count as weights (`adapters`).

Published figures confirm the terms: Llama 70B in FP8 at TP 2 occupies 33.88 GiB a GPU; the activations of 1,024
sequences and 128,256 words take 4.8 GiB (the sampler's warm-up); memory outside PyTorch takes 0.13 and 0.55 GiB;
gpt-oss-120b on one H100 keeps 3.33 GiB of cache at 1,024 sequences and a share of 0.95.

The CUDA graphs are no part of the share. The engine captures them after it has taken the cache, and the chart turns
off the reservation that vLLM makes for them since 0.21 (`VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS=0`): it is an
estimate and was up to 25 GiB too large. What is left beside the share has to hold them (decision 0040).

This module answers whether a deployment class can be loaded at all, with a reason if not. It knows nothing of speed.
The KV bytes of a token come from the catalog's columns for growing and windowed layers, because layers × heads × head
size is wrong for windowed, latent, compressed and linear-attention models.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from planner.domain.architecture import Architecture
from planner.domain.models import Drafter, Model, Quantization
from planner.domain.offerings import Gpu
from planner.performance.adapters import adapter_bytes
from planner.performance.drafters import drafter_shape
from planner.performance.parameters import down_projections, indexer_params, kept_params
from planner.performance.precision import (
    KV_BYTES_RATIO,
    KvFormat,
    bytes_per_weight,
    unsupported_cache,
    unsupported_weights,
)

GIB = 2.0**30
GPU_MEMORY_UTILIZATION = 0.92
"""Largest share of a GPU's memory that an engine of ours may use; it is vLLM's own default since 0.21."""
BESIDE_SHARE_GIB = 2.2
"""Memory that stays outside the engine's share at least, GiB: CUDA graphs and the context of the driver. vLLM's logs
report 0.04 to 0.9 GiB of graphs on one GPU without a drafter, up to 2.4 GiB for the largest, and 0.1 to 0.7 GiB that
are in use before the engine takes its share (vllm issue 45178, pull request 51590). A GPU with 24 GB gets the share 0.9
by this, which was vLLM's default as long as the graphs lay outside the share."""
SAMPLER_BYTES_PER_LOGIT = 39.0
"""Memory of the sampler's warm-up for each pair of sequence and vocabulary word, bytes; 38 to 40 were measured."""
OVERHEAD_SINGLE_GIB = 0.15
"""Memory of the CUDA context, GiB; 0.13 were measured."""
OVERHEAD_PARALLEL_GIB = 0.6
"""Memory of the CUDA context and of NCCL's buffers, GiB; 0.55 were measured."""
STATE_BYTES_PER_ELEMENT = 2.0
"""Size of one number of a linear-attention state, bytes. The state has the model's own 16-bit type unless its row says
otherwise (vLLM's `mamba_ssm_cache_dtype: auto`); the state of the short convolution always has it."""
COMPRESSED_ENTRY_FP8 = 584.0 / 1024.0
"""Size of a cached entry of DeepSeek V4 in fp8, relative to 16 bit. Such an entry has 448 numbers in fp8, 64 rotary
numbers in 16 bit, and 8 bytes of scales."""
SCALE_GROUPS = {"fp8-block": 128, "awq": 128, "gptq": 128}
"""Number of weights along a row that share a scale. Tensor parallelism may not cut through them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFit:
    """A replica that can be loaded. All bytes are on each of its GPUs.

    weights_bytes: weights.
    activation_bytes: peak of what a forward pass or the sampler's warm-up needs.
    overhead_bytes: memory outside PyTorch's allocator.
    beside_bytes: memory outside the engine's share, where the CUDA graphs and the driver's context lie.
    kv_budget_bytes: what is left of the share for the KV cache.
    kv_growing_bytes: KV cache of one token in layers that remember everything.
    kv_windowed_bytes: KV cache of one token in layers that remember a window.
    window_tokens: tokens of the window; 0 without such layers.
    state_bytes: constant state of one sequence.
    copies: copies of the attention (data-parallel attention). Each has such a cache of its own; sequences and tokens
    are counted over all of them.
    """

    weights_bytes: float
    activation_bytes: float
    overhead_bytes: float
    beside_bytes: float
    kv_budget_bytes: float
    kv_growing_bytes: float
    kv_windowed_bytes: float
    window_tokens: int
    state_bytes: float
    copies: int = 1

    def sequence_bytes(self, context_tokens: float, shared_tokens: float = 0.0) -> float:
        """Return the bytes of a sequence that holds `context_tokens`, on one GPU.

        shared_tokens: those of them that are held once for all sequences; a window is counted whole all the same.
        """
        windowed = min(context_tokens, float(self.window_tokens))
        own = max(context_tokens - shared_tokens, 0.0)
        return self.kv_growing_bytes * own + self.kv_windowed_bytes * windowed + self.state_bytes

    def sequences(self, context_tokens: float, shared_tokens: float = 0.0) -> float:
        """Return the number of sequences that fit at once, when each holds `context_tokens`.

        It is a real number, because lengths are averages. shared_tokens: those that each copy of the attention holds
        once for all its sequences.
        """
        prefix = self.kv_growing_bytes * shared_tokens
        prefix += self.kv_windowed_bytes * min(shared_tokens, float(self.window_tokens))
        each = max(self.kv_budget_bytes - prefix, 0.0) / max(self.sequence_bytes(context_tokens, shared_tokens), 1.0)
        return self.copies * each

    def kv_tokens(self, context_tokens: float) -> float:
        """Return the tokens of context that fit in all, when each sequence holds `context_tokens`."""
        return self.sequences(context_tokens) * context_tokens


@dataclass(frozen=True, slots=True)
class NoFit:
    """A replica that cannot be loaded. reason: why it cannot, as one sentence."""

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
    gpu_memory_utilization: float | None = None,
    expert_parallel_size: int = 1,
    drafter: Drafter | None = None,
    max_loras: int = 0,
    max_lora_rank: int = 0,
) -> MemoryFit | NoFit:
    """Return the memory of a replica, or the reason why it does not load or holds no sequence of `max_model_len`.

    max_num_seqs, max_num_batched_tokens: those of one copy of the attention, as the engine takes them.
    gpu_memory_utilization: share of the GPU's memory that the engine may use; None for the share that our pools get.
    expert_parallel_size: number of ranks among which the routed experts are shared out. With
    `--enable-expert-parallel` these are the tensor- times data-parallel ranks, so that there are as many copies of the
    attention as it is larger than `tensor_parallel_size`. 1: every rank holds a slice of each expert.
    drafter: what proposes tokens, a part of the model's own checkpoint; None without speculative decoding.
    max_loras, max_lora_rank: slots of LoRA adapters, and the rank of each.
    """
    verified = 1 + (drafter.num_speculative_tokens if drafter else 0)
    refusal = _refusal(model, quantization, kv_format, gpu, tensor_parallel_size, max_model_len)
    refusal = refusal or _cut_refusal(model, quantization, tensor_parallel_size, expert_parallel_size)
    if drafter is not None and max_num_batched_tokens < verified * max_num_seqs:
        held = f"{verified * max_num_seqs} verified tokens of {max_num_seqs} sequences"
        refusal = refusal or NoFit(f"a step of {max_num_batched_tokens} tokens does not hold {held}")
    if refusal is not None:
        return refusal
    shape = model.architecture
    weights = weights_bytes(model, quantization, tensor_parallel_size, expert_parallel_size, gpu)
    weights += adapter_bytes(shape, max_loras, max_lora_rank, tensor_parallel_size)
    activation = activation_bytes(shape, tensor_parallel_size, verified * max_num_seqs, max_num_batched_tokens)
    overhead = overhead_bytes(max(tensor_parallel_size, expert_parallel_size))
    offered = (gpu_memory_utilization or memory_share(gpu)) * gpu.memory_bytes
    growing, windowed = cache_bytes(shape, tensor_parallel_size, kv_format)
    if drafter is not None:
        drafting = drafter_shape(model, drafter)
        weights += layers_bytes(drafting, quantization, tensor_parallel_size, expert_parallel_size, gpu)
        growing += cache_bytes(drafting, tensor_parallel_size, kv_format)[0]
    proposed = (verified - 1) * max_num_seqs * (growing + windowed)
    budget = offered - weights - activation - overhead - proposed
    state = (verified * state_bytes(shape) + state_rounding_bytes(shape)) / tensor_parallel_size
    fit = MemoryFit(
        weights_bytes=weights,
        activation_bytes=activation,
        overhead_bytes=overhead,
        beside_bytes=gpu.memory_bytes - offered,
        kv_budget_bytes=budget,
        kv_growing_bytes=growing,
        kv_windowed_bytes=windowed,
        window_tokens=shape.sliding_window or 0,
        state_bytes=state,
        copies=max(1, expert_parallel_size // tensor_parallel_size),
    )
    on = f"{max(tensor_parallel_size, expert_parallel_size)} × {gpu.name}"
    if budget <= 0:
        needed = (weights + activation + overhead + proposed) / GIB
        return NoFit(
            f"{model.key} in {quantization.name} needs {needed:.1f} GiB a GPU before any context, {on} offers "
            f"{offered / GIB:.1f} GiB a GPU"
        )
    if fit.sequences(max_model_len) < fit.copies:
        return NoFit(
            f"one sequence of {max_model_len} tokens needs {fit.sequence_bytes(max_model_len) / GIB:.1f} GiB of KV "
            f"cache a GPU, {budget / GIB:.1f} GiB are left on {on}"
        )
    return fit


def memory_share(gpu: Gpu) -> float:
    """Return the share of a GPU's memory that an engine of ours may use, `--gpu-memory-utilization`.

    It leaves `BESIDE_SHARE_GIB` at least.
    """
    return min(GPU_MEMORY_UTILIZATION, math.floor(100.0 * (1.0 - BESIDE_SHARE_GIB * GIB / gpu.memory_bytes)) / 100.0)


def weights_bytes(
    model: Model,
    quantization: Quantization,
    tensor_parallel_size: int,
    expert_parallel_size: int = 1,
    gpu: Gpu | None = None,
) -> float:
    """Return the bytes of weights on each GPU, with the copies that tensor parallelism makes.

    gpu: experts are padded for the kernels of this GPU; without one they have the size that they have in the file.
    """
    shape = model.architecture
    vision = shape.vision.params if shape.vision else 0
    return (
        layers_bytes(shape, quantization, tensor_parallel_size, expert_parallel_size, gpu)
        + (shape.embedding_params + vision) * 2.0 / tensor_parallel_size
        + rotary_table_bytes(model)
    )


def layers_bytes(
    shape: Architecture,
    quantization: Quantization,
    tensor_parallel_size: int,
    expert_parallel_size: int = 1,
    gpu: Gpu | None = None,
) -> float:
    """Return the bytes of all layers on each GPU. gpu: the one for whose kernels experts are padded; None without."""
    experts = expert_bytes(shape, quantization, tensor_parallel_size, expert_parallel_size)
    if gpu is not None:
        experts *= expert_padding(shape, quantization, tensor_parallel_size, expert_parallel_size, gpu)
    return dense_bytes(shape, quantization, tensor_parallel_size) + experts


def expert_bytes(
    shape: Architecture, quantization: Quantization, tensor_parallel_size: int, expert_parallel_size: int = 1
) -> float:
    """Return the bytes of routed experts on the GPU that holds most of them."""
    if shape.experts is None:
        return 0.0
    experts = shape.routed_expert_params * bytes_per_weight(quantization.experts, shape.hidden)
    if expert_parallel_size == 1:
        return experts / tensor_parallel_size
    return experts * math.ceil(shape.experts.experts / expert_parallel_size) / shape.experts.experts


def expert_padding(
    shape: Architecture, quantization: Quantization, tensor_parallel_size: int, expert_parallel_size: int, gpu: Gpu
) -> float:
    """Return the size of the experts in the layout of the kernels ÷ their size in the file.

    Kernels for MXFP4 take widths of whole blocks. A block is 256 across the model. Inside an expert it is 64 on Hopper
    (Triton), 256 on Blackwell (TensorRT-LLM) and 128 elsewhere (Marlin), as vLLM's oracle/mxfp4.py rounds them. gpt-oss
    is 2880 wide in both directions: vLLM prints 65.97 GiB for its 120B with Marlin and 64.38 GiB with Triton, and the
    file has 60.8 GiB.
    """
    if shape.experts is None or quantization.experts != "mxfp4":
        return 1.0
    generation = int(float(gpu.compute_capability))
    block = {9: 64, 10: 256, 12: 256}.get(generation, 128)
    inner = shape.experts.expert_intermediate / (1 if expert_parallel_size > 1 else tensor_parallel_size)
    across = shape.experts.hidden or shape.hidden
    return math.ceil(across / 256) * 256 / across * math.ceil(inner / block) * block / inner


def dense_bytes(shape: Architecture, quantization: Quantization, tensor_parallel_size: int) -> float:
    """Return the bytes of the weights that every token uses on each GPU, without embedding, head and routed experts."""
    cut = 1.0 / tensor_parallel_size
    if shape.latent or shape.compressed:
        copied = (down_projections(shape) + indexer_params(shape)) * (1.0 - cut)
    else:
        full_heads, full_width = shape.full_kv_heads or shape.kv_heads, shape.full_head_dim or shape.head_dim
        full = 2 * shape.full_layers * shape.hidden * full_heads * full_width
        sliding = 2 * shape.sliding_layers * shape.hidden * shape.kv_heads * shape.head_dim
        copied = full * (kv_share(shape, tensor_parallel_size, full_heads) - cut)
        copied += sliding * (kv_share(shape, tensor_parallel_size) - cut) + indexer_params(shape) * (1.0 - cut)
    beta = bytes_per_weight(quantization.dense, shape.hidden)
    in_16_bit = sum(kept_params(shape, part) for part in quantization.kept)
    return beta * (shape.dense_params / tensor_parallel_size + copied) + (2.0 - beta) * in_16_bit / tensor_parallel_size


def kv_share(shape: Architecture, tensor_parallel_size: int, kv_heads: int | None = None) -> float:
    """Return the share of the whole KV cache that one rank holds.

    It is 1/TP until there are fewer heads than ranks. A latent vector is whole on every rank.
    """
    whole = shape.latent or shape.compressed
    return 1.0 if whole else 1.0 / min(tensor_parallel_size, kv_heads or shape.kv_heads)


def cache_bytes(shape: Architecture, tensor_parallel_size: int, kv_format: KvFormat) -> tuple[float, float]:
    """Return the bytes of one token on one GPU: (in layers that remember everything, in layers with a window).

    The keys of an indexer are in the first.
    """
    ratio = kv_ratio(shape, kv_format)
    growing = shape.kv_bytes_per_token_growing * kv_share(shape, tensor_parallel_size, shape.full_kv_heads)
    windowed = shape.kv_bytes_per_token_windowed * kv_share(shape, tensor_parallel_size)
    return growing * ratio + indexer_key_bytes(shape, kv_format), windowed * ratio


def kv_ratio(shape: Architecture, kv_format: KvFormat) -> float:
    """Return the size of the cache relative to 16 bit.

    A sparse latent cache in fp8 also holds scales and 16-bit rotary parts.
    """
    if kv_format == "fp8" and shape.compressed:
        return COMPRESSED_ENTRY_FP8
    if kv_format == "fp8" and shape.latent and shape.indexer:
        rank, rotary = shape.latent.kv_lora_rank, shape.latent.qk_rope_head_dim
        return (rank + 4 * rank // 128 + 2 * rotary) / (2 * (rank + rotary))
    return KV_BYTES_RATIO[kv_format]


def indexer_key_bytes(shape: Architecture, kv_format: KvFormat) -> float:
    """Return the bytes of an indexer's keys for one token over all layers.

    A key is in fp8 with a 4-byte scale, or in 16 bit.
    """
    if shape.indexer is None:
        return 0.0
    small = kv_format == "fp8" or shape.latent is not None
    key = shape.indexer.head_dim + 4 if small else 2 * shape.indexer.head_dim
    return shape.indexer.layers * key / (shape.compressed.sparse_ratio if shape.compressed else 1)


def state_bytes(shape: Architecture) -> float:
    """Return the constant bytes of one sequence over all linear-attention layers and ranks.

    They hold the recurrent state and that of the convolution.
    """
    recurrent = shape.linear_state_elements * (shape.linear.state_bytes if shape.linear else STATE_BYTES_PER_ELEMENT)
    convolution = shape.linear.channels * (shape.linear.conv_kernel - 1) if shape.linear else 0
    return shape.linear_layers * (recurrent + convolution * STATE_BYTES_PER_ELEMENT)


def state_rounding_bytes(shape: Architecture) -> float:
    """Return the bytes that a sequence wastes in the caches beside a linear-attention state, over all ranks.

    vLLM pages both alike, so that a page of the full-attention cache is as large as a state. The last page is half
    empty on average.
    """
    return 0.5 * shape.full_layers * state_bytes(shape) / shape.linear_layers if shape.linear_layers else 0.0


def rotary_table_bytes(model: Model) -> float:
    """Return the bytes of the 16-bit table of cosines and sines that every rank holds, with a row for each position."""
    shape = model.architecture
    rotary = shape.latent.qk_rope_head_dim if shape.latent else 64 if shape.compressed else shape.head_dim
    return model.max_context * rotary * 2.0


def activation_bytes(
    shape: Architecture, tensor_parallel_size: int, max_num_seqs: int, max_num_batched_tokens: int
) -> float:
    """Return the bytes at the peak of a forward pass over a full step, or of the sampler's warm-up if they are more.

    For each token and in 16 bit, the forward pass holds four hidden states (residual, normed, attention in and out) and
    three widths of the feed-forward network (gate, up and their product). A layer with experts holds them for each
    expert that the token visits. A vision tower holds the same for each patch of the largest image, and its output
    stays for the tokens of a whole step.
    """
    width = float(shape.intermediate)
    hidden = 4.0 * shape.hidden
    if shape.experts:
        width = max(width, shape.experts.experts_per_token * shape.experts.expert_intermediate)
        hidden += shape.experts.experts_per_token * shape.hidden
    forward = 2.0 * (hidden + 3.0 * width / tensor_parallel_size) * max_num_batched_tokens
    peak = max(forward, SAMPLER_BYTES_PER_LOGIT * max_num_seqs * shape.vocab)
    if shape.vision is None:
        return peak
    patches = shape.vision.image_tokens * shape.vision.patches_per_token
    seeing = 2.0 * (4.0 * shape.vision.width + 3.0 * shape.vision.intermediate / tensor_parallel_size) * patches
    return max(peak, seeing) + 2.0 * shape.hidden * max(max_num_batched_tokens, shape.vision.image_tokens)


def overhead_bytes(gpus: int) -> float:
    """Return the bytes outside PyTorch's allocator on each of so many GPUs, which the engine counts as its own."""
    return (OVERHEAD_SINGLE_GIB if gpus == 1 else OVERHEAD_PARALLEL_GIB) * GIB


def cuts_experts(shape: Architecture, quantization: Quantization, tensor_parallel_size: int) -> bool:
    """Say whether tensor parallelism cuts each expert, if any, into whole groups of weights that share a scale."""
    width = shape.experts.expert_intermediate if shape.experts else 0
    return width % (tensor_parallel_size * SCALE_GROUPS.get(quantization.experts, 1)) == 0


def _refusal(
    model: Model,
    quantization: Quantization,
    kv_format: KvFormat,
    gpu: Gpu,
    tensor_parallel_size: int,
    max_model_len: int,
) -> NoFit | None:
    """Return the first rule of engine, shape or silicon that forbids the replica; None if nothing does."""
    if model.not_served:
        return NoFit(model.not_served)
    if unsupported := unsupported_weights(model, quantization, gpu) or unsupported_cache(kv_format, gpu):
        return NoFit(unsupported.reason)
    shape, ranks = model.architecture, tensor_parallel_size
    if shape.heads % ranks:
        return NoFit(f"{model.key} has {shape.heads} attention heads, which TP {ranks} does not divide")
    for kv_heads in () if shape.latent else dict.fromkeys((shape.kv_heads, shape.full_kv_heads or shape.kv_heads)):
        if kv_heads % ranks and ranks % kv_heads:
            return NoFit(f"{model.key} has {kv_heads} KV heads, which TP {ranks} neither divides nor multiplies")
    if shape.linear and shape.linear.value_heads % ranks:
        heads = shape.linear.value_heads
        return NoFit(f"{model.key} has {heads} linear-attention heads, which TP {ranks} does not divide")
    if max_model_len > model.max_context:
        return NoFit(f"{model.key} takes at most {model.max_context} tokens of context, {max_model_len} are asked for")
    return None


def _cut_refusal(
    model: Model, quantization: Quantization, tensor_parallel_size: int, expert_parallel_size: int
) -> NoFit | None:
    """Return the reason why the ranks cannot share the feed-forward networks out in this way; None if they can."""
    shape, ranks = model.architecture, tensor_parallel_size
    spread = expert_parallel_size > 1
    if spread and shape.experts is None:
        return NoFit(f"{model.key} has no experts that EP {expert_parallel_size} could share out")
    if spread and expert_parallel_size % ranks:
        return NoFit(f"EP {expert_parallel_size} is no multiple of TP {ranks}: it is tensor- times data-parallel ranks")
    widths = [(quantization.dense, "feed-forward", shape.intermediate)]
    if shape.experts:
        widths.append((quantization.dense, "shared-expert", shape.experts.shared_intermediate))
        widths.append((quantization.experts, "expert", 0 if spread else shape.experts.expert_intermediate))
    for form, what, width in widths:
        group = SCALE_GROUPS.get(form, 1)
        if width % (ranks * group):
            groups = f" into whole groups of {group} weights that share a scale" if group > 1 else ""
            hint = "; expert parallelism keeps experts whole" if what == "expert" else ""
            return NoFit(f"{model.key} has a {what} width of {width}, which TP {ranks} does not cut{groups}{hint}")
    return None
