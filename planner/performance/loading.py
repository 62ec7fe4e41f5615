"""How long a replica takes from the start of its container to the first request that it serves.

    seconds = START_SECONDS + bytes that a GPU reads / rate at which they come

Weights stream from object storage through the machine's network and host memory into the GPU. The rate of one GPU is
that of the streamer, or its share of what the network carries for ever, where that is less: all GPUs of a machine may
load at once, and a burst has an end.
"""

from __future__ import annotations

NODE_SECONDS = 900.0
"""Time from the order of a machine to the first container on it, seconds: it boots, joins, and pulls some 10 GiB of
image. This is an assumption on the slow side; where AWS has no machine to give, it takes longer."""
START_SECONDS = 120.0
"""Time that the engine needs beside loading its weights, seconds: imports, compilation, captured graphs. This
assumption is on the slow side."""
STREAM_BYTES_PER_SECOND = 3.51 * 2**30
"""Rate of one process that streams from S3 into a GPU, bytes/s: 8 B parameters in bf16 came in 4.24 s to an A10G of a
g5.12xlarge (run-ai/runai-model-streamer, docs/src/benchmarks.md at 001e588; version 0.6.0)."""


def stream_bytes_per_second(network_gbps: float, gpus_of_machine: int) -> float:
    """Return the rate at which weights come to one GPU, bytes/s.

    network_gbps: what the machine's network carries for ever, gigabit/s.
    """
    return min(STREAM_BYTES_PER_SECOND, network_gbps * 1e9 / 8 / gpus_of_machine)


def load_seconds(bytes_of_gpu: float, network_gbps: float, gpus_of_machine: int) -> float:
    """Return the seconds from the start of the container to the first request that it serves.

    bytes_of_gpu: what one GPU reads.
    """
    return START_SECONDS + bytes_of_gpu / stream_bytes_per_second(network_gbps, gpus_of_machine)
