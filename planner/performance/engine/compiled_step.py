"""The step clock inside compiled code: one vector of numbers, and the same formula as `StepClock.step_ms`.

All that compiled code knows about the form of the clock stands here. A step that only decodes is linear in its context.
So the time of k such steps, each with a context that has grown by one token for each sequence, is

    k·step + kv·C·k(k − 1)/2
"""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np

from planner.performance.engine.compiling import compiled
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
    dense_read, dense_compute, expert_read, expert_compute, hit, kv, pair, overhead, sequence, comm, comm_step = vector
    tokens = decode_sequences + prefill_tokens
    time = math.sqrt(dense_read**2 + (dense_compute * tokens) ** 2)
    if expert_read + expert_compute > 0.0:
        visited = 1.0 - math.pow(1.0 - hit, tokens)
        time += math.sqrt((expert_read * visited) ** 2 + (expert_compute * tokens) ** 2)
    time += kv * context_tokens + pair * prefill_tokens * prefill_context
    return float(time + overhead + comm_step + sequence * decode_sequences + comm * tokens)


@compiled
def decode_run_ms(vector: Floats, decode_sequences: float, context_tokens: float, steps: int) -> float:
    """Return the time of `steps` steps that only decode, ms; the first has `context_tokens` in all."""
    first = step_ms(vector, decode_sequences, context_tokens, 0.0, 0.0)
    return float(steps * first + vector[5] * decode_sequences * (0.5 * steps * (steps - 1)))
