"""Compiles the step simulator, so that a first plan need not: `python -m planner.performance.engine.precompile`.

It takes five seconds, and half a second when the code is compiled already.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from planner.performance.engine.closed_loops import closed_loops
from planner.performance.engine.compiled_step import clock_vector
from planner.performance.engine.scheduler import KvCache, SchedulerOptions
from planner.performance.engine.simulator import simulate
from planner.performance.engine.streams import ClosedLoop, RequestMix
from planner.performance.step_time import StepClock

CLOCK = StepClock(**{field.name: 0.5 for field in fields(StepClock)})
"""Any clock: what it says is not used."""


def precompile() -> None:
    """Run each compiled function once."""
    closed_loops(np.array([clock_vector(CLOCK)]), 1.0, 1.0, 1, 1)
    simulate(CLOCK, ClosedLoop(RequestMix.of([1], [1]), 1, 1), SchedulerOptions(1), KvCache.unlimited())


if __name__ == "__main__":
    precompile()
