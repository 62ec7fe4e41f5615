"""Counted weights against the catalog's totals, and both against the totals that makers publish."""

from __future__ import annotations

import pytest

from planner.domain.models import Model
from planner.edges.catalog_files import load_catalog
from planner.performance.parameters import BLOCKS, block_of, count_weights, kept_params

MODELS = load_catalog().models

PUBLISHED = {
    "deepseek-v3": 684_531_386_000,
    "deepseek-v3.2": 685_396_921_376,
    "deepseek-v4-flash": 290_944_616_402,
    "deepseek-v4-pro": 1_598_839_674_782,
    "gemma-2-2b-it": 2_614_341_888,
    "gemma-3-12b-it": 12_187_325_040,
    "gemma-3-1b-it": 999_885_952,
    "gemma-3-27b-it": 27_432_406_640,
    "gemma-3-4b-it": 4_300_079_472,
    "gemma-4-26b-a4b": 25_805_936_206,
    "gemma-4-31b-it": 31_273_088_876,
    "glm-4.5": 358_337_791_296,
    "glm-4.5-air": 110_468_824_832,
    "glm-4.6": 356_785_898_816,
    "glm-4.7-flash": 31_221_488_576,
    "glm-5": 753_864_139_008,
    "glm-5.2": 753_329_940_480,
    "gpt-oss-120b": 116_829_156_672,
    "gpt-oss-20b": 20_914_757_184,
    "kimi-k2-instruct": 1_026_408_235_864,
    "llama-3.1-405b-instruct": 405_853_388_800,
    "llama-3.1-8b-instruct": 8_030_261_248,
    "llama-3.2-11b-vision-instruct": 10_670_220_835,
    "llama-3.2-1b-instruct": 1_235_814_400,
    "llama-3.2-3b-instruct": 3_212_749_824,
    "llama-3.3-70b-instruct": 70_553_706_496,
    "llama-4-maverick": 401_583_781_376,
    "llama-4-scout": 108_641_793_536,
    "minimax-m2.5": 228_703_644_928,
    "ministral-3-8b-instruct": 8_918_026_716,
    "mistral-7b-instruct-v0.3": 7_248_023_552,
    "mistral-small-3": 23_572_403_200,
    "mistral-small-3.1": 24_011_361_280,
    "mixtral-8x22b-instruct": 140_630_071_296,
    "mixtral-8x7b-instruct": 46_702_792_704,
    "nemotron-3-nano-30b-a3b": 31_577_937_344,
    "olmo-2-7b-instruct": 7_298_617_344,
    "phi-4": 14_659_507_200,
    "phi-4-mini-instruct": 3_836_021_760,
    "qwen2.5-0.5b-instruct": 494_032_768,
    "qwen2.5-1.5b-instruct": 1_543_714_304,
    "qwen2.5-3b-instruct": 3_085_938_688,
    "qwen2.5-7b-instruct": 7_615_616_512,
    "qwen3-0.6b": 751_632_384,
    "qwen3-1.7b": 2_031_739_904,
    "qwen3-235b-a22b": 235_093_634_560,
    "qwen3-30b-a3b": 30_532_122_624,
    "qwen3-32b": 32_762_123_264,
    "qwen3-4b": 4_022_468_096,
    "qwen3-8b": 8_190_735_360,
    "qwen3-coder-30b-a3b-instruct": 30_532_122_624,
    "qwen3-coder-480b-a35b-instruct": 480_154_875_392,
    "qwen3-coder-next": 79_674_391_296,
    "qwen3-next-80b-a3b-instruct": 81_324_862_720,
    "qwen3.5-122b-a10b": 125_086_497_008,
    "qwen3.5-27b": 27_781_427_952,
    "qwen3.5-35b-a3b": 35_951_822_704,
    "qwen3.5-397b-a17b": 403_397_928_944,
    "qwen3.5-9b": 9_653_104_368,
}
"""Numbers in the safetensors files, as the model's page on Hugging Face states (read 2025 to 2026)."""

PREDICTORS = (
    "glm-4.6",
    "glm-5",
    "glm-5.2",
    "qwen3-next",
    "qwen3.5-122b",
    "qwen3.5-27b",
    "qwen3.5-35b",
    "qwen3.5-397b",
    "qwen3.5-9b",
)
"""Models whose files hold exactly one layer more, which predicts a further token."""

