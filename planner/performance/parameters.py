"""Counts every weight of a model from its shape, part by part, so that no published total has to be believed.

    attention       q h·H·d (twice with an output gate), k and v h·KV·d, o H·d·h
    latent          q h·r + r·H·(nope + rope), down h·(kv + rope), up kv·H·(nope + v), o H·v·h
    feed-forward    m·h·w for a width of w        m = 3 with a gate, 2 without (`matrices` of the shape)
    experts         E·m·h·w in a routed layer, beside the router's h·E and the shared expert

What a shape cannot say is said by the `Block` of a family: how many norms a layer has, which products add a bias, and
the like. The total that a maker publishes also includes layers that predict several tokens, which are not served, and
vision parts, which a catalog row states apart (`Vision`). Neither is counted here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from planner.domain.architecture import Architecture
from planner.domain.models import Model, ModelPart

Biased = Literal["qkv", "out", "ffn", "head"]
"""Products that may add a bias: those to queries, keys and values, that of the attention's output, those of the
feed-forward network, and the output head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What the layers of a family have beside their projections.

    norms, final_norms: vectors as wide as the model, in each layer and after the last. A LayerNorm has two, its weight
    and its bias.
    query_norm: whether queries and keys are normed for each head, or for all heads at once.
    biases: which products add a bias.
    gate: whether attention has an output gate as wide as the queries.
    shared_gate: whether the shared expert has a gate.
    router_bias: whether the router has one more number for each expert.
    sinks: whether attention has one more number for each head.
    positions: learned positions; 0 without.
    shared_keys: whether full-attention layers use their keys as values.
    value_dim: width of one head's values where it is not that of its keys; else None.
    dense_networks: layers with a dense feed-forward network, where not all layers without experts have one; else None.
    """

    norms: int = 2
    final_norms: int = 1
    query_norm: Literal["none", "head", "all"] = "none"
    biases: frozenset[Biased] = frozenset()
    gate: bool = False
    shared_gate: bool = False
    router_bias: bool = False
    sinks: bool = False
    positions: int = 0
    shared_keys: bool = False
    value_dim: int | None = None
    dense_networks: int | None = None


_LAYER_NORM = Block(norms=4, final_norms=2, biases=frozenset({"qkv", "out", "ffn"}))
_QWEN3_HYBRID = Block(query_norm="head", gate=True, shared_gate=True)
_ROUTED = Block(router_bias=True)

BLOCKS: dict[str, Block] = {
    "": Block(),
    "deepseek-r1-distill": Block(),
    "deepseek-": _ROUTED,
    "deepseek-v4-": Block(router_bias=True, sinks=True),
    "falcon-": Block(norms=4, final_norms=2),
    "gemma-2-": Block(norms=4),
    "gemma-3-": Block(norms=4, query_norm="head"),
    "gemma-4-": Block(norms=8, query_norm="head", shared_keys=True, router_bias=True),
    "gemma-4-31b": Block(norms=4, query_norm="head", shared_keys=True),
    "glm-4.5": Block(query_norm="head", biases=frozenset({"qkv"}), router_bias=True),
    "glm-4.5-air": Block(biases=frozenset({"qkv"}), router_bias=True),
    "glm-4.6": Block(query_norm="head", biases=frozenset({"qkv"}), router_bias=True),
    "glm-4.7-flash": _ROUTED,
    "glm-5": _ROUTED,
    "gpt-oss-": Block(biases=frozenset({"qkv", "out"}), router_bias=True, sinks=True),
    "kimi-": _ROUTED,
    "kimi-k3": Block(router_bias=True, gate=True),
    "minimax-m2": Block(query_norm="all", router_bias=True),
    "minimax-m3": Block(query_norm="head", router_bias=True),
    "muse-": Block(norms=5, gate=True),
    "nemotron-": Block(norms=1, router_bias=True),
    "olmo-": Block(norms=0, final_norms=0),
    "olmo-2-": Block(query_norm="all"),
    "pythia-": _LAYER_NORM,
    "qwen2.5-": Block(biases=frozenset({"qkv"})),
    "qwen3-": Block(query_norm="head"),
    "qwen3-coder-next": _QWEN3_HYBRID,
    "qwen3-next-": _QWEN3_HYBRID,
    "qwen3.": _QWEN3_HYBRID,
    "qwq-": Block(biases=frozenset({"qkv"})),
    "starcoder": Block(norms=4, final_norms=2, biases=frozenset({"qkv", "out", "ffn"}), positions=8192),
    "starcoder2-": _LAYER_NORM,
}
"""The blocks by the start of a catalog key; the longest start that fits counts. They come from each family's public
modelling code (Transformers)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightCounts:
    """Number of weights of a model by what they do.

    embedding: embedding and output head.
    attention, linear_attention: layers by kind of attention.
    indexer: attention that picks keys.
    dense_layers: dense feed-forward networks.
    shared_experts, router, routed_experts: parts of routed layers.
    other: norms, positions, sinks, and the mixing of residual streams.
    """

    embedding: int
    attention: int
    linear_attention: int
    indexer: int
    dense_layers: int
    shared_experts: int
    router: int
    routed_experts: int
    other: int

    @property
    def total(self) -> int:
        """All weights."""
        return sum(getattr(self, part.name) for part in fields(self))


