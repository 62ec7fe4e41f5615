"""The fit finds what it was given, stays physical, leans on physics where no row speaks, and is the same everywhere."""

from __future__ import annotations

import random
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurement.evidence import deployed_runs as deploying
from measurement.evidence import fit
from measurement.evidence.fit import (
    ENGINE_KEYS,
    PRIOR_WEIGHT,
    SOFT,
    UNKNOWNS,
    FitTable,
    coefficients,
    tells_of_steps,
    vector,
)
from measurement.evidence.held_out import vllm_row_counts
from measurement.evidence.rows import FIGURES, deployed_runs
from measurement.files.fit_files import load_measurements, written_coefficients
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.performance.roofline import IdealStep, ideal_step
from planner.words.arrays import Floats
from tests.measurement.evidence.rows import ROW, deployed

CATALOG = load_catalog()
PUBLISHED = [run for run in load_measurements(CATALOG) if tells_of_steps(run)]
RUNS, _ = deployed_runs(PUBLISHED, CATALOG.models, CATALOG.all_gpus)
SHIPPED = load_coefficients()
LEAST, MOST = np.array([u.least for u in UNKNOWNS]), np.array([u.most for u in UNKNOWNS])
LAST_BIT = 2.2e-16
"""Relative size of the last bit of a number in double precision."""
PLACE = {unknown.name: i for i, unknown in enumerate(UNKNOWNS)}


def everything(table: FitTable) -> np.ndarray:
    return np.ones(len(table.runs), dtype=bool)


@pytest.fixture(scope="module")
def table() -> FitTable:
    return FitTable(RUNS)


@pytest.fixture(scope="module")
def solved(table: FitTable) -> Floats:
    """A fresh fit of the shipped table. It takes some seconds."""
    return table.solve(everything(table))


def off(table: FitTable, values: Floats) -> Floats:
    """|log(predicted ÷ actual)| of every row by the simulator."""
    return np.asarray(np.abs(np.log(table.simulated(coefficients(values)) / table.values)), dtype=np.float64)


def badness(table: FitTable, values: Floats) -> float:
    """The sum that a fit makes least, with the figures of the simulator."""
    rows = 2.0 * (np.sqrt(1.0 + (table._weights * off(table, values) / SOFT) ** 2) - 1.0)
    from_physics = [PRIOR_WEIGHT * (v - u.expected) / u.width for v, u in zip(values, UNKNOWNS, strict=True)]
    return float(np.sum(rows) + np.sum(np.square(from_physics)))


def test_the_shipped_fit_is_this_fit(table: FitTable, solved: Floats) -> None:
    """The file in the catalog is what this code makes of the measured table, digit by digit. `perf fit` writes it."""
    known = {name: getattr(SHIPPED, name) for name in ("as_of", "residuals", "measured_rows", "sources")}
    assert written_coefficients(replace(coefficients(solved), **known)) == SHIPPED
    assert SHIPPED.measured_rows == vllm_row_counts([each.run for each in table.runs])
    assert set(SHIPPED.sources) == {each.run.source for each in table.runs}


