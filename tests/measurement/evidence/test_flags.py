"""Flags of engines and clients, in the free text of published benchmarks."""

from __future__ import annotations

import pytest

from measurement.evidence.flags import quoted_flags

INFERENCEX = (
    "tp8; random lengths uniform in [0.8,1.0]x nominal (mean 0.9x); num_prompts=10*conc; no prefix cache; "
    "max-num-batched-tokens 8192; gpu-mem 0.9; max-num-seqs=concurrency"
)


def test_flags_of_a_whole_record() -> None:
    stated = quoted_flags(INFERENCEX)
    assert (stated.tensor_parallel, stated.seqs_follow_load, stated.max_num_batched_tokens) == (8, True, 8192)
    assert (stated.gpu_memory_utilization, stated.low, stated.high, stated.stated_mean) == (0.9, 0.8, 1.0, 0.9)
    assert (stated.lengths, stated.prefix_cache, stated.speculative) == ("uniform", False, False)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("tp4 ep4", "expert_parallel", True),
        ("--enable-expert-parallel", "expert_parallel", True),
        ("--tensor-parallel-size=2", "tensor_parallel", 2),
        ("tp1 dp8", "data_parallel", 8),
        ("pp2", "pipeline_parallel", 2),
        ("max-num-seqs 256", "max_num_seqs", 256),
        ("--max-num-batched-tokens=16k", "max_num_batched_tokens", 16384),
        ("kv_cache_free_gpu_mem_fraction 0.95", "gpu_memory_utilization", 0.95),
        ("--gpu-memory-utilization 0.92", "gpu_memory_utilization", 0.92),
        ("MTP", "speculative", True),
        ("num_speculative_tokens 3", "speculative", True),
        ("speculative decoding off", "speculative", False),
        ("no MTP", "speculative", False),
        ("prefix caching enabled", "prefix_cache", True),
        ("--no-enable-prefix-caching", "prefix_cache", False),
        ("enforce-eager", "eager", True),
        ("2p1d disaggregated", "disaggregated", True),
        ("synthetic fixed lengths", "lengths", "fixed"),
        ("ShareGPT", "lengths", "natural"),
        ("defaults", "lengths", "not stated"),
    ],
)
def test_flags(text: str, name: str, value: object) -> None:
    assert getattr(quoted_flags(text), name) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tp0", "TP size 0 is no whole number of at least 1"),
        ("tp=-2", "TP size -2 is no whole number of at least 1"),
        ("dp 2.5", "DP size 2.5 is no whole number of at least 1"),
        ("tp2; tp1", "TP is stated as 1 and 2"),
        ("tp2; --tensor-parallel-size 2", ""),
        ("gpus=8 tp=2", ""),
        ("max-num-seqs 0", "max-num-seqs 0 is no whole number of at least 1"),
        ("max-num-seqs 2e3", "max-num-seqs 2e3 is no whole number of at least 1"),
        ("max-num-seqs=concurrency", ""),
        ("max-num-batched-tokens 0", "max-num-batched-tokens 0 is no whole number of at least 1"),
        ("max-num-batched-tokens 8,192", ""),
        ("gpu-mem 0", "gpu-mem 0 is no share of a GPU's memory"),
        ("gpu-mem 0.0", "gpu-mem 0.0 is no share of a GPU's memory"),
        ("gpu-memory-utilization 1.5", "gpu-mem 1.5 is no share of a GPU's memory"),
        ("gpu-mem 90%", ""),
        ("gpu memory 80 GB", ""),
    ],
)
def test_flags_that_make_no_sense(text: str, problem: str) -> None:
    assert quoted_flags(text).problem == problem


def test_numbers_of_flags_are_read_whole() -> None:
    assert quoted_flags("max-num-batched-tokens 8,192").max_num_batched_tokens == 8192
    assert quoted_flags("gpu-mem 90%").gpu_memory_utilization == 0.9
    assert quoted_flags("gpus=8 tp=2").tensor_parallel == 2
    assert [quoted_flags(text).lora for text in ("--enable-lora --max-loras 4", "no LoRA", "explored")] == [
        True,
        False,
        False,
    ]
