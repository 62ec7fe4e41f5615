"""The shapes of open-weight models: how many layers of which kind they have, how wide, with how many weights.

Bytes and FLOPs follow from these numbers in `planner.performance`. A kind of layer that only some models have is a
value of its own. A new kind is a new class here, and a new case wherever shapes are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MixtureOfExperts:
    """The routed part of a sparse model.

    experts: routed experts of one layer.
    experts_per_token: routed experts that one token takes.
    expert_intermediate: inner width of one routed expert.
    shared_intermediate: inner width of the expert that every token takes; 0 when there is none.
    dense_layers: layers without experts.
    hidden: width that routed experts work on, where a projection narrows the model's to it; else None.
    matrices: matrices of one expert; 2 where there is no gate.
    biased: whether experts add a bias after each product.
    """

    experts: int
    experts_per_token: int
    expert_intermediate: int
    shared_intermediate: int
    dense_layers: int
    hidden: int | None = None
    matrices: Literal[2, 3] = 3
    biased: bool = False


@dataclass(frozen=True)
class LatentAttention:
    """Multi-head latent attention (MLA): keys and values of a token are compressed to one latent vector, on every rank.

    q_lora_rank, kv_lora_rank: widths of the compressed queries, and of the compressed keys and values.
    qk_nope_head_dim, qk_rope_head_dim: widths of a head's keys without and with positions.
    v_head_dim: width of a head's values.
    """

    q_lora_rank: int
    kv_lora_rank: int
    qk_nope_head_dim: int
    qk_rope_head_dim: int
    v_head_dim: int


@dataclass(frozen=True)
class LinearAttention:
    """Layers that fold the past into a state of constant size.

    kind: `gated-deltanet` (Qwen), `kda` (Kimi) or `mamba2` (Nemotron: its groups are key heads, its state size is their
    width).
    key_heads, value_heads: heads of a layer.
    key_head_dim, value_head_dim: widths of one head.
    conv_kernel: tokens that the short convolution sees.
    state_bytes: bytes of one number of the recurrent state, which some models keep in 32 bit; the convolution's state
    is always 16 bit.
    """

    kind: Literal["gated-deltanet", "kda", "mamba2"]
    key_heads: int
    value_heads: int
    key_head_dim: int
    value_head_dim: int
    conv_kernel: int
    state_bytes: Literal[2, 4]

    @property
    def keys(self) -> int:
        """Width of all keys of a token."""
        return self.key_heads * self.key_head_dim

    @property
    def values(self) -> int:
        """Width of all values of a token."""
        return self.value_heads * self.value_head_dim

    @property
    def channels(self) -> int:
        """Width of the queries, keys and values, over which the short convolution runs."""
        return 2 * self.keys + self.values


@dataclass(frozen=True)
class SparseIndexer:
    """A small attention that picks the keys which the large one reads (DeepSeek Sparse Attention, MiniMax M3).

    heads, head_dim: its heads, and the width of one.
    layers: layers that score keys, and so cache them; the others take the choice of a layer before them.
    picked: keys that a query reads.
    """

    heads: int
    head_dim: int
    layers: int
    picked: int


@dataclass(frozen=True)
class CompressedAttention:
    """Attention of DeepSeek V4: each layer sees a short window, and most layers also see the whole past, of which one
    cached entry stands for several tokens.

    sparse_layers, sparse_ratio: layers that pick entries with an indexer, and the tokens of one entry.
    heavy_layers, heavy_ratio: layers that read all their entries, and the tokens of one entry.
    query_rank: width of the compressed queries.
    output_groups, output_rank: groups of the output projection, and the rank of each.
    streams: copies of the residual that are mixed into and out of each layer.
    """

    sparse_layers: int
    sparse_ratio: int
    heavy_layers: int
    heavy_ratio: int
    query_rank: int
    output_groups: int
    output_rank: int
    streams: int


@dataclass(frozen=True)
class Vision:
    """What only images use. It is loaded with the model, and no other figure of the model counts it.

    params: weights of the tower, the projector, and the layers that attend to images.
    width, intermediate: widths of the tower's layers.
    image_tokens: tokens that the largest image takes in the prompt.
    patches_per_token: patches that the tower sees for each of these tokens.
    """

    params: int
    width: int
    intermediate: int
    image_tokens: int
    patches_per_token: int


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The shape of a model. No figure counts layers for multi-token prediction, which serving does not load.

    params_total: weights of the text model.
    params_active: weights that one token multiplies; the embedding counts only where it is also the head.
    layers: layers of any kind.
    hidden: width of the model.
    heads, kv_heads, head_dim: query heads, key and value heads, and the width of one.
    attention: kind of attention of the full layers.
    full_layers, sliding_layers, linear_layers: layers by attention. Only the cache of full layers grows with the whole
    context. Where the three add up to less than `layers`, the other layers have no attention; where they add up to
    more, layers have two kinds side by side (Falcon H1).
    sliding_window: tokens that a sliding layer sees; None without such layers.
    linear_state_elements: numbers that one linear layer keeps for one sequence, whatever its length.
    intermediate: inner width of the dense feed-forward layers; 0 where every layer is routed.
    vocab: tokens of the vocabulary.
    tied_embeddings: whether embedding and output head are one matrix.
    kv_bytes_per_token_growing, kv_bytes_per_token_windowed: KV cache of one token in bf16 over all full layers, and
    over all sliding layers, bytes; the keys of an indexer are not in them.
    experts, latent, linear, indexer, compressed, vision: parts that only some models have.
    full_kv_heads, full_head_dim: heads of full layers where they differ from those of sliding layers; else None.
    matrices: matrices of one dense feed-forward network; 2 where there is no gate.
    looked_up: weights of further embeddings, of which a token reads one row (per-layer embeddings of Gemma).
    """

    params_total: int
    params_active: int
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    attention: Literal["MHA", "GQA", "MQA", "MLA", "CSA"]
    full_layers: int
    sliding_layers: int
    sliding_window: int | None
    linear_layers: int
    linear_state_elements: int
    intermediate: int
    vocab: int
    tied_embeddings: bool
    kv_bytes_per_token_growing: int
    kv_bytes_per_token_windowed: int
    experts: MixtureOfExperts | None = None
    latent: LatentAttention | None = None
    linear: LinearAttention | None = None
    indexer: SparseIndexer | None = None
    compressed: CompressedAttention | None = None
    vision: Vision | None = None
    full_kv_heads: int | None = None
    full_head_dim: int | None = None
    matrices: Literal[2, 3] = 3
    looked_up: int = 0

    @property
    def embedding_params(self) -> int:
        """Weights of embeddings and output head; embedding and head are one matrix when they are tied."""
        return self.vocab * self.hidden * (1 if self.tied_embeddings else 2) + self.looked_up

    @property
    def moe_layers(self) -> int:
        """Number of layers that route to experts."""
        return self.layers - self.experts.dense_layers if self.experts else 0

    @property
    def params_per_expert(self) -> int:
        """Weights of one routed expert of one layer: gate, up and down projection, and their biases."""
        if self.experts is None:
            return 0
        width, inner = self.experts.hidden or self.hidden, self.experts.expert_intermediate
        biases = (self.experts.matrices - 1) * inner + width if self.experts.biased else 0
        return self.experts.matrices * width * inner + biases

    @property
    def routed_expert_params(self) -> int:
        """Weights of all routed experts of all layers."""
        return self.params_per_expert * self.experts.experts * self.moe_layers if self.experts else 0

    @property
    def dense_params(self) -> int:
        """Weights of everything else: attention, dense layers, shared experts, norms."""
        return self.params_total - self.embedding_params - self.routed_expert_params

    @property
    def params_loaded(self) -> int:
        """Every weight that serving loads: the text model, and what only images use."""
        return self.params_total + (self.vision.params if self.vision else 0)