def test_noise_in_the_last_bit_changes_no_digit_that_is_written(
    table: FitTable, solved: Floats, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processors differ by one bit in a sum or a power. Here every step time and every figure is one bit off.

    The coefficients stay alike far beyond the six digits that are written, so that no rounding turns with the noise.
    """
    draw = random.Random(11)

    def one_bit_off(value: float) -> float:
        return float(value * (1.0 + draw.choice((-1.0, 1.0)) * LAST_BIT))

    def noisy_step(*given: Any, **options: Any) -> IdealStep:
        step = ideal_step(*given, **options)
        values = {each.name: getattr(step, each.name) for each in fields(step)}
        noisy: dict[str, Any] = {name: one_bit_off(value) for name, value in values.items() if isinstance(value, float)}
        return replace(step, **noisy)

    monkeypatch.setattr(deploying, "ideal_step", noisy_step)
    noisy = FitTable(deployed_runs(PUBLISHED, CATALOG.models, CATALOG.all_gpus)[0])
    assert noisy.runs != table.runs
    noisy.values = np.array([one_bit_off(value) for value in noisy.values])
    assert not np.array_equal(noisy.values, table.values)
    again = noisy.solve(everything(noisy))
    assert again == pytest.approx(solved, rel=1e-8, abs=1e-12)
    assert written_coefficients(coefficients(again)) == written_coefficients(coefficients(solved))


def test_every_coefficient_stays_in_its_range(solved: Floats) -> None:
    assert np.all(solved >= LEAST)
    assert np.all(solved <= MOST)


def test_ranges_are_physical_and_hold_what_is_expected() -> None:
    shares = ("bandwidth", "compute", "attention", "socket_crossing")
    for unknown in UNKNOWNS:
        assert unknown.least <= unknown.expected <= unknown.most
        assert unknown.width > 0
        assert unknown.least >= 0
        if any(word in unknown.name for word in shares):
            assert unknown.most <= 1.0
    assert len(PLACE) == len(UNKNOWNS)


def test_the_fit_is_a_minimum_of_the_figures_that_the_simulator_gives(table: FitTable, solved: Floats) -> None:
    """Moved either way, no coefficient that many rows speak of tells them better: the turns have come to rest."""
    least = badness(table, solved)
    for name in ("dense_bandwidth", "expert_bandwidth", "compute_fp8", "overhead_per_layer_ms", "server_vllm"):
        for factor in (0.8, 1.25):
            moved = solved.copy()
            moved[PLACE[name]] = np.clip(moved[PLACE[name]] * factor, LEAST[PLACE[name]], MOST[PLACE[name]])
            if abs(moved[PLACE[name]] / solved[PLACE[name]] - 1) > 0.1:
                assert badness(table, moved) > least, (name, factor)


def test_it_finds_the_truth_that_made_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every third row, with the figures of another machine than today's, and hardly a word of physics."""
    truth = replace(SHIPPED, dense_bandwidth=0.6, kv_bandwidth=0.8, overhead_per_layer_ms=0.03)
    made = FitTable(RUNS[::3])
    made.values = made.simulated(truth)
    leaning = made.solve(everything(made))
    monkeypatch.setattr(fit, "PRIOR_WEIGHT", 0.01)
    found = made.solve(everything(made))
    assert found[PLACE["dense_bandwidth"]] == pytest.approx(0.6, rel=0.05)
    assert found[PLACE["kv_bandwidth"]] == pytest.approx(0.8, rel=0.05)
    assert found[PLACE["overhead_per_layer_ms"]] == pytest.approx(0.03, rel=0.1)
    assert np.median(off(made, found)) < 0.02
    expected = UNKNOWNS[PLACE["dense_bandwidth"]].expected
    assert found[PLACE["dense_bandwidth"]] < leaning[PLACE["dense_bandwidth"]] < expected


def test_what_no_row_speaks_of_stays_where_physics_expects_it() -> None:
    """Rows of one dense model on H100 with vLLM say nothing of PCIe, experts, 4-bit weights and other engines."""
    dense = [each for each in RUNS if each.run.cell == ("qwen3-32b", "H100")]
    assert {each.run.engine_key for each in dense} == {"vllm"}
    some = FitTable(dense[::2])
    found = some.solve(everything(some))
    silent = ["latency_pcie", "bandwidth_pcie", "socket_crossing", "expert_bandwidth", "expert_fp4_bandwidth"]
    silent += ["expert_half_width", "compute_fp4", "power_exponent", "step_trt-llm", "step_tgi", "entry_sglang"]
    silent += ["server_trt-llm", "server_sglang", "eager_ms_per_layer"]
    for name in silent:
        assert found[PLACE[name]] == pytest.approx(UNKNOWNS[PLACE[name]].expected, rel=1e-3), name
    heard = found[PLACE["dense_bandwidth"]]
    assert heard != pytest.approx(UNKNOWNS[PLACE["dense_bandwidth"]].expected, rel=1e-3)


def test_rows_that_are_left_out_do_not_matter(table: FitTable) -> None:
    """A fit without rows is the same whatever they say."""
    kept = np.array([each.run.gpu != "B200" for each in table.runs])
    start = vector(SHIPPED)
    plain = table.solve(kept, start, turns=0)
    poisoned = FitTable(RUNS)
    poisoned.values = np.where(kept, table.values, 10.0 * table.values)
    assert poisoned.solve(kept, start, turns=0).tolist() == plain.tolist()
    assert poisoned.solve(everything(table), start, turns=0).tolist() != plain.tolist()


def test_many_rows_of_one_voice_are_not_many_voices() -> None:
    """The same figure sixteen times weighs as four would, so that a few rows of another cell are heard."""
    time, rate = ROW, replace(ROW, figure=FIGURES["throughput"])
    first = replace(ROW, figure=FIGURES["ttft"])
    table = FitTable([deployed(run) for run in [time] * 16 + [rate] + [first] * 81])
    together = np.sum(table._weights[:16]), np.sum(table._weights[16:17]), np.sum(table._weights[17:])
    assert together == pytest.approx((4.0, 1.0, 0.5 * 9.0))


inside = st.tuples(*(st.floats(unknown.least, unknown.most) for unknown in UNKNOWNS)).map(np.array)


@given(inside)
def test_coefficients_are_the_unknowns_in_words(values: Floats) -> None:
    found = coefficients(values)
    assert vector(found).tolist() == values.tolist()
    assert set(found.engines) == set(ENGINE_KEYS)
    assert found.engines["vllm"].step_factor == 1.0
    assert found.compute["int8"] == found.compute["fp8"]


def test_rows_that_wait_for_cache_say_nothing_of_steps() -> None:
    run = RUNS[0].run
    assert tells_of_steps(replace(run, regime="saturation"))
    assert not tells_of_steps(replace(run, regime="kv_or_seq_limited"))
