"""The clock in compiled code is the clock of the plan."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.performance.engine.compiled_step import clock_vector, decode_run_ms, step_ms
from planner.performance.step_time import StepClock

milliseconds = st.one_of(st.just(0.0), st.floats(1e-6, 50.0))
hits = st.one_of(st.just(0.0), st.floats(0.001, 0.999))
clocks = st.builds(
    StepClock,
    **{each.name: milliseconds for each in fields(StepClock)}
    | {"expert_hit_fraction": hits, "tokens_per_sequence": st.floats(1.0, 9.0)},
)


@settings(max_examples=200, deadline=None)
@given(clocks, st.integers(0, 1024), st.integers(0, 10**6), st.integers(0, 16384), st.floats(0, 1e5))
def test_a_step_equals_the_step_clock(
    clock: StepClock, decoding: int, context: int, prefill: int, prefill_context: float
) -> None:
    found = step_ms(clock_vector(clock), decoding, context, float(prefill), prefill_context)
    assert found == pytest.approx(clock.step_ms(decoding, context, prefill, prefill_context), rel=1e-12)


@settings(max_examples=200, deadline=None)
@given(clocks, st.integers(1, 512), st.integers(0, 10**6), st.integers(1, 300))
def test_a_run_of_decode_steps_is_the_sum_of_its_steps(
    clock: StepClock, decoding: int, context: int, steps: int
) -> None:
    one_by_one = math.fsum(clock.step_ms(decoding, context + decoding * j) for j in range(steps))
    assert decode_run_ms(clock_vector(clock), decoding, context, steps) == pytest.approx(one_by_one, rel=1e-11)


@settings(max_examples=300, deadline=None)
@given(clocks, st.integers(1, 512), st.integers(512, 10**5), st.integers(1, 300), st.integers(0, 301))
def test_a_run_whose_first_steps_wait_for_the_server_is_the_sum_of_its_steps(
    clock: StepClock, decoding: int, context: int, steps: int, waits: int
) -> None:
    """The server takes as long as the engine does between two steps, so that exactly so many steps wait for it."""
    engine = replace(clock, server_ms_per_sequence=0.0)
    growing = replace(engine, kv_read_ms_per_token=max(engine.kv_read_ms_per_token, 1e-6))
    server_ms = growing.step_ms(decoding, context + decoding * (waits - 0.5))
    clock = replace(growing, server_ms_per_sequence=server_ms / decoding)
    each = [clock.step_ms(decoding, context + decoding * j) for j in range(steps)]
    assert each[:waits] == pytest.approx([server_ms] * min(waits, steps), rel=1e-12)
    assert all(step > server_ms for step in each[waits:])
    vector = clock_vector(clock)
    for k in (1, steps):
        assert decode_run_ms(vector, decoding, context, k) == pytest.approx(math.fsum(each[:k]), rel=1e-11)


@pytest.mark.parametrize("share", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("steps", [1, 2, 300])
def test_steps_that_do_not_grow_all_wait_for_the_server_or_none_does(share: float, steps: int) -> None:
    engine = StepClock(**{each.name: 0.0 for each in fields(StepClock)} | {"overhead_ms": 10.0})
    clock = replace(engine, server_ms_per_sequence=share * 10.0 / 8)
    found = decode_run_ms(clock_vector(clock), 8.0, 8000.0, steps)
    assert found == pytest.approx(steps * 10.0 * max(1.0, share), rel=1e-12)


@pytest.mark.parametrize("kv_read_ms_per_token", [1e-12, 1e-30])
def test_steps_that_hardly_grow_all_wait_for_a_slower_server(kv_read_ms_per_token: float) -> None:
    engine = StepClock(**{each.name: 0.0 for each in fields(StepClock)} | {"overhead_ms": 10.0})
    clock = replace(engine, kv_read_ms_per_token=kv_read_ms_per_token, server_ms_per_sequence=20.0 / 8)
    assert decode_run_ms(clock_vector(clock), 8.0, 8000.0, 300) == pytest.approx(300 * 20.0, rel=1e-12)


def test_no_sequences_wait_for_no_server() -> None:
    clock = StepClock(**{each.name: 1.0 for each in fields(StepClock)} | {"server_ms_per_sequence": 1e6})
    assert step_ms(clock_vector(clock), 0.0, 0.0, 100.0, 50.0) == pytest.approx(clock.step_ms(0, 0, 100, 50))
    assert clock.step_ms(0, 0, 100, 50) < 1e4
    assert clock.step_ms(1, 0, 100, 50) == 1e6


def test_the_vector_has_one_number_for_each_field_in_their_order() -> None:
    assert clock_vector(
        StepClock(**{field.name: float(k) for k, field in enumerate(fields(StepClock))})
    ).tolist() == list(np.arange(13.0))
