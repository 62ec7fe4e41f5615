"""How far off the model is on rows that the fit did not see: the residuals behind every margin.

`calibrated` residuals come from fits that leave a whole (model, GPU) cell out. They are those of vLLM's rows on GPUs
that were measured well. `analytic` residuals come from fits that leave a whole GPU out, and hold for all engines. Each
fit begins anew at the expected values, so that it knows nothing of the rows that it is held against.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from measurement.evidence.benchmarks import Subject
from measurement.evidence.fit import FitTable, coefficients, tells_of_steps
from planner.performance.coefficients import CALIBRATED_FROM_ROWS, Coefficients, Metric, Quantiles
from planner.plan.parts import Provenance

JUDGED_BY: dict[Metric, tuple[str, ...]] = {
    "step": ("tpot", "throughput"),
    "tpot": ("tpot",),
    "ttft": ("ttft",),
    "throughput": ("throughput",),
}
"""The measured figures behind each metric's residuals. Both TPOT and throughput say how long steps are."""


@dataclass(frozen=True, slots=True)
class Residual:
    """One row beside its prediction by a fit that did not see it.

    predicted: the figure in the unit of the row.
    """

    subject: Subject
    predicted: float

    @property
    def slowness(self) -> float:
        """actual/predicted for times and predicted/actual for throughput, so that above 1 is always slower."""
        row = self.subject.measurement
        ratio = row.value / self.predicted
        return 1.0 / ratio if row.metric == "throughput" else ratio


@dataclass(frozen=True)
class FitReport:
    """A fit and how far off it is.

    coefficients: the fit of all rows, with the quantiles of the residuals below.
    without_cell: each row by a fit without its (model, GPU) cell.
    without_gpu: each row by a fit without its GPU.
    """

    coefficients: Coefficients
    without_cell: tuple[Residual, ...]
    without_gpu: tuple[Residual, ...]


def fit_report(subjects: Sequence[Subject], as_of: str, tell: Callable[[str], None] = lambda _: None) -> FitReport:
    """The fit of all rows, judged by fits that leave cells and GPUs out.

    as_of: day of the fit, YYYY-MM-DD.
    tell: is called with a line for people before each group of fits.
    """
    table = FitTable([subject for subject in subjects if tells_of_steps(subject.measurement)])
    values = table.solve(np.ones(len(table.subjects), dtype=bool))
    tell("without each (model, GPU) cell")
    without_cell = _held_out_rows(table, [s.measurement.cell for s in table.subjects])
    tell("without each GPU")
    without_gpu = _held_out_rows(table, [s.gpu.key for s in table.subjects])
    rows = vllm_row_counts(table.subjects)
    well_measured = [
        r
        for r in without_cell
        if r.subject.measurement.engine == "vllm" and rows[r.subject.gpu.key] >= CALIBRATED_FROM_ROWS
    ]
    residuals: dict[Provenance, dict[Metric, Quantiles]] = {
        "calibrated": quantiles(well_measured),
        "analytic": quantiles(without_gpu),
    }
    fitted = replace(
        coefficients(values),
        as_of=as_of,
        residuals=residuals,
        measured_rows=rows,
        sources=tuple(sorted({s.measurement.source for s in table.subjects})),
    )
    return FitReport(fitted, without_cell, without_gpu)


def quantiles(residuals: Sequence[Residual]) -> dict[Metric, Quantiles]:
    """Quantiles of the slowness by metric. A (model, GPU) cell weighs as much as the square root of its rows."""
    by_metric: dict[Metric, Quantiles] = {}
    for metric, measured in JUDGED_BY.items():
        rows = [r for r in residuals if r.subject.measurement.metric in measured]
        if not rows:
            continue
        cells = [r.subject.measurement.cell for r in rows]
        weight = np.array([cells.count(cell) ** -0.5 for cell in cells])
        order = np.argsort([r.slowness for r in rows])
        reached = np.cumsum(weight[order]) / weight.sum()
        p10, p50, p90 = (
            round(rows[order[min(int(np.searchsorted(reached, q)), len(rows) - 1)]].slowness, 4)
            for q in (0.1, 0.5, 0.9)
        )
        by_metric[metric] = Quantiles(len(rows), p10, p50, p90)
    return by_metric


def vllm_row_counts(subjects: Sequence[Subject]) -> dict[str, int]:
    """Number of rows that were measured with vLLM, by GPU; 0 for a GPU that only other engines were measured on."""
    counts = dict.fromkeys(sorted({subject.measurement.gpu for subject in subjects}), 0)
    for subject in subjects:
        counts[subject.measurement.gpu] += subject.measurement.engine == "vllm"
    return counts


def _held_out_rows(table: FitTable, group_of_row: Sequence[object]) -> tuple[Residual, ...]:
    """Every row beside its prediction by a fit without the row's group, in the order of the table."""
    groups = list(dict.fromkeys(group_of_row))
    group = np.array([groups.index(each) for each in group_of_row])
    predicted = np.empty(len(group))
    for k in range(len(groups)):
        c = coefficients(table.solve(group != k))
        predicted[group == k] = table.reported_figures(c, table.simulated_figures(c))[group == k]
    return tuple(Residual(s, float(value)) for s, value in zip(table.subjects, predicted, strict=True))
