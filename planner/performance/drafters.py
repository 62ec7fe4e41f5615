"""Drafters: the shape of the layer that proposes a model's next tokens, and which of them plans use.

A model that was trained for multi-token prediction (MTP) has one more layer of the kind of its last ones, behind a
projection of two hidden states to one, 2·h². Embedding and output head are those of the model. The engine counts the
layer's KV cache like that of any other layer.

Plans use what lies in the model's own checkpoint. A drafter with a checkpoint of its own would have to be copied to the
bucket too, and no published run shows that the engine streams a second checkpoint from object storage (for the built-in
layer it does since vLLM 0.29, pull request 42079). Checkpoints that others have quantized may lack the layer. For
sparse and compressed attention the layer is of another kind than the model's own.
"""

from __future__ import annotations

from dataclasses import replace

from planner.domain.architecture import Architecture
from planner.domain.models import Drafter, Model, Quantization
from planner.performance.parameters import block_of, count_parts
from planner.performance.precision import Unsupported


def unplanned_drafter(model: Model, quantization: Quantization, drafter: Drafter) -> Unsupported | None:
    """Return why plans do not use a drafter with a model in this precision; None if they do."""
    shape, name = model.architecture, f"the drafter `{drafter.word}` of {model.key}"
    if drafter.checkpoint is not None:
        return Unsupported(f"{name} has a checkpoint of its own, and plans use drafters that are built in alone")
    if quantization.checkpoint != model.hf_id:
        return Unsupported(f"{name} is known in the checkpoint of its maker, and not in that of {quantization.name}")
    if not shape.full_layers:
        return Unsupported(f"{name} would have the attention of {model.key}, which has windows alone")
    if shape.indexer or shape.compressed:
        return Unsupported(f"{name} has sparse attention, whose steps with a drafter are not modelled")
    return None


def drafter_shape(model: Model, drafter: Drafter) -> Architecture:
    """Return the shape of a built-in drafter: layers of full attention with the model's own widths."""
    shape, layers = model.architecture, drafter.layers
    alone = replace(
        shape,
        layers=layers,
        full_layers=layers,
        sliding_layers=0,
        sliding_window=None,
        linear_layers=0,
        linear_state_elements=0,
        linear=None,
        vision=None,
        looked_up=0,
        experts=replace(shape.experts, dense_layers=0) if shape.experts else None,
        kv_bytes_per_token_growing=shape.kv_bytes_per_token_growing // shape.full_layers * layers,
        kv_bytes_per_token_windowed=0,
    )
    weights = count_parts(alone, block_of(model.key)).total + 2 * shape.hidden**2
    return replace(alone, params_total=weights, params_active=weights - _unused(alone))


def _unused(shape: Architecture) -> int:
    """Return the weights that one token does not multiply: the experts that it does not visit, and the embedding."""
    experts = shape.experts
    unvisited = experts.experts - experts.experts_per_token if experts else 0
    embedding = 0 if shape.tied_embeddings else shape.vocab * shape.hidden
    return unvisited * shape.params_per_expert * shape.moe_layers + embedding
