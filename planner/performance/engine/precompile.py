"""Compiles the step simulator, so that a first plan need not: `python -m planner.performance.engine.precompile`.

It takes five seconds, and half a second when the code is compiled already.
"""

from __future__ import annotations

import numpy as np

from planner.performance.engine.closed_loops import closed_loops
from planner.performance.engine.compiled_step import clock_vector
from planner.performance.engine.scheduler import KvCache, SchedulerOptions
from planner.performance.engine.simulator import simulate
from planner.performance.engine.streams import ClosedLoop, RequestMix
from planner.performance.step_time import StepClock

CLOCK = StepClock(
    dense_read_ms=1.0,
    dense_compute_ms_per_token=0.0,
    expert_read_ms=0.0,
    expert_compute_ms_per_token=0.0,
    expert_hit_fraction=0.0,
    kv_read_ms_per_token=0.0,
    attention_ms_per_token_pair=0.0,
    overhead_ms=0.0,
    overhead_ms_per_sequence=0.0,
    comm_ms_per_token=0.0,
    comm_ms_per_step=0.0,
)
"""A clock whose steps take a millisecond."""


def precompile() -> None:
    """Run each compiled function once."""
    closed_loops(np.array([clock_vector(CLOCK)]), 1.0, 1.0, 1, 1)
    simulate(CLOCK, ClosedLoop(RequestMix.of([1], [1]), 1, 1), SchedulerOptions(1), KvCache.unlimited())


if __name__ == "__main__":
    precompile()
