"""Open-weight models: their exact architecture, the precisions that they run in, and what their licence allows.

Bytes and FLOPs follow from these numbers in `planner.performance`; nothing here knows a GPU. A model names the
precision that its maker publishes; other precisions are `Quantization`s, and those that change the weights for good
(AWQ, GPTQ) need their own entry in a route's accept list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from planner.domain.gaps import Gap

WeightFormat = Literal["bf16", "fp16", "fp8", "fp8-block", "int8", "awq", "gptq", "mxfp4", "nvfp4", "int4-qat"]
"""How weights are stored. `fp8` has one scale a tensor or channel, `fp8-block` one per 128 × 128 block (DeepSeek);
`nvfp4` one per 16 weights, `mxfp4` and `int4-qat` (4-bit integers that the model was trained in: Kimi) one per 32."""

OWN_ENTRY: frozenset[str] = frozenset({"awq", "gptq", "int8", "nvfp4"})
"""Formats that a route must accept by name (`MODEL@awq`): a calibrated copy answers differently."""

EXPERTS_ONLY: frozenset[str] = frozenset({"mxfp4", "int4-qat"})
"""Native formats of routed experts alone; the rest is bf16 unless the model's recipe says otherwise."""

ModelPart = Literal["attention", "attention-inputs", "shared-experts"]
"""Weights that a quantized checkpoint may leave as they were. `attention-inputs`: all projections but the output's."""


@dataclass(frozen=True)
class MixtureOfExperts:
    """The routed part of a sparse model.

    expert_intermediate: inner width of one routed expert. shared_intermediate: of the expert that every token takes; 0
    when there is none. dense_layers: layers without experts.
    hidden: width that routed experts work on, where a projection narrows the model's to it. matrices: of one expert;
    2 where there is no gate. biased: experts add a bias after each product.
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
    """Multi-head latent attention (MLA): keys and values compressed to one latent vector a token, on every rank."""

    q_lora_rank: int
    kv_lora_rank: int
    qk_nope_head_dim: int
    qk_rope_head_dim: int
    v_head_dim: int


@dataclass(frozen=True)
class LinearAttention:
    """Layers that fold the past into a state of constant size.

    `gated-deltanet` (Qwen), `kda` (Kimi) and `mamba2` (Nemotron; its groups are key heads, its state size their width).
    state_bytes: of one number of the recurrent state, which some models keep in 32 bit; the convolution's are 16 bit.
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
        """Width of what the short convolution runs over: queries, keys and values."""
        return 2 * self.keys + self.values


@dataclass(frozen=True)
class SparseIndexer:
    """A small attention that picks the keys which the large one reads (DeepSeek Sparse Attention, MiniMax M3).

    layers: that score keys, and so cache them; the others take the choice of a layer before. picked: keys a query.
    """

    heads: int
    head_dim: int
    layers: int
    picked: int


@dataclass(frozen=True)
class CompressedAttention:
    """DeepSeek V4: each layer sees a short window, most also one cached entry per `…_ratio` tokens of the whole past.

    sparse_layers pick entries with an indexer, heavy_layers read all of theirs. output_groups, output_rank: the output
    projection, cut in groups and of low rank. streams: copies of the residual that are mixed in and out of each layer.
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
    """What images alone use, loaded with the model and counted in no other figure of it.

    params: tower, projector, and layers that attend to images. width, intermediate: of the tower's layers.
    image_tokens: that the largest image takes in the prompt; patches_per_token: that the tower sees for each.
    """

    params: int
    width: int
    intermediate: int
    image_tokens: int
    patches_per_token: int


@dataclass(frozen=True)
class Architecture:
    """The shape of a model. Multi-token-prediction layers, which serving does not load, are counted nowhere.

    params_active: weights that one token multiplies; the embedding look-up is not counted unless it is also the head.
    full_layers, sliding_layers, linear_layers: layers by attention; only the first grow with the context for ever.
    Where they add up to less than `layers`, the others have no attention.
    linear_state_elements: numbers that one linear-attention layer keeps for one sequence, whatever its length.
    kv_bytes_per_token_growing, _windowed: KV cache of one token in bf16 over all full / all sliding layers, without the
    keys of an indexer. intermediate: width of the dense feed-forward layers; 0 where every layer is routed.
    full_kv_heads, full_head_dim: of full-attention layers, where they differ from the sliding ones.
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

    @property
    def embedding_params(self) -> int:
        """Embedding and output head; one matrix when they are tied."""
        return self.vocab * self.hidden * (1 if self.tied_embeddings else 2)

    @property
    def moe_layers(self) -> int:
        """Layers that route to experts."""
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
        """Neither embedding, head nor routed expert: attention, dense layers, shared experts, norms."""
        return self.params_total - self.embedding_params - self.routed_expert_params

    @property
    def params_loaded(self) -> int:
        """Every weight that serving loads: the text model, and what images use."""
        return self.params_total + (self.vision.params if self.vision else 0)


