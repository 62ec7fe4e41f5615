"""Number formats of weights: how much memory they take, and how one GPU runs them.

A format runs on a GPU in one of three ways. `Native`: the tensor cores multiply in the format itself. `WeightOnly`: the
weights are stored in the format and widened to 16 bit before the product, which saves reading and no arithmetic.
`Unsupported`: they do not run, for a reason. The catalog's row of the GPU says which it is (`Gpu.formats`). FP8
arithmetic begins with compute capability 8.9 and FP4 with 10.0. Turing has no bf16, so 16-bit models run there as fp16
where the engine allows it.

The bytes of a weight count its share of the scales:

    awq, gptq    0.53, with a 16-bit scale and zero for each group of 128
    mxfp4        one byte for each 32 weights
    nvfp4        one byte for each 16 weights
    int4-qat     a 16-bit scale for each 32 weights
    fp8, int8    one 4-byte scale for each output channel

A KV cache in fp8 is planned only where vLLM's default attention backends read it and its speed or size is known:

    grouped-query attention    compute capability 8.9 and more
    latent attention (MLA)     9.x and 10.x
    sparse or compressed       nowhere
    linear attention           nowhere

Sources: vLLM's attention backend feature support and quantized KV cache (documentation), `fa_utils.py`. FlashAttention
3 reads it on 9.x and 4 on 10.x, FlashInfer on 8.9 to 10.x, and Triton everywhere else, whose fp8 type (`fp8e4nv`)
begins with 8.9. FlashMLA reads a latent cache on 9.x and 10.x. Of a sparse or compressed cache in fp8 we hold no
published run. A model with linear attention gains little or nothing: its state stays in 16 bit and sets the page size
of the whole cache (vllm issue 55196).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from planner.domain.models import Model, Quantization
from planner.domain.offerings import Gpu
from planner.domain.route import KvCacheDtype

KvFormat = Literal["bf16", "fp8"]
ComputeType = Literal["16-bit", "fp8", "int8", "fp4"]

KV_BYTES_RATIO: dict[KvFormat, float] = {"bf16": 1.0, "fp8": 0.5}
"""Size of a cached element relative to 16 bit."""
FP8_KV_FROM = 8.0
"""Least compute capability of GPUs on which somebody measured an fp8 KV cache, whatever the engine."""
FP8_KV_PLANNED_FROM = 8.9
"""Least compute capability with which plans store the KV cache in fp8."""
FP8_LATENT_KV_ON = (9, 10)
"""Generations of GPUs, by the whole part of their compute capability, that store a latent KV cache in fp8."""
KV_FORMATS: dict[KvCacheDtype, KvFormat] = {"auto": "bf16", "fp8": "fp8"}
"""The format that each value of `--kv-cache-dtype` stands for."""

_BYTES_PER_WEIGHT: dict[str, float] = {
    "bf16": 2.0,
    "fp16": 2.0,
    "fp8": 1.0,
    "fp8-block": 1.0 + 4.0 / 128**2,
    "int8": 1.0,
    "awq": 0.53,
    "gptq": 0.53,
    "mxfp4": 0.5 + 1 / 32,
    "nvfp4": 0.5 + 1 / 16,
    "int4-qat": 0.5 + 2 / 32,
}
_CHANNEL_SCALED = frozenset({"fp8", "int8"})
_COMPUTE: dict[str, ComputeType] = {"fp8": "fp8", "fp8-block": "fp8", "int8": "int8", "mxfp4": "fp4", "nvfp4": "fp4"}
_WIDENING: dict[ComputeType, tuple[str, ...]] = {
    "16-bit": ("bf16", "fp16"),
    "fp8": ("fp8", "bf16", "fp16"),
    "int8": ("int8", "bf16", "fp16"),
    "fp4": ("fp4", "fp8", "bf16", "fp16"),
}
_NO_FLOAT16 = ("gemma-2-", "gemma-3-", "gemma-4-", "glm-4")
"""Starts of the keys of shipped models that vLLM refuses in fp16, because their activations overflow it. Models that a
team adds say so themselves (`overflows_fp16`)."""

PACKED = frozenset({"awq", "gptq", "mxfp4", "nvfp4", "int4-qat"})
"""4-bit formats, which kernels unpack on the way to the product."""
FP4 = frozenset({"mxfp4", "nvfp4"})
"""4-bit formats whose elements are floating-point numbers, with a scale for each short block."""


@dataclass(frozen=True, slots=True)
class Native:
    """The tensor cores multiply in the format itself. compute: the type in which they do."""

    compute: ComputeType


@dataclass(frozen=True, slots=True)
class WeightOnly:
    """Weights are stored in the format and widened before each product. compute: the type to which they are widened."""

    compute: ComputeType = "16-bit"


@dataclass(frozen=True, slots=True)
class Unsupported:
    """The format does not run on the GPU. reason: why it does not, as a sentence."""

    reason: str


FormatSupport = Native | WeightOnly | Unsupported


def support(form: str, gpu: Gpu) -> FormatSupport:
    """Return how the GPU runs weights stored as `form` (`bf16`, `fp8`, `awq`, `mxfp4` …)."""
    if form not in _BYTES_PER_WEIGHT:
        return Unsupported(f"{form} is not a weight format that the performance model knows")
    way = gpu.supports("gptq" if form == "int4-qat" else form)
    if way is None and form == "bf16" and gpu.supports("fp16"):
        return Native("16-bit")
    if way is None:
        return Unsupported(f"{gpu.name} (compute capability {gpu.compute_capability}) does not run {form} weights")
    return Native(_COMPUTE.get(form, "16-bit")) if way == "native" else WeightOnly()


def unsupported_weights(model: Model, quantization: Quantization, gpu: Gpu) -> Unsupported | None:
    """Return why the GPU does not run a model in this quantization; None if it does."""
    for form in dict.fromkeys((quantization.dense, quantization.experts)):
        way = support(form, gpu)
        if isinstance(way, Unsupported):
            return way
    overflows = model.overflows_fp16 or model.key.startswith(_NO_FLOAT16)
    if engine_dtype(quantization, gpu) == "float16" and overflows:
        return Unsupported(f"{gpu.name} has no bf16, and {model.key} overflows fp16")
    return None


def unsupported_cache(kv_format: KvFormat, gpu: Gpu) -> Unsupported | None:
    """Return why the GPU cannot hold its KV cache in `kv_format`; None if it can."""
    if kv_format == "fp8" and float(gpu.compute_capability) < FP8_KV_FROM:
        return Unsupported(f"{gpu.name} (compute capability {gpu.compute_capability}) has no fp8 KV cache")
    return None


def unplanned_cache(model: Model, gpu: Gpu, kv_cache_dtype: KvCacheDtype) -> Unsupported | None:
    """Return why plans do not store the KV cache of a model in this form on the GPU; None if they do."""
    if kv_cache_dtype == "auto":
        return None
    shape, on = model.architecture, f"{gpu.name} (compute capability {gpu.compute_capability})"
    if float(gpu.compute_capability) < FP8_KV_PLANNED_FROM:
        return Unsupported(f"{on} reads no fp8 KV cache with vLLM's default attention backends")
    if shape.linear_layers:
        return Unsupported(f"an fp8 KV cache saves next to nothing of {model.key}, whose linear attention pages it")
    if shape.compressed or shape.indexer:
        return Unsupported(f"no run with a sparse KV cache in fp8, as {model.key} would have, is known")
    if shape.latent and int(float(gpu.compute_capability)) not in FP8_LATENT_KV_ON:
        return Unsupported(f"{on} reads no latent KV cache in fp8 with vLLM's default attention backends")
    return None


def engine_dtype(quantization: Quantization, gpu: Gpu) -> Literal["auto", "float16"]:
    """Return the engine's `--dtype`: `float16` where the GPU does not run the checkpoint's bf16, `auto` otherwise."""
    return "float16" if gpu.supports("bf16") is None and quantization.dense != "fp16" else "auto"


def bytes_per_weight(form: str, hidden: int) -> float:
    """Return the stored bytes of one weight with its share of the scales. hidden: width of a row, weights."""
    return _BYTES_PER_WEIGHT[form] + (4.0 / hidden if form in _CHANNEL_SCALED else 0.0)


def peak_flops(gpu: Gpu, compute: ComputeType) -> float:
    """Return the dense FLOP/s of the tensor cores in `compute`, or in the next wider type for which there is a figure.

    Raises ValueError when the catalog's row has no 16-bit figure at all.
    """
    for dtype in _WIDENING[compute]:
        if gpu.tflops.get(dtype):
            return gpu.tflops[dtype] * 1e12
    raise ValueError(f"gpu/{gpu.key}: no bf16 or fp16 TFLOPS; add the datasheet figure to its catalog row")
