"""One measured figure with its prediction, for the tests to change."""

from __future__ import annotations

from measurement.evidence.accuracy import ONE_GPU, ScoredRow

SCORED = ScoredRow(
    id="own-1",
    kind="tpot",
    gpu="H100",
    link=ONE_GPU,
    tensor_parallel_size=1,
    family="llama-8b",
    engine="vllm",
    source="own",
    regime="fixed_concurrency",
    quality="A",
    setting="setting",
    predicted=110.0,
    low=90.0,
    high=120.0,
    measured=100.0,
)
