"""When a full engine says no, and how long it takes to start: the queue limits and load time of a replica.

vLLM answers 503 before any byte once its queue holds `max_num_queued_reqs` requests or `max_num_queued_tokens` prompt
tokens. A request that would wait longer than its TTFT target is better sent elsewhere at once, so the queue holds what
the replica can prefill within the target:

    tokens = TTFT target × prefill throughput,      requests = tokens ÷ mean prompt

The gateway's gate is tighter: the most requests in flight whose mean time per output token, with the prompts of their
successors, still leaves room to the target. A pool that is offered too much stays within its promise and spills the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from planner.performance.capacity import LatencyTarget
from planner.performance.lengths import Lengths
from planner.performance.step_time import StepClock

LOAD_BYTES_PER_SECOND = 1.0e9
"""Bytes of weights that reach one GPU a second, streamed from object storage. An assumption on the slow side: a rank of
a machine with 25 Gbit/s gets up to 3 GB/s when it is alone."""
ROOM = 0.8
"""Mean over 95th percentile of TPOT that the gate aims at: prompts of others come in clusters."""
START_SECONDS = 120.0
"""Starting the engine beside its weights: imports, compilation, captured graphs. An assumption on the slow side."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Queue limits of one replica."""

    max_num_queued_reqs: int
    max_num_queued_tokens: int


def admission(
    clock: StepClock,
    lengths: Sequence[Lengths],
    targets: Sequence[LatencyTarget],
    max_num_batched_tokens: int,
) -> Admission:
    """Limits for a replica that serves these routes; the strictest route decides."""
    tokens, requests = math.inf, math.inf
    for route, target in zip(lengths, targets, strict=True):
        mean = max(1.0, route.mean_input)
        ttft_ms = target.ttft_ms + target.ttft_ms_per_1k_input * mean / 1000.0
        tokens_per_ms = max_num_batched_tokens / clock.step_ms(0.0, 0.0, max_num_batched_tokens, mean / 2.0)
        tokens = min(tokens, ttft_ms * tokens_per_ms)
        requests = min(requests, ttft_ms * tokens_per_ms / mean)
    longest = max(float(route.inputs.max()) for route in lengths)
    return Admission(max(1, int(requests)), max(int(tokens), math.ceil(longest)))


def gate(
    clock: StepClock,
    mean_input: float,
    mean_output: float,
    tpot_ms: float,
    max_num_seqs: int,
    max_num_batched_tokens: int,
) -> int:
    """Requests that the gateway lets into one replica at once: the largest concurrency up to the batch cap whose mean
    TPOT is at most `ROOM` of the target, 1 at least. Mean tokens of the requests that it serves; target in ms."""
    low, high = 1, max_num_seqs
    while low < high:
        middle = (low + high + 1) // 2
        tpot = clock.tpot_ms(middle, mean_input, max(2.0, mean_output), max_num_batched_tokens)
        low, high = (middle, high) if tpot <= ROOM * tpot_ms else (low, middle - 1)
    return low


def load_seconds(weights_bytes_per_gpu: float) -> float:
    """Seconds from container start to the first request served."""
    return START_SECONDS + weights_bytes_per_gpu / LOAD_BYTES_PER_SECOND
