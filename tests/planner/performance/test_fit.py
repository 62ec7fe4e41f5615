"""The fit: it finds what it was given, stays physical, and judges itself by rows that it has not seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.edges.performance_fit import load_measurements
from planner.performance.benchmarks import Subject, subjects
from planner.performance.coefficients import Coefficients, Quantiles
from planner.performance.fit import UNKNOWNS, FitReport, fit, quantiles, tells_of_steps
from planner.performance.predict import Runs, predicted
from planner.performance.step_time import clock_table, ideal_step, step_clock

CATALOG = load_catalog()
SUBJECTS, _ = subjects(load_measurements(), CATALOG.models, CATALOG.gpus)


@pytest.fixture(scope="module")
def report() -> FitReport:
    return fit(SUBJECTS, "2026-11-21")


def made(rows: list[Subject], truth: Coefficients) -> list[Subject]:
    """The same runs with the figures that `truth` predicts."""
    clocks = [
        step_clock(
            ideal_step(
                s.model.architecture,
                s.quantization,
                s.gpu,
                s.measurement.tensor_parallel_size,
                kv_format=s.measurement.kv,
                context_tokens=s.measurement.input_tokens + s.measurement.output_tokens / 2,
            ),
            truth,
        )
        for s in rows
    ]
    runs = Runs.of(rows)
    factors = runs.values * 0 + [truth.engine_factors[s.measurement.engine] for s in rows]
    figures = predicted(
        runs, clock_table(clocks, 1), truth.first_token_overhead_ms, truth.closed_loop_crowding, factors
    )
    return [
        replace(s, measurement=replace(s.measurement, value=float(value)))
        for s, value in zip(rows, figures, strict=True)
    ]


def test_every_coefficient_stays_in_its_range(report: FitReport) -> None:
    c = report.coefficients
    shares = [c.dense_bandwidth, c.packed_bandwidth, c.expert_bandwidth, c.kv_bandwidth, c.attention]
    shares += [*c.compute.values(), *(link.bandwidth for link in c.links.values())]
    assert all(0 < share <= 1 for share in shares)
    times = [c.overhead_ms, c.overhead_per_layer_ms, c.overhead_per_moe_layer_ms, c.first_token_overhead_ms]
    assert all(time >= 0 for time in [*times, *(link.latency_ms for link in c.links.values())])
    assert c.engine_factors["vllm"] == 1.0
    assert all(unknown.least <= unknown.start <= unknown.most for unknown in UNKNOWNS)


def test_it_finds_the_truth_that_made_its_rows(report: FitReport) -> None:
    truth = replace(report.coefficients, dense_bandwidth=0.6, kv_bandwidth=0.8, overhead_per_layer_ms=0.03)
    rows = [s for s in SUBJECTS if tells_of_steps(s.measurement)][::3]  # every third: the fit takes its time
    found = fit(made(rows, truth), "2026-11-21").coefficients
    assert found.dense_bandwidth == pytest.approx(0.6, rel=0.05)
    assert found.kv_bandwidth == pytest.approx(0.8, rel=0.05)
    assert found.overhead_per_layer_ms == pytest.approx(0.03, rel=0.1)
    assert found.residuals["analytic"]["step"].p90 < 1.1


def test_the_shipped_fit_is_this_fit(report: FitReport) -> None:
    """The file in the catalog comes from the table beside it, with this code."""
    shipped = load_coefficients()
    assert shipped.measured_rows == report.coefficients.measured_rows
    assert shipped.sources == report.coefficients.sources
    for name in ("dense_bandwidth", "kv_bandwidth", "expert_bandwidth", "overhead_per_layer_ms"):
        assert getattr(shipped, name) == pytest.approx(getattr(report.coefficients, name), rel=0.02)
    for provenance, metrics in report.coefficients.residuals.items():
        for metric, now in metrics.items():
            assert shipped.residuals[provenance][metric].p90 == pytest.approx(now.p90, rel=0.03)


def test_held_out_accuracy(report: FitReport) -> None:
    """Median error of rows that no fit saw. Bounds a little above today's figures: a worse model must not pass."""
    errors = {
        metric: sorted(max(r.slowness, 1 / r.slowness) for r in rows if r.subject.measurement.metric == metric)
        for rows in (report.analytic,)
        for metric in ("tpot", "throughput", "ttft")
    }
    medians = {metric: found[len(found) // 2] - 1 for metric, found in errors.items()}
    assert medians["tpot"] < 0.22
    assert medians["throughput"] < 0.25
    assert medians["ttft"] < 0.75


def test_held_out_rows_are_not_in_the_fit_twice(report: FitReport) -> None:
    used = [s for s in SUBJECTS if tells_of_steps(s.measurement)]
    assert len(report.analytic) == len(used)
    calibrated = {r.subject.measurement.id for r in report.calibrated}
    assert len(calibrated) == len(report.calibrated)
    assert {r.subject.measurement.engine for r in report.calibrated} == {"vllm"}


def test_margins_come_from_residuals(report: FitReport) -> None:
    c = report.coefficients
    assert c.provenance("H100") == "calibrated"
    for gpu in ("T4", "L4", "A10G", "L40S", "RTX-PRO-6000", "A100-80GB"):
        assert c.provenance(gpu) == "analytic"
    assert c.margin("H100") == max(1.0, c.residuals["calibrated"]["step"].p90)
    assert c.margin("L40S") >= c.margin("H100")
    low, high = c.interval("L40S")
    assert low < 1 < high


def test_quantiles_weigh_cells_and_not_rows(report: FitReport) -> None:
    """A hundred rows of one cell count as much as one row of another."""
    one, other = (next(r for r in report.analytic if r.subject.gpu.key == gpu) for gpu in ("H100", "L4"))
    rows = [replace(one, slowness=1.0)] * 100 + [replace(other, slowness=3.0)]
    found = quantiles(rows)["step"]
    assert isinstance(found, Quantiles)
    assert (found.p10, found.p90) == (1.0, 3.0)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        fit(SUBJECTS[:50], "2026-11-21")
