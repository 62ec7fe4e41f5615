"""The fit finds what it was given, stays physical, leans on physics where no row speaks, and is the same everywhere."""

from __future__ import annotations

import random
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measurement.evidence.benchmarks import subjects

from measurement.evidence import fit
from measurement.evidence.fit import ENGINE_KEYS, UNKNOWNS, FitTable, coefficients, tells_of_steps, vector
from measurement.evidence.held_out import vllm_row_counts
from measurement.files.fit_files import load_measurements, written_coefficients
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.performance.roofline import IdealStep, ideal_step
from planner.words.arrays import Floats

CATALOG = load_catalog()
PUBLISHED, _ = subjects(load_measurements(), CATALOG.models, CATALOG.all_gpus)
SUBJECTS = [subject for subject in PUBLISHED if tells_of_steps(subject.measurement)]
SHIPPED = load_coefficients()
LEAST, MOST = np.array([u.least for u in UNKNOWNS]), np.array([u.most for u in UNKNOWNS])
LAST_BIT = 2.2e-16
"""Relative size of the last bit of a number in double precision."""
PLACE = {unknown.name: i for i, unknown in enumerate(UNKNOWNS)}


def everything(table: FitTable) -> np.ndarray:
    return np.ones(len(table.subjects), dtype=bool)


@pytest.fixture(scope="module")
def table() -> FitTable:
    return FitTable(SUBJECTS)


@pytest.fixture(scope="module")
def solved(table: FitTable) -> Floats:
    """A fresh fit of the shipped table. It takes some seconds."""
    return table.solve(everything(table))


def off(table: FitTable, values: Floats) -> Floats:
    """|log(predicted ÷ actual)| of every row by the simulator."""
    c = coefficients(values)
    return np.asarray(
        np.abs(np.log(table.reported_figures(c, table.simulated_figures(c)) / table.values)), dtype=np.float64
    )


def test_the_shipped_fit_is_this_fit(table: FitTable, solved: Floats) -> None:
    """The file in the catalog is what this code makes of the measured table, digit by digit. `perf fit` writes it."""
    known = {name: getattr(SHIPPED, name) for name in ("as_of", "residuals", "measured_rows", "sources")}
    assert written_coefficients(replace(coefficients(solved), **known)) == SHIPPED
    assert SHIPPED.measured_rows == vllm_row_counts(table.subjects)
    assert set(SHIPPED.sources) == {subject.measurement.source for subject in table.subjects}


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

    monkeypatch.setattr(fit, "ideal_step", noisy_step)
    noisy = FitTable(SUBJECTS)
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
    softly = np.minimum(off(table, solved), 0.5).mean()
    for name in ("dense_bandwidth", "expert_bandwidth", "compute_fp8", "overhead_per_layer_ms", "entry_vllm"):
        for factor in (0.8, 1.25):
            moved = solved.copy()
            moved[PLACE[name]] = np.clip(moved[PLACE[name]] * factor, LEAST[PLACE[name]], MOST[PLACE[name]])
            if abs(moved[PLACE[name]] / solved[PLACE[name]] - 1) > 0.1:
                assert np.minimum(off(table, moved), 0.5).mean() > softly, (name, factor)


def test_it_finds_the_truth_that_made_its_rows() -> None:
    """Every third row, with the figures of another machine than today's."""
    truth = replace(SHIPPED, dense_bandwidth=0.6, kv_bandwidth=0.8, overhead_per_layer_ms=0.03)
    made = FitTable(SUBJECTS[::3])
    made.values = made.reported_figures(truth, made.simulated_figures(truth))
    found = made.solve(everything(made))
    assert found[PLACE["dense_bandwidth"]] == pytest.approx(0.6, rel=0.05)
    assert found[PLACE["kv_bandwidth"]] == pytest.approx(0.8, rel=0.05)
    assert found[PLACE["overhead_per_layer_ms"]] == pytest.approx(0.03, rel=0.1)
    assert np.median(off(made, found)) < 0.02


def test_what_no_row_speaks_of_stays_where_physics_expects_it() -> None:
    """Rows of one dense model on H100 with vLLM say nothing of PCIe, experts, 4-bit weights and other engines."""
    dense = [s for s in SUBJECTS if s.measurement.cell == ("qwen3-32b", "H100")]
    assert {s.measurement.engine_key for s in dense} == {"vllm"}
    some = FitTable(dense[::2])
    found = some.solve(everything(some))
    silent = ["latency_pcie", "bandwidth_pcie", "socket_crossing", "expert_bandwidth", "expert_fp4_bandwidth"]
    silent += ["expert_half_width", "compute_fp4", "power_exponent", "step_trt-llm", "step_tgi", "entry_sglang"]
    for name in silent:
        assert found[PLACE[name]] == pytest.approx(UNKNOWNS[PLACE[name]].expected, rel=1e-3), name
    heard = found[PLACE["dense_bandwidth"]]
    assert heard != pytest.approx(UNKNOWNS[PLACE["dense_bandwidth"]].expected, rel=1e-3)


def test_rows_that_are_left_out_do_not_matter(table: FitTable) -> None:
    """A fit without rows is the same whatever they say."""
    kept = np.array([s.gpu.key != "B200" for s in table.subjects])
    start = vector(SHIPPED)
    plain = table.solve(kept, start, turns=0)
    poisoned = FitTable(SUBJECTS)
    poisoned.values = np.where(kept, table.values, 10.0 * table.values)
    assert poisoned.solve(kept, start, turns=0).tolist() == plain.tolist()
    assert poisoned.solve(everything(table), start, turns=0).tolist() != plain.tolist()


def test_many_rows_of_one_voice_are_not_many_voices() -> None:
    """The same figure a hundred times weighs as ten would, so that a few rows of another cell are heard."""
    slow, fast = SUBJECTS[0], next(s for s in SUBJECTS if s.measurement.voice != SUBJECTS[0].measurement.voice)
    table = FitTable([slow] * 100 + [fast] * 4)
    weights = table._weights
    assert np.sum(weights[:100]) / weights[0] == pytest.approx(100)
    heard = {"ttft": 0.5}.get(slow.measurement.metric, 1.0), {"ttft": 0.5}.get(fast.measurement.metric, 1.0)
    assert np.sum(weights[:100]) == pytest.approx(10 * heard[0])
    assert np.sum(weights[100:]) == pytest.approx(2 * heard[1])


inside = st.tuples(*(st.floats(unknown.least, unknown.most) for unknown in UNKNOWNS)).map(np.array)


@given(inside)
def test_coefficients_are_the_unknowns_in_words(values: Floats) -> None:
    found = coefficients(values)
    assert vector(found).tolist() == values.tolist()
    assert set(found.engines) == set(ENGINE_KEYS)
    assert found.engines["vllm"].step_factor == 1.0
    assert found.compute["int8"] == found.compute["fp8"]


def test_rows_that_wait_for_cache_say_nothing_of_steps() -> None:
    row = SUBJECTS[0].measurement
    assert tells_of_steps(replace(row, regime="saturation"))
    assert not tells_of_steps(replace(row, regime="kv_or_seq_limited"))
