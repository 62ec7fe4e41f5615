"""What published configurations make: parameters to the last one, KV bytes, context, format; and each trap in them."""

from __future__ import annotations

from typing import Any

import pytest

from planner.documents.model_config.stored_format import Stored
from planner.domain.models import Recipe
from tests.planner.documents.model_config.configs import LLAMA, derived, of, values


@pytest.mark.parametrize(
    ("name", "total", "growing", "windowed", "context", "native"),
    [
        ("Qwen__Qwen2.5-7B-Instruct", 7_615_616_512, 57_344, 0, 32_768, "bf16"),
        ("google__gemma-3-1b-it", 999_885_952, 4 * 1024, 22 * 1024, 32_768, "bf16"),
        ("deepseek-ai__DeepSeek-V2-Lite", 15_706_484_224, 27 * 576 * 2, 0, 163_840, "bf16"),
        ("deepseek-ai__DeepSeek-V3.2", 671_877_944_064, 70_272, 0, 163_840, "fp8-block"),
        ("MiniMaxAI__MiniMax-M2.5", 228_689_764_864, 62 * 4096, 0, 196_608, "fp8-block"),
        ("nvidia__NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", 31_577_940_288, 6144, 0, 262_144, "bf16"),
        ("openai__gpt-oss-20b", 20_914_757_184, 24_576, 24_576, 131_072, "mxfp4"),
        ("llava-hf__llava-1.5-7b-hf", 6_738_939_904, 32 * 16_384, 0, 4096, "fp16"),
        ("Qwen__Qwen3-VL-2B-Instruct", 1_720_574_976, 28 * 4096, 0, 262_144, "bf16"),
        ("LGAI-EXAONE__EXAONE-3.5-7.8B-Instruct", 7_818_448_896, 131_072, 0, 32_768, "bf16"),
        ("tencent__Hunyuan-A13B-Instruct", 80_393_183_232, 131_072, 0, 32_768, "bf16"),
        ("Qwen__Qwen3-0.6B", 596_049_920, 114_688, 0, 40_960, "bf16"),
        ("moonshotai__Kimi-K2.5", 1_026_408_232_448, 70_272, 0, 262_144, "int4-qat"),
        ("nvidia__Qwen3-235B-A22B-NVFP4", 235_093_634_560, 94 * 2048, 0, 40_960, "nvfp4"),
    ],
)
def test_a_published_configuration_makes_the_published_figures(
    name: str, total: int, growing: int, windowed: int, context: int, native: str
) -> None:
    made = derived(name)
    shape = made.architecture
    assert shape.params_total == total
    assert (shape.kv_bytes_per_token_growing, shape.kv_bytes_per_token_windowed) == (growing, windowed)
    assert (made.max_context, made.stored.native) == (context, native)


def test_active_parameters_leave_out_the_embedding_and_experts_that_idle() -> None:
    shape = derived("openai__gpt-oss-20b").architecture
    assert shape.params_active == 3_608_307_264
    assert derived("Qwen__Qwen3-0.6B").architecture.params_active == 596_049_920  # the embedding is the head


def test_towers_for_images_are_counted_beside_the_text_model() -> None:
    llava, qwen = (derived(name).architecture for name in ("llava-hf__llava-1.5-7b-hf", "Qwen__Qwen3-VL-2B-Instruct"))
    assert llava.params_loaded == 7_063_427_072
    assert qwen.params_loaded == 2_127_532_032
    kimi = derived("moonshotai__Kimi-K2.5").architecture.vision
    assert kimi is not None
    assert kimi.params == 471_143_920


def test_layers_of_a_hybrid_come_from_its_pattern_also_without_their_number() -> None:
    name = "nvidia__NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"
    shape = derived(name).architecture
    assert (shape.layers, shape.full_layers, shape.linear_layers, shape.moe_layers) == (52, 6, 23, 23)
    assert derived(name, num_hidden_layers=...).architecture == shape
    words = {"M": "mamba", "*": "attention", "E": "moe"}
    listed = [words[letter] for letter in values(name)["hybrid_override_pattern"]]
    assert derived(name, hybrid_override_pattern=..., layers_block_type=listed).architecture == shape


def test_the_head_is_the_embedding_where_the_class_says_so() -> None:
    gemma = derived("google__gemma-3-1b-it")
    assert gemma.architecture.tied_embeddings
    assert any("tie_word_embeddings" in sentence for sentence in gemma.assumed)
    llama = of(LLAMA, tie_word_embeddings=...)
    assert not llama.architecture.tied_embeddings
    assert any("not the embedding" in sentence for sentence in llama.assumed)


def test_the_width_of_an_expert_may_stand_in_intermediate_size() -> None:
    experts = derived("MiniMaxAI__MiniMax-M2.5").architecture.experts
    assert experts is not None
    assert experts.expert_intermediate == 1536
    assert derived("MiniMaxAI__MiniMax-M2.5").architecture.intermediate == 0


