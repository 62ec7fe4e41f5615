"""The step clock: its formula, its limits, and what follows from it for one request."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.performance.step_time import StepClock, clock_table

DENSE = StepClock(
    dense_read_ms=10.0,
    dense_compute_ms_per_token=0.05,
    expert_read_ms=0.0,
    expert_compute_ms_per_token=0.0,
    expert_hit_fraction=0.0,
    kv_read_ms_per_token=1e-4,
    attention_ms_per_token_pair=1e-6,
    overhead_ms=1.0,
    overhead_ms_per_sequence=0.02,
    comm_ms_per_token=0.001,
    comm_ms_per_step=0.5,
)
SPARSE = replace(
    DENSE,
    dense_read_ms=1.0,
    dense_compute_ms_per_token=0.0,
    expert_read_ms=20.0,
    expert_compute_ms_per_token=0.01,
    expert_hit_fraction=4 / 128,
)

times = st.floats(0.0, 10.0)
rates = st.floats(0.0, 0.1)
clocks = st.builds(
    StepClock,
    dense_read_ms=times,
    dense_compute_ms_per_token=rates,
    expert_read_ms=times,
    expert_compute_ms_per_token=rates,
    expert_hit_fraction=st.floats(0.0, 0.9),
    kv_read_ms_per_token=rates,
    attention_ms_per_token_pair=rates,
    overhead_ms=times,
    overhead_ms_per_sequence=times,
    comm_ms_per_token=times,
    comm_ms_per_step=times,
    server_ms_per_sequence=times,
    tokens_per_sequence=st.floats(1.0, 9.0),
)
steps = st.tuples(st.integers(0, 300), st.integers(0, 10**6), st.integers(0, 8192), st.floats(0.0, 10**5))


def test_the_formula_by_hand() -> None:
    """Four sequences over 8,000 tokens: 0.8 ms of context, 1 + 4 · 0.02 of overhead, 0.5 + 4 · 0.001 between GPUs."""
    assert DENSE.step_ms(4, 8000) == pytest.approx(math.hypot(10, 4 * 0.05) + 0.8 + 1.08 + 0.504)
    products = math.hypot(10, 1004 * 0.05)
    mixed = products + 0.8 + 1e-6 * 1000 * 500 + 1.08 + 0.5 + 1004 * 0.001
    assert DENSE.step_ms(4, 8000, 1000, 500) == pytest.approx(mixed)


def test_the_slower_one_of_engine_and_server_says_how_long_a_step_lasts() -> None:
    """The server sends the tokens of the decoding sequences alone: prompts keep the engine busy and not the server."""
    engine = DENSE.step_ms(40, 8000)
    quick, slow = (replace(DENSE, server_ms_per_sequence=share * engine / 40) for share in (0.9, 1.5))
    assert quick.step_ms(40, 8000) == engine
    assert slow.step_ms(40, 8000) == pytest.approx(1.5 * engine)
    assert slow.step_ms(40, 8000, 4000, 2000) == DENSE.step_ms(40, 8000, 4000, 2000)
    assert slow.prefill_ms(4000) == DENSE.prefill_ms(4000)
    assert slow.slower_by(2.0).step_ms(40, 8000) == pytest.approx(3.0 * engine)


def test_dense_and_expert_products_each_have_a_knee_of_their_own() -> None:
    """Experts still wait for memory where the dense products have long been bound by arithmetic: no one max of sums."""
    both = replace(SPARSE, dense_compute_ms_per_token=0.1, expert_hit_fraction=1.0)
    fixed = 1.0 + 0.5 + 200 * (0.02 + 0.001)
    assert both.step_ms(200, 0) == pytest.approx(math.hypot(1, 20) + math.hypot(20, 2) + fixed)


@pytest.mark.parametrize(("tokens", "over_the_slower"), [(1, 1.0), (20, 1.01), (200, math.sqrt(2)), (2000, 1.01)])
def test_the_knee_is_soft(tokens: int, over_the_slower: float) -> None:
    """At 200 tokens reading and multiplying take as long: neither bound is reached. Far off, the slower one binds."""
    bare = replace(DENSE, overhead_ms=0.0, overhead_ms_per_sequence=0.0, comm_ms_per_token=0.0, comm_ms_per_step=0.0)
    slower = max(10.0, 0.05 * tokens)
    assert bare.step_ms(tokens, 0) / slower == pytest.approx(over_the_slower, abs=0.01)


def test_experts_are_read_as_tokens_visit_them() -> None:
    bare = replace(SPARSE, expert_compute_ms_per_token=0.0, overhead_ms_per_sequence=0.0, comm_ms_per_token=0.0)
    reads = [bare.step_ms(n, 0) - 1.0 - 1.0 - 0.5 for n in (1, 8, 64, 512)]
    assert reads[0] == pytest.approx(20 * 4 / 128)
    assert reads == sorted(reads)
    assert reads[-1] == pytest.approx(20.0, rel=1e-3)
    assert reads[1] < 8 * reads[0]  # tokens share experts


@given(clocks, steps)
def test_more_work_never_takes_less_time(clock: StepClock, step: tuple[int, int, int, float]) -> None:
    decode, context, prompt, before = step
    duration = clock.step_ms(*step) * (1 - 1e-12)
    assert clock.step_ms(decode + 1, context, prompt, before) >= duration
    assert clock.step_ms(decode, context + 1, prompt, before) >= duration
    assert clock.step_ms(decode, context, prompt + 1, before) >= duration
    assert clock.step_ms(decode, context, prompt, before + 1) >= duration


@given(clocks, steps)
def test_a_step_lies_between_the_greatest_term_and_the_sum(clock: StepClock, step: tuple[int, int, int, float]) -> None:
    """Both roots: no less than the slower of reading and multiplying, no more than one after the other.

    And no less than the server takes.
    """
    decode, context, prompt, before = step
    tokens = clock.tokens_per_sequence * decode + prompt
    read = [clock.dense_read_ms, clock.expert_read_ms * (1 - (1 - clock.expert_hit_fraction) ** tokens)]
    multiply = [clock.dense_compute_ms_per_token * tokens, clock.expert_compute_ms_per_token * tokens]
    rest = clock.kv_read_ms_per_token * context + clock.attention_ms_per_token_pair * prompt * before
    rest += clock.overhead_ms + clock.overhead_ms_per_sequence * decode
    rest += clock.comm_ms_per_step + clock.comm_ms_per_token * tokens
    found, server = clock.step_ms(*step), clock.server_ms_per_sequence * decode
    assert found <= max(server, sum(read) + sum(multiply) + rest) * (1 + 1e-9) + 1e-9
    slower = max(read[0], multiply[0]) + max(read[1], multiply[1]) + rest
    assert found >= max(server, slower) * (1 - 1e-9) - 1e-9


def test_the_fields_are_the_twin_s_contract() -> None:
    assert [f.name for f in fields(StepClock)] == [
        "dense_read_ms",
        "dense_compute_ms_per_token",
        "expert_read_ms",
        "expert_compute_ms_per_token",
        "expert_hit_fraction",
        "kv_read_ms_per_token",
        "attention_ms_per_token_pair",
        "overhead_ms",
        "overhead_ms_per_sequence",
        "comm_ms_per_token",
        "comm_ms_per_step",
        "server_ms_per_sequence",
        "tokens_per_sequence",
    ]


def test_tpot_counts_the_others_prompts() -> None:
    alone = DENSE.tpot_ms(1, 1000, 100)
    assert alone == pytest.approx(DENSE.step_ms(1, 1050))
    added = DENSE.prefill_added_ms(11, 11 * 1050, 1000)
    assert DENSE.tpot_ms(11, 1000, 100) == pytest.approx(DENSE.step_ms(11, 11 * 1050) + 10 / 100 * added)


def test_long_prompts_come_in_chunks() -> None:
    assert DENSE.prefill_ms(8192) == pytest.approx(DENSE.step_ms(0, 0, 8192, 4096))
    assert DENSE.prefill_ms(16384) == pytest.approx(2 * DENSE.step_ms(0, 0, 8192, 8192))


@given(clocks, st.floats(1.0, 3.0), steps)
def test_slowed_scales_every_step(clock: StepClock, factor: float, step: tuple[int, int, int, float]) -> None:
    assert clock.slower_by(factor).step_ms(*step) == pytest.approx(factor * clock.step_ms(*step), rel=1e-9, abs=1e-9)


@given(st.lists(clocks, min_size=1, max_size=4), steps, st.floats(1.0, 3.0))
def test_the_table_is_the_clock(many: list[StepClock], step: tuple[int, int, int, float], factor: float) -> None:
    zero = np.zeros((1, 1))
    table = clock_table(many, 2)
    found = table.step_ms(*(zero + each for each in step))
    one_by_one = np.array([[clock.step_ms(*step)] for clock in many])
    assert found == pytest.approx(one_by_one, rel=1e-9, abs=1e-9)
    slowed = table.slower_by(zero + factor).step_ms(*(zero + each for each in step))
    assert slowed == pytest.approx(factor * one_by_one, rel=1e-9, abs=1e-9)
