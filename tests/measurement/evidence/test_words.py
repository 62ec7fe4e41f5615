"""The words of published benchmarks, in the spellings that sources use."""

from __future__ import annotations

import pytest

from measurement.evidence.words import (
    QuotedFigure,
    QuotedLoad,
    engine_name,
    figure,
    flags,
    cache_format,
    load,
    tokens,
    weight_format,
)

INFERENCEX = (
    "tp8; random lengths uniform in [0.8,1.0]x nominal (mean 0.9x); num_prompts=10*conc; no prefix cache; "
    "max-num-batched-tokens 8192; gpu-mem 0.9; max-num-seqs=concurrency"
)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("fp16 (not stated)", "16-bit"),
        ('fp16 (source: "Mixed")', "16-bit"),
        ("bf16", "16-bit"),
        ("awq-int4", "awq"),
        ("INT4 AWQ", "awq"),
        ("int4", "gptq"),
        ("w4a16", "gptq"),
        ("gptq", "gptq"),
        ("GPTQ-Int8", "int8"),
        ("w8a8", "int8"),
        ("int8", "int8"),
        ("fp8", "fp8"),
        ("fp8 (block)", "fp8-block"),
        ("w8a8-fp8", "fp8"),
        ("nvfp4", "nvfp4"),
        ("FP4", "nvfp4"),
        ("mxfp4", "mxfp4"),
        ("auto", "auto"),
        ("bnb-nf4", None),
        ("q4_k_m", None),
        ("mixed", None),
        ("", None),
    ],
)
def test_weight_formats(text: str, form: str | None) -> None:
    assert weight_format(text) == form


@pytest.mark.parametrize(
    ("text", "form"),
    [("", "bf16"), ("auto", "bf16"), ("fp16", "bf16"), ("fp8", "fp8"), ("fp8_e5m2", "fp8"), ("turbo3", None)],
)
def test_cache_formats(text: str, form: str | None) -> None:
    assert cache_format(text) == form


@pytest.mark.parametrize(
    ("text", "engine"),
    [
        ("vLLM", "vllm"),
        ("nm-vllm", "vllm"),
        ("TensorRT-LLM", "trt-llm"),
        ("NIM TRT-LLM", "trt-llm"),
        ("sglang", "sglang"),
        ("text-generation-inference", "tgi"),
        ("llama.cpp", None),
    ],
)
def test_engines(text: str, engine: str | None) -> None:
    assert engine_name(text) == engine


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("tpot_ms_p50", QuotedFigure("tpot", 0.5)),
        ("tpot_ms_mean", QuotedFigure("tpot")),
        ("mean_tpot_ms", QuotedFigure("tpot")),
        ("itl_ms_p99", QuotedFigure("itl", 0.99)),
        ("ttft_ms_p95", QuotedFigure("ttft", 0.95)),
        ("median_ttft_ms", QuotedFigure("ttft", 0.5)),
        ("time_to_first_token_s", QuotedFigure("ttft", per_ours=1e-3)),
        ("e2e_ms_mean", QuotedFigure("e2e")),
        ("request_latency_s", QuotedFigure("e2e", per_ours=1e-3)),
        ("output_tok_s", QuotedFigure("output_rate")),
        ("tokens/s", QuotedFigure("output_rate")),
        ("output_tok_s_per_gpu", QuotedFigure("output_rate", per_gpu=True)),
        ("total_tok_s", QuotedFigure("total_rate")),
        ("req_s", QuotedFigure("request_rate")),
        ("req_min", QuotedFigure("request_rate", per_ours=60.0)),
        ("request_throughput", QuotedFigure("request_rate")),
        ("tok_s_user", QuotedFigure("tpot", inverse=True)),
        ("ttft_ms_max", None),
        ("ttft", None),
        ("mmlu", None),
        ("goodput_req_s", None),
        ("tokens_per_second", QuotedFigure("output_rate")),
        ("tokens_per_minute", QuotedFigure("output_rate", per_ours=60.0)),
        ("total_token_throughput", QuotedFigure("total_rate")),
        ("inter_token_latency_ms", QuotedFigure("itl")),
        ("tokens_per_dollar", None),
        ("tok_s_per_watt", None),
        ("output_tokens_per_request", None),
        ("total_tokens", None),
        ("network_latency_ms", None),
    ],
)
def test_metrics(text: str, meant: QuotedFigure | None) -> None:
    assert figure(text) == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("16 concurrent", QuotedLoad(16, None, None)),
        ("144 concurrent (=batch_size in file)", QuotedLoad(144, None, None)),
        ("1 stream (as published: tokensPerSecond)", QuotedLoad(1, None, None)),
        ("max concurrency 64, inf rate", QuotedLoad(64, None, None)),
        ("batch size 32", QuotedLoad(32, None, None)),
        ("8", QuotedLoad(8, None, None)),
        ("inf rate (offline max load)", QuotedLoad(None, None, None)),
        ("inf rate (1000 ShareGPT prompts)", QuotedLoad(None, None, 1000)),
        ("1000 prompts at once (offline)", QuotedLoad(None, None, 1000)),
        ("4 req/s", QuotedLoad(None, 4.0, None)),
        ("0.5 rps (Poisson)", QuotedLoad(None, 0.5, None)),
        ("120 requests per minute", QuotedLoad(None, 2.0, None)),
        ("4 requests per second, 500 requests", QuotedLoad(None, 4.0, 500)),
        ("2e3 concurrent", QuotedLoad(2000, None, None)),
        ("1,024 users", QuotedLoad(1024, None, None)),
        ("1e1 req/s", QuotedLoad(None, 10.0, None)),
        ("1k prompts at once", QuotedLoad(None, None, 1000)),
        ("-4 req/s", None),
        ("0 req/s", None),
        ("4-8 req/s", None),
        ("4 req/s to 8 req/s", None),
        ("0 concurrent", None),
        ("2.5 concurrent", None),
        ("x16 concurrent", None),
        ("16-64 concurrent", None),
        ("16 to 64 concurrent", None),
        ("16, 32, 64 users", None),
        ("16/64 clients", None),
        ("concurrency 16-64", None),
        ("concurrency 16, 64", None),
        ("concurrency 16 to 64", None),
        ("-5", None),
        ("as usual", None),
        ("", None),
    ],
)
def test_loads(text: str, meant: QuotedLoad | None) -> None:
    assert load(text, "fixed_concurrency") == meant