def test_a_list_with_one_number_for_all_layers_is_that_number() -> None:
    experts = derived("tencent__Hunyuan-A13B-Instruct").architecture.experts
    assert experts is not None
    assert (experts.experts_per_token, experts.expert_intermediate, experts.shared_intermediate) == (8, 3072, 3072)


def test_expert_keys_have_many_names() -> None:
    plain = {**LLAMA, "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "decoder_sparse_step": 1}
    sizes = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 512}
    renamed = {"num_local_experts": 8, "moe_topk": [2] * 8, "moe_intermediate_size": [512] * 8}
    assert of({**plain, **sizes}).architecture == of({**plain, **renamed}).architecture


@pytest.mark.parametrize(
    ("keys", "sliding"),
    [
        ({"use_sliding_window": False, "sliding_window": 1024, "max_window_layers": 2}, 0),
        ({"use_sliding_window": True, "sliding_window": 1024, "max_window_layers": 2}, 6),
        ({"use_sliding_window": True, "sliding_window": 8192, "max_window_layers": 2}, 0),
        ({"sliding_window": 1024, "layer_types": ["full_attention", "sliding_attention"] * 4}, 4),
    ],
)
def test_windows_of_qwen_count_where_they_are_switched_on_and_bound_something(
    keys: dict[str, Any], sliding: int
) -> None:
    qwen = {**LLAMA, "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"}
    shape = of(qwen, **keys).architecture
    assert (shape.sliding_layers, shape.full_layers) == (sliding, 8 - sliding)
    assert shape.sliding_window == (1024 if sliding else None)


@pytest.mark.parametrize(
    ("model_type", "keys", "sliding"),
    [
        ("gemma3_text", {"sliding_window": 512, "sliding_window_pattern": 4}, 6),
        ("gemma3_text", {"sliding_window": 512}, 7),
        ("cohere2", {"sliding_window": 512, "sliding_window_pattern": 4}, 6),
        ("exaone4", {"sliding_window": 512, "sliding_window_pattern": "LLLG"}, 6),
        ("mistral", {"sliding_window": 4096}, 8),
        ("mistral", {"sliding_window": None}, 0),
        ("llama", {"sliding_window": 4096}, 0),
    ],
)
def test_other_classes_state_their_windows_in_their_own_way(
    model_type: str, keys: dict[str, Any], sliding: int
) -> None:
    shape = of({**LLAMA, "architectures": ..., "model_type": model_type}, **keys).architecture
    assert shape.sliding_layers == sliding


def test_a_context_is_scaled_only_where_the_file_switches_it_on() -> None:
    assert derived("Qwen__Qwen2.5-7B-Instruct").max_context == 32_768
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32_768}
    assert derived("Qwen__Qwen2.5-7B-Instruct", rope_scaling=yarn).max_context == 131_072
    assert of(LLAMA, rope_scaling={"rope_type": "llama3", "factor": 8.0}).max_context == 8192
    assert of(LLAMA, rope_scaling={"type": "linear", "factor": 2.0}).max_context == 16_384
    assert of(LLAMA, model_max_length=131_072).max_context == 131_072  # Cohere's way


def test_a_table_of_positions_may_be_two_longer_than_the_context() -> None:
    opt = {
        "architectures": ["OPTForCausalLM"],
        "model_type": "opt",
        "hidden_size": 768,
        "ffn_dim": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "max_position_embeddings": 2048,
        "vocab_size": 50_272,
        "torch_dtype": "float16",
    }
    made = of(opt)
    assert (made.max_context, made.architecture.params_total) == (2048, 125_239_296)


def test_a_text_model_inside_another_takes_the_sizes_of_its_class() -> None:
    llava = derived("llava-hf__llava-1.5-7b-hf")
    assert (llava.architecture.layers, llava.architecture.heads) == (32, 32)
    assert any("num_hidden_layers" in sentence for sentence in llava.assumed)


@pytest.mark.parametrize(
    ("quantization", "stored"),
    [
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, Stored("awq")),
        ({"quant_method": "gptq", "bits": 4}, Stored("gptq")),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, Stored("fp8-block")),
        ({"quant_method": "fbgemm_fp8"}, Stored("fp8")),
        ({"quant_method": "compressed-tensors", "config_groups": {"g": {"weights": {"num_bits": 8, "type": "int"}}}},
         Stored("int8")),
        ({"quant_algo": "NVFP4", "exclude_modules": ["*.self_attn.*"]},
         Stored("nvfp4", Recipe("nvfp4", ("attention",)))),
    ],
)  # fmt: skip
def test_formats_have_many_spellings(quantization: dict[str, Any], stored: Stored) -> None:
    assert of(LLAMA, quantization_config=quantization).stored == stored


def test_a_separate_file_of_the_quantization_counts() -> None:
    """ModelOpt writes `hf_quant_config.json`, and the configuration itself says nothing."""
    name = "nvidia__Qwen3-235B-A22B-NVFP4"
    assert "quantization_config" not in values(name)
    assert derived(name).stored == Stored("nvfp4")  # only routers and the head stay in 16 bit
