"""Residuals are of rows that no fit saw, and each cell counts the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from measurement.evidence.deployed_runs import DeployedRun
from measurement.evidence.fit import tells_of_steps
from measurement.evidence.held_out import FitReport, Residual, fit_report, quantiles, vllm_row_counts
from measurement.evidence.rows import FIGURES, deployed_runs
from measurement.files.fit_files import load_measurements
from planner.edges.catalog_files import load_catalog
from planner.performance.coefficients import Quantiles
from tests.measurement.evidence.rows import ROW

CATALOG = load_catalog()
ALL, _ = deployed_runs(load_measurements(CATALOG), CATALOG.models, CATALOG.all_gpus)


def rows_of(source: str, gpu: str, every: int = 1) -> list[DeployedRun]:
    return [each for each in ALL if (each.run.source, each.run.gpu) == (source, gpu) and tells_of_steps(each.run)][
        ::every
    ]


SOME = [
    *rows_of("aic_nvidia_internal", "H100", 4),
    *rows_of("nvidia_nim_dli", "A100-80GB", 4),
    *rows_of("cloudrift", "H200"),
    *rows_of("cloudrift", "RTX-PRO-6000"),
]
"""Three sources, of which one has two GPUs: three folds of sources, and four of GPUs. No two of them share a GPU."""


def times(deployed: DeployedRun, factor: float) -> DeployedRun:
    return replace(deployed, run=replace(deployed.run, value=factor * (deployed.run.value or 0.0)))


@pytest.fixture(scope="module")
def report() -> FitReport:
    return fit_report(SOME, "2026-11-21")


def test_a_fold_never_sees_the_rows_that_it_judges(report: FitReport) -> None:
    """With the figures of one source ten times as large its predictions stay as they were, and all others move."""
    source = "aic_nvidia_internal"
    poisoned = fit_report([times(each, 10.0) if each.run.source == source else each for each in SOME], "2026-11-21")
    for before, after in (
        (report.without_source, poisoned.without_source),
        (report.without_gpu, poisoned.without_gpu),
    ):
        for was, now in zip(before, after, strict=True):
            if was.run.source == source:
                assert now.predicted == was.predicted
                assert now.run.value == 10.0 * (was.run.value or 0.0)
            else:
                assert now.predicted != was.predicted
    assert poisoned.coefficients.dense_bandwidth != report.coefficients.dense_bandwidth


def test_every_row_is_judged_once_by_source_and_once_by_gpu(report: FitReport) -> None:
    for residuals in (report.without_source, report.without_gpu):
        assert [each.run for each in residuals] == [each.run for each in SOME]
        assert all(each.predicted > 0 for each in residuals)


def test_a_fold_of_a_source_leaves_all_its_gpus_out(report: FitReport) -> None:
    """The source with two GPUs is judged by a fit without either; where one GPU is left out, the other one speaks."""
    for by_source, by_gpu in zip(report.without_source, report.without_gpu, strict=True):
        assert (by_source.predicted == by_gpu.predicted) is (by_source.run.source != "cloudrift")


def test_rows_that_wait_for_cache_are_not_judged() -> None:
    waiting = replace(SOME[0], run=replace(SOME[0].run, regime="kv_or_seq_limited"))
    found = fit_report([*SOME[1:40], waiting], "2026-11-21")
    assert len(found.without_source) == len(found.without_gpu) == 39


def test_calibrated_residuals_are_of_vllm_on_measured_gpus(report: FitReport) -> None:
    """A100 has rows of TensorRT-LLM alone here, so that its residuals tell of GPUs that nobody measured."""
    c = report.coefficients
    assert c.measured_rows["A100-80GB"] == 0
    assert min(c.measured_rows[gpu] for gpu in ("H100", "H200", "RTX-PRO-6000")) >= 20
    of_steps = [each for each in report.without_source if each.run.figure.kind != "ttft"]
    on_measured = [each for each in of_steps if each.run.gpu != "A100-80GB"]
    assert c.residuals["calibrated"]["step"].rows == len(on_measured) < len(of_steps)
    assert c.residuals["calibrated"] == quantiles([r for r in report.without_source if r.run.gpu != "A100-80GB"])
    assert c.residuals["analytic"] == quantiles(report.without_gpu)
    assert c.residuals["analytic"]["step"].rows == len(of_steps)
    assert c.sources == tuple(sorted({each.run.source for each in SOME}))
    assert c.as_of == "2026-11-21"


def test_slowness_is_above_one_where_the_row_was_slower_than_predicted() -> None:
    rate = replace(ROW, figure=FIGURES["throughput"])
    assert Residual(ROW, 40.0).slowness == pytest.approx(2.0)
    assert Residual(rate, 160.0).slowness == pytest.approx(2.0)


def residual(gpu: str, slowness: float) -> Residual:
    return Residual(replace(ROW, gpu=gpu), 80.0 / slowness)


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
    runs = [each.run for each in SOME]
    counted = vllm_row_counts(runs)
    assert list(counted) == sorted(counted)
    assert counted["A100-80GB"] == 0
    assert sum(counted.values()) == sum(run.engine == "vllm" for run in runs)
