"""How far off the model is on rows that the fit did not see: the residuals behind every margin.

`calibrated` residuals come from folds that leave whole (model, GPU) cells out, vLLM rows on measured GPUs; `analytic`
ones from fits that leave a whole GPU out, all engines. Each fold is fitted from the start, so that nothing of the rows
that it judges is in it.
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
"""The measured figures behind each metric's residuals: both TPOT and throughput tell how long steps are."""


@dataclass(frozen=True, slots=True)
class Residual:
    """One row that the fit did not see, in its own unit."""

    subject: Subject
    predicted: float

    @property
    def slowness(self) -> float:
        """actual/predicted; throughput inverted, so that > 1 is always slower."""
        row = self.subject.measurement
        ratio = row.value / self.predicted
        return 1.0 / ratio if row.metric == "throughput" else ratio


@dataclass(frozen=True)
class FitReport:
    """Coefficients with all held-out residuals, cells first: those behind their quantiles, and the rest."""

    coefficients: Coefficients
    without_cell: tuple[Residual, ...]
    without_gpu: tuple[Residual, ...]


def judged_fit(subjects: Sequence[Subject], as_of: str, tell: Callable[[str], None] = lambda _: None) -> FitReport:
    """Fit on all rows, and judge by fits that leave cells and GPUs out. `tell` hears which of them are next."""
    table = FitTable([subject for subject in subjects if tells_of_steps(subject.measurement)])
    values = table.solve(np.ones(len(table.subjects), dtype=bool))
    tell("without each (model, GPU) cell")
    without_cell = _folds(table, [s.measurement.cell for s in table.subjects])
    tell("without each GPU")
    without_gpu = _folds(table, [s.gpu.key for s in table.subjects])
    rows = vllm_rows(table.subjects)
    known = [
        r
        for r in without_cell
        if r.subject.measurement.engine == "vllm" and rows[r.subject.gpu.key] >= CALIBRATED_FROM_ROWS
    ]
    residuals: dict[Provenance, dict[Metric, Quantiles]] = {
        "calibrated": quantiles(known),
        "analytic": quantiles(without_gpu),
    }
    found = replace(
        coefficients(values),
        as_of=as_of,
        residuals=residuals,
        measured_rows=rows,
        sources=tuple(sorted({s.measurement.source for s in table.subjects})),
    )
    return FitReport(found, without_cell, without_gpu)


def quantiles(residuals: Sequence[Residual]) -> dict[Metric, Quantiles]:
    """Quantiles of actual/predicted by metric; a (model, GPU) cell counts as the root of its rows, as in the fit."""
    found: dict[Metric, Quantiles] = {}
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
        found[metric] = Quantiles(len(rows), p10, p50, p90)
    return found


def vllm_rows(subjects: Sequence[Subject]) -> dict[str, int]:
    """Rows measured with vLLM, by GPU; 0 where only other engines were."""
    found = dict.fromkeys(sorted({subject.measurement.gpu for subject in subjects}), 0)
    for subject in subjects:
        found[subject.measurement.gpu] += subject.measurement.engine == "vllm"
    return found


def _folds(table: FitTable, group_of_row: Sequence[object]) -> tuple[Residual, ...]:
    """Every row predicted by a fit without its group, in the table's order."""
    groups = list(dict.fromkeys(group_of_row))
    group = np.array([groups.index(each) for each in group_of_row])
    predicted = np.empty(len(group))
    for k in range(len(groups)):
        c = coefficients(table.solve(group != k))
        predicted[group == k] = table.published(c, table.simulated(c))[group == k]
    return tuple(Residual(s, float(value)) for s, value in zip(table.subjects, predicted, strict=True))
