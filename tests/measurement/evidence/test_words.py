"""Formats, engines and metrics of published benchmarks, in the spellings that sources use."""

from __future__ import annotations

import pytest

from measurement.evidence.words import QuotedFigure, cache_format, engine_name, quoted_figure, weight_format


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
    assert quoted_figure(text) == meant
