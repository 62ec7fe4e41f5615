"""Residuals are of rows that no fit saw, and each cell counts the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from measurement.evidence.benchmarks import Subject, subjects

from measurement.evidence.fit import tells_of_steps
from measurement.evidence.held_out import FitReport, Residual, fit_report, quantiles, vllm_row_counts
from measurement.files.fit_files import load_measurements
from planner.edges.catalog_files import load_catalog
from planner.performance.coefficients import Quantiles

CATALOG = load_catalog()
ALL, _ = subjects(load_measurements(), CATALOG.models, CATALOG.all_gpus)
CELLS = {("llama-3.1-8b-instruct", "L40S"), ("qwen3-32b", "H100"), ("gpt-oss-120b", "H200")}
SOME = [s for s in ALL if s.measurement.cell in CELLS and tells_of_steps(s.measurement)][::4]
"""Three models on three GPUs: three folds of cells, and three of GPUs."""


def times(subject: Subject, factor: float) -> Subject:
    row = subject.measurement
    return replace(subject, measurement=replace(row, value=row.value * factor))


@pytest.fixture(scope="module")
def report() -> FitReport:
    return fit_report(SOME, "2026-11-21")


def test_a_fold_never_sees_the_rows_that_it_judges(report: FitReport) -> None:
    """With the figures of one cell ten times as large its predictions stay as they were, and all others move."""
    cell = ("qwen3-32b", "H100")
    poisoned = fit_report([times(s, 10.0) if s.measurement.cell == cell else s for s in SOME], "2026-11-21")
    for before, after in ((report.without_cell, poisoned.without_cell), (report.without_gpu, poisoned.without_gpu)):
        for was, now in zip(before, after, strict=True):
            if was.subject.measurement.cell == cell:
                assert now.predicted == was.predicted
                assert now.subject.measurement.value == 10.0 * was.subject.measurement.value
            else:
                assert now.predicted != was.predicted
    assert poisoned.coefficients.dense_bandwidth != report.coefficients.dense_bandwidth


def test_every_row_is_judged_once_by_cell_and_once_by_gpu(report: FitReport) -> None:
    for residuals in (report.without_cell, report.without_gpu):
        assert [r.subject.measurement.id for r in residuals] == [s.measurement.id for s in SOME]
        assert all(r.predicted > 0 for r in residuals)


def test_rows_that_wait_for_cache_are_not_judged() -> None:
    waiting = replace(SOME[0], measurement=replace(SOME[0].measurement, regime="kv_or_seq_limited"))
    found = fit_report([*SOME[1:20], waiting], "2026-11-21")
    assert len(found.without_cell) == 19


def test_calibrated_residuals_are_of_vllm_on_measured_gpus(report: FitReport) -> None:
    """L40S has TensorRT-LLM and TGI rows alone, so that its residuals tell of GPUs that nobody measured."""
    c = report.coefficients
    assert c.measured_rows["L40S"] == 0
    assert min(c.measured_rows["H100"], c.measured_rows["H200"]) >= 20
    of_steps = [r for r in report.without_cell if r.subject.measurement.metric != "ttft"]
    assert c.residuals["calibrated"]["step"].rows == sum(r.subject.gpu.key != "L40S" for r in of_steps)
    assert c.residuals["analytic"]["step"].rows == len(of_steps)
    assert set(c.sources) == {s.measurement.source for s in SOME}
    assert c.as_of == "2026-11-21"


def test_slowness_is_above_one_where_the_row_was_slower_than_predicted() -> None:
    time, rate = (next(s for s in ALL if s.measurement.metric == metric) for metric in ("tpot", "throughput"))
    assert Residual(time, time.measurement.value / 2).slowness == pytest.approx(2.0)
    assert Residual(rate, rate.measurement.value * 2).slowness == pytest.approx(2.0)


def residual(gpu: str, slowness: float) -> Residual:
    subject = next(s for s in ALL if s.gpu.key == gpu and s.measurement.metric == "tpot")
    return Residual(subject, subject.measurement.value / slowness)


def test_quantiles_weigh_cells_and_not_rows() -> None:
    """Sixty-four rows of one cell count eight times as much as one row of another: 1/9 of the weight is above p90."""
    rows = [residual("H100", 1.0)] * 64 + [residual("B200", 3.0)]
    assert quantiles(rows)["step"] == Quantiles(65, 1.0, 1.0, 3.0)
    assert quantiles([residual("H100", 1.0)] * 100 + rows[-1:])["step"].p90 == 1.0
    eleven = [residual("H100", 1.0 + k / 10) for k in range(11)]
    assert quantiles(eleven)["tpot"] == Quantiles(11, 1.1, 1.5, 1.9)


def test_a_figure_that_nobody_measured_has_no_quantiles() -> None:
    found = quantiles([residual("H100", 1.0)])
    assert set(found) == {"step", "tpot"}
    assert quantiles([]) == {}


def test_rows_of_vllm_are_counted_by_gpu() -> None:
    counted = vllm_row_counts(SOME)
    assert list(counted) == sorted(counted)
    assert counted["L40S"] == 0
    assert sum(counted.values()) == sum(s.measurement.engine == "vllm" for s in SOME)
