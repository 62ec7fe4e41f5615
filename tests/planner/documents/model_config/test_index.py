"""The index of a checkpoint against its configuration: equal, explained, or a problem."""

from __future__ import annotations

from typing import Any

import pytest

from planner.documents.model_config.config_json import JsonFile, read_json
from planner.documents.model_config.derive import derive
from planner.documents.model_config.index import Checked, check_index, without_index
from planner.documents.model_config.totals import explained
from planner.words.diagnostics import Problems
from tests.planner.documents.model_config.configs import LLAMA, as_file, derived, of, values

UNKNOWN_TOWER = {**LLAMA, "vision_config": {"model_type": "newvit", "hidden_size": 512, "intermediate_size": 2048}}


def index(size: int, layers: int = 8, **metadata: Any) -> JsonFile:
    """An index with that many bytes and layers."""
    names = {f"model.layers.{layer}.mlp.up_proj.weight": "a.safetensors" for layer in range(layers)}
    return as_file({"metadata": {"total_size": size, **metadata}, "weight_map": names}, "index.json")


def checked(content: dict[str, Any], size: int, **options: Any) -> Checked:
    """A configuration held against an index."""
    config = as_file(content)
    return check_index(derive(config), index(size, **options), config)


def code_of(content: dict[str, Any], size: int, **options: Any) -> str:
    """The code of the one problem that the two files make together."""
    with pytest.raises(Problems) as refused:
        checked(content, size, **options)
    (problem,) = refused.value.problems
    assert problem.where is not None
    return problem.code


def test_equal_totals_need_no_word() -> None:
    total = of(LLAMA).architecture.params_total
    assert checked(LLAMA, 2 * total).beside == ()
    assert checked(LLAMA, 2 * total + 64, total_parameters=total).beside == ()


@pytest.mark.parametrize("size", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_size_that_is_not_finite_is_a_problem(size: str) -> None:
    config = as_file(LLAMA)
    broken = read_json(f'{{"metadata": {{"total_size": {size}}}}}', "index.json")
    with pytest.raises(Problems) as refused:
        check_index(derive(config), broken, config)
    assert [problem.code for problem in refused.value.problems] == ["CFG002"]


def test_a_difference_of_a_weight_is_told() -> None:
    total = of(LLAMA).architecture.params_total
    assert code_of(LLAMA, 2 * (total + 1_000_001)) == "CFG006"
    assert code_of(LLAMA, total) == "CFG006"


def test_another_number_of_layers_is_told() -> None:
    assert code_of(LLAMA, 2 * of(LLAMA).architecture.params_total, layers=6) == "CFG006"
    assert code_of(LLAMA, 2 * of(LLAMA).architecture.params_total, layers=12) == "CFG006"


def test_a_head_that_is_stored_twice_has_a_name_and_one_that_is_missing_is_a_problem() -> None:
    head = LLAMA["vocab_size"] * LLAMA["hidden_size"]
    tied = {**LLAMA, "tie_word_embeddings": True}
    (part,) = checked(tied, 2 * (of(tied).architecture.params_total + head)).beside
    assert "head" in part.name
    assert part.weights == head
    assert code_of(LLAMA, 2 * (of(LLAMA).architecture.params_total - head)) == "CFG006"


def test_quantized_weights_have_about_the_bytes_that_we_expect() -> None:
    fp8 = {**LLAMA, "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}
    shape = of(fp8).architecture
    expected = shape.dense_params + 2 * shape.embedding_params
    assert checked(fp8, int(1.02 * expected)).derived.stored.native == "fp8-block"
    assert code_of(fp8, 2 * shape.params_total) == "CFG006"


def test_an_unknown_tower_needs_the_index_which_has_its_weights() -> None:
    config = as_file(UNKNOWN_TOWER)
    made = derive(config)
    with pytest.raises(Problems, match="CFG008"):
        without_index(made, config)
    known = checked(UNKNOWN_TOWER, 2 * (made.architecture.params_total + 40_000_000)).derived
    vision = known.architecture.vision
    assert vision is not None
    assert (vision.params, vision.width, vision.intermediate) == (40_000_000, 512, 2048)
    assert known.unread == ()
    assert any("40,000,000" in sentence for sentence in known.assumed)


@pytest.mark.parametrize("content", [{}, {"metadata": {}}, {"metadata": {"total_size": "big"}}, {"metadata": 3}])
def test_an_index_without_a_size_is_told(content: dict[str, Any]) -> None:
    config = as_file(LLAMA)
    with pytest.raises(Problems, match="CFG002"):
        check_index(derive(config), as_file(content, "index.json"), config)


@pytest.mark.parametrize(
    ("name", "published", "word"),
    [
        ("Qwen__Qwen3-0.6B", 751_632_384, "head"),
        ("deepseek-ai__DeepSeek-V3.2", 685_355_329_792, "MTP"),
        ("MiniMaxAI__MiniMax-M2.5", 228_703_644_928, "scales"),
        ("nvidia__Qwen3-235B-A22B-NVFP4", 132_806_618_624, "4-bit"),
        ("nvidia__NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", 31_577_937_344, "buffers"),
    ],
)
def test_published_totals_are_explained_by_their_parts(name: str, published: int, word: str) -> None:
    made = derived(name)
    parts = explained(published, made)
    assert parts is not None
    assert any(word in part.name for part in parts)
    assert sum(part.weights for part in parts) == published - made.architecture.params_loaded
    assert explained(published + 123_456_789, made) is None or "nvidia__Qwen3" in name


def test_a_published_total_that_is_equal_has_no_parts() -> None:
    assert explained(7_615_616_512, derived("Qwen__Qwen2.5-7B-Instruct")) == ()
    assert values("Qwen__Qwen2.5-7B-Instruct")["max_position_embeddings"] == 32_768
