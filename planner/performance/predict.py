"""What a benchmark run would report, from step clocks: the bridge between a clock and published figures.

With N requests always in the engine (a closed loop), S tokens in and O out each:

    ΔT    = chunks·(step(N, X, S/chunks, S/2) − step(N, X))        X = N·(S + O/2)
    TPOT  = step(N, X) + (N − 1)/O·ΔT
    TTFT  = entry + chunks·step + ΔT·(1 + crowding·(N − 1))
    rate  = N·O/(TTFT + (O − 1)·TPOT)                              output tokens/s

`crowding` is the share of the others that start in the same moment: a closed loop's clients fall into step with each
other, whatever the length of the answers (measured TTFT grows with N alike for 1k and 8k tokens out). It is a manner
of benchmarks and no property of an engine, so no plan uses it. A saturated run holds as many as fit the KV cache or
the engine's own batch limit, and its rate is O·N/(O·step + N·ΔT). Everything is an array over runs, so that a fit can
move the clocks and ask again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.performance.benchmarks import Engine, Subject
from planner.performance.memory import MemoryFit, memory_fit
from planner.performance.step_time import ClockTable

Floats = NDArray[np.float64]

BATCH_LIMIT: dict[Engine, int] = {"vllm": 256, "trt-llm": 2048, "sglang": 1024, "tgi": 128}
"""Sequences that a saturated run may hold by each engine's default of the time."""


@dataclass(frozen=True)
class Runs:
    """The conditions of measured runs, as arrays of shape (runs,)."""

    inputs: Floats
    outputs: Floats
    in_flight: Floats
    saturated: NDArray[np.bool_]
    is_ttft: NDArray[np.bool_]
    is_throughput: NDArray[np.bool_]
    values: Floats

    @classmethod
    def of(cls, subjects: Sequence[Subject]) -> Runs:
        """The conditions of these measurements; a saturated run's batch follows from memory."""
        rows = [subject.measurement for subject in subjects]
        return cls(
            np.array([row.input_tokens for row in rows]),
            np.array([row.output_tokens for row in rows]),
            np.array([float(row.concurrency or saturated_batch(s)) for row, s in zip(rows, subjects, strict=True)]),
            np.array([row.concurrency is None for row in rows]),
            np.array([row.metric == "ttft" for row in rows]),
            np.array([row.metric == "throughput" for row in rows]),
            np.array([row.value for row in rows]),
        )


def saturated_batch(subject: Subject) -> float:
    """Sequences in the engine when everything is offered at once: the KV cache, or the engine's limit; at least one."""
    row = subject.measurement
    limit = float(BATCH_LIMIT[row.engine])
    fit = memory_fit(
        subject.model,
        subject.quantization,
        subject.gpu,
        tensor_parallel_size=row.tensor_parallel_size,
        max_num_seqs=64,
        max_model_len=1,
        kv_format=row.kv,
        gpu_memory_utilization=0.95 if row.engine == "trt-llm" else 0.9,
    )
    held = fit.sequences(row.input_tokens + row.output_tokens / 2.0) if isinstance(fit, MemoryFit) else 1.0
    return max(1.0, min(limit, held))


def predicted(
    runs: Runs, clock: ClockTable, first_token_overhead_ms: float, crowding: float, engine_factor: Floats
) -> Floats:
    """The figure that each run would report, in its own unit. The clock's fields have shape (runs,)."""
    n, s, o = runs.in_flight, runs.inputs, runs.outputs
    context = n * (s + o / 2.0)
    chunks = np.maximum(np.ceil(s / 8192.0), 1.0)
    zero = np.zeros_like(n)
    step = clock.step_ms(n, context, zero, zero)
    added = chunks * (clock.step_ms(n, context, s / chunks, s / 2.0) - step)
    tpot = step + (n - 1.0) / o * added
    ttft = first_token_overhead_ms + chunks * step + added * (1.0 + crowding * (n - 1.0))
    saturated_rate = o * n / (o * step + n * added)
    closed_rate = n * o / (ttft + (o - 1.0) * tpot)
    rate = 1e3 * np.where(runs.saturated, saturated_rate, closed_rate)
    times = np.where(runs.is_ttft, ttft, tpot)
    figures: Floats = np.where(runs.is_throughput, rate / engine_factor, times * engine_factor)
    return figures
