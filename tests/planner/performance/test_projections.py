"""Shapes of projections: published ones, and all of a model's weights together where a layer has no other."""

from __future__ import annotations

import pytest

from planner.edges.catalog_files import load_catalog
from planner.performance.parameters import count_weights
from planner.performance.projections import projections

MODELS = load_catalog().models


def test_shapes_of_llama_8b() -> None:
    """https://huggingface.co/meta-llama/Llama-3.1-8B: 4096 wide, 14336 inside, 32 and 8 heads of 128."""
    found = projections(MODELS["llama-3.1-8b-instruct"], 1)
    assert found.heads == ((32, 8, 128),)
    assert found.weights == ((4096, 4096), (4096, 14336), (6144, 4096), (28672, 4096), (128256, 4096))
    assert found.left_out == ()


def test_two_gpus_halve_what_is_cut() -> None:
    found = projections(MODELS["llama-3.1-8b-instruct"], 2)
    assert found.heads == ((16, 4, 128),)
    assert found.weights == ((3072, 4096), (4096, 2048), (4096, 7168), (14336, 4096), (64128, 4096))


def test_more_gpus_than_key_heads_hold_one_each() -> None:
    """Qwen3-30B-A3B has 4 key-value heads."""
    assert projections(MODELS["qwen3-30b-a3b"], 8).heads == ((4, 1, 128),)


@pytest.mark.parametrize("key", ["llama-3.3-70b-instruct", "qwen3-32b", "mistral-7b-instruct-v0.3", "starcoder2-7b"])
def test_the_weights_of_all_layers_are_the_model_s(key: str) -> None:
    """Up to biases and norms, which are no products."""
    model = MODELS[key]
    shape, parts = model.architecture, count_weights(model)
    head, layer = (shape.vocab, shape.hidden), set(projections(model, 1).weights)
    assert head in layer
    multiplied = shape.layers * sum(n * k for n, k in layer - {head})
    assert multiplied == pytest.approx(parts.attention + parts.dense_layers, rel=1e-3)


def test_experts_and_the_shared_one_are_products_of_their_own() -> None:
    """DeepSeek-V3: experts of 2048, a latent query of 1536, 512 + 64 latent keys, 128 heads of 128 + 64."""
    found = projections(MODELS["deepseek-v3"], 1)
    assert {(4096, 7168), (7168, 2048)} <= set(found.weights)
    assert {(1536 + 512 + 64, 7168), (128 * 192, 1536), (128 * 256, 512), (7168, 128 * 128)} <= set(found.weights)
    assert found.heads == ()
    assert "no fused kernel" in found.left_out[0]


def test_linear_attention_is_named_as_left_out() -> None:
    assert any(
        "linear attention" in sentence for sentence in projections(MODELS["qwen3-next-80b-a3b-instruct"], 1).left_out
    )


def test_heads_that_cannot_be_shared_are_refused() -> None:
    with pytest.raises(ValueError, match="3 GPUs cannot share the 40 heads of phi-4"):
        projections(MODELS["phi-4"], 3)


@pytest.mark.parametrize("key", sorted(MODELS))
def test_every_model_has_products(key: str) -> None:
    found = projections(MODELS[key], 1)
    assert found.weights == tuple(sorted(set(found.weights)))
    assert min(min(weight) for weight in found.weights) > 0
    assert found.heads or found.left_out
