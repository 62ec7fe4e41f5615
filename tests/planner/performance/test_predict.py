"""What a run would report, from a clock."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.performance.benchmarks import Measurement, Subject, subjects
from planner.performance.predict import Runs, predicted, saturated_batch
from planner.performance.step_time import StepClock, clock_table
from tests.planner.performance.engine import Engine, Request

CATALOG = load_catalog()
CLOCK = StepClock(10.0, 0.0, 0.0, 0.0002, 0.02, 1e-6, 1.0, 0.001, 0.5)
ROW = Measurement(
    "own-1", "llama-3.1-8b-instruct", "bf16", "bf16", "bf16", "L4", 1, "vllm", "0.33.0", 500, 100, 8, "tpot", 1.0,
    "fixed_concurrency", "A", "2026-11-20",
)  # fmt: skip


def ask(row: Measurement, crowding: float = 0.0, factor: float = 1.0) -> float:
    found, _ = subjects([row], CATALOG.models, CATALOG.gpus)
    return float(predicted(Runs.of(found), clock_table([CLOCK], 1), 0.0, crowding, np.array([factor]))[0])


def subject(row: Measurement) -> Subject:
    return subjects([row], CATALOG.models, CATALOG.gpus)[0][0]


def test_tpot_is_the_clocks_own() -> None:
    assert ask(ROW) == pytest.approx(CLOCK.tpot_ms(8, 500, 100))


def test_tpot_agrees_with_the_engine_step_by_step() -> None:
    """A closed loop of eight clients, run through the reference engine."""
    clients = [Request(40.0 * k, 500, 100) for k in range(8)]
    engine = Engine(CLOCK, 64, 1e6)
    finished = engine.run_closed(clients, rounds=12)
    measured = [request.tpot_ms for request in finished[8:]]
    assert ask(ROW) == pytest.approx(sum(measured) / len(measured), rel=0.03)


def test_a_faster_loop_yields_more() -> None:
    rates = [ask(replace(ROW, metric="throughput", concurrency=n)) for n in (1, 4, 16, 64)]
    assert rates == sorted(rates)
    assert rates[0] == pytest.approx(1e3 * 100 / (CLOCK.prefill_ms(500) + 100 * CLOCK.tpot_ms(1, 500, 100)), rel=0.15)


def test_crowding_delays_the_first_token_only() -> None:
    first = replace(ROW, metric="ttft")
    assert ask(first, crowding=0.1) > ask(first)
    assert ask(ROW, crowding=0.1) == ask(ROW)
    assert ask(replace(first, concurrency=1), crowding=0.1) == ask(replace(first, concurrency=1))


def test_a_slower_engine_takes_longer_and_yields_less() -> None:
    assert ask(ROW, factor=1.2) == pytest.approx(1.2 * ask(ROW))
    rate = replace(ROW, metric="throughput")
    assert ask(rate, factor=1.2) == pytest.approx(ask(rate) / 1.2)


def test_saturation_is_bounded_by_cache_or_by_the_engine() -> None:
    assert saturated_batch(subject(replace(ROW, concurrency=None, input_tokens=8000))) < 10
    assert saturated_batch(subject(replace(ROW, concurrency=None, input_tokens=10, output_tokens=10))) == 256
    assert load_coefficients().engine_factors["vllm"] == 1.0
