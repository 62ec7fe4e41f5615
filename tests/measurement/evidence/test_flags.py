"""Flags of engines and clients, in the free text of published benchmarks."""

from __future__ import annotations

import pytest

from measurement.evidence.flags import quoted_flags

INFERENCEX = (
    "tp8; random lengths uniform in [0.8,1.0]x nominal (mean 0.9x); num_prompts=10*conc; no prefix cache; "
    "max-num-batched-tokens 8192; gpu-mem 0.9; max-num-seqs=concurrency"
)


VLLM = "vllm serve Qwen/Qwen3-32B --port 8000 -tp 8 --max-num-seqs 256"
SGLANG = (
    "python -m sglang.launch_server --model-path deepseek-ai/DeepSeek-R1-0528 --host 0.0.0.0 --port 30000 --tp-size 8 "
    "--dp-size 8 --enable-dp-attention --mem-fraction-static 0.85 --max-running-requests 128 "
    "--chunked-prefill-size 4096 --speculative-algorithm EAGLE"
)
TENSORRT = (
    "trtllm-serve openai/gpt-oss-120b --host 0.0.0.0 --port 8000 --tp_size 8 --ep_size 8 --max_batch_size 512 "
    "--max_num_tokens 8192 --kv_cache_free_gpu_memory_fraction 0.9"
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
        ("--stream-interval 20", "stream_interval", 20),
        ("stream_interval=30", "stream_interval", 30),
        ("max-num-seqs 256", "stream_interval", None),
        ("2p1d disaggregated", "disaggregated", True),
        ("synthetic fixed lengths", "lengths", "fixed"),
        ("ShareGPT", "lengths", "natural"),
        ("defaults", "lengths", "not stated"),
    ],
)
def test_flags(text: str, name: str, value: object) -> None:
    assert getattr(quoted_flags(text), name) == value


def test_a_command_of_vllm() -> None:
    stated = quoted_flags(VLLM)
    assert (stated.tensor_parallel, stated.pipeline_parallel, stated.data_parallel) == (8, 1, None)
    assert (stated.expert_parallel, stated.max_num_seqs, stated.problem) == (False, 256, "")
    stated = quoted_flags(
        "vllm serve deepseek-ai/DeepSeek-V3.1 --port=8001 \\\n  --tensor-parallel-size=4 \\\n  --data-parallel-size 2 "
        "--data-parallel-rpc-port 13345 --data-parallel-size-local 1 --data-parallel-address 10.0.0.1 "
        "--enable-expert-parallel --max-model-len 16384 --max-num-batched-tokens 8192 --no-enable-prefix-caching "
        "--gpu-memory-utilization 0.92 --seed 0"
    )
    assert (stated.tensor_parallel, stated.data_parallel, stated.expert_parallel) == (4, 2, True)
    assert (stated.max_num_batched_tokens, stated.gpu_memory_utilization, stated.problem) == (8192, 0.92, "")
    assert (stated.prefix_cache, stated.max_num_seqs) == (False, None)


def test_a_command_of_sglang() -> None:
    stated = quoted_flags(SGLANG)
    assert (stated.tensor_parallel, stated.data_parallel, stated.attention_data_parallel) == (8, 8, True)
    assert (stated.max_num_seqs, stated.max_num_batched_tokens) == (128, 4096)
    assert (stated.gpu_memory_utilization, stated.speculative, stated.problem) == (0.85, True, "")
    stated = quoted_flags(
        "python3 -m sglang.launch_server --model a/b-7B --tp 8 --moe-dense-tp-size 1 --ep 8 --chunked-prefill-size -1 "
        "--disable-radix-cache --cuda-graph-max-bs 256 --enable-dp-lm-head"
    )
    assert (stated.tensor_parallel, stated.data_parallel, stated.expert_parallel) == (8, None, True)
    assert (stated.max_num_batched_tokens, stated.prefix_cache, stated.problem) == (None, False, "")


