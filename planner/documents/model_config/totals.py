"""A total that somebody states against the weights that we count: equal, or which parts make the difference.

Totals of checkpoints hold more than what is served: layers that predict further tokens, towers for images and sound, a
head that is stored beside the embedding that it equals, scales of quantized weights, tables of positions. Weights that
are packed count less. Each candidate has its size, so that a difference has a name only where the sizes add up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from planner.documents.model_config.derive import Derived

PACKED = frozenset({"nvfp4", "mxfp4", "int4-qat", "awq", "gptq"})
"""Formats of which two or more weights are stored as one number."""
_MOST_PREDICTING = 7
_BUFFERS = 2e-6
"""Share of a model that small buffers and single numbers may take: router biases, factors of layers."""


@dataclass(frozen=True)
class Part:
    """A part of a difference. name: what it is. weights: how many; negative where the total lacks them."""

    name: str
    weights: int


def explained(stated: int, derived: Derived) -> tuple[Part, ...] | None:
    """Return the parts that a stated total has beside the counted weights; None where the sizes do not add up."""
    difference = stated - derived.architecture.params_loaded
    if difference == 0:
        return ()
    for choice in product(_predicting(derived), _heads(derived), _tables(derived)):
        known = tuple(part for part in choice if part.weights)
        rest = difference - sum(part.weights for part in known)
        if rest == 0:
            return known
    best: tuple[Part, ...] | None = None
    for choice in product(_predicting(derived), _heads(derived), _tables(derived)):
        known = tuple(part for part in choice if part.weights)
        rest = difference - sum(part.weights for part in known)
        if (name := _rest(rest, derived)) is not None and (best is None or len(known) < len(best) - 1):
            best = (*known, Part(name, rest))
    return best


def _predicting(derived: Derived) -> Iterator[Part]:
    """Yield the sizes of layers that predict further tokens, one layer and more, also with ends of their own."""
    yield Part("", 0)
    shape, counts = derived.architecture, derived.counts
    attending = shape.full_layers + shape.sliding_layers
    if attending == 0:
        return
    attention = counts.attention // attending
    indexer = counts.indexer // shape.indexer.layers if shape.indexer and shape.indexer.layers else 0
    routed = counts.shared_experts + counts.router + counts.routed_experts
    dense_layers = shape.layers - shape.moe_layers
    widths = [routed // shape.moe_layers] if shape.moe_layers else []
    widths += [counts.dense_layers // dense_layers] if dense_layers and counts.dense_layers else []
    norms = (5 * shape.hidden, 4 * shape.hidden, 6 * shape.hidden)
    ends = shape.vocab * shape.hidden * 2
    for number, network, norm in product(range(1, _MOST_PREDICTING + 1), widths, norms):
        layer = attention + indexer + network + 2 * shape.hidden**2 + norm
        what = f"{number} layer{'s' if number > 1 else ''} that predict{'' if number > 1 else 's'} further tokens (MTP)"
        yield Part(what, number * layer)
        yield Part(
            f"{what}, with embedding and head of {'their' if number > 1 else 'its'} own", number * (layer + ends)
        )


def _heads(derived: Derived) -> Iterator[Part]:
    shape = derived.architecture
    yield Part("", 0)
    if shape.tied_embeddings:
        yield Part("the head, stored beside the embedding that it equals", shape.vocab * shape.hidden)
    else:
        yield Part("no head is stored", -shape.vocab * shape.hidden)


def _tables(derived: Derived) -> Iterator[Part]:
    """Yield the sizes of buffers that old checkpoints store with each layer."""
    shape, positions = derived.architecture, derived.max_context
    yield Part("", 0)
    yield Part("rotary tables of the layers", shape.layers * shape.head_dim // 2)
    if positions <= 8192:
        masks = shape.layers * positions**2
        yield Part("attention masks of the layers", masks)
        for rotary in (shape.head_dim // 8, shape.head_dim // 2, shape.head_dim // 4):
            yield Part("attention masks and rotary tables of the layers", masks + shape.layers * rotary)


def _rest(rest: int, derived: Derived) -> str | None:
    """Name what is left of a difference by its size; None where nothing fits."""
    shape, native = derived.architecture, derived.stored.native
    total = shape.params_loaded
    ends = 1 if shape.tied_embeddings else 2
    if native in PACKED and -0.85 * total < rest < 0.1 * total:
        return "4-bit weights, packed or with their scales"
    scales = {"fp8-block": 1.3 / 128**2, "fp8": 1.6 / min(shape.hidden, shape.intermediate or shape.hidden)}
    if "fp8" in native and 0 < rest <= max(scales[native] * total, 14 * shape.layers * (shape.moe_layers or 1)):
        return "scales of the fp8 weights"
    if rest % (shape.hidden * ends) == 0 and abs(rest) // (shape.hidden * ends) <= 256:
        return "rows of the embedding beside the vocabulary"
    if derived.unread and 0 < rest < 0.6 * total:
        return f"what only images or sound use ({', '.join(derived.unread)})"
    if abs(rest) <= max(_BUFFERS * total, 64):
        return "small buffers"
    return None