def count_weights(model: Model) -> WeightCounts:
    """Count the weights of the text model, embedding and output head included."""
    return count_parts(model.architecture, block_of(model.key))


def count_parts(shape: Architecture, block: Block) -> WeightCounts:
    """Count the weights of a text model of that shape, whose layers have what the block says."""
    return WeightCounts(
        embedding=shape.embedding_params + (shape.vocab if "head" in block.biases else 0),
        attention=_attention(shape, block),
        linear_attention=_linear(shape, block),
        indexer=indexer_params(shape),
        dense_layers=_dense_layers(shape, block),
        shared_experts=shared_expert_params(shape) + (shape.moe_layers * shape.hidden if block.shared_gate else 0),
        router=_router(shape, block),
        routed_experts=shape.routed_expert_params,
        other=_other(shape, block),
    )


def block_of(key: str) -> Block:
    """Return the block of a model's family, by the model's key."""
    return BLOCKS[max((start for start in BLOCKS if key.startswith(start)), key=len)]


def kept_params(shape: Architecture, part: ModelPart) -> int:
    """Count the weights of one part that quantized checkpoints leave in 16 bit, without biases and gates."""
    match part:
        case "attention":
            return _attention(shape, Block())
        case "attention-inputs":
            width = shape.heads * (shape.latent.v_head_dim if shape.latent else shape.head_dim)
            return _attention(shape, Block()) - shape.layers * width * shape.hidden
        case "shared-experts":
            return shared_expert_params(shape)


def shared_expert_params(shape: Architecture) -> int:
    """Count the weights of the experts that every token visits."""
    if shape.experts is None:
        return 0
    return shape.moe_layers * shape.experts.matrices * shape.hidden * shape.experts.shared_intermediate


def indexer_params(shape: Architecture) -> int:
    """Count the weights of the attention that picks keys, which every rank holds whole."""
    if shape.indexer is None:
        return 0
    heads, width, hidden = shape.indexer.heads, shape.indexer.head_dim, shape.hidden
    if shape.compressed:
        per_layer = shape.compressed.query_rank * heads * width + hidden * heads
        per_layer += _compressor(hidden, width, shape.compressed.sparse_ratio, overlap=2)
    elif shape.latent is None:
        per_layer = hidden * (heads * width + width) + 2 * width
    else:
        queries = (shape.latent.q_lora_rank or hidden) * heads * width
        per_layer = queries + hidden * width + 2 * width + hidden * heads
    return shape.indexer.layers * per_layer


def down_projections(shape: Architecture) -> int:
    """Count the weights of the projections to a latent, which every rank holds whole."""
    if shape.compressed:
        compressed = shape.compressed
        to_cache = compressed.sparse_layers * _compressor(shape.hidden, shape.head_dim, compressed.sparse_ratio, 2)
        to_cache += compressed.heavy_layers * _compressor(shape.hidden, shape.head_dim, compressed.heavy_ratio, 1)
        return shape.layers * shape.hidden * (compressed.query_rank + shape.head_dim) + to_cache
    if shape.latent:
        down = shape.latent.kv_lora_rank + shape.latent.qk_rope_head_dim + shape.latent.q_lora_rank
        return shape.full_layers * shape.hidden * down
    return 0