def test_a_command_of_tensorrt_llm() -> None:
    stated = quoted_flags(TENSORRT)
    assert (stated.tensor_parallel, stated.expert_parallel, stated.data_parallel) == (8, True, None)
    assert (stated.max_num_seqs, stated.max_num_batched_tokens, stated.problem) == (512, 8192, "")
    assert stated.gpu_memory_utilization == 0.9
    options = quoted_flags("trtllm-bench --tp 4 --pp 1 --ep 4; enable_attention_dp: false; moe_tp_size: 1")
    assert (options.tensor_parallel, options.pipeline_parallel, options.attention_data_parallel) == (4, 1, False)
    assert (options.expert_parallel, options.problem) == (True, "")


@pytest.mark.parametrize(
    "text",
    [
        "tp8",
        "TP8",
        "8tp",
        "8 TP",
        "TP=8",
        "tp: 8",
        "tp-8",
        "tp_8",
        "TP_SIZE=8",
        "-tp 8",
        "-tp=8",
        "--tp 8",
        "--tp '8'",
        '{"tensor_parallel_size": 8}',
        "--tp-size 8",
        "--tp-size=8",
        "--tp_size 8",
        "--tensor-parallel-size 8",
        "--tensor-parallel-size=8",
        "tensor parallel degree 8",
        "tensor parallelism of 8",
        "8-way tensor parallelism",
        "8-way TP",
        "8x H100, 8 tp",
        "vLLM with 8 tp",
        "tp8ep8",
        "TP8/EP8",
        "8tp 256 concurrent",
        "--port 8000 --tp-size 8",
        "--port 8000 --tp 8",
        "http://localhost:8000 tp 8",
        "2025 tp 8",
        "in 2024, tp 8",
        "2025-10-04 tp 8",
        "04.10.2025 tp 8",
        "llama 4 tp8",
        "Llama 4 TP 8",
        "qwen 2.5 tp8",
        "qwen2.5tp8",
        "Qwen3-30B-A3B tp-size 8",
        "max-model-len 8192 tp 8",
        "--max-num-seqs 32 --tp-size 8",
        "https tp 8",
        "1200 output tps; 8 tps per user; tp8",
        "tp99 latency 300 ms; tp 8",
        "tp8; --tensor-parallel-size 8",
        "--tp-size 8 --moe-dense-tp-size 1",
    ],
)
def test_spellings_of_tensor_parallelism(text: str) -> None:
    stated = quoted_flags(text)
    assert (stated.tensor_parallel, stated.pipeline_parallel, stated.data_parallel) == (8, 1, None)
    assert stated.problem == ""


@pytest.mark.parametrize(
    "text",
    [
        "http://localhost:8000",
        "https 8",
        "port 8000 tp",
        "2024 tp",
        "max-num-seqs 32 tp",
        "llama 4 tp",
        "8 tps",
        "35 tps per user",
        "output 8",
        "ftp 21",
        "sdpa 2",
        "fsdp 8",
        "ddp8",
        "udp 8000",
        "8 dp attention",
        "--dp-size",
        "TP99 120 ms",
        "--tp $TP",
        "TPU v5 8",
        "adapt 8",
        "steps 8",
        "depth 4",
    ],
)
def test_what_states_no_parallel_size(text: str) -> None:
    stated = quoted_flags(text)
    assert (stated.tensor_parallel, stated.pipeline_parallel, stated.data_parallel) == (None, 1, None)
    assert (stated.expert_parallel, stated.problem) == (False, "")


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("--tp 4 --pp 1", (4, 1, None)),
        ("--tp 4 --pp 2", (4, 2, None)),
        ("--pipeline-parallel-size=2", (None, 2, None)),
        ("--dp-size 2", (None, 1, 2)),
        ("-dp 2", (None, 1, 2)),
        ("--data-parallel-size 4 -tp 2", (2, 1, 4)),
        ("--data-parallel-size=4 --port 8000", (None, 1, 4)),
        ("--port 8000 --dp-size 2 --tp-size 4", (4, 1, 2)),
        ("tp4dp2", (4, 1, 2)),
        ("tp4pp2", (4, 2, None)),
        ("4tp 2dp", (4, 1, 2)),
        ("4 tp, 2 dp", (4, 1, 2)),
        ("tp 8 dp attention", (8, 1, None)),
        ("--tp-size 8 --enable-dp-attention", (8, 1, None)),
    ],
)
def test_sizes_of_several_kinds(text: str, sizes: tuple[int | None, int, int | None]) -> None:
    stated = quoted_flags(text)
    assert (stated.tensor_parallel, stated.pipeline_parallel, stated.data_parallel) == sizes
    assert stated.problem == ""


