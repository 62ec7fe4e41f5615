"""The index of a checkpoint (`model.safetensors.index.json`) against what its configuration says.

The index has the bytes of all tensors, often their number of weights, and their names. Where the weights have 16 bits
each, it must be explained to the last one; quantized weights must have about the bytes that we expect. What only images
or sound use is known by the index alone where we do not know the tower.

CFG006: an index that disagrees. CFG008: weights that neither of the two files tells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from planner.documents.model_config.config_json import JsonFile
from planner.documents.model_config.derive import Derived
from planner.documents.model_config.totals import Part, explained
from planner.domain.architecture import Vision
from planner.performance.precision import bytes_per_weight
from planner.words.diagnostics import Problem, Problems

_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.")
_SENSES = re.compile(r"vision|visual|image|audio|speech|sound|projector|tower")
_TOLERANCE = 0.15
"""Share by which the bytes of quantized weights may differ from those that we expect: scales, and layers left as they
were."""
_IMAGE_TOKENS, _PATCHES = 4096, 4
"""Largest image of a tower that we do not know, in tokens, and patches for each: a size that few towers exceed."""


@dataclass(frozen=True)
class Checked:
    """A configuration that an index confirms.

    derived: what is known now.
    beside: what the checkpoint holds beside the counted weights, by name.
    """

    derived: Derived
    beside: tuple[Part, ...] = ()


def without_index(derived: Derived, config: JsonFile) -> Checked:
    """Return what is known without an index. Raises `Problems` where parts would be missing in the memory."""
    if derived.unread:
        raise Problems(
            Problem(
                "CFG008",
                f"the weights of `{name}` are not known: its class is not among those that we count",
                config.span((name,)),
                "give the checkpoint's index with --index model.safetensors.index.json: it has the total",
            )
            for name in derived.unread
        )
    return Checked(derived)


def check_index(derived: Derived, index: JsonFile, config: JsonFile) -> Checked:
    """Hold an index against a configuration. Raises `Problems`."""
    metadata = index.value.get("metadata")
    names = index.value.get("weight_map")
    size = metadata.get("total_size") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(size, int | float) or isinstance(size, bool) or size <= 0:
        message = "the index has no `metadata.total_size`"
        raise Problems([Problem("CFG002", message, index.span(("metadata",)), "take the whole file")])
    problems = list(_layers(derived, index, names if isinstance(names, dict) else {}))
    if problems:
        raise Problems(problems)
    weights = metadata.get("total_parameters")
    if not isinstance(weights, int) or isinstance(weights, bool):
        weights = _weights(derived, int(size))
    if weights is None:
        _about(derived, int(size), index)
        return without_index(derived, config)
    parts = explained(weights, derived)
    if parts is None:
        ours = derived.architecture.params_loaded
        message = (
            f"the index has {weights:,} weights, and the configuration makes {ours:,}: {weights - ours:+,} has no name"
        )
        hint = "the two files are of different models, or the class has parts that we do not count"
        raise Problems([Problem("CFG006", message, index.span(("metadata",)), hint)])
    if any(part.name == "no head is stored" for part in parts):
        message = "no output head is stored, and the configuration says that the head is not the embedding"
        hint = "a model for vectors, or `tie_word_embeddings` is missing in the configuration"
        raise Problems([Problem("CFG006", message, config.span(("tie_word_embeddings",)), hint)])
    return _with_senses(derived, parts, config)


def _weights(derived: Derived, size: int) -> int | None:
    """Return the number of weights by their bytes; None where they are quantized."""
    if derived.stored.native not in ("bf16", "fp16"):
        return None
    return size // (4 if any("32 bit" in sentence for sentence in derived.assumed) else 2)


def _layers(derived: Derived, index: JsonFile, names: dict[str, object]) -> list[Problem]:
    """Find an index with fewer layers than the configuration, or with more than layers that predict."""
    text = [name for name in names if not _SENSES.search(name) and not name.startswith("mtp")]
    numbers = {int(match.group(1)) for name in text if (match := _LAYER.search(name)) is not None}
    layers = derived.architecture.layers
    if not numbers or layers <= max(numbers) + 1 <= layers + max(derived.predicting_layers, 1):
        return []
    message = f"the index has {max(numbers) + 1} layers, and the configuration {layers}"
    return [Problem("CFG006", message, index.span(("weight_map",)), "the two files are of different models")]


def _about(derived: Derived, size: int, index: JsonFile) -> None:
    """Hold the bytes of quantized weights against what we expect. Raises `Problems`."""
    shape, stored = derived.architecture, derived.stored
    dense = (
        stored.recipe.dense if stored.recipe else "bf16" if stored.native in ("mxfp4", "int4-qat") else stored.native
    )
    quantized = shape.dense_params * bytes_per_weight(dense, shape.hidden)
    experts = shape.routed_expert_params * bytes_per_weight(stored.native, shape.hidden)
    vision = shape.vision.params if shape.vision else 0
    expected = quantized + experts + 2.0 * (shape.embedding_params + vision)
    layer = expected / shape.layers
    if expected * (1 - _TOLERANCE) <= size <= expected * (1 + _TOLERANCE) + (derived.predicting_layers + 1) * 2 * layer:
        return
    message = f"the index has {size:,} bytes, and the configuration makes about {int(expected):,} ({stored.native})"
    hint = "the two files are of different models, or more of the weights stay in 16 bit than the configuration says"
    raise Problems([Problem("CFG006", message, index.span(("metadata", "total_size")), hint)])


def _with_senses(derived: Derived, parts: tuple[Part, ...], config: JsonFile) -> Checked:
    """Return a model whose unknown towers have the weights that the index has beside the text model."""
    senses = [part for part in parts if part.name.startswith("what only images")]
    if not derived.unread or not senses:
        return Checked(replace(derived, unread=()) if not senses else derived, parts)
    tower = config.value.get("vision_config")
    width, inner = _sizes(tower if isinstance(tower, dict) else {}, derived.architecture.hidden)
    vision = Vision(senses[0].weights, width, inner, _IMAGE_TOKENS, _PATCHES)
    told = (
        f"what only images or sound use ({', '.join(derived.unread)}) has {senses[0].weights:,} weights by the index; "
        f"its largest image is taken as {_IMAGE_TOKENS:,} tokens, because nobody has read this tower"
    )
    shape = replace(derived.architecture, vision=vision)
    rest = tuple(part for part in parts if part not in senses)
    return Checked(replace(derived, architecture=shape, unread=(), assumed=(*derived.assumed, told)), rest)


def _sizes(tower: dict[str, object], hidden: int) -> tuple[int, int]:
    """Return the width and the inner width of a tower that we do not know; as wide as the text model without them."""
    width = tower.get("hidden_size", tower.get("width"))
    inner = tower.get("intermediate_size")
    wide = width if isinstance(width, int) and width > 0 else hidden
    return wide, inner if isinstance(inner, int) and inner > 0 else 4 * wide
