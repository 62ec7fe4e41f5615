"""How fast work that may wait is answered by a replica that is kept full.

Nobody waits for such an answer, so that no time within a request is promised, and the best batch is the largest that
memory admits. A rate still needs a bound: without any, a queue that grows for ever would look like a high rate in the
few minutes that are simulated. The bound is taken from the replica itself:

    answer time ≤ SLACK · (prompt + p95 of the answer's steps, both beside a full batch)

A replica that keeps up answers within it, and one that does not misses it after a few minutes, because each further
minute of overload adds to every answer.
"""

from __future__ import annotations

import numpy as np

from planner.performance.capacity import PERCENTILE, LatencyTarget
from planner.performance.lengths import Lengths
from planner.performance.memory import MemoryFit
from planner.performance.step_time import StepClock
from planner.words.arrays import Floats
from planner.words.numbers import six_digits

SLACK = 2.0
"""Time of an answer ÷ its time beside a full batch that arrives without a pause: room for the crowds of arrivals."""


def steady_target(
    target: LatencyTarget, clock: StepClock, memory: MemoryFit, lengths: Lengths, cap: int, batched_tokens: int
) -> LatencyTarget:
    """Return the target of a replica that is kept full: `target`, or less where its queue would grow before that.

    target: what the deadline leaves for one answer.
    cap: the batch cap, sequences. batched_tokens: most tokens of one step.
    """
    full = max(1.0, min(float(cap), memory.sequences(lengths.mean_residence)))
    steps = _quantile(lengths.decode_steps, lengths.decode_weights, PERCENTILE)
    step_ms = clock.step_ms(full, full * lengths.mean_context)
    prompts_ms = (
        (full - 1.0) / max(lengths.mean_decode_steps, 1.0) * clock.prefill_ms(lengths.mean_input, batched_tokens)
    )
    answer_ms = clock.prefill_ms(float(lengths.inputs.max()), batched_tokens) + steps * (step_ms + prompts_ms)
    return LatencyTarget(e2e_ms=min(target.e2e_ms, six_digits(SLACK * answer_ms)))


def _quantile(values: Floats, weights: Floats, share: float) -> float:
    """Return the value that `share` of the weight does not exceed."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return float(values[order][min(int(np.searchsorted(reached, share * reached[-1])), len(values) - 1)])
