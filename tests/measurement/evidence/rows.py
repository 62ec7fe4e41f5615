"""One published run, for the tests to change: chat on one L4. And runs on their GPUs."""

from __future__ import annotations

from measurement.evidence.deployed_runs import DeployedRun, deployed_run
from measurement.evidence.published import PublishedRun
from measurement.evidence.rows import FIGURES
from planner.edges.catalog_files import load_catalog

CATALOG = load_catalog()
ROW = PublishedRun(
    id="own-1",
    model="llama-3.1-8b-instruct",
    dense="bf16",
    experts="bf16",
    kv="bf16",
    gpu="L4",
    gpus=1,
    tensor_parallel_size=1,
    data_parallel_size=1,
    expert_parallel_size=1,
    attention_data_parallel=False,
    engine="vllm",
    engine_version="0.33.0",
    date="2026-11-20",
    input_tokens=1000.0,
    output_tokens=200.0,
    length_low=1.0,
    length_high=1.0,
    lengths="not stated",
    concurrency=8,
    rate_per_s=None,
    prompts=None,
    max_num_seqs=None,
    max_num_batched_tokens=None,
    offline=False,
    gpu_memory_utilization=None,
    eager=False,
    stream_interval=1,
    figure=FIGURES["tpot"],
    value=80.0,
    regime="fixed_concurrency",
    quality="A",
    family="llama-3-8b-instruct",
    source="own",
    assumed=(),
)


def deployed(run: PublishedRun) -> DeployedRun:
    """The run on its GPU."""
    found = deployed_run(run, CATALOG.models[run.model], CATALOG.all_gpus[run.gpu])
    assert isinstance(found, DeployedRun), found
    return found
