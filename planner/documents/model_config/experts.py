"""The experts of a model, from its configuration: how many, how wide, and in which layers."""

from __future__ import annotations

from dataclasses import dataclass

from planner.documents.model_config.families import Family
from planner.documents.model_config.keys import Keys
from planner.documents.model_config.layers import LayerKinds, pruned_blocks
from planner.domain.architecture import MixtureOfExperts

_EXPERTS = ("n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts", "num_routed_experts")
_PER_TOKEN = (
    "num_experts_per_tok",
    "num_experts_per_token",
    "top_k_experts",
    "moe_topk",
    "moe_top_k",
    "moe_k",
    "experts_per_token",
)
_WIDTH = ("moe_intermediate_size", "moe_ffn_hidden_size", "expert_intermediate_size", "ffn_hidden_size")
_SHARED_WIDTH = (
    "shared_expert_intermediate_size",
    "moe_shared_expert_intermediate_size",
    "shared_intermediate_size",
    "share_expert_dim",
)
_SHARED_NUMBER = ("n_shared_experts", "num_shared_experts", "num_shared_expert", "moe_num_shared_experts")


_NARROW = ("routed_expert_hidden_size", "moe_latent_size", "moe_hidden_size")
_WHERE = (
    "first_k_dense_replace",
    "moe_layer_start_index",
    "moe_layer_num_skipped",
    "interleave_moe_layer_step",
    "decoder_sparse_step",
    "moe_layer_freq",
    "moe_layer_interval",
)
"""Keys that say which layers have experts."""
_SHARING = frozenset(
    (
        *("deepseek", "deepseek_v2", "deepseek_v3", "deepseek_v32", "deepseek_v4", "bailing_hybrid", "kimi_linear"),
        *("ernie4_5_moe", "glm4_moe", "glm4_moe_lite", "glm_moe_dsa", "granitemoehybrid", "granitemoeshared"),
        *("dots1", "hunyuan_v1_moe", "mimo_v2_flash", "minimax_m3", "mistral4", "mistral_large4", "nemotron_h"),
        *("qwen2_moe", "qwen3_5_moe", "qwen3_next", "solar_open", "step3p7"),
    )
)
"""Families most of whose models have an expert that every token takes."""


@dataclass(frozen=True)
class Networks:
    """The feed-forward networks of a model.

    experts: its routed part; None for a dense model.
    intermediate: inner width of the dense networks; 0 where no layer has one.
    dense: layers with a dense network.
    """

    experts: MixtureOfExperts | None
    intermediate: int
    dense: int


def networks(keys: Keys, family: Family, name: str, layers: LayerKinds, hidden: int) -> Networks:
    """Read the feed-forward networks of all layers."""
    number = len(layers.kinds)
    if keys.holds("block_configs"):
        widths = [block.intermediate(hidden) for block in pruned_blocks(keys) if block.multiple is not None]
        return Networks(None, max(widths, default=0), len(widths))
    inner = keys.part("ffn_config") or keys
    if not _routes(keys, inner) or _switched_off(keys, inner):
        bare = layers.kinds.count("none") if name == "nemotron_h" else number
        return Networks(None, _dense_width(keys, name, hidden), bare)
    experts = inner.need(*_EXPERTS) if inner.holds(*_EXPERTS) else keys.need(*_EXPERTS)
    per_token = inner.need(*_PER_TOKEN) if inner.holds(*_PER_TOKEN) else keys.need(*_PER_TOKEN)
    if per_token > experts:
        keys.contradict(_first(keys, _PER_TOKEN), f"a token takes {per_token} experts, and there are {experts}")
    width = _expert_width(keys, inner, family)
    routed = _routed_layers(keys, name, layers)
    dense = layers.words.count("mlp") + layers.words.count("-") if name == "nemotron_h" else number - routed
    beside = name == "gemma4"  # a dense network stands beside the experts of each layer, as a shared expert does
    narrow = keys.count(*_NARROW)
    if name in ("nemotron_h", "kimi_linear", "muse_spark") and not any(key in keys.value for key in _NARROW):
        keys.notes.assume("no narrower width is there: experts work on the width of the model")
    return Networks(
        experts=MixtureOfExperts(
            experts=experts,
            experts_per_token=per_token,
            expert_intermediate=width,
            shared_intermediate=keys.need("intermediate_size") if beside else _shared_width(keys, name, width),
            dense_layers=number - routed,
            hidden=narrow,
            matrices=2 if name == "nemotron_h" else 3,
            biased=name == "gpt_oss",
        ),
        intermediate=0 if dense == 0 else _dense_width(keys, name, hidden),
        dense=dense,
    )


