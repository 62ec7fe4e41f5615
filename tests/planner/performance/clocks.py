"""A step clock of plain numbers, for the tests of what follows from one."""

from __future__ import annotations

from tests.planner.performance.engine import clock_of

CLOCK = clock_of(
    dense_read_ms=10.0,
    dense_compute_ms_per_token=0.02,
    kv_read_ms_per_token=0.0002,
    attention_ms_per_token_pair=1e-6,
    overhead_ms=1.0,
    overhead_ms_per_sequence=0.01,
    comm_ms_per_token=0.001,
    comm_ms_per_step=0.5,
)
