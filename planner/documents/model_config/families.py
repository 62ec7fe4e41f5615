"""The families of models that we read, each with what its class knows and its configuration does not say.

A configuration leaves out what all models of its class share: how many norms a layer has, which products add a bias,
whether the head is the embedding when the key is absent. These facts come from each family's public modelling code
(Transformers) and from vLLM's. `FAMILIES` is the list; a family is found by the class that a configuration names, as
the engine does, else by its `model_type`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from planner.performance.parameters import Biased, Block

QKV: frozenset[Biased] = frozenset({"qkv"})
ATTENTION: frozenset[Biased] = frozenset({"qkv", "out"})
FFN: frozenset[Biased] = frozenset({"ffn"})
ALL: frozenset[Biased] = ATTENTION | FFN
NONE: frozenset[Biased] = frozenset()
LLAMA_BIASES: Mapping[str, frozenset[Biased]] = {"attention_bias": ATTENTION, "mlp_bias": FFN}


@dataclass(frozen=True, kw_only=True)
class Family:
    """What the models of one class share.

    block: what their layers have beside their projections, with the class's own defaults.
    matrices: matrices of one dense feed-forward network; 2 where there is no gate.
    tied: whether the head is the embedding where the configuration does not say.
    bias_keys: keys that give products a bias, and which products.
    norm_key: key that gives queries and keys a norm, and of which kind; empty without such a key.
    head_dim: width of a head where the configuration does not say; None means hidden ÷ heads.
    windows: layers that slide where the file has no list of layers: none, all, those from `max_window_layers` on, or
    all but each n-th. `listed` ones always have the list.
    window: tokens of the window where the configuration does not say.
    multi_query: whether all query heads share one key and value head where the configuration does not say.
    wide_experts: whether `intermediate_size` is the width of an expert.
    layers: how the layers are read; `parallel` ones have attention and a state side by side.
    defaults: sizes of the class, which a part of a configuration (`text_config`) leaves out.
    """

    block: Block = field(default_factory=Block)
    matrices: Literal[2, 3] = 3
    tied: bool = False
    bias_keys: Mapping[str, frozenset[Biased]] = field(default_factory=lambda: LLAMA_BIASES)
    norm_key: tuple[str, Literal["head", "all"]] | None = None
    head_dim: int | None = None
    windows: Literal["none", "all", "from-layer", "listed"] | int = "none"
    window: int | None = None
    multi_query: bool = False
    wide_experts: bool = False
    layers: Literal["attention", "latent", "hybrid", "parallel", "compressed"] = "attention"
    defaults: Mapping[str, int] = field(default_factory=dict)


def _sizes(vocab: int, hidden: int, intermediate: int, layers: int, heads: int, kv_heads: int) -> dict[str, int]:
    return {
        "vocab_size": vocab,
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
    }


_LAYER_NORM = Block(norms=4, final_norms=2, biases=ALL)
_ONE_LAYER_NORM = Block(norms=2, final_norms=2, biases=ALL | {"head"})
_QWEN3_HYBRID = Block(query_norm="head", gate=True, shared_gate=True)
_ROUTED = Block(router_bias=True)
_LLAMA = _sizes(32_000, 4096, 11_008, 32, 32, 32)
_QWEN = _sizes(152_064, 8192, 29_568, 80, 64, 8)

FAMILIES: Mapping[str, Family] = {
    "apertus": Family(matrices=2, block=Block(query_norm="head")),
    "arcee": Family(matrices=2),
    "baichuan": Family(bias_keys={}),
    "bailing_hybrid": Family(block=_ROUTED, layers="hybrid"),
    "bamba": Family(layers="hybrid"),
    "bloom": Family(matrices=2, block=Block(norms=4, final_norms=4, biases=ALL), tied=True, bias_keys={}),
    "chatglm": Family(bias_keys={"add_qkv_bias": QKV, "add_bias_linear": ALL}),
    "cohere": Family(block=Block(norms=1), tied=True, norm_key=("use_qk_norm", "all")),
    "cohere2": Family(block=Block(norms=1), tied=True, windows=4, window=4096),
    "dbrx": Family(bias_keys={}),
    "deepseek": Family(),
    "deepseek_v2": Family(layers="latent"),
    "deepseek_v3": Family(block=_ROUTED, layers="latent"),
    "deepseek_v32": Family(block=_ROUTED, layers="latent"),
    "deepseek_v4": Family(block=Block(router_bias=True, sinks=True), layers="compressed"),
    "dots1": Family(block=Block(query_norm="head", router_bias=True)),
    "ernie4_5": Family(tied=True, bias_keys={"use_bias": ALL}, head_dim=128),
    "ernie4_5_moe": Family(block=_ROUTED, tied=True, bias_keys={"use_bias": ALL}),
    "exaone": Family(),
    "exaone4": Family(block=Block(query_norm="head"), windows=4, window=4096),
    "falcon_h1": Family(layers="parallel"),
    "falcon": Family(
        multi_query=True, matrices=2, block=Block(norms=4, final_norms=2), tied=True, bias_keys={"bias": ALL}
    ),
    "flex_olmo": Family(block=Block(query_norm="all"), wide_experts=True),
    "gemma": Family(tied=True, head_dim=256),
    "gemma2": Family(
        block=Block(norms=4),
        tied=True,
        head_dim=256,
        windows=2,
        window=4096,
        defaults=_sizes(256_000, 2304, 9216, 26, 8, 4),
    ),
    "gemma3": Family(
        block=Block(norms=4, query_norm="head"),
        tied=True,
        head_dim=256,
        windows=6,
        window=4096,
        defaults=_sizes(262_208, 2304, 9216, 26, 8, 4) | {"max_position_embeddings": 131_072},
    ),
    "gemma4": Family(block=Block(norms=4, query_norm="head"), tied=True, head_dim=256, windows=6, window=512),
    "glm": Family(bias_keys={"attention_bias": QKV}, block=Block(biases=QKV), head_dim=128),
    "glm4": Family(bias_keys={"attention_bias": QKV}, block=Block(norms=4, biases=QKV), head_dim=128),
    "glm4_moe": Family(block=_ROUTED, bias_keys={"attention_bias": QKV}, norm_key=("use_qk_norm", "head")),
    "glm4_moe_lite": Family(block=_ROUTED, layers="latent"),
    "glm_moe_dsa": Family(block=_ROUTED, layers="latent"),
    "gpt2": Family(matrices=2, block=_LAYER_NORM, tied=True, bias_keys={}),
    "gpt_bigcode": Family(multi_query=True, matrices=2, block=_LAYER_NORM, tied=True, bias_keys={}),
    "gpt_neox": Family(matrices=2, block=_LAYER_NORM, bias_keys={"attention_bias": ATTENTION}),
    "gpt_oss": Family(
        block=Block(biases=ATTENTION, router_bias=True, sinks=True),
        bias_keys={"attention_bias": ATTENTION},
        head_dim=64,
        windows=2,
        window=128,
        wide_experts=True,
    ),
    "gptj": Family(matrices=2, block=Block(norms=2, final_norms=2, biases=FFN | {"head"}), bias_keys={}),
    "granite": Family(),
    "granite_swa": Family(windows="listed", block=Block(sinks=True)),
    "granitemoe": Family(wide_experts=True),
    "granitemoehybrid": Family(wide_experts=True, layers="hybrid"),
    "granitemoeshared": Family(wide_experts=True),
    "helium": Family(head_dim=128),
    "hunyuan_v1_dense": Family(norm_key=("use_qk_norm", "head")),
    "hunyuan_v1_moe": Family(norm_key=("use_qk_norm", "head"), wide_experts=True),
    "internlm2": Family(bias_keys={"bias": ATTENTION}),
    "kimi_linear": Family(block=_ROUTED, layers="hybrid"),
    "llama": Family(defaults=_LLAMA | {"max_position_embeddings": 2048}),
    "llama4": Family(
        head_dim=128,
        wide_experts=True,
        defaults=_sizes(202_048, 5120, 8192, 48, 40, 8),
    ),
    "mimo": Family(block=Block(biases=QKV), bias_keys={}, windows="from-layer"),
    "mimo_v2_flash": Family(windows="listed", block=_ROUTED),
    "minicpm": Family(tied=True),
    "minicpm3": Family(tied=True, layers="latent"),
    "minimax_m2": Family(
        block=Block(query_norm="all", router_bias=True),
        norm_key=("use_qk_norm", "all"),
        head_dim=128,
        wide_experts=True,
    ),
    "minimax_m3": Family(
        block=Block(query_norm="head", router_bias=True), norm_key=("use_qk_norm", "head"), head_dim=128
    ),
    "ministral": Family(windows="all", defaults=_LLAMA),
    "ministral3": Family(windows="all", head_dim=128, defaults=_sizes(131_072, 4096, 14_336, 34, 32, 8)),
    "mistral": Family(windows="all", window=4096, defaults=_sizes(32_000, 4096, 14_336, 32, 32, 8)),
    "mistral4": Family(layers="latent"),
    "mistral_large4": Family(layers="latent"),
    "mixtral": Family(windows="all", wide_experts=True),
    "mpt": Family(matrices=2, block=Block(final_norms=1), tied=True, bias_keys={}),
    "muse_glimmer": Family(windows="listed", block=Block(norms=4, gate=True), head_dim=128),
    "muse_spark": Family(windows="listed", block=Block(norms=5, gate=True), head_dim=64),
    "nemotron": Family(matrices=2, block=Block(norms=4, final_norms=2)),
    "nemotron-nas": Family(),
    "nemotron_h": Family(matrices=2, block=Block(norms=1, router_bias=True), layers="hybrid"),
    "olmo": Family(block=Block(norms=0, final_norms=0)),
    "olmo2": Family(block=Block(query_norm="all")),
    "olmo3": Family(block=Block(query_norm="all"), windows=4, window=4096),
    "olmo_hybrid": Family(block=Block(query_norm="all"), layers="hybrid"),
    "olmoe": Family(block=Block(query_norm="all"), wide_experts=True),
    "opt": Family(matrices=2, block=_LAYER_NORM, tied=True, bias_keys={"enable_bias": ALL}),
    "phi": Family(matrices=2, block=_ONE_LAYER_NORM, bias_keys={}),
    "phi3": Family(windows="all"),
    "phimoe": Family(
        block=Block(norms=4, final_norms=2),
        bias_keys={"attention_bias": ATTENTION, "lm_head_bias": frozenset({"head"})},
        windows="all",
        wide_experts=True,
    ),
    "qwen": Family(block=Block(biases=QKV), bias_keys={}),
    "qwen2": Family(block=Block(biases=QKV), bias_keys={}, windows="from-layer", defaults=_QWEN),
    "qwen2_moe": Family(block=Block(biases=QKV, shared_gate=True), bias_keys={}, windows="from-layer"),
    "qwen3": Family(
        block=Block(query_norm="head"),
        head_dim=128,
        windows="from-layer",
        defaults=_sizes(151_936, 4096, 22_016, 32, 32, 32),
    ),
    "qwen3_moe": Family(block=Block(query_norm="head"), windows="from-layer"),
    "qwen3_next": Family(block=_QWEN3_HYBRID, head_dim=256, layers="hybrid"),
    "qwen3_5": Family(block=_QWEN3_HYBRID, head_dim=256, layers="hybrid"),
    "qwen3_5_moe": Family(block=_QWEN3_HYBRID, head_dim=256, layers="hybrid"),
    "seed_oss": Family(
        block=Block(biases=QKV),
        bias_keys={"attention_bias": QKV, "attention_out_bias": frozenset({"out"}), "mlp_bias": FFN},
        head_dim=128,
    ),
    "smollm3": Family(tied=True, windows="from-layer"),
    "solar_open": Family(block=_ROUTED, head_dim=128),
    "stablelm": Family(
        block=Block(norms=4, final_norms=2), bias_keys={"use_qkv_bias": QKV}, norm_key=("qk_layernorm", "all")
    ),
    "starcoder2": Family(matrices=2, block=_LAYER_NORM, tied=True, bias_keys={"use_bias": ALL}, windows="all"),
    "step3p7": Family(windows="listed", block=Block(query_norm="head", router_bias=True, gate=False), head_dim=128),
}
"""The families by `model_type`."""

SAME_AS: Mapping[str, str] = {
    "deepseek_ref": "deepseek_v4",
    "gemma3_text": "gemma3",
    "gemma4_text": "gemma4",
    "glm4v": "glm4",
    "glm4v_moe_text": "glm4_moe",
    "glm4v_text": "glm4",
    "hunyuan": "hunyuan_v1_moe",
    "kimi_k2": "deepseek_v3",
    "llama4_text": "llama4",
    "mistral_large4_text": "mistral_large4",
    "molmo2_text": "qwen3",
    "muse_glimmer_text": "muse_glimmer",
    "muse_spark_text": "muse_spark",
    "phi-msft": "phi",
    "phi3_v": "phi3",
    "qwen2_5_vl": "qwen2",
    "qwen2_5_vl_text": "qwen2",
    "qwen2_vl": "qwen2",
    "qwen2_vl_text": "qwen2",
    "qwen3_5_moe_text": "qwen3_5_moe",
    "qwen3_5_text": "qwen3_5",
    "qwen3_omni_moe_text": "qwen3_moe",
    "qwen3_vl_moe_text": "qwen3_moe",
    "qwen3_vl_text": "qwen3",
    "step3p5": "step3p7",
    "yi": "llama",
}
"""Other values of `model_type` whose text model is one of the families."""

CLASSES: Mapping[str, str] = {
    "BaiChuanForCausalLM": "baichuan",
    "ChatGLMModel": "chatglm",
    "DeciLMForCausalLM": "nemotron-nas",
    "DeepseekForCausalLM": "deepseek",
    "DeepseekV2ForCausalLM": "deepseek_v2",
    "DeepseekV32ForCausalLM": "deepseek_v32",
    "DeepseekV3ForCausalLM": "deepseek_v3",
    "DeepseekV4ForCausalLM": "deepseek_v4",
    "GPT2LMHeadModel": "gpt2",
    "GPTBigCodeForCausalLM": "gpt_bigcode",
    "GPTNeoXForCausalLM": "gpt_neox",
    "Gemma2ForCausalLM": "gemma2",
    "Gemma3ForCausalLM": "gemma3",
    "GemmaForCausalLM": "gemma",
    "Glm4ForCausalLM": "glm4",
    "Glm4MoeForCausalLM": "glm4_moe",
    "GlmForCausalLM": "glm",
    "HunYuanDenseV1ForCausalLM": "hunyuan_v1_dense",
    "HunYuanMoEV1ForCausalLM": "hunyuan_v1_moe",
    "InternLM2ForCausalLM": "internlm2",
    "InternLM3ForCausalLM": "llama",
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "mistral",
    "MixtralForCausalLM": "mixtral",
    "OPTForCausalLM": "opt",
    "Qwen3OmniMoeForConditionalGeneration": "qwen3_moe",
    "Phi3ForCausalLM": "phi3",
    "PhiForCausalLM": "phi",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen2MoeForCausalLM": "qwen2_moe",
    "Qwen3ForCausalLM": "qwen3",
    "Qwen3MoeForCausalLM": "qwen3_moe",
    "Qwen3NextForCausalLM": "qwen3_next",
}
"""Classes whose configurations were seen with another `model_type`, or without one."""


def family_name(model_type: str | None, classes: list[str]) -> str | None:
    """Return the name of the family of a text model; None where we do not read it.

    classes: the classes that the configuration names; the engine goes by them.
    """
    named = next((CLASSES[name] for name in classes if name in CLASSES), None)
    if named is not None:
        return named
    name = SAME_AS.get(model_type or "", model_type or "")
    return name if name in FAMILIES else None