def _attention(shape: Architecture, block: Block) -> int:
    hidden = shape.hidden
    if shape.compressed:
        compressed, inner = shape.compressed, shape.heads * shape.head_dim
        out = inner * compressed.output_rank + compressed.output_groups * compressed.output_rank * hidden
        norms = compressed.query_rank + shape.head_dim
        return down_projections(shape) + shape.layers * (compressed.query_rank * inner + out + norms)
    if shape.latent:
        latent, score = shape.latent, shape.latent.qk_nope_head_dim + shape.latent.qk_rope_head_dim
        queries = (latent.q_lora_rank or hidden) * shape.heads * score
        values = shape.heads * latent.v_head_dim
        up = latent.kv_lora_rank * (shape.heads * latent.qk_nope_head_dim + values)
        gate = hidden * values if block.gate else 0
        norms = latent.q_lora_rank + latent.kv_lora_rank
        return down_projections(shape) + shape.full_layers * (queries + up + values * hidden + gate + norms)
    sliding = _grouped(hidden, shape.heads, shape.kv_heads, shape.head_dim, block)
    full_kv, full_dim = shape.full_kv_heads or shape.kv_heads, shape.full_head_dim or shape.head_dim
    full = _grouped(hidden, shape.heads, full_kv, full_dim, block)
    if block.shared_keys:
        full -= hidden * full_kv * full_dim
    return shape.sliding_layers * sliding + shape.full_layers * full


def _grouped(hidden: int, heads: int, kv_heads: int, head_dim: int, block: Block) -> int:
    """Count the weights of one layer of multi-head, grouped-query or multi-query attention."""
    queries, keys = heads * head_dim, kv_heads * head_dim
    values, out = kv_heads * (block.value_dim or head_dim), heads * (block.value_dim or head_dim)
    products = hidden * (queries * (2 if block.gate else 1) + keys + values + out)
    biases = (queries + keys + values if "qkv" in block.biases else 0) + (hidden if "out" in block.biases else 0)
    norms = {"none": 0, "head": 2 * head_dim, "all": queries + keys}[block.query_norm]
    return products + biases + norms


def _linear(shape: Architecture, block: Block) -> int:
    """Count the weights of all linear-attention layers."""
    if shape.linear is None:
        return 0
    linear, hidden = shape.linear, shape.hidden
    keys, values, heads, kernel = linear.keys, linear.values, linear.value_heads, linear.conv_kernel
    match linear.kind:
        case "gated-deltanet":
            inputs = hidden * (2 * keys + 2 * values + 2 * heads)
            extra = linear.channels * kernel + 2 * heads + linear.value_head_dim
        case "mamba2":
            inputs = hidden * (2 * keys + 2 * values + heads)
            extra = linear.channels * (kernel + 1) + 3 * heads + values
        case "kda":
            forget = hidden * linear.key_head_dim + linear.key_head_dim * keys + keys + heads
            gate = values * hidden if block.gate else (hidden + values) * linear.value_head_dim
            inputs = hidden * (linear.channels + heads) + forget + gate
            extra = linear.channels * kernel + linear.value_head_dim
    return shape.linear_layers * (inputs + extra + values * hidden)


def _compressor(hidden: int, width: int, ratio: int, overlap: Literal[1, 2]) -> int:
    """Count the weights that compress `ratio` tokens to a cached entry: projection, gate, position bias, norm."""
    return overlap * width * (2 * hidden + ratio) + width


def _dense_layers(shape: Architecture, block: Block) -> int:
    biases = (shape.matrices - 1) * shape.intermediate + shape.hidden if "ffn" in block.biases else 0
    networks = shape.layers - shape.moe_layers if block.dense_networks is None else block.dense_networks
    return networks * (shape.matrices * shape.hidden * shape.intermediate + biases)


def _router(shape: Architecture, block: Block) -> int:
    """Count the weights that score experts, and the projections to and from their width, each with its norm."""
    if shape.experts is None:
        return 0
    narrow = shape.experts.hidden or 0
    per_layer = shape.experts.experts * (shape.hidden + (1 if block.router_bias else 0))
    return shape.moe_layers * (per_layer + narrow * (2 * shape.hidden + 2))


def _other(shape: Architecture, block: Block) -> int:
    norms = (block.norms * shape.layers + block.final_norms + block.positions) * shape.hidden
    sinks = (shape.full_layers + shape.sliding_layers) * shape.heads if block.sinks else 0
    streams = shape.compressed.streams if shape.compressed else 0
    mixed = (2 + streams) * streams
    mixing = 2 * shape.layers * (mixed * (streams * shape.hidden + 1) + 3) + streams * (streams * shape.hidden + 1) + 1
    return norms + sinks + (mixing if streams else 0)
