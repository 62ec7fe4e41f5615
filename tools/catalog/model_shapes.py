"""What the raw table of models does not say: shapes of linear, sparse and compressed attention, narrow experts and
vision towers, named checkpoints and what they keep in 16 bit, and totals of models for which it has none.

Sources: `config.json` and `hf_quant_config.json` of the named repositories, of which aiconfigurator-core 0.12.0 ships
copies, and the modelling code of Transformers 5.23.0. Totals are what `planner.performance.parameters` counts; a test
holds them to it, and to the totals that makers publish.
"""

from __future__ import annotations

from typing import Any

Fact = dict[str, Any]

CODE = "transformers 5.23.0 modelling code"
_COPIES = "aiconfigurator-core 0.12.0 model_configs/"


def shape_of(key: str) -> Fact:
    """`architecture`: columns that replace or join the raw table's. `row`: of the model's row; `also`: more sources."""
    return SHAPES.get(key, {})


def _deltanet(value_heads: int, state_bytes: int = 4) -> Fact:
    """Qwen's Gated DeltaNet; its state is 32 bit since Qwen3.5 (`mamba_ssm_dtype`)."""
    return _linear("gated-deltanet", 16, value_heads, 128, 128, state_bytes)


def _linear(kind: str, key_heads: int, value_heads: int, key_width: int, value_width: int, state_bytes: int) -> Fact:
    return {
        "kind": kind,
        "key_heads": key_heads,
        "value_heads": value_heads,
        "key_head_dim": key_width,
        "value_head_dim": value_width,
        "conv_kernel": 4,
        "state_bytes": state_bytes,
    }


def _indexer(heads: int, layers: int, picked: int) -> Fact:
    return {"heads": heads, "head_dim": 128, "layers": layers, "picked": picked}


def _vision(params: int, width: int, intermediate: int, image_tokens: int, patches_per_token: int) -> Fact:
    return {
        "params": params,
        "width": width,
        "intermediate": intermediate,
        "image_tokens": image_tokens,
        "patches_per_token": patches_per_token,
    }


def _pixtral(hidden: int) -> Fact:
    """Pixtral's tower (24 layers of 1024, images up to 1540 pixels, 2 x 2 patches a token) and its projector."""
    return _vision(403_305_472 + 4_195_328 + 1024 * hidden + hidden**2, 1024, 4096, 3025, 4)


def _qwen_vision(hidden: int) -> Fact:
    """The tower of Qwen3.5 and 3.6 (27 layers of 1152) and its merger."""
    return _vision(437_132_016 + 4609 * hidden, 1152, 4304, 16384, 4)


def _siglip(hidden: int) -> Fact:
    """SigLIP at 896 pixels, 256 tokens an image, and Gemma 3's projector."""
    return _vision(416_867_184 + 1152 * hidden, 1152, 4304, 256, 16)


def _hybrid(value_heads: int, hidden: int, row: Fact | None = None) -> Fact:
    """A Qwen3.5 or 3.6."""
    shape = {"linear": _deltanet(value_heads), "vision": _qwen_vision(hidden)}
    return {"architecture": shape, "row": {"note": _NO_MTP} | (row or {})}


def _nvfp4(
    checkpoint: str, dense: str | None = None, kept: tuple[str, ...] = (), file: str = "hf_quant_config"
) -> Fact:
    """A named NVFP4 checkpoint, and what it leaves out beside embedding, head and router, by its `file`."""
    return {
        "quantizations": {"nvfp4": checkpoint},
        "recipes": {"nvfp4": {"dense": dense or "nvfp4", "kept": list(kept)}} if dense or kept else {},
        "also": f"{_COPIES}{checkpoint.replace('/', '--')}_{file}.json",
    }


def _llama_vision(cross_attention: int, hidden: int) -> Fact:
    """Llama 3.2's tower (32 + 8 layers of 1280, four tiles), projector, and the layers that attend to images."""
    return _vision(863_567_379 + 7681 * hidden + cross_attention, 1280, 5120, 6404, 1)


_NO_MTP = "MTP layers are not counted"
_LLAMA_4 = {
    "architecture": {"vision": _vision(871_932_416, 1408, 5632, 2448, 4)},
    "row": {"note": "its chunked attention (8192 on three of four layers) is entered as full attention"},
}
_LLAMA_3_2 = {
    "note": "shape of the layers that read text; those that attend to images count as vision",
    "not_served": "vLLM dropped Llama 3.2 Vision with its V0 engine (vllm-project/vllm pull request 24907, 2025-09)",
}
_GLM_5 = {"indexer": _indexer(32, 78, 2048), "params_total": 743_911_218_432, "params_active": 40_833_146_112}
_GLM_5_2 = {"indexer": _indexer(32, 21, 2048), "params_total": 743_377_019_904, "params_active": 40_298_947_584}
_V4 = {
    "attention": "CSA",
    "intermediate": 0,
    "experts": {"dense_layers": 0},
}
_V4_ROW = {
    "also": _COPIES + "nvidia--DeepSeek-V4-Flash-NVFP4_hf_quant_config.json",
    "native": "mxfp4",
    "recipes": {"mxfp4": {"dense": "fp8-block"}, "nvfp4": {"dense": "fp8-block"}},
    "note": "one MTP layer is not counted, nor the table of token to expert of the first three layers",
}
_UNSTATED = (
    "; neither the published checkpoint's precision (bf16 is what its code runs in) nor that vLLM runs it is verified"
)

