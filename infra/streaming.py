"""How much of a replica's host memory the streamer of weights may use as its buffer.

Weights pass through host memory on their way to the GPUs. The streamer's own default is the whole of what a process
reads where several read together, and 40 GB otherwise (run-ai/runai-model-streamer, docs/src/env-vars.md, 2026-11). So
a replica on a small machine is killed for its memory unless the buffer is bounded by what the engine leaves:

    buffer of a process = (memory of the replica - engine) / processes that read, at most 40 GB

The engine needs, beside the buffer:

- with one GPU 6 GiB: 8.46 GB at the peak with a buffer of 2 GiB, for 27 B parameters
  (github.com/syv-ai/qwen38-27b-rtx3090/issues/39, 2026-08-31).
- for each further GPU a process with 4 GiB (github.com/vllm-project/vllm/issues/3035, 2024-02-26).
- for each further API server 1 GiB, which is an assumption.
- with several GPUs the chart's shared memory, 2 GiB each, which counts as the pod's.

A buffer cannot be smaller than the largest tensor. That is the embedding in most models: 2.8 GB with 262,144 tokens ×
5,376, 4.2 GB in Llama 3.1 405B. Models that keep all experts in one tensor have larger ones, on machines that are
larger as well.
"""

from __future__ import annotations

from planner.plan.fleet import EngineSettings

GIB = 2**30
FIRST_GPU_BYTES = 6 * GIB
FURTHER_GPU_BYTES = 4 * GIB
FURTHER_SERVER_BYTES = 1 * GIB
SHARED_BYTES_PER_GPU = 2 * GIB
LARGEST_TENSOR_BYTES = 3 * GIB
MOST_BYTES = 40_000_000_000


def engine_bytes(engine: EngineSettings) -> int:
    """Return the host memory that a replica needs beside the streamer's buffer, bytes."""
    shared = SHARED_BYTES_PER_GPU * engine.gpus if engine.gpus > 1 else 0
    further = FURTHER_GPU_BYTES * (engine.gpus - 1) + FURTHER_SERVER_BYTES * (engine.api_server_count - 1)
    return FIRST_GPU_BYTES + further + shared


def buffer_bytes(memory_bytes: int, engine: EngineSettings) -> int:
    """Return the buffer of each process that reads, bytes; 0 where the engine leaves nothing.

    memory_bytes: host memory of the replica.
    """
    left = max(0, memory_bytes - engine_bytes(engine))
    return min(MOST_BYTES, left // engine.gpus)
