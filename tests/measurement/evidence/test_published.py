"""Rows of words become runs in catalog keys, or say why not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from measurement.evidence.published import PublishedRun, RowReader, Unpredictable
from measurement.evidence.rows import FIGURES
from planner.edges.catalog_files import load_catalog

CATALOG = load_catalog()
READER = RowReader(CATALOG)
ROW = {
    "id": "own-0001",
    "date": "2026-11-20",
    "engine": "vllm",
    "engine_version": "0.33.0",
    "model": "meta-llama/Llama-3.1-8B-Instruct",
    "params": "8.03B",
    "weight_dtype": "bf16",
    "kv_dtype": "",
    "gpu": "L4",
    "gpus": "2",
    "instance_type": "",
    "input_tokens": "1000",
    "output_tokens": "200",
    "concurrency_or_rate": "8 concurrent",
    "metric": "tpot_ms_p50",
    "value": "80.5",
    "flags": "tp2",
    "regime": "fixed_concurrency",
    "quality": "A",
    "family": "llama-8b",
    "cell": "llama-8b|L4",
    "source_group": "own",
}


def read(**changed: str) -> PublishedRun:
    run = READER.read(ROW | changed)
    assert isinstance(run, PublishedRun), run
    return run


def left(**changed: str) -> str:
    run = READER.read(ROW | changed)
    assert isinstance(run, Unpredictable)
    assert run.id == "own-0001"
    return run.reason


def test_a_row_in_catalog_keys() -> None:
    run = read()
    assert (run.model, run.gpu, run.gpus, run.tensor_parallel_size) == ("llama-3.1-8b-instruct", "L4", 2, 2)
    assert (run.input_tokens, run.output_tokens, run.concurrency, run.value) == (1000.0, 200.0, 8, 80.5)
    assert (run.source, run.family, run.assumed) == ("own", "llama-8b", ())


@pytest.mark.parametrize(
    ("change", "is_one_voice", "is_one_cell"),
    [
        ({"id": "own-0002", "input_tokens": 8000.0, "value": 7.0}, True, True),
        ({"source": "theirs"}, False, True),
        ({"figure": FIGURES["ttft"]}, False, True),
        ({"gpu": "L40S"}, False, False),
        ({"model": "qwen3-32b"}, False, False),
    ],
)
def test_rows_of_one_source_cell_and_kind_of_figure_are_one_voice(
    change: dict[str, Any], is_one_voice: bool, is_one_cell: bool
) -> None:
    run = read()
    other = replace(run, **change)
    assert (other.voice == run.voice) is is_one_voice
    assert (other.cell == run.cell) is is_one_cell


def test_lengths_are_means_of_what_was_sent() -> None:
    run = read(flags="tp2; random lengths uniform in [0.8,1.0]x nominal (mean 0.9x)")
    assert (run.input_tokens, run.output_tokens) == (900.0, 180.0)
    assert (run.length_low, run.length_high) == pytest.approx((8 / 9, 10 / 9))
    assert run.lengths == "uniform"


def test_only_a_single_stream_gets_lengths_that_nobody_stated() -> None:
    stream = read(input_tokens="", output_tokens="", concurrency_or_rate="1 stream", regime="batch1")
    assert (stream.input_tokens, stream.output_tokens) == (512.0, 256.0)
    assert stream.assumed == ("512 input tokens", "256 output tokens")
    assert left(input_tokens="") == "input length is not stated"
    assert left(input_tokens="many", concurrency_or_rate="1 stream") == "input length is not stated: 'many'"


@pytest.mark.parametrize(
    ("model", "word", "formats"),
    [
        ("Qwen/Qwen3-32B", "fp8", ("fp8", "fp8")),
        ("Qwen/Qwen3-32B", "fp16 (not stated)", ("bf16", "bf16")),
        ("Qwen/Qwen3-32B-AWQ", "", ("awq", "awq")),
        ("Qwen/Qwen3-32B-FP8", "auto", ("fp8", "fp8")),
        ("Qwen/Qwen3-32B", "auto", ("bf16", "bf16")),
        ("deepseek-ai/DeepSeek-R1", "fp8", ("fp8-block", "fp8-block")),
        ("deepseek-ai/DeepSeek-R1", "nvfp4", ("bf16", "nvfp4")),
        ("deepseek-ai/DeepSeek-R1", "auto", ("fp8-block", "fp8-block")),
        ("openai/gpt-oss-120b", "mxfp4", ("bf16", "mxfp4")),
        ("moonshotai/Kimi-K2.5", "int4", ("bf16", "int4-qat")),
        ("nvidia/Qwen3-30B-A3B-FP4", "nvfp4", ("nvfp4", "nvfp4")),
        ("nvidia/Llama-3.3-70B-Instruct-FP4", "nvfp4", ("nvfp4", "nvfp4")),
    ],
)
def test_formats_of_dense_weights_and_experts(model: str, word: str, formats: tuple[str, str]) -> None:
    run = read(model=model, weight_dtype=word, params="")
    assert (run.dense, run.experts) == formats


def test_a_format_that_nobody_states_is_told() -> None:
    assert read(weight_dtype="").assumed == ("bf16 weights",)
    assert read(weight_dtype="bf16 (not stated)").assumed == ("bf16 weights",)


@pytest.mark.parametrize(
    ("gpus", "flags", "ranks"),
    [
        ("8", "tp8", (8, 1, 1)),
        ("8", "", (8, 1, 1)),
        ("8", "tp2", (2, 4, 1)),
        ("8", "tp2 dp4", (2, 4, 1)),
        ("8", "dp8 ep8", (1, 8, 8)),
        ("8", "tp8 dp8 ep8", (1, 8, 8)),
        ("4", "tp4 ep4", (4, 1, 4)),
        ("4", "tp4; attention-DP enabled for MoE", (4, 1, 1)),
        ("", "tp2", (2, 1, 1)),
        ("8", "vllm serve a/b --port 8000 -tp 8", (8, 1, 1)),
        ("8", "--port 8000 --tensor-parallel-size 2 --data-parallel-size 4", (2, 4, 1)),
        ("8", "--port 30000 --tp-size 8 --dp-size 8 --enable-dp-attention", (1, 8, 8)),
        ("", "--port 30000 --tp-size 8 --dp-size 8 --enable-dp-attention", (1, 8, 8)),
        ("", "--tensor-parallel-size 1 --data-parallel-size 8 --enable-expert-parallel", (1, 8, 8)),
        ("8", "trtllm-serve a/b --tp_size 8 --ep_size 8", (8, 1, 8)),
        ("8", "trtllm-serve a/b --tp_size 8 --ep_size 1", (8, 1, 1)),
        ("8", "in 2024, tp 8", (8, 1, 1)),
    ],
)
def test_how_gpus_are_shared_out(gpus: str, flags: str, ranks: tuple[int, int, int]) -> None:
    run = read(gpus=gpus, flags=flags)
    assert (run.tensor_parallel_size, run.data_parallel_size, run.expert_parallel_size) == ranks
    assert run.gpus == ranks[0] * ranks[1]


@pytest.mark.parametrize(
    ("gpu", "gpus"),
    [
        ("8x H100", 8),
        ("8xH100", 8),
        ("8 × H200", 8),
        ("8x80GB H100", 8),
        ("4x A100 PCIe 80GB", 4),
        ("H100x8", 8),
        ("H100 x8", 8),
        ("A100-SXM4-80GB x 4", 4),
        ("RTX PRO 6000 x8", 8),
    ],
)
def test_a_number_of_gpus_in_their_name(gpu: str, gpus: int) -> None:
    assert read(gpus="", gpu=gpu, flags="").gpus == gpus


@pytest.mark.parametrize(
    "gpu",
    [
        "2025 B200",
        "2025x B200",
        "B200 (2025-10)",
        "H100 80GB",
        "H100-80GB",
        "H100 x80GB",
        "RTX PRO 6000",
        "A100 PCIe x16",
        "L4 PCIe Gen4 x16",
        "H100 PCIe 5.0 x16",
        "A100-PCIE-80GB",
    ],
)
def test_years_and_sizes_in_the_name_of_a_gpu_are_no_number_of_gpus(gpu: str) -> None:
    assert left(gpus="", gpu=gpu, flags="") == "number of GPUs '' is not stated"
    assert read(gpus="", gpu=gpu).gpus == 2


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"model": "acme/gpt-9"}, "model acme/gpt-9 is not in the catalog"),
        ({"gpu": "MI300X"}, "GPU MI300X is not in the catalog"),
        ({"metric": "mmlu"}, "metric 'mmlu' is none that is predicted"),
        ({"engine": "llama.cpp"}, "engine 'llama.cpp' has no coefficients"),
        ({"weight_dtype": "bnb-nf4"}, "weight format 'bnb-nf4' is none that the performance model knows"),
        ({"kv_dtype": "turbo3"}, "cache format 'turbo3' is none that is known"),
        ({"concurrency_or_rate": "as usual"}, "load 'as usual' says neither concurrency nor rate"),
        ({"gpus": "", "flags": ""}, "number of GPUs '' is not stated"),
        ({"gpus": "3", "flags": "tp2"}, "TP 2 does not fit 3 GPUs"),
        ({"gpus": "0"}, "number of GPUs '0' is no whole number of at least 1"),
        ({"gpus": "", "gpu": "0xL4"}, "number of GPUs '0' is no whole number of at least 1"),
        ({"flags": "tp0"}, "TP size 0 is no whole number of at least 1"),
        ({"flags": "tp2; tp1"}, "TP is stated as 1 and 2"),
        ({"flags": "--port 8000 --tp-size 2 -tp 4"}, "TP is stated as 2 and 4"),
        ({"flags": "--tp 4 --pp 2"}, "pipeline parallelism is not modelled"),
        ({"flags": "tp2; --enable-lora"}, "serving LoRA adapters is not modelled"),
        ({"gpu": "2xH100 + 2xA100"}, "GPU 2xH100 + 2xA100 names several: A100, H100"),
        ({"metric": "tokens_per_dollar"}, "metric 'tokens_per_dollar' is none that is predicted"),
        ({"input_tokens": "-5"}, "input length is not stated: '-5'"),
        ({"concurrency_or_rate": "16-64 concurrent"}, "load '16-64 concurrent' says neither concurrency nor rate"),
        (
            {"params": "70.6B"},
            "model meta-llama/Llama-3.1-8B-Instruct has 8.03B parameters, 70.6B are stated",
        ),
        ({"flags": "tp1 pp2"}, "pipeline parallelism is not modelled"),
        ({"flags": "tp2; MTP"}, "speculative decoding is not modelled"),
        ({"flags": "tp2; disaggregated"}, "disaggregated prefill is not modelled"),
        ({"output_tokens": "1"}, "one output token has no time per output token"),
    ],
)
def test_what_cannot_be_read_says_why(changed: dict[str, str], reason: str) -> None:
    assert left(**changed) == reason


def test_columns_beside_the_needed_ones_may_be_absent() -> None:
    few = {name: text for name, text in ROW.items() if name not in ("value", "flags", "regime", "kv_dtype", "family")}
    run = READER.read(few)
    assert isinstance(run, PublishedRun)
    assert run.value is None


def test_models_of_one_shape_are_one_family_where_the_row_names_none() -> None:
    named = {name: text for name, text in ROW.items() if name != "family"}
    families = {
        READER.read(named | {"model": model, "params": ""}).family  # type: ignore[union-attr]
        for model in ("meta-llama/Meta-Llama-3-8B", "meta-llama/Llama-3.1-8B-Instruct")
    }
    assert families == {"llama-3-8b-instruct"}
    assert read(family="own").family == "own"