SHAPES: dict[str, Fact] = {
    "deepseek-v3.1": {"row": _nvfp4("nvidia/DeepSeek-V3.1-NVFP4", kept=("attention-inputs",))},
    "deepseek-v3.2": {
        "architecture": {
            "indexer": _indexer(64, 61, 2048),
            "params_total": 671_877_944_064,
            "params_active": 37_477_143_296,
        },
        "row": _nvfp4("nvidia/DeepSeek-V3.2-NVFP4", kept=("attention-inputs",)) | {"note": _NO_MTP},
    },
    "deepseek-v4-flash": {
        "architecture": _V4
        | {
            "full_layers": 41,
            "sliding_layers": 2,
            "kv_bytes_per_token_growing": 5536,
            "kv_bytes_per_token_windowed": 44032,
            "compressed": {
                "sparse_layers": 21,
                "sparse_ratio": 4,
                "heavy_layers": 20,
                "heavy_ratio": 128,
                "query_rank": 1024,
                "output_groups": 8,
                "output_rank": 1024,
                "streams": 4,
            },
            "indexer": _indexer(64, 21, 512),
            "params_total": 284_332_241_239,
            "params_active": 13_270_102_359,
        },
        "row": _V4_ROW | {"quantizations": {"nvfp4": "nvidia/DeepSeek-V4-Flash-NVFP4"}},
    },
    "deepseek-v4-pro": {
        "architecture": _V4
        | {
            "full_layers": 61,
            "sliding_layers": 0,
            "kv_bytes_per_token_growing": 7928,
            "kv_bytes_per_token_windowed": 62464,
            "compressed": {
                "sparse_layers": 30,
                "sparse_ratio": 4,
                "heavy_layers": 31,
                "heavy_ratio": 128,
                "query_rank": 1536,
                "output_groups": 16,
                "output_rank": 1024,
                "streams": 4,
            },
            "indexer": _indexer(64, 30, 1024),
            "params_total": 1_572_997_202_915,
            "params_active": 48_852_403_171,
        },
        "row": _V4_ROW | {"quantizations": {"nvfp4": "nvidia/DeepSeek-V4-Pro-NVFP4"}},
    },
    "gemma-3-12b-it": {"architecture": {"vision": _siglip(3840)}},
    "gemma-3-27b-it": {"architecture": {"vision": _siglip(5376)}},
    "gemma-3-4b-it": {"architecture": {"vision": _siglip(2560)}},
    "gemma-4-26b-a4b": {
        "architecture": {
            "attention": "GQA",
            "experts": {"shared_intermediate": 2112, "dense_layers": 0},
            "intermediate": 0,
            "full_kv_heads": 2,
            "full_head_dim": 512,
            "kv_bytes_per_token_growing": 20480,
            "kv_bytes_per_token_windowed": 204800,
            "params_total": 25_233_141_760,
            "params_active": 3_822_530_560,
            "vision": _vision(572_794_416, 1152, 4304, 280, 9),
        },
        "row": _nvfp4("nvidia/Gemma-4-26B-A4B-NVFP4", dense="bf16")
        | {"note": "the dense feed-forward network beside the experts of each layer is entered as a shared expert"},
    },
    "glm-5": {"architecture": _GLM_5, "row": _nvfp4("nvidia/GLM-5-NVFP4", kept=("attention",)) | {"note": _NO_MTP}},
    "glm-5.1": {"architecture": _GLM_5, "row": _nvfp4("nvidia/GLM-5.1-NVFP4", dense="bf16") | {"note": _NO_MTP}},
    "glm-5.2": {"architecture": _GLM_5_2, "row": _nvfp4("nvidia/GLM-5.2-NVFP4", dense="bf16") | {"note": _NO_MTP}},
    "glm-5.3": {"architecture": _GLM_5_2, "row": _nvfp4("nvidia/GLM-5.3-NVFP4", dense="bf16") | {"note": _NO_MTP}},
    "gpt-oss-120b": {"architecture": {"experts": {"biased": True}}},
    "gpt-oss-20b": {"architecture": {"experts": {"biased": True}}},
    "kimi-k2.5": {
        "architecture": {"vision": _vision(471_143_920, 1152, 4304, 4096, 4)},
        "row": _nvfp4("nvidia/Kimi-K2.5-NVFP4", kept=("attention",), file="config"),
    },
    "kimi-k3": {
        "architecture": {
            "attention": "MLA",
            "full_layers": 24,
            "linear_layers": 69,
            "linear_state_elements": 96 * 128 * 128,
            "linear": _linear("kda", 96, 96, 128, 128, 4),
            "experts": {"hidden": 3584, "shared_intermediate": 6144, "dense_layers": 1},
            "head_dim": 192,
            "kv_bytes_per_token_growing": 24 * 1152,
            "params_total": 2_779_482_124_896,
            "params_active": 104_187_261_536,
        },
        "row": {
            "native": "mxfp4",
            "note": "multi-node class; vision and residual attention are not counted: totals may be 1 % low",
        },
    },
    "llama-3.2-11b-vision-instruct": {
        "architecture": {
            "params_total": 8_030_261_248,
            "params_active": 7_504_924_672,
            "vision": _llama_vision(1_744_930_832, 4096),
        },
        "row": _LLAMA_3_2,
    },
    "llama-3.2-90b-vision-instruct": {
        "architecture": {
            "params_total": 70_553_706_496,
            "params_active": 69_503_033_344,
            "vision": _llama_vision(17_113_158_696, 8192),
        },
        "row": _LLAMA_3_2,
    },
    "llama-4-maverick": _LLAMA_4,
    "llama-4-scout": _LLAMA_4,
    "minimax-m2.5": {
        "architecture": {"params_total": 228_689_764_864, "params_active": 10_415_956_480},
        "row": _nvfp4("nvidia/MiniMax-M2.5-NVFP4", dense="bf16") | {"note": _NO_MTP},
    },
    "minimax-m3": {
        "architecture": {
            "indexer": _indexer(4, 57, 2048),
            "params_total": 426_174_572_928,
            "params_active": 24_733_280_640,
        },
        "row": _nvfp4("nvidia/MiniMax-M3-NVFP4", dense="fp8-block")
        | {"note": "MTP modules and the vision tower are not counted; picks 16 blocks of 128 keys"},
    },
    "ministral-3-8b-instruct": {"architecture": {"vision": _pixtral(4096)}, "row": {"native": "fp8"}},
    "mistral-large-4": {
        "architecture": {
            "latent": {"qk_nope_head_dim": 64},
            "indexer": _indexer(32, 72, 2048),
            "params_total": 1_050_086_633_472,
            "params_active": 51_808_727_040,
        },
        "row": {"native": "bf16", "note": "shape of the modelling code's defaults; totals to about 0.1 %" + _UNSTATED},
    },
    "mistral-small-3.1": {"architecture": {"vision": _pixtral(5120)}},
    "mistral-small-3.2": {"architecture": {"vision": _pixtral(5120)}},
    "mistral-small-4": {
        "architecture": {"vision": _pixtral(4096)},
        "row": {
            "native": "fp8",
            "also": "recipes.vllm.ai/mistralai/Mistral-Small-4-119B-2603",
            "quantizations": {"nvfp4": "mistralai/Mistral-Small-4-119B-2603-NVFP4"},
            "note": "what the NVFP4 checkpoint keeps in 16 bit is not verified",
        },
    },
    "muse-spark-open-816b-a42b": {
        "architecture": {
            "full_layers": 16,
            "sliding_layers": 46,
            "sliding_window": 2048,
            "kv_bytes_per_token_growing": 65536,
            "kv_bytes_per_token_windowed": 188416,
            "experts": {"hidden": 4096},
            "params_total": 819_990_536_192,
            "params_active": 44_435_939_328,
        },
        "row": {"native": "bf16", "note": "vision and audio towers are not counted" + _UNSTATED},
    },
    "nemotron-3-nano-30b-a3b": {
        "architecture": {
            "attention": "GQA",
            "linear_layers": 23,
            "linear_state_elements": 64 * 64 * 128,
            "linear": _linear("mamba2", 8, 64, 128, 64, 4),
            "intermediate": 0,
            "experts": {"shared_intermediate": 3712, "dense_layers": 29, "matrices": 2},
            "params_total": 31_577_940_288,
            "params_active": 3_227_754_816,
        },
        "row": {"note": "23 of its layers have experts and no attention, 29 have attention or Mamba 2 and no experts"},
    },
    "qwen3-235b-a22b": {"row": _nvfp4("nvidia/Qwen3-235B-A22B-NVFP4")},
    "qwen3-30b-a3b": {"row": {"quantizations": {"nvfp4": "nvidia/Qwen3-30B-A3B-FP4"}, "also": "TensorRT-LLM 1.0 docs"}},
    "qwen3-next-80b-a3b-instruct": {
        "architecture": {"linear": _deltanet(32, state_bytes=2)},
        "row": {"note": _NO_MTP},
    },
    "qwen3.5-122b-a10b": _hybrid(64, 3072, _nvfp4("nvidia/Qwen3.5-122B-A10B-NVFP4", dense="bf16")),
    "qwen3.5-27b": _hybrid(48, 5120),
    "qwen3.5-35b-a3b": _hybrid(32, 2048),
    "qwen3.5-397b-a17b": _hybrid(64, 4096, _nvfp4("nvidia/Qwen3.5-397B-A17B-NVFP4", dense="bf16")),
    "qwen3.6-27b": _hybrid(48, 5120),
    "qwen3.6-35b-a3b": _hybrid(32, 2048, _nvfp4("nvidia/Qwen3.6-35B-A3B-NVFP4", dense="fp8")),
}
