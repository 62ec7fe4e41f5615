"""The step clock inside compiled code: one vector of numbers, and the same formula as `StepClock.step_ms`.

All that compiled code knows about the form of the clock stands here. The engine's part of a step that only decodes is
linear in its context, and the server's part does not change. So k such steps, each with a context that has grown by one
token for each sequence, take

    j·server + (k − j)·engine + kv·C·(k(k − 1) − j(j − 1))/2

where the server is the slower one in the first j of them.
"""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np

from planner.performance.engine.compiling import compiled, compiled_part
from planner.performance.step_time import StepClock
from planner.words.arrays import Floats


def clock_vector(clock: StepClock) -> Floats:
    """Return the numbers of a clock in the order of its fields, shape (k,)."""
    return np.array(astuple(clock), dtype=np.float64)


@compiled
def step_ms(
    vector: Floats, decode_sequences: float, context_tokens: float, prefill_tokens: float, prefill_context: float
) -> float:
    """Compute `StepClock.step_ms` of the clock in `vector`."""
    engine = _engine_ms(vector, decode_sequences, context_tokens, prefill_tokens, prefill_context)
    return max(engine, float(vector[11] * decode_sequences))


@compiled
def decode_run_ms(vector: Floats, decode_sequences: float, context_tokens: float, steps: int) -> float:
    """Return the time of `steps` steps that only decode, ms; the first has `context_tokens` in all."""
    first = _engine_ms(vector, decode_sequences, context_tokens, 0.0, 0.0)
    server, growth = vector[11] * decode_sequences, vector[5] * decode_sequences
    waits = 0.0
    if server > first:
        waits = float(steps)
        if server - first < growth * steps:
            waits = float(math.ceil((server - first) / growth))
    longer = growth * 0.5 * (steps * (steps - 1.0) - waits * (waits - 1.0))
    return float(waits * server + (steps - waits) * first + longer)


@compiled_part
def _engine_ms(
    vector: Floats, decode_sequences: float, context_tokens: float, prefill_tokens: float, prefill_context: float
) -> float:
    """Return the time of a step without its server, ms."""
    dense_read, dense_compute, expert_read, expert_compute = vector[0], vector[1], vector[2], vector[3]
    tokens = vector[12] * decode_sequences + prefill_tokens
    time = math.sqrt(dense_read**2 + (dense_compute * tokens) ** 2)
    if expert_read + expert_compute > 0.0:
        visited = 1.0 - math.pow(1.0 - vector[4], tokens)
        time += math.sqrt((expert_read * visited) ** 2 + (expert_compute * tokens) ** 2)
    time += vector[5] * context_tokens + vector[6] * prefill_tokens * prefill_context
    return float(time + vector[7] + vector[10] + vector[8] * decode_sequences + vector[9] * tokens)
