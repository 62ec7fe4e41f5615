"""The clock in compiled code is the clock of the plan."""

from __future__ import annotations

import math
from dataclasses import fields

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
    **{each.name: hits if each.name == "expert_hit_fraction" else milliseconds for each in fields(StepClock)},
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


def test_the_vector_has_one_number_for_each_field_in_their_order() -> None:
    assert clock_vector(
        StepClock(**{field.name: float(k) for k, field in enumerate(fields(StepClock))})
    ).tolist() == list(np.arange(11.0))
