"""Memory of a rank against published figures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from planner.domain.catalog import Catalog
from planner.edges.catalog_files import load_catalog
from planner.performance.memory import (
    GIB,
    MemoryFit,
    NoFit,
    activation_bytes,
    kv_share,
    memory_fit,
    overhead_bytes,
    weights_bytes,
)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def fit(catalog: Catalog, model: str, form: str, gpu: str, ranks: int = 1, **changed: Any) -> MemoryFit | NoFit:
    found = catalog.models[model]
    precision = found.precision(form)
    assert precision is not None
    settings = {"max_num_seqs": 64, "max_model_len": 4096, **changed}
    return memory_fit(found, precision, catalog.gpus[gpu], tensor_parallel_size=ranks, **settings)


def loaded(catalog: Catalog, model: str, form: str, gpu: str, ranks: int = 1, **changed: Any) -> MemoryFit:
    found = fit(catalog, model, form, gpu, ranks, **changed)
    assert isinstance(found, MemoryFit), found
    return found


@pytest.mark.parametrize(
    ("model", "form", "ranks", "published_gib", "within"),
    [
        ("llama-3.3-70b-instruct", "fp8", 2, 33.88, 0.02),  # vLLM's "model weights take" on two H100
        ("gpt-oss-120b", "mxfp4", 1, 60.8, 0.1),  # checkpoint of the model card
        ("gpt-oss-20b", "mxfp4", 1, 12.8, 0.1),
        ("llama-3.1-8b-instruct", "bf16", 1, 14.99, 0.02),
    ],
)
def test_weights_as_published(
    catalog: Catalog, model: str, form: str, ranks: int, published_gib: float, within: float
) -> None:
    found = catalog.models[model]
    precision = found.precision(form)
    assert precision is not None
    assert weights_bytes(found, precision, ranks) / GIB == pytest.approx(published_gib, abs=within)


@pytest.mark.parametrize(
    ("model", "vocabulary_gib"), [("llama-3.3-70b-instruct", 4.8), ("qwen3-32b", 5.6), ("gpt-oss-120b", 7.4)]
)
def test_sampler_warm_up_as_measured(catalog: Catalog, model: str, vocabulary_gib: float) -> None:
    shape = catalog.models[model].architecture
    assert activation_bytes(shape, 1, 1024, 2048) / GIB == pytest.approx(vocabulary_gib, rel=0.02)


def test_overhead_grows_with_nccl() -> None:
    assert overhead_bytes(2) - overhead_bytes(1) == pytest.approx(0.45 * GIB)
    assert overhead_bytes(8) == overhead_bytes(2)


@pytest.mark.parametrize(
    ("model", "form", "gpu", "ranks", "bytes_per_token"),
    [
        ("llama-3.3-70b-instruct", "fp8", "H100", 2, 327680 / 2),
        ("llama-3.3-70b-instruct", "fp8", "H100", 8, 327680 / 8),
        ("qwen3-30b-a3b", "bf16", "H100", 8, 98304 / 4),  # 4 KV heads: each is on two ranks
        ("deepseek-v3", "fp8-block", "H200", 8, 70272),  # MLA: whole on every rank
    ],
)
def test_kv_per_token_is_exact(
    catalog: Catalog, model: str, form: str, gpu: str, ranks: int, bytes_per_token: float
) -> None:
    assert loaded(catalog, model, form, gpu, ranks).kv_growing_bytes == bytes_per_token


def test_windowed_layers_stop_growing(catalog: Catalog) -> None:
    found = loaded(catalog, "gemma-3-27b-it", "bf16", "H100", 2)
    window = found.window_tokens
    grown = found.sequence_bytes(2 * window) - found.sequence_bytes(window)
    assert grown == pytest.approx(found.kv_growing_bytes * window)
    assert found.sequence_bytes(window) > found.kv_growing_bytes * window


def test_linear_attention_keeps_a_constant_state(catalog: Catalog) -> None:
    found = loaded(catalog, "qwen3-next-80b-a3b-instruct", "bf16", "H100", 4)
    assert found.state_bytes > 0
    assert found.sequence_bytes(0) == found.state_bytes


def test_copies_when_ranks_outnumber_kv_heads(catalog: Catalog) -> None:
    """Eight ranks of a model with four KV heads hold each K and V projection twice."""
    model = catalog.models["qwen3-30b-a3b"]
    precision = model.precision("bf16")
    assert precision is not None
    four, eight = (weights_bytes(model, precision, ranks) for ranks in (4, 8))
    assert eight > four / 2
    assert kv_share(model.architecture, 8) == kv_share(model.architecture, 4) == 0.25


def test_fp8_cache_halves_the_bytes(catalog: Catalog) -> None:
    model, gpu = catalog.models["llama-3.1-8b-instruct"], catalog.gpus["L4"]
    precision = model.precision("bf16")
    assert precision is not None
    plain, small = (
        memory_fit(model, precision, gpu, tensor_parallel_size=1, max_num_seqs=64, max_model_len=4096, kv_format=kv)
        for kv in ("bf16", "fp8")
    )
    assert isinstance(plain, MemoryFit)
    assert isinstance(small, MemoryFit)
    assert small.kv_tokens(1000) == pytest.approx(2 * plain.kv_tokens(1000))


def test_more_gpus_never_hold_fewer_tokens(catalog: Catalog) -> None:
    for name, model in catalog.models.items():
        for gpu in ("L40S", "H100", "B200"):
            held = []
            for ranks in (1, 2, 4, 8):
                answer = memory_fit(
                    model,
                    model.precisions()[0],
                    catalog.gpus[gpu],
                    tensor_parallel_size=ranks,
                    max_num_seqs=64,
                    max_model_len=2048,
                )
                held.append(answer.kv_tokens(1000) if isinstance(answer, MemoryFit) else 0.0)
            fitting = [tokens for tokens in held if tokens]
            assert fitting == sorted(fitting), (name, gpu, held)


def test_a_larger_batch_never_leaves_more_cache(catalog: Catalog) -> None:
    budgets = [
        loaded(catalog, "llama-3.1-8b-instruct", "bf16", "A10G", max_num_seqs=cap).kv_budget_bytes
        for cap in (16, 64, 256, 512)
    ]
    assert budgets == sorted(budgets, reverse=True)
    assert budgets[-1] < budgets[0]


@pytest.mark.parametrize(
    ("model", "form", "gpu", "ranks", "changed", "says"),
    [
        ("llama-3.3-70b-instruct", "bf16", "H100", 1, {}, "before any context"),
        ("llama-3.1-8b-instruct", "bf16", "T4", 1, {}, "before any context"),
        ("llama-3.1-8b-instruct", "bf16", "L4", 1, {"max_model_len": 131072}, "of KV cache"),
        ("llama-3.1-8b-instruct", "bf16", "H100", 1, {"max_model_len": 200000}, "at most 131072"),
        ("gemma-3-4b-it", "bf16", "T4", 1, {}, "overflows fp16"),
        ("gpt-oss-20b", "mxfp4", "T4", 1, {}, "does not run mxfp4"),
        ("phi-4", "bf16", "H100", 4, {}, "KV heads"),
        ("qwen2.5-7b-instruct", "bf16", "L4", 8, {}, "attention heads"),
    ],
)
def test_no_fit_says_why(
    catalog: Catalog, model: str, form: str, gpu: str, ranks: int, changed: dict[str, int], says: str
) -> None:
    answer = fit(catalog, model, form, gpu, ranks, **changed)
    assert isinstance(answer, NoFit)
    assert says in answer.reason


def test_memory_of_the_gpu_decides(catalog: Catalog) -> None:
    """The same replica on a GPU with 1 GiB more holds exactly 0.92 GiB more cache."""
    gpu = catalog.gpus["L40S"]
    larger = replace(gpu, memory_bytes=gpu.memory_bytes + int(GIB))
    model = catalog.models["llama-3.1-8b-instruct"]
    budgets = []
    for each in (gpu, larger):
        answer = memory_fit(
            model, model.precisions()[0], each, tensor_parallel_size=1, max_num_seqs=64, max_model_len=4096
        )
        assert isinstance(answer, MemoryFit)
        budgets.append(answer.kv_budget_bytes)
    assert budgets[1] - budgets[0] == pytest.approx(0.92 * GIB)
