"""The clock of a run is that of its engine: its factor, its server where it has one, its CUDA graphs."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest

from measurement.evidence.fit import UNKNOWNS, coefficients
from measurement.evidence.published import PublishedRun
from measurement.evidence.run_clocks import RunClocks, engine_of
from planner.performance.coefficients import EngineCoefficients
from planner.performance.roofline import step_clock
from planner.performance.step_time import StepClock
from tests.measurement.evidence.rows import ROW, deployed

ENGINES = {
    "vllm": EngineCoefficients(1.0, 10.0, 0.5, 0.06),
    "vllm<0.6": EngineCoefficients(2.0, 12.0, 0.6, 0.07),
    "vllm<0.6 offline": EngineCoefficients(1.5, 13.0, 0.7, 0.08),
    "sglang": EngineCoefficients(1.1, 14.0, 0.8, 0.09),
}
FITTED = replace(coefficients(np.array([unknown.expected for unknown in UNKNOWNS])), engines=ENGINES)
"""What physics leads one to expect, with engines that differ in everything."""
LAYERS = 32
"""Layers of the model of ROW."""
EARLY = replace(ROW, engine_version="0.5.4")


def clock_of(run: PublishedRun) -> StepClock:
    return RunClocks([deployed(run)]).clocks(FITTED).clock(0)


def assert_alike(found: StepClock, expected: StepClock) -> None:
    assert astuple(found) == pytest.approx(astuple(expected), rel=1e-12)


def test_a_served_run_of_vllm_with_cuda_graphs_has_the_clock_of_the_fit() -> None:
    plain = step_clock(deployed(ROW).ideal, FITTED)
    assert clock_of(ROW) == plain
    assert plain.server_ms_per_sequence == 0.06


def test_an_engine_that_is_called_as_a_library_has_no_server() -> None:
    assert clock_of(replace(ROW, offline=True)) == replace(clock_of(ROW), server_ms_per_sequence=0.0)
    assert clock_of(replace(EARLY, offline=True)).server_ms_per_sequence == 0.0


def test_a_server_that_sends_several_tokens_together_has_so_much_less_to_do() -> None:
    assert_alike(clock_of(replace(ROW, stream_interval=20)), replace(clock_of(ROW), server_ms_per_sequence=0.06 / 20))
    assert clock_of(replace(ROW, stream_interval=20, offline=True)).server_ms_per_sequence == 0.0


def test_without_cuda_graphs_each_layer_takes_longer_to_launch() -> None:
    more = FITTED.eager_ms_per_layer * LAYERS
    assert more > 0
    plain = clock_of(ROW)
    assert_alike(clock_of(replace(ROW, eager=True)), replace(plain, overhead_ms=plain.overhead_ms + more))


def test_another_engine_takes_longer_for_all_that_it_does_and_has_a_server_of_its_own() -> None:
    plain = clock_of(ROW)
    assert_alike(clock_of(EARLY), replace(plain.slower_by(2.0), server_ms_per_sequence=0.07))
    assert_alike(clock_of(replace(EARLY, offline=True)), replace(plain.slower_by(1.5), server_ms_per_sequence=0.0))
    assert_alike(clock_of(replace(ROW, engine="sglang")), replace(plain.slower_by(1.1), server_ms_per_sequence=0.09))


def test_an_eager_run_of_another_engine_launches_its_layers_by_that_engine_s_factor() -> None:
    plain, more = clock_of(EARLY), 2.0 * FITTED.eager_ms_per_layer * LAYERS
    assert_alike(clock_of(replace(EARLY, eager=True)), replace(plain, overhead_ms=plain.overhead_ms + more))


def test_an_engine_without_coefficients_of_its_own_has_those_of_vllm() -> None:
    tgi = replace(ROW, engine="tgi")
    assert clock_of(tgi) == clock_of(ROW)
    assert engine_of(deployed(tgi), FITTED) == ENGINES["vllm"]
    assert engine_of(deployed(EARLY), FITTED) == ENGINES["vllm<0.6"]


def test_requests_enter_each_engine_in_its_own_time() -> None:
    asked = (ROW, EARLY, replace(EARLY, offline=True), replace(ROW, engine="tgi"))
    runs = RunClocks([deployed(each) for each in asked])
    others = np.array([0.0, 10.0, 20.0, 10.0])
    assert runs.entry_ms(FITTED, others) == pytest.approx([10.0, 12.0 + 6.0, 13.0 + 14.0, 10.0 + 5.0])


def test_clocks_of_many_runs_are_the_clocks_of_each() -> None:
    runs = [ROW, replace(EARLY, eager=True), replace(ROW, engine="sglang", gpu="L40S"), replace(ROW, offline=True)]
    together = RunClocks([deployed(each) for each in runs])
    table = together.clocks(FITTED)
    assert [table.clock(place) for place in range(len(runs))] == [clock_of(each) for each in runs]
    kept = np.array([False, True, False, True])
    part = together.only(kept)
    assert [part.clocks(FITTED).clock(place) for place in range(2)] == [clock_of(runs[1]), clock_of(runs[3])]
    assert part.entry_ms(FITTED, np.zeros(2)).tolist() == together.entry_ms(FITTED, np.zeros(4))[kept].tolist()
