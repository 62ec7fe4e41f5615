"""How far off the model is on rows that the fit did not see: the residuals behind every margin.

`calibrated` residuals come from fits that leave a whole source out: its rows share their tuning, their clients and
their versions. They are those of GPUs that were measured well, with any engine: of vLLM's rows four in five are of one
source. `analytic` residuals come from fits that leave a whole GPU out. Each fit begins anew at the expected values, so
that it knows nothing of the rows that it is held against.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from measurement.evidence.deployed_runs import DeployedRun
from measurement.evidence.fit import FitTable, coefficients, tells_of_steps
from measurement.evidence.published import PublishedRun
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

    run: PublishedRun
    predicted: float

    @property
    def slowness(self) -> float:
        """actual/predicted for times and predicted/actual for throughput, so that above 1 is always slower."""
        ratio = (self.run.value or 0.0) / self.predicted
        return 1.0 / ratio if self.run.figure.kind == "throughput" else ratio


@dataclass(frozen=True)
class FitReport:
    """A fit and how far off it is.

    coefficients: the fit of all rows, with the quantiles of the residuals below.
    without_source: each row by a fit without its source.
    without_gpu: each row by a fit without its GPU.
    """

    coefficients: Coefficients
    without_source: tuple[Residual, ...]
    without_gpu: tuple[Residual, ...]


def fit_report(runs: Sequence[DeployedRun], as_of: str, tell: Callable[[str], None] = lambda _: None) -> FitReport:
    """The fit of all rows, judged by fits that leave sources and GPUs out.

    as_of: day of the fit, YYYY-MM-DD.
    tell: is called with a line for people before each group of fits.
    """
    table = FitTable([each for each in runs if tells_of_steps(each.run)])
    values = table.solve(np.ones(len(table.runs), dtype=bool))
    fitted = [each.run for each in table.runs]
    tell("without each source")
    without_source = _held_out_rows(table, [run.source for run in fitted])
    tell("without each GPU")
    without_gpu = _held_out_rows(table, [run.gpu for run in fitted])
    rows = vllm_row_counts(fitted)
    well_measured = [r for r in without_source if rows[r.run.gpu] >= CALIBRATED_FROM_ROWS]
    residuals: dict[Provenance, dict[Metric, Quantiles]] = {
        "calibrated": quantiles(well_measured),
        "analytic": quantiles(without_gpu),
    }
    found = replace(
        coefficients(values),
        as_of=as_of,
        residuals=residuals,
        measured_rows=rows,
        sources=tuple(sorted({run.source for run in fitted})),
    )
    return FitReport(found, without_source, without_gpu)


def quantiles(residuals: Sequence[Residual]) -> dict[Metric, Quantiles]:
    """Quantiles of the slowness by metric. A cell (source, model, GPU) weighs as much as the square root of its
    rows."""
    by_metric: dict[Metric, Quantiles] = {}
    for metric, measured in JUDGED_BY.items():
        rows = [r for r in residuals if r.run.figure.kind in measured]
        if not rows:
            continue
        cells = [(r.run.source, *r.run.cell) for r in rows]
        weight = np.array([cells.count(cell) ** -0.5 for cell in cells])
        order = np.argsort([r.slowness for r in rows])
        reached = np.cumsum(weight[order]) / weight.sum()
        p10, p50, p90 = (
            round(rows[order[min(int(np.searchsorted(reached, q)), len(rows) - 1)]].slowness, 4)
            for q in (0.1, 0.5, 0.9)
        )
        by_metric[metric] = Quantiles(len(rows), p10, p50, p90)
    return by_metric


def vllm_row_counts(runs: Sequence[PublishedRun]) -> dict[str, int]:
    """Number of rows that were measured with vLLM, by GPU; 0 for a GPU that only other engines were measured on."""
    counts = dict.fromkeys(sorted({run.gpu for run in runs}), 0)
    for run in runs:
        counts[run.gpu] += run.engine == "vllm"
    return counts


def _held_out_rows(table: FitTable, group_of_row: Sequence[object]) -> tuple[Residual, ...]:
    """Every row beside its prediction by a fit without the row's group, in the order of the table."""
    groups = list(dict.fromkeys(group_of_row))
    group = np.array([groups.index(each) for each in group_of_row])
    predicted = np.empty(len(group))
    for k in range(len(groups)):
        c = coefficients(table.solve(group != k))
        predicted[group == k] = table.only(group == k).simulated(c)
    return tuple(Residual(each.run, float(value)) for each, value in zip(table.runs, predicted, strict=True))
