"""How a checkpoint stores its weights, from `quantization_config` or `hf_quant_config.json`.

Each tool that quantizes says it in its own words: a method with a number of bits (AWQ, GPTQ, FP8), groups of layers
with the type of their numbers (compressed-tensors, ModelOpt), or the name of an algorithm (ModelOpt's own file). What
stays in 16 bit stands in a list of modules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from planner.documents.model_config.keys import Keys
from planner.domain.architecture import Architecture
from planner.domain.models import EXPERTS_ONLY, ModelPart, Recipe, WeightFormat
from planner.performance.precision import bytes_per_weight

_DTYPES: dict[str, WeightFormat] = {"bfloat16": "bf16", "float16": "fp16", "float32": "bf16", "half": "fp16"}
_ALGORITHMS: dict[str, WeightFormat] = {
    "NVFP4": "nvfp4",
    "NVFP4_AWQ": "nvfp4",
    "FP8": "fp8",
    "FP8_PER_CHANNEL_PER_TOKEN": "fp8",
    "FP8_PB_WO": "fp8-block",
    "MXFP4": "mxfp4",
    "W4A16_AWQ": "awq",
    "INT8_SQ": "int8",
}
_IGNORED = ("modules_to_not_convert", "ignore", "exclude_modules", "ignored_layers")
_LAYER = re.compile(r"layers\.(\d+)\b")
_ATTENTION = re.compile(r"self_attn|attention|\battn|q_proj|linear_attn")
_SHARED = re.compile(r"shared_expert")


@dataclass(frozen=True)
class Stored:
    """How the weights of a checkpoint are stored.

    native: format of the routed experts, or of all weights of a dense model.
    recipe: how the weights that are no routed experts are stored, where the format does not say it; else None.
    """

    native: WeightFormat
    recipe: Recipe | None = None


def stored_format(keys: Keys, root: Keys, quantization: Keys | None, shape: Architecture) -> Stored:
    """Read the format of the weights. quantization: the separate file of ModelOpt; None without."""
    told = quantization or root.part("quantization_config", "compression_config") or keys.part("quantization_config")
    if told is not None and (inner := told.part("quantization")) is not None:
        told = inner
    if told is None:
        return Stored(_plain(keys, root))
    formats = _formats(told)
    if not formats:
        return Stored(_plain(keys, root))
    return _stored(told, keys, formats, shape)


def _plain(keys: Keys, root: Keys) -> WeightFormat:
    """Return the format of weights that nobody quantized."""
    word = keys.plain("dtype", "torch_dtype") or root.plain("dtype", "torch_dtype")
    if word is None:
        keys.notes.assume("`torch_dtype` is not there: 16 bit (bf16), as the engine runs such weights")
        return "bf16"
    form = _DTYPES.get(str(word).removeprefix("torch."))
    if form is None:
        name = "torch_dtype" if root.holds("torch_dtype") else "dtype"
        root.note("CFG007", f"weights of the type `{word}` are not in our performance model", (name,), _KNOWN)
        return "bf16"
    if "32" in str(word):
        keys.notes.assume("the weights are stored in 32 bit, and the engine runs them in 16 bit")
    return form


_KNOWN = "known: 16 bit, FP8, INT8, AWQ and GPTQ in 4 bit, MXFP4, NVFP4"


def _formats(told: Keys) -> list[WeightFormat]:
    """Return the formats that a quantization names."""
    groups = told.part("config_groups")
    if groups is not None:
        return list(dict.fromkeys(form for name in groups.value if (form := _group(groups, name, told)) is not None))
    algorithm = told.word("quant_algo")
    if algorithm == "MIXED_PRECISION":
        return _by_layers(told)
    if algorithm is not None:
        if algorithm not in _ALGORITHMS:
            told.note("CFG007", f"`{algorithm}` is no format that we price", ("quant_algo",), _KNOWN)
            return ["bf16"]
        return [_ALGORITHMS[algorithm]]
    return _by_method(told)


def _by_layers(told: Keys) -> list[WeightFormat]:
    """Return the formats of a list that has one for each layer."""
    layers = told.part("quantized_layers")
    names = [layer.get("quant_algo") for layer in (layers.value.values() if layers else ()) if isinstance(layer, dict)]
    known = [_ALGORITHMS[name] for name in names if name in _ALGORITHMS]
    if not known:
        told.note("CFG007", "weights in several formats, and no list says which", ("quant_algo",), _KNOWN)
    return list(dict.fromkeys(known))


def _by_method(told: Keys) -> list[WeightFormat]:
    method = told.word("quant_method")
    bits = told.count("bits", "w_bit")
    match method:
        case "fp8":
            return ["fp8-block" if told.holds("weight_block_size") else "fp8"]
        case "fbgemm_fp8":
            return ["fp8"]
        case "mxfp4":
            return ["mxfp4"]
        case "awq" | "gptq" | "auto-round" | "auto_gptq":
            form: WeightFormat = "awq" if method == "awq" else "gptq"
            if bits == 4:
                return [form]
            told.note(
                "CFG007", f"{method} with {bits or 'no stated'} bits is no format that we price", ("bits",), _KNOWN
            )
            return [form]
        case "w8a8_int8" | "smoothquant":
            return ["int8"]
        case None:
            told.note("CFG007", "the quantization has no `quant_method`", (), _KNOWN)
        case _:
            told.note("CFG007", f"weights in `{method}` are not in our performance model", ("quant_method",), _KNOWN)
    return ["bf16"]


def _group(groups: Keys, name: str, told: Keys) -> WeightFormat | None:
    """Return the format of one group of layers."""
    group = groups.part(name)
    weights = group.part("weights") if group is not None else None
    if group is None or weights is None:
        return None
    bits, kind, size = weights.count("num_bits"), weights.word("type"), weights.count("group_size", least=-1)
    packed = f"{group.plain('format') or told.plain('format') or ''}"
    match bits, kind:
        case 8, "float":
            return "fp8-block" if weights.plain("strategy") == "block" else "fp8"
        case 8, "int":
            return "int8"
        case 4, "float":
            return "mxfp4" if size == 32 or "mxfp4" in packed else "nvfp4"
        case 4, "int":
            return "int4-qat" if size == 32 else "gptq"
    groups.note("CFG007", f"numbers of {bits} bits ({kind}) are no format that we price", (name,), _KNOWN)
    return None


def _stored(told: Keys, keys: Keys, formats: list[WeightFormat], shape: Architecture) -> Stored:
    formats = sorted(formats, key=lambda form: bytes_per_weight(form, shape.hidden))
    if len(formats) > 1 and shape.experts is None:
        told.notes.assume(f"weights are in {' and '.join(formats)}: all count as {formats[-1]}, the largest")
        return Stored(formats[-1])
    if len(formats) > 1:
        told.notes.assume(f"weights are in {' and '.join(formats)}: experts count as the first, all else as the last")
        return Stored(formats[0], Recipe(formats[-1]))
    native = formats[0]
    if keys.plain("expert_dtype") == "fp4" and shape.experts is not None:
        return Stored("mxfp4", Recipe(native))
    if native in EXPERTS_ONLY and shape.experts is None:
        told.note("CFG007", f"{native} weights of a model without experts are not in our performance model", (), _KNOWN)
        return Stored(native)
    if native in EXPERTS_ONLY:
        return Stored(native)
    kept = _kept(told.words(*_IGNORED) or (), shape)
    everything: set[ModelPart] = {"attention", "shared-experts"}
    if shape.experts is not None and everything <= kept | (
        set() if shape.experts.shared_intermediate else everything - {"attention"}
    ):
        return Stored(native, Recipe("bf16"))
    return Stored(native, Recipe(native, tuple(sorted(kept))) if kept else None)


def _kept(ignored: Iterable[str], shape: Architecture) -> set[ModelPart]:
    """Return the parts that stay in 16 bit: those that the list of modules names in at least half of their layers."""
    kept: set[ModelPart] = set()
    parts: tuple[tuple[ModelPart, re.Pattern[str], int], ...] = (
        ("attention", _ATTENTION, shape.layers),
        ("shared-experts", _SHARED, shape.moe_layers),
    )
    for part, words, layers in parts:
        named = [entry for entry in ignored if words.search(entry) and "vision" not in entry and "visual" not in entry]
        everywhere = [entry for entry in named if _LAYER.search(entry) is None]
        in_layers = {match.group(1) for entry in named if (match := _LAYER.search(entry)) is not None}
        if layers and (everywhere or 2 * len(in_layers) >= layers):
            kept.add(part)
    return kept
