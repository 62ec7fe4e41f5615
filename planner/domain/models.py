"""Open-weight models: their exact architecture, the precisions that they run in, and what their licence allows.

Bytes and FLOPs follow from these numbers in `planner.performance`; nothing here knows a GPU. A model names the
precision that its maker publishes; other precisions are `Quantization`s, and those that change the weights for good
(AWQ, GPTQ) need their own entry in a route's accept list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from planner.domain.gaps import Gap

Format = Literal["bf16", "fp16", "fp8", "fp8-block", "awq", "gptq", "mxfp4"]
"""How weights are stored. `fp8` has one scale a tensor or channel, `fp8-block` one per 128 × 128 block (DeepSeek)."""

OWN_ENTRY: frozenset[str] = frozenset({"awq", "gptq"})
"""Formats that a route must accept by name (`MODEL@awq`): a calibrated 4-bit copy answers differently."""


@dataclass(frozen=True)
class MixtureOfExperts:
    """The routed part of a sparse model.

    expert_intermediate: inner width of one routed expert. shared_intermediate: of the expert that every token takes; 0
    when there is none. dense_layers: layers without experts.
    """

    experts: int
    experts_per_token: int
    expert_intermediate: int
    shared_intermediate: int
    dense_layers: int


@dataclass(frozen=True)
class LatentAttention:
    """Multi-head latent attention (MLA): keys and values compressed to one latent vector a token, on every rank."""

    q_lora_rank: int
    kv_lora_rank: int
    qk_nope_head_dim: int
    qk_rope_head_dim: int
    v_head_dim: int


@dataclass(frozen=True)
class Architecture:
    """The shape of a model.

    params_active: weights that one token multiplies; the embedding look-up is not counted unless it is also the head.
    full_layers, sliding_layers, linear_layers: layers by attention; only the first grow with the context for ever.
    linear_state_elements: numbers that one linear-attention layer keeps for one sequence, whatever its length.
    kv_bytes_per_token_growing, _windowed: KV cache of one token in bf16 over all full / all sliding layers.
    intermediate: width of the dense feed-forward layers; 0 where every layer is routed.
    """

    params_total: int
    params_active: int
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    attention: Literal["MHA", "GQA", "MQA", "MLA"]
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
        """Weights of one routed expert of one layer: gate, up and down projection."""
        return 3 * self.hidden * self.experts.expert_intermediate if self.experts else 0

    @property
    def routed_expert_params(self) -> int:
        """Weights of all routed experts of all layers."""
        return self.params_per_expert * self.experts.experts * self.moe_layers if self.experts else 0

    @property
    def dense_params(self) -> int:
        """Neither embedding, head nor routed expert: attention, dense layers, shared experts, norms."""
        return self.params_total - self.embedding_params - self.routed_expert_params


@dataclass(frozen=True)
class Quantization:
    """One way to run a model.

    experts: format of the routed experts, where it differs (gpt-oss: bf16 with mxfp4 experts).
    checkpoint: the repository that holds these weights; None when nobody has named it (a gap).
    at_load: the engine quantizes the native checkpoint while it loads, so no other one is needed.
    """

    name: str
    dense: Format
    experts: Format
    checkpoint: str | None
    at_load: bool = False

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
    """

    key: str
    hf_id: str
    revision: str | None
    architecture: Architecture
    native: Format
    quantizations: Mapping[str, str | None]
    max_context: int
    licence: str | None
    licence_limits: str
    openness: Literal["open-weights", "truly-open"]
    released: str
    source: str
    as_of: str
    note: str = ""

    def precisions(self) -> tuple[Quantization, ...]:
        """All ways to run it, the native one first, the others by name."""
        dense: Format = "bf16" if self.native == "mxfp4" else self.native
        first = Quantization(self.native, dense, self.native, self.hf_id)
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
        form: Format = "fp8" if name == "fp8" else "awq" if name == "awq" else "gptq"
        if origin == "at-load":
            return Quantization(name, form, form, self.hf_id, at_load=True)
        return Quantization(name, form, form, origin)


def split_entry(entry: str) -> tuple[str, str | None]:
    """An accept-list entry → (model, quantization or None): `llama-3.3-70b-instruct@awq`."""
    model, at, quantization = entry.partition("@")
    return model, quantization if at else None
