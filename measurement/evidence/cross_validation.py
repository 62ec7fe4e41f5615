"""Published runs predicted by fits that saw nothing of their source, their cell (model family × GPU), or their GPU.

    fold(g)         = fit of the rows of all groups but g
    prediction      = the figures of the runs of g with fold(g), in the way that any row is predicted
    interval        = quantiles of the residuals of all groups but g, each row predicted by the fold of its own group

For sources, the interval comes from `intervals` of all other sources.

The rows that are fitted are those of the runs that a fit reads (`rows`). No figure of a group enters
its own prediction, and no residual of a group enters its own interval. (The fits behind the other residuals did see the
figures of the group.) Both kinds of folds are always needed: the intervals of `calibrated` figures come from folds
without cells, and those of `analytic` figures from folds without GPUs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal

import numpy as np

from measurement.evidence.accuracy import reason_left_out
from measurement.evidence.fit import CONVERGED, ROUGHLY, UNKNOWNS, FitTable, coefficients, tells_of_steps
from measurement.evidence.held_out import Residual, quantiles, vllm_row_counts
from measurement.evidence.intervals import Intervals, SourceResidual, intervals_of, load_class
from measurement.evidence.predictions import PredictedFigure, figures, provenance, simulated
from measurement.evidence.published import PublishedRun, Unpredictable
from measurement.evidence.reports import Report
from measurement.evidence.rows import deployed_runs, fit_runs
from planner.domain.catalog import Catalog
from planner.performance.coefficients import CALIBRATED_FROM_ROWS, Coefficients, Metric, Quantiles
from planner.plan.parts import Provenance

Group = Literal["sources", "cells", "gpus"]
GROUPS: dict[Group, Callable[[PublishedRun], Hashable]] = {
    "sources": lambda run: run.source,
    "cells": lambda run: (run.family, run.gpu),
    "gpus": lambda run: run.gpu,
}
_NO_RESIDUALS: dict[Provenance, dict[Metric, Quantiles]] = {
    "calibrated": {"step": Quantiles(0, 1.0, 1.0, 1.0)},
    "analytic": {"step": Quantiles(0, 1.0, 1.0, 1.0)},
}


class CrossValidation:
    """Predictions of runs by fits of the other runs. `tell` is called with a line for people before each group of fits.

    Raises ValueError when the runs are too few: fewer rows than the fit has coefficients, or rows of one GPU alone.
    """

    def __init__(
        self,
        runs: Sequence[PublishedRun],
        catalog: Catalog,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._runs, self._catalog, self._tell = runs, catalog, tell
        usable, _ = deployed_runs(fit_runs(runs), catalog.models, catalog.all_gpus)
        self._reports: dict[tuple[Group, Hashable], tuple[Report | Unpredictable, ...]] = {}
        self._table = FitTable([each for each in usable if tells_of_steps(each.run)])
        self._fitted = [each.run for each in self._table.runs]
        least, gpus = len(UNKNOWNS), {run.gpu for run in self._fitted}
        if len(self._fitted) < least or len(gpus) < 2:
            raise ValueError(
                f"{len(self._fitted)} rows of {len(gpus)} GPUs can be fitted; it takes {least} rows of two GPUs"
            )

    def predictions(self, by: Group) -> tuple[PredictedFigure | Unpredictable, ...]:
        """Every run's figure by the fit that left the run's group out, in the order of the runs.

        Raises ValueError when the rows outside some group hold neither TPOT nor throughput to take intervals from.
        """
        if by == "sources":
            return self._by_source()
        folds = self._folds_by_cell if by == "cells" else self._folds_by_gpu
        answers: dict[str, PredictedFigure | Unpredictable] = {}
        for group, fold in folds.items():
            answers |= self._answers(by, group, replace(fold, residuals=self._residuals(by, group, fold)))
        return tuple(answers[run.id] for run in self._runs)

    def source_intervals(self) -> Intervals:
        """The intervals that all sources give, each predicted by a fit without it."""
        return intervals_of(self._source_residuals)

    def _by_source(self) -> tuple[PredictedFigure | Unpredictable, ...]:
        answers: dict[str, PredictedFigure | Unpredictable] = {}
        for source, fold in self._folds_by_source.items():
            others = intervals_of([each for each in self._source_residuals if each.cell[0] != source])
            answers |= {each.id: each for each in figures(self._simulated("sources", source, fold), fold, others)}
        return tuple(answers[run.id] for run in self._runs)

    @cached_property
    def _source_residuals(self) -> tuple[SourceResidual, ...]:
        """How far off each row is that counts, by the fit without its source."""
        found = []
        for source, fold in self._folds_by_source.items():
            answers = figures(self._simulated("sources", source, fold), fold)
            for run, answer in zip(self._runs_of("sources", source), answers, strict=True):
                if isinstance(answer, PredictedFigure) and run.value and not reason_left_out(run):
                    slower = run.value / answer.value
                    is_rate = run.figure.kind == "throughput" or run.figure.inverse
                    found.append(
                        SourceResidual(
                            (run.source, run.family, run.gpu),
                            run.figure.kind,
                            load_class(run),
                            provenance(fold, run),
                            1.0 / slower if is_rate else slower,
                        )
                    )
        return tuple(found)

    @cached_property
    def _folds_by_source(self) -> dict[Hashable, Coefficients]:
        return self._folds("sources", "without each source")

    @cached_property
    def _folds_by_cell(self) -> dict[Hashable, Coefficients]:
        return self._folds("cells", "without each cell (model family × GPU)")

    @cached_property
    def _folds_by_gpu(self) -> dict[Hashable, Coefficients]:
        return self._folds("gpus", "without each GPU")

    def _folds(self, by: Group, what: str) -> dict[Hashable, Coefficients]:
        """The fit without each group, by group, still without residuals. what: the folds in words for people."""
        groups = list(dict.fromkeys(map(GROUPS[by], self._runs)))
        self._tell(f"fitting {len(groups)} times {what}")
        return {group: self._fold(by, group) for group in groups}

    def _fold(self, by: Group, group: Hashable) -> Coefficients:
        kept = np.array([GROUPS[by](run) != group for run in self._fitted])
        rest = [run for run, stays in zip(self._fitted, kept, strict=True) if stays]
        converged = CONVERGED if by == "sources" else ROUGHLY  # the intervals that ship come from sources
        fitted = coefficients(self._table.solve(kept, converged=converged))
        return replace(fitted, residuals=_NO_RESIDUALS, measured_rows=vllm_row_counts(rest))

    @cached_property
    def _all_residuals(self) -> dict[Group, list[Residual]]:
        """How far off each fitted row is when its group is left out, for both kinds of groups."""
        by_kind: dict[Group, list[Residual]] = {}
        both: dict[Group, dict[Hashable, Coefficients]] = {"cells": self._folds_by_cell, "gpus": self._folds_by_gpu}
        for by, folds in both.items():
            answers = [
                answer for group, fold in folds.items() for answer in figures(self._simulated(by, group, fold), fold)
            ]
            values = {each.id: each.value for each in answers if isinstance(each, PredictedFigure)}
            by_kind[by] = [Residual(run, values[run.id]) for run in self._fitted if run.id in values]
        return by_kind

    def _residuals(self, by: Group, group: Hashable, fold: Coefficients) -> dict[Provenance, dict[Metric, Quantiles]]:
        """Quantiles over the rows outside the group: of vLLM on GPUs that were measured well, and of whole GPUs."""
        outside = {
            kind: [each for each in residuals if GROUPS[by](each.run) != group]
            for kind, residuals in self._all_residuals.items()
        }
        vllm = [
            each
            for each in outside["cells"]
            if each.run.engine == "vllm" and fold.measured_rows.get(each.run.gpu, 0) >= CALIBRATED_FROM_ROWS
        ]
        analytic = quantiles(outside["gpus"])
        if "step" not in analytic:
            raise ValueError("too few rows of TPOT or throughput are left to take intervals from")
        calibrated = quantiles(vllm)
        return {"calibrated": calibrated if "step" in calibrated else analytic, "analytic": analytic}

    def _answers(self, by: Group, group: Hashable, fold: Coefficients) -> dict[str, PredictedFigure | Unpredictable]:
        return {answer.id: answer for answer in figures(self._simulated(by, group, fold), fold)}

    def _simulated(self, by: Group, group: Hashable, fold: Coefficients) -> tuple[Report | Unpredictable, ...]:
        """What the runs of a group print by the fit without it. Residuals change intervals alone, so once is enough."""
        if (by, group) not in self._reports:
            self._reports[by, group] = simulated(self._runs_of(by, group), self._catalog, fold)
        return self._reports[by, group]

    def _runs_of(self, by: Group, group: Hashable) -> list[PublishedRun]:
        return [run for run in self._runs if GROUPS[by](run) == group]