RESIDUALS = {
    "deepseek-v3": (13_504_966_800, "a predicting layer with embedding and head of its own, and fp8 scales"),
    "deepseek-v3.2": (13_518_977_312, "the same, with an indexer"),
    "deepseek-v4-flash": (6_612_375_163, "a predicting layer, fp8 scales, tables from token to expert"),
    "deepseek-v4-pro": (25_842_471_867, "a predicting layer, fp8 scales, tables from token to expert"),
    "gemma-4-26b-a4b": (30, "one scalar a layer"),
    "gemma-4-31b-it": (60, "one scalar a layer"),
    "kimi-k2-instruct": (3_416, "buffers"),
    "minimax-m2.5": (13_880_064, "fp8 scales, one for 128 x 128 weights"),
    "ministral-3-8b-instruct": (34 * 7 * 2, "fp8 scales of weights and activations, one for each product"),
    "nemotron-3-nano-30b-a3b": (-23 * 128, "the page leaves out the router's score biases"),
    "qwen3-0.6b": (151_936 * 1024, "the head is stored beside the embedding that it equals"),
    "qwen3-1.7b": (151_936 * 2048, "the head is stored beside the embedding that it equals"),
}
"""What a published total holds beside the counted weights, or lacks, and why."""


def one_layer_more(model: Model) -> int:
    """A full-attention layer of the model with experts, and the joint projection and norms of a predicting layer."""
    shape, parts = model.architecture, count_weights(model)
    attention = parts.attention // shape.full_layers
    indexer = parts.indexer // shape.indexer.layers if shape.indexer else 0
    routed = parts.shared_experts + parts.router + parts.routed_experts
    network = routed // shape.moe_layers if shape.moe_layers else parts.dense_layers // shape.layers
    return attention + indexer + network + 2 * shape.hidden**2 + 5 * shape.hidden


@pytest.mark.parametrize("key", MODELS)
def test_every_total_is_what_its_parts_add_up_to(key: str) -> None:
    assert MODELS[key].architecture.params_total == count_weights(MODELS[key]).total


@pytest.mark.parametrize("key", PUBLISHED)
def test_every_published_total_is_explained_to_the_last_weight(key: str) -> None:
    residual = PUBLISHED[key] - MODELS[key].architecture.params_loaded
    if key.startswith(("glm-4.5", "glm-4.7-flash")):  # embedding and head are stored again
        assert residual == one_layer_more(MODELS[key]) + MODELS[key].architecture.embedding_params
    elif key.startswith(PREDICTORS):
        assert residual == one_layer_more(MODELS[key])
    else:
        assert residual == RESIDUALS.get(key, (0, ""))[0]


@pytest.mark.parametrize(
    ("key", "total_billions", "active_billions"),
    [
        ("deepseek-v4-flash", 284, 13),
        ("deepseek-v4-pro", 1573, 49),
        ("gemma-4-26b-a4b", 25.2, 3.8),
        ("gpt-oss-120b", 116.8, 5.1),
        ("gpt-oss-20b", 20.9, 3.6),
        ("mistral-small-4", 119, 6.1),
        ("qwen3.5-397b-a17b", 397, 17),
    ],
)
def test_totals_and_active_weights_are_those_of_the_model_card(
    key: str, total_billions: float, active_billions: float
) -> None:
    shape = MODELS[key].architecture
    assert shape.params_total == pytest.approx(total_billions * 1e9, rel=0.005)
    assert shape.params_active == pytest.approx(active_billions * 1e9, rel=0.04)


def test_the_parts_of_deepseek_v3() -> None:
    """Of its report's configuration: 61 layers, three of them dense, 58 with 256 experts and one for every token."""
    parts = count_weights(MODELS["deepseek-v3"])
    assert parts.embedding == 2 * 129_280 * 7168
    assert parts.routed_experts == 58 * 256 * 3 * 7168 * 2048
    assert parts.shared_experts == 58 * 3 * 7168 * 2048
    assert parts.dense_layers == 3 * 3 * 7168 * 18432
    assert parts.router == 58 * 256 * (7168 + 1)
    assert parts.attention == 61 * 187_107_328


def test_what_checkpoints_keep_is_part_of_the_dense_weights() -> None:
    for model in MODELS.values():
        for way in model.precisions():
            assert sum(kept_params(model.architecture, part) for part in way.kept) < model.architecture.dense_params
    deepseek = MODELS["deepseek-v3.1"].architecture
    whole, inputs = (kept_params(deepseek, part) for part in ("attention", "attention-inputs"))
    assert whole - inputs == 61 * 128 * 128 * 7168
    assert kept_params(deepseek, "shared-experts") == 58 * 3 * 7168 * 2048


def test_a_family_is_found_by_the_longest_start_of_its_name() -> None:
    assert block_of("deepseek-r1-distill-llama-8b") == block_of("llama-3.1-8b-instruct") == BLOCKS[""]
    assert block_of("deepseek-r1").router_bias
    assert block_of("qwen3-next-80b-a3b-instruct").gate
    assert not block_of("qwen3-8b").gate
    assert block_of("gemma-2b-it") == BLOCKS[""]