@dataclass(frozen=True)
class Recipe:
    """How a checkpoint stores what is no routed expert. kept: parts of it that stay 16 bit."""

    dense: WeightFormat
    kept: tuple[ModelPart, ...] = ()


@dataclass(frozen=True)
class Quantization:
    """One way to run a model.

    experts: format of the routed experts, where it differs (gpt-oss: bf16 with mxfp4 experts). Embedding and output
    head are 16 bit in every one of them.
    checkpoint: the repository that holds these weights; None when nobody has named it (a gap).
    at_load: the engine quantizes the native checkpoint while it loads, so no other one is needed.
    kept: parts of the dense weights that stay 16 bit.
    """

    name: str
    dense: WeightFormat
    experts: WeightFormat
    checkpoint: str | None
    at_load: bool = False
    kept: tuple[ModelPart, ...] = ()

    @property
    def own_entry(self) -> bool:
        """Whether a route must accept it by name."""
        return self.name in OWN_ENTRY


@dataclass(frozen=True)
class Model:
    """One open-weight model.

    key: the name in accept lists. revision: commit of `hf_id` that is deployed; None is a gap (the newest is taken).
    native: name of the quantization that its maker publishes. quantizations: other precisions → their repository,
    `at-load`, or None where nobody has named one. released: month. licence: None = not verified (a gap).
    recipes: by precision, how it stores what is no routed expert, where its name does not say so. not_served: why the
    engine that we deploy does not run it; empty when it does.
    """

    key: str
    hf_id: str
    revision: str | None
    architecture: Architecture
    native: WeightFormat
    quantizations: Mapping[str, str | None]
    max_context: int
    licence: str | None
    licence_limits: str
    openness: Literal["open-weights", "truly-open"]
    released: str
    source: str
    as_of: str
    note: str = ""
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    not_served: str = ""

    def precisions(self) -> tuple[Quantization, ...]:
        """All ways to run it, the native one first, the others by name."""
        first = self._way(self.native, self.native, self.hf_id)
        return (first, *(self._other(name) for name in sorted(self.quantizations)))

    def precision(self, name: str) -> Quantization | None:
        """The precision of that name, or None when the model does not come in it."""
        return next((way for way in self.precisions() if way.name == name), None)

    def gaps(self) -> tuple[Gap, ...]:
        """What is not known of this model."""
        row = f"model/{self.key}"
        found = []
        if self.revision is None:
            found.append(Gap(row, f"no revision is pinned for {self.hf_id}", "pin the commit that you tested"))
        if self.licence is None:
            found.append(Gap(row, f"the licence of {self.key} is not verified", "read it and note it in the catalog"))
        return tuple(found)

    def _other(self, name: str) -> Quantization:
        origin = self.quantizations[name]
        if origin == "at-load":
            return replace(self._way(name, _FORMATS[name], self.hf_id), at_load=True)
        return self._way(name, _FORMATS[name], origin)

    def _way(self, name: str, form: WeightFormat, checkpoint: str | None) -> Quantization:
        recipe = self.recipes.get(name) or Recipe("bf16" if form in EXPERTS_ONLY else form)
        return Quantization(name, recipe.dense, form, checkpoint, kept=recipe.kept)


_FORMATS: dict[str, WeightFormat] = {name: name for name in get_args(WeightFormat)}


def split_entry(entry: str) -> tuple[str, str | None]:
    """An accept-list entry → (model, quantization or None): `llama-3.3-70b-instruct@awq`."""
    model, at, quantization = entry.partition("@")
    return model, quantization if at else None
