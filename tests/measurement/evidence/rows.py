"""One measured figure, for the tests to change: chat on one L4."""

from __future__ import annotations

from measurement.evidence.benchmarks import Measurement

ROW = Measurement(
    id="own-1",
    model="llama-3.1-8b-instruct",
    dense="bf16",
    experts="bf16",
    kv="bf16",
    gpu="L4",
    tensor_parallel_size=1,
    engine="vllm",
    engine_version="0.33.0",
    input_tokens=1000,
    output_tokens=200,
    lengths="spread",
    concurrency=8,
    max_num_batched_tokens=None,
    offline=False,
    metric="tpot",
    value=80.0,
    regime="fixed_concurrency",
    quality="A",
    date="2026-11-20",
)
