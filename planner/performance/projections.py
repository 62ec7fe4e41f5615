"""The shapes of the products and of the attention of one layer, on one GPU, at a tensor-parallel size.

    attention     (H + 2·KV)·d ← h     o: h ← H·d                 H, KV: heads on one GPU, KV at least one
    latent        r + kv + rope ← h    H·(nope + rope) ← r    H·(nope + v) ← kv    o: h ← H·v
    feed-forward  g·w ← h              h ← w                      g = 2 with a gate, else 1; w: width on one GPU
    expert        as feed-forward, with the width of one expert, routed or shared
    head          vocabulary ← h

Each line gives the outputs ← the inputs of a weight, as the engine fuses them. Linear attention and expert parallelism
are not described here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from planner.domain.architecture import Architecture
from planner.domain.models import Model

WeightShape = tuple[int, int]
"""(outputs, inputs) of a weight."""
Heads = tuple[int, int, int]
"""(query heads, key-value heads, head size) on one GPU."""


@dataclass(frozen=True)
class Projections:
    """What one GPU multiplies and attends to; each shape stands once, sorted.

    weights: shapes of the products.
    heads: shapes of the attention.
    left_out: what has no such shape, as sentences.
    """

    weights: tuple[WeightShape, ...]
    heads: tuple[Heads, ...]
    left_out: tuple[str, ...] = ()


def projections(model: Model, tensor_parallel_size: int) -> Projections:
    """Return the shapes of a model on one of `tensor_parallel_size` GPUs.

    Raises ValueError when the GPUs cannot share the heads of the model evenly.
    """
    shape, tp = model.architecture, tensor_parallel_size
    if shape.heads % tp:
        raise ValueError(f"{tp} GPUs cannot share the {shape.heads} heads of {model.key} evenly")
    heads = tuple(sorted(set(_heads(shape, tp))))
    weights = {(shape.vocab // tp, shape.hidden), *_feed_forward(shape, tp)}
    for h, kv, d in heads:
        weights |= {((h + 2 * kv) * d, shape.hidden), (shape.hidden, h * d)}
    weights |= set(_latent(shape, tp))
    left_out = []
    if not heads:
        left_out.append(f"{model.key}: PyTorch has no fused kernel for its {shape.attention} attention")
    if shape.linear_layers:
        left_out.append(f"{model.key}: linear attention is not measured")
    return Projections(tuple(sorted(weights)), heads, tuple(left_out))


def _heads(shape: Architecture, tp: int) -> Iterator[Heads]:
    if shape.attention in ("MLA", "CSA"):
        return
    kinds = {(shape.kv_heads, shape.head_dim)} if shape.sliding_layers or shape.full_kv_heads is None else set()
    if shape.full_layers:
        kinds.add((shape.full_kv_heads or shape.kv_heads, shape.full_head_dim or shape.head_dim))
    for kv, d in kinds:
        yield shape.heads // tp, max(1, kv // tp), d


def _latent(shape: Architecture, tp: int) -> Iterator[WeightShape]:
    if shape.latent is None:
        return
    latent, heads = shape.latent, shape.heads // tp
    query = heads * (latent.qk_nope_head_dim + latent.qk_rope_head_dim)
    yield latent.q_lora_rank + latent.kv_lora_rank + latent.qk_rope_head_dim, shape.hidden
    yield query, latent.q_lora_rank or shape.hidden
    yield heads * (latent.qk_nope_head_dim + latent.v_head_dim), latent.kv_lora_rank
    yield shape.hidden, heads * latent.v_head_dim


def _feed_forward(shape: Architecture, tp: int) -> Iterator[WeightShape]:
    if shape.intermediate:
        yield (shape.matrices - 1) * shape.intermediate // tp, shape.hidden
        yield shape.hidden, shape.intermediate // tp
    if shape.experts is None:
        return
    experts = shape.experts
    routed = experts.hidden or shape.hidden
    for width, outer in ((experts.expert_intermediate, routed), (experts.shared_intermediate, shape.hidden)):
        if width:
            yield (experts.matrices - 1) * width // tp, outer
            yield outer, width // tp