def test_no_regime_stands_in_for_a_load_that_is_malformed() -> None:
    assert load("2-4 concurrent", "batch1") is None
    assert load("-4 req/s", "saturation") is None


def test_a_regime_tells_the_load_where_the_text_is_silent() -> None:
    assert load("", "batch1") == QuotedLoad(1, None, None)
    assert load("", "saturation") == QuotedLoad(None, None, None)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1024", (1024.0, 1.0, 1.0)),
        ("8k", (8192.0, 1.0, 1.0)),
        ("~215.2", (215.2, 1.0, 1.0)),
        ("1,024", (1024.0, 1.0, 1.0)),
        ("100-300", (200.0, 0.5, 1.5)),
        ("", None),
        ("0", None),
        ("1024 in 128 out", None),
        ("1024 tokens", (1024.0, 1.0, 1.0)),
        ("512-1.5k", (1024.0, 0.5, 1.5)),
        ("2e3", (2000.0, 1.0, 1.0)),
        ("-5", None),
        ("x5", None),
        ("1.2.3", None),
        ("1-2k", None),
        ("300-100", None),
    ],
)
def test_lengths(text: str, meant: tuple[float, float, float] | None) -> None:
    assert tokens(text) == meant


def test_flags_of_a_whole_record() -> None:
    told = flags(INFERENCEX)
    assert (told.tensor_parallel, told.seqs_follow_load, told.max_num_batched_tokens) == (8, True, 8192)
    assert (told.gpu_memory_utilization, told.low, told.high, told.stated_mean) == (0.9, 0.8, 1.0, 0.9)
    assert (told.lengths, told.prefix_cache, told.speculative) == ("uniform", False, False)


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
        ("chunked prefill off", "chunked_prefill", False),
        ("enable_chunked_prefill=True", "chunked_prefill", True),
        ("enforce-eager", "eager", True),
        ("2p1d disaggregated", "disaggregated", True),
        ("synthetic fixed lengths", "lengths", "fixed"),
        ("ShareGPT", "lengths", "natural"),
        ("defaults", "lengths", "not stated"),
    ],
)
def test_flags(text: str, name: str, value: object) -> None:
    assert getattr(flags(text), name) == value


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
    assert flags(text).problem == problem


def test_numbers_of_flags_are_read_whole() -> None:
    assert flags("max-num-batched-tokens 8,192").max_num_batched_tokens == 8192
    assert flags("gpu-mem 90%").gpu_memory_utilization == 0.9
    assert flags("gpus=8 tp=2").tensor_parallel == 2
    assert [flags(text).lora for text in ("--enable-lora --max-loras 4", "no LoRA", "explored")] == [True, False, False]
