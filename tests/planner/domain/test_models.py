"""The shapes of open-weight models, against totals that their makers publish and bytes that were measured."""

from __future__ import annotations

import pytest

from planner.domain.gaps import Gap
from planner.domain.models import Model, split_entry
from planner.edges.catalog_files import load_catalog

MODELS = load_catalog().models
GIB = 2**30


@pytest.mark.parametrize(
    ("key", "total"),
    [
        ("llama-3.1-405b-instruct", 405_853_388_800),
        ("deepseek-v3", 671_026_419_200),
        ("gpt-oss-120b", 116_829_156_672),
        ("llama-3.3-70b-instruct", 70_553_706_496),
        ("mixtral-8x7b-instruct", 46_702_792_704),
    ],
)
def test_totals_are_the_published_ones(key: str, total: int) -> None:
    assert MODELS[key].architecture.params_total == total


def test_70b_in_fp8_on_two_gpus_takes_the_measured_bytes() -> None:
    shape = MODELS["llama-3.3-70b-instruct"].architecture
    per_gpu = shape.dense_params / 2 + shape.embedding_params * 2 / 2
    assert per_gpu / GIB == pytest.approx(33.88, abs=0.05)


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_parts_of_a_model_add_up(model: Model) -> None:
    shape = model.architecture
    assert shape.embedding_params + shape.routed_expert_params + shape.dense_params == shape.params_total
    assert shape.dense_params > 0
    without_attention = shape.moe_layers if model.key.startswith("nemotron-") else 0
    assert shape.full_layers + shape.sliding_layers + shape.linear_layers + without_attention == shape.layers
    assert (shape.experts is None) == (shape.routed_expert_params == 0)
    assert (shape.latent is not None) == (shape.attention == "MLA")
    assert (shape.compressed is not None) == (shape.attention == "CSA")
    assert (shape.sliding_window is not None) == (shape.kv_bytes_per_token_windowed > 0)
    assert (shape.linear_state_elements > 0) == (shape.linear_layers > 0) == (shape.linear is not None)
    assert 0 < shape.params_active <= shape.params_total <= shape.params_loaded


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_active_weights_are_dense_chosen_experts_and_head(model: Model) -> None:
    """Shared experts are dense, layers that predict several tokens and vision towers are in neither figure."""
    shape = model.architecture
    chosen = shape.experts.experts_per_token * shape.params_per_expert * shape.moe_layers if shape.experts else 0
    looked_up = {"starcoder": 8192 * 6144}.get(model.key, 0)  # learned positions are no product
    rest = shape.vocab * shape.hidden - looked_up
    assert shape.params_active == shape.dense_params + chosen + rest


@pytest.mark.parametrize("model", [m for m in MODELS.values() if m.architecture.linear], ids=lambda m: m.key)
def test_linear_state_follows_from_the_heads(model: Model) -> None:
    linear = model.architecture.linear
    assert linear is not None
    assert model.architecture.linear_state_elements == linear.value_heads * linear.key_head_dim * linear.value_head_dim


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_kv_bytes_follow_from_the_shape(model: Model) -> None:
    shape = model.architecture
    growing = windowed = 0
    if shape.compressed is not None:  # one vector serves as key and value; `ratio` tokens share an entry
        entry, compressed = 2 * shape.head_dim, shape.compressed
        growing = compressed.sparse_layers * entry // compressed.sparse_ratio
        growing += compressed.heavy_layers * entry // compressed.heavy_ratio
        windowed = shape.layers * entry
    elif shape.latent is not None:
        growing = shape.full_layers * 2 * (shape.latent.kv_lora_rank + shape.latent.qk_rope_head_dim)
    else:
        full_heads, full_width = shape.full_kv_heads or shape.kv_heads, shape.full_head_dim or shape.head_dim
        growing = shape.full_layers * 2 * 2 * full_heads * full_width
        windowed = shape.sliding_layers * 2 * 2 * shape.kv_heads * shape.head_dim
    assert (shape.kv_bytes_per_token_growing, shape.kv_bytes_per_token_windowed) == (growing, windowed)


def test_active_weights_of_a_sparse_model_are_the_chosen_experts() -> None:
    shape = MODELS["mixtral-8x7b-instruct"].architecture
    assert shape.experts is not None
    chosen = shape.params_per_expert * shape.experts.experts_per_token * shape.moe_layers
    head = shape.embedding_params // 2
    assert shape.params_active == shape.dense_params + chosen + head


def test_precisions_start_with_the_native_one_and_int4_needs_its_own_entry() -> None:
    ways = {way.name: way for way in MODELS["qwen3-32b"].precisions()}
    assert list(ways) == ["bf16", "awq", "fp8", "gptq"]
    assert ways["fp8"].at_load
    assert ways["fp8"].checkpoint == "Qwen/Qwen3-32B"
    assert [name for name, way in ways.items() if way.own_entry] == ["awq", "gptq"]
    assert ways["awq"].checkpoint is None
    assert MODELS["qwen3-32b"].precision("int3") is None


def test_gpt_oss_keeps_its_dense_part_in_16_bit() -> None:
    (way,) = MODELS["gpt-oss-20b"].precisions()
    assert (way.name, way.dense, way.experts) == ("mxfp4", "bf16", "mxfp4")


def test_experts_in_four_bits_leave_the_rest_as_it_was() -> None:
    """Kimi K2.5 was trained with 4-bit experts; DeepSeek V4 has fp8 beside them."""
    kimi, flash = MODELS["kimi-k2.5"].precisions()[0], MODELS["deepseek-v4-flash"].precisions()[0]
    assert (kimi.name, kimi.dense, kimi.experts, kimi.own_entry) == ("int4-qat", "bf16", "int4-qat", False)
    assert (flash.name, flash.dense, flash.experts) == ("mxfp4", "fp8-block", "mxfp4")


@pytest.mark.parametrize(
    ("key", "dense", "kept"),
    [
        ("qwen3-235b-a22b", "nvfp4", ()),
        ("deepseek-v3.1", "nvfp4", ("attention-inputs",)),
        ("kimi-k2.5", "nvfp4", ("attention",)),
        ("glm-5", "nvfp4", ("attention",)),
        ("glm-5.2", "bf16", ()),
        ("minimax-m2.5", "bf16", ()),
        ("deepseek-v4-pro", "fp8-block", ()),
        ("qwen3.6-35b-a3b", "fp8", ()),
    ],
)
def test_nvfp4_checkpoints_keep_what_their_configuration_says(key: str, dense: str, kept: tuple[str, ...]) -> None:
    way = MODELS[key].precision("nvfp4")
    assert way is not None
    assert (way.dense, way.experts, way.kept) == (dense, "nvfp4", kept)
    assert way.own_entry
    assert way.checkpoint is not None
    assert way.checkpoint.startswith("nvidia/")


def test_what_is_not_known_of_a_model_is_named() -> None:
    gaps = MODELS["qwen3.6-27b"].gaps()
    assert {(gap.kind, gap.subject) for gap in gaps} == {("revision", "qwen3.6-27b"), ("model", "qwen3.6-27b")}
    assert [gap for gap in gaps if "licence" in gap.message]
    assert all(isinstance(gap, Gap) for gap in gaps)
    assert not [gap for gap in MODELS["gpt-oss-20b"].gaps() if "licence" in gap.message]


def test_entries_split_at_the_quantization() -> None:
    assert split_entry("llama-3.3-70b-instruct") == ("llama-3.3-70b-instruct", None)
    assert split_entry("llama-3.3-70b-instruct@awq") == ("llama-3.3-70b-instruct", "awq")