def _routes(keys: Keys, inner: Keys) -> bool:
    """Return whether any key speaks of experts: a model that has their width and not their number is damaged."""
    return any(part.holds(*_EXPERTS, *_PER_TOKEN, *_WIDTH[:1]) for part in (keys, inner))


def _switched_off(keys: Keys, inner: Keys) -> bool:
    """Return whether the keys of experts speak of none."""
    if keys.plain("enable_moe_block") is False:
        return True
    number = inner.plain(*_EXPERTS) if inner.holds(*_EXPERTS) else keys.plain(*_EXPERTS)
    return number in (0, 1) and not isinstance(number, bool)


def _first(keys: Keys, names: tuple[str, ...]) -> str:
    return next((name for name in names if keys.holds(name)), names[0])


def _expert_width(keys: Keys, inner: Keys, family: Family) -> int:
    if inner.holds(*_WIDTH):
        return inner.need(*_WIDTH)
    if family.wide_experts:
        return keys.need("intermediate_size")
    return keys.need(*_WIDTH)


def _shared_width(keys: Keys, name: str, width: int) -> int:
    """Return the width of the expert that every token takes; 0 without one."""
    if (stated := keys.count(*_SHARED_WIDTH, least=0)) is not None:
        return stated
    if name == "nemotron_h" and keys.count(*_SHARED_NUMBER, least=0):
        return keys.need("moe_shared_expert_intermediate_size")
    if name == "llama4":
        return width
    if not any(key in keys.value for key in (*_SHARED_WIDTH, *_SHARED_NUMBER)) and name in _SHARING:
        keys.notes.assume(f"`{_SHARED_NUMBER[0]}` is not there: no expert that every token takes")
    return (keys.count(*_SHARED_NUMBER, least=0) or 0) * width


def _dense_width(keys: Keys, name: str, hidden: int) -> int:
    if name == "llama4":
        return keys.need("intermediate_size_mlp")
    if name == "minimax_m3":
        return keys.need("dense_intermediate_size")
    if name == "qwen":  # the first Qwen counts both halves of the gated network
        return keys.need("intermediate_size") // 2
    if name == "granitemoehybrid" and keys.holds("shared_intermediate_size"):
        return keys.need("shared_intermediate_size")
    stated = keys.count("dense_intermediate_size", "intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim")
    if stated is not None:
        return stated
    if name in ("gpt2", "gptj", "gpt_bigcode", "phi", "bloom", "mpt", "falcon"):
        return (keys.count("expansion_ratio") or 4) * hidden  # what these classes mean by its absence
    return keys.need("intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim")


def _routed_layers(keys: Keys, name: str, layers: LayerKinds) -> int:
    """Return the number of layers that route to experts."""
    number = len(layers.kinds)
    if name == "nemotron_h":
        return layers.words.count("moe") + layers.words.count("E")
    if (kinds := keys.words("mlp_layer_types")) is not None:
        if len(kinds) != number:
            message = f"`mlp_layer_types` has {len(kinds)} layers, and the model has {number}"
            keys.contradict("mlp_layer_types", message)
        return kinds.count("sparse")
    if isinstance(keys.plain("moe_layer_freq"), list):
        which = keys.numbers("moe_layer_freq") or []
        if len(which) != number:
            message = f"`moe_layer_freq` has {len(which)} layers, and the model has {number}"
            keys.contradict("moe_layer_freq", message)
        return sum(map(bool, which))
    counted_from = [key for key in _WHERE if key in keys.value]
    if not counted_from or (counted_from == ["moe_layer_freq"] and name in _SHARING):
        keys.notes.assume("nothing says that the first layers are dense: all layers have experts")
    first = keys.count("first_k_dense_replace", "moe_layer_start_index", "moe_layer_num_skipped", least=0) or 0
    last = keys.count("moe_layer_end_index", least=0)
    period = keys.count("interleave_moe_layer_step", "decoder_sparse_step", "moe_layer_freq", "moe_layer_interval") or 1
    plain = set(keys.numbers("mlp_only_layers") or ())
    if first > number:
        keys.contradict("first_k_dense_replace", f"the first {first} layers are dense, and the model has {number}")
    offset = 0 if keys.holds("moe_layer_freq") else 1  # DeepSeek counts layers from 0, the others from 1
    return sum(
        1
        for layer in range(number)
        if first <= layer <= (number if last is None else last)
        and (layer + offset) % period == 0
        and layer not in plain
    )
