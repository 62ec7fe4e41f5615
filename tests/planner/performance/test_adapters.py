"""Adapters in an engine: the bytes of their slots, and which models are planned with them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.domain.adapters import MAX_LORA_RANKS
from planner.domain.models import Model
from planner.edges.catalog_files import load_catalog
from planner.performance.adapters import adapter_bytes, unplanned_adapters
from planner.performance.memory import MemoryFit, NoFit, memory_fit

CATALOG = load_catalog()
LLAMA = CATALOG.models["llama-3.1-8b-instruct"]
DENSE = [m for m in CATALOG.models.values() if unplanned_adapters(m, m.precisions()[0], None) is None]


def test_a_slot_of_llama_8b_has_the_size_that_peft_counts_and_those_of_embedding_and_head() -> None:
    """PEFT prints 41,943,040 trainable weights for rank 16 on all linear layers of Llama 3.1 8B."""
    ends = 2 * 16 * (128_256 + 4096)
    assert adapter_bytes(LLAMA.architecture, 1, 16, 1) == 2 * (41_943_040 + ends)


def test_tensor_parallelism_cuts_one_of_the_two_matrices_of_each_layer() -> None:
    whole, halved = (adapter_bytes(LLAMA.architecture, 4, 16, size) for size in (1, 2))
    # Of a layer: queries, output and feed-forward 8,192 + 43,008, keys and values 2,048.
    cut = 2 * 4 * 16 * 32 * (2 * 4096 + 3 * 14_336 + 2 * 1024)
    assert halved == whole - cut / 2


@given(
    model=st.sampled_from(DENSE),
    slots=st.integers(1, 16),
    rank=st.sampled_from(MAX_LORA_RANKS),
    ranks=st.sampled_from([1, 2, 4, 8]),
)
def test_bytes_grow_with_slots_and_rank_and_never_fall_below_the_fair_share(
    model: Model, slots: int, rank: int, ranks: int
) -> None:
    shape = model.architecture
    held = adapter_bytes(shape, slots, rank, ranks)
    assert held == pytest.approx(slots * rank * adapter_bytes(shape, 1, 1, ranks))
    assert adapter_bytes(shape, slots, rank, 1) / ranks <= held <= adapter_bytes(shape, slots, rank, 1) * (1 + ranks)
    assert adapter_bytes(shape, 0, rank, ranks) == 0


def loaded(max_loras: int, max_lora_rank: int) -> MemoryFit | NoFit:
    """Llama 8B in 16 bit on one L4 with so many slots."""
    return memory_fit(
        LLAMA,
        LLAMA.precisions()[0],
        CATALOG.gpus["L4"],
        tensor_parallel_size=1,
        max_num_seqs=16,
        max_model_len=4096,
        max_loras=max_loras,
        max_lora_rank=max_lora_rank,
    )


def test_slots_are_taken_from_the_cache_and_a_replica_that_has_no_room_for_them_does_not_load() -> None:
    plain, held, many = loaded(0, 0), loaded(2, 16), loaded(8, 512)
    assert isinstance(plain, MemoryFit)
    assert isinstance(held, MemoryFit)
    slots = adapter_bytes(LLAMA.architecture, 2, 16, 1)
    assert plain.kv_budget_bytes - held.kv_budget_bytes == pytest.approx(slots)
    assert held.weights_bytes - plain.weights_bytes == pytest.approx(slots)
    assert not isinstance(many, MemoryFit)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("gpt-oss-20b", "a slot of every adapter for every expert"),
        ("qwen3-30b-a3b", "a slot of every adapter for every expert"),
        ("deepseek-v3", "a slot of every adapter for every expert"),
    ],
)
def test_models_with_experts_are_not_planned_with_adapters(key: str, words: str) -> None:
    model = CATALOG.models[key]
    found = unplanned_adapters(model, model.precisions()[0], None)
    assert found is not None
    assert words in found.reason
    assert key in found.reason


def test_only_dense_models_with_plain_attention_are_planned_with_adapters() -> None:
    assert {"llama-3.1-8b-instruct", "llama-3.3-70b-instruct", "qwen3-8b", "qwen3-32b"} <= {m.key for m in DENSE}
    for model in DENSE:
        shape = model.architecture
        assert (shape.experts, shape.latent, shape.linear, shape.compressed, shape.looked_up) == (None,) * 4 + (0,)
        assert adapter_bytes(shape, 1, 16, 1) < 0.2 * 2 * shape.params_total


def test_neither_nvfp4_nor_a_drafter_stands_beside_adapters() -> None:
    way = replace(LLAMA.precisions()[0], name="nvfp4", dense="nvfp4")
    found = unplanned_adapters(LLAMA, way, None)
    assert found is not None
    drafters = [m for m in CATALOG.models.values() if m.drafters]
    assert unplanned_adapters(LLAMA, LLAMA.precisions()[0], drafters[0].drafters[0]) is not None