@pytest.mark.parametrize(
    ("text", "expert_parallel"),
    [
        ("--ep-size 8", True),
        ("--ep 8", True),
        ("ep10", True),
        ("8ep", True),
        ("--ep-size 320", True),
        ("--expert-parallel-size=8", True),
        ("--moe_expert_parallel_size 8", True),
        ("expert parallelism", True),
        ("--enable-expert-parallel --no-enable-prefix-caching", True),
        ("--no-enable-expert-parallel", False),
        ("enable_expert_parallel: false", False),
        ("no expert parallel", False),
        ("--ep_size 1", False),
        ("ep1", False),
        ("5 steps per epoch", False),
    ],
)
def test_spellings_of_expert_parallelism(text: str, expert_parallel: bool) -> None:
    assert quoted_flags(text).expert_parallel is expert_parallel
    assert quoted_flags(text).problem == ""


@pytest.mark.parametrize(
    ("text", "sequences", "tokens"),
    [
        ("--max-num-seqs 256", 256, None),
        ("--max-running-requests 256", 256, None),
        ("--max-running-requests=256 --tp 8", 256, None),
        ("--max_batch_size 256 --max_num_tokens 8192", 256, 8192),
        ("max_batch_size: 1,024", 1024, None),
        ("--max-num-batched-tokens 8192", None, 8192),
        ("--chunked-prefill-size 8k", None, 8192),
        ("--chunked-prefill-size=-1", None, None),
        ("batch size 8; --max-seq-len 4096", None, None),
    ],
)
def test_what_engines_call_the_limits_of_a_step(text: str, sequences: int | None, tokens: int | None) -> None:
    stated = quoted_flags(text)
    assert (stated.max_num_seqs, stated.max_num_batched_tokens, stated.problem) == (sequences, tokens, "")


def test_a_limit_may_follow_the_load() -> None:
    assert quoted_flags("max_batch_size=concurrency").seqs_follow_load
    assert quoted_flags("max-running-requests = concurrency").seqs_follow_load


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tp0", "TP size 0 is no whole number of at least 1"),
        ("tp=-2", "TP size -2 is no whole number of at least 1"),
        ("dp 2.5", "DP size 2.5 is no whole number of at least 1"),
        ("tp2; tp1", "TP is stated as 1 and 2"),
        ("tp2; --tensor-parallel-size 2", ""),
        ("--tp-size 8 --tensor-parallel-size 4", "TP is stated as 4 and 8"),
        ("8tp; tp 16", "TP is stated as 8 and 16"),
        ("2 tp, tp 4", "TP is stated as 2 and 4"),
        ("4 tp 2 dp", "TP may be 4 or 2"),
        ("tp 1/2/4", "TP size 1/2/4 is no whole number of at least 1"),
        ("tp1-8", "TP size 1-8 is no whole number of at least 1"),
        ("tp 1,2", "TP size 1,2 is no whole number of at least 1"),
        ("tp8000", "TP size 8000 is more than the 1024 GPUs that one engine spans at most"),
        ("--dp-size 2 --data-parallel-size 4", "DP is stated as 2 and 4"),
        ("--ep 4 --ep-size 8", "EP is stated as 4 and 8"),
        ("--max-running-requests 0", "max-running-requests 0 is no whole number of at least 1"),
        ("--max_batch_size 16-64", "max-batch-size 16-64 is no whole number of at least 1"),
        ("--max_batch_size 8 --max-num-seqs 16", "max-num-seqs is stated as 8 and 16"),
        (
            "--chunked-prefill-size 2048 --max-num-batched-tokens 8192",
            "max-num-batched-tokens is stated as 2048 and 8192",
        ),
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
