"""Published runs predicted by fits that saw nothing of their cell (model family × GPU), or nothing of their GPU.

    fold(g)         = fit of the rows of all groups but g
    prediction      = `predict_rows` of the runs of g with fold(g), the way that any row is predicted
    interval        = quantiles of the residuals of all groups but g, each row predicted by the fold of its own group

The rows that are fitted are the runs themselves, as far as the table of the fit holds them. No figure of a group enters
its own prediction, and no residual of it its own interval (the fits behind the other residuals did see its figures).
Both kinds of folds are needed for either: intervals of `calibrated` figures come from cells, those of `analytic` ones
from whole GPUs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal

import numpy as np

from measurement.evidence.benchmarks import subjects
from measurement.evidence.figures import Predicted, predict_rows
from measurement.evidence.fit import UNKNOWNS, FitTable, coefficients, tells_of_steps
from measurement.evidence.held_out import Residual, quantiles, vllm_rows
from measurement.evidence.published import PublishedRun, Unreadable
from measurement.evidence.rows import measurements
from planner.domain.catalog import Catalog
from planner.performance.coefficients import CALIBRATED_FROM_ROWS, Coefficients, Metric, Quantiles
from planner.plan.parts import Provenance

Group = Literal["cells", "gpus"]
GROUPS: dict[Group, Callable[[PublishedRun], Hashable]] = {
    "cells": lambda run: (run.family, run.gpu),
    "gpus": lambda run: run.gpu,
}
_NOT_KNOWN: dict[Provenance, dict[Metric, Quantiles]] = {
    "calibrated": {"step": Quantiles(0, 1.0, 1.0, 1.0)},
    "analytic": {"step": Quantiles(0, 1.0, 1.0, 1.0)},
}


class CrossValidation:
    """Predictions of runs by fits of the others. `tell` hears which fits are next.

    Raises ValueError when the runs are too few: fewer rows than the fit has coefficients, or all of one GPU.
    """

    def __init__(
        self, runs: Sequence[PublishedRun], catalog: Catalog, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        self._runs, self._catalog, self._tell = runs, catalog, tell
        found, _ = subjects(measurements(runs), catalog.models, catalog.all_gpus)
        self._subjects = [subject for subject in found if tells_of_steps(subject.measurement)]
        self._run = {run.id: run for run in runs}
        least, seen = len(UNKNOWNS), {subject.gpu.key for subject in self._subjects}
        if len(self._subjects) < least or len(seen) < 2:
            raise ValueError(
                f"{len(self._subjects)} rows of {len(seen)} GPUs can be fitted; it takes {least} rows of two GPUs"
            )

    def predicted(self, by: Group) -> tuple[Predicted | Unreadable, ...]:
        """Every run's figure by the fit that left its group out, in the order of the runs.

        Raises ValueError when what is left of some group's fold has no TPOT and no throughput to take intervals from.
        """
        folds = self._cells if by == "cells" else self._gpus
        found: dict[str, Predicted | Unreadable] = {}
        for group, fold in folds.items():
            known = replace(fold, residuals=self._residuals(by, group, fold))
            found |= self._answers(by, group, known)
        return tuple(found[run.id] for run in self._runs)

    @cached_property
    def _table(self) -> FitTable:
        return FitTable(self._subjects)

    @cached_property
    def _cells(self) -> dict[Hashable, Coefficients]:
        return self._folds("cells", "without each cell (model family × GPU)")

    @cached_property
    def _gpus(self) -> dict[Hashable, Coefficients]:
        return self._folds("gpus", "without each GPU")

    def _folds(self, by: Group, line: str) -> dict[Hashable, Coefficients]:
        """The fit without each group; nothing is known yet of its residuals."""
        groups = list(dict.fromkeys(map(GROUPS[by], self._runs)))
        self._tell(f"fitting {len(groups)} times {line}")
        return {group: self._fold(by, group) for group in groups}

    def _fold(self, by: Group, group: Hashable) -> Coefficients:
        kept = np.array([not self._belongs(by, group, subject.measurement.id) for subject in self._subjects])
        left = [subject for subject, stays in zip(self._subjects, kept, strict=True) if stays]
        fitted = coefficients(self._table.solve(kept))
        return replace(fitted, residuals=_NOT_KNOWN, measured_rows=vllm_rows(left))

    @cached_property
    def _off(self) -> dict[Group, list[Residual]]:
        """How far off each fitted row is when its group is left out, for both kinds of groups."""
        off: dict[Group, list[Residual]] = {}
        both: dict[Group, dict[Hashable, Coefficients]] = {"cells": self._cells, "gpus": self._gpus}
        for by, folds in both.items():
            answers = [self._answers(by, group, fold) for group, fold in folds.items()]
            told = {key: each.value for part in answers for key, each in part.items() if isinstance(each, Predicted)}
            off[by] = [Residual(s, told[s.measurement.id]) for s in self._subjects if s.measurement.id in told]
        return off

    def _residuals(self, by: Group, group: Hashable, fold: Coefficients) -> dict[Provenance, dict[Metric, Quantiles]]:
        """Quantiles of the rows outside the group, as `judged_fit` takes them of all rows."""
        outside = {
            kind: [each for each in off if not self._belongs(by, group, each.subject.measurement.id)]
            for kind, off in self._off.items()
        }
        vllm = [
            each
            for each in outside["cells"]
            if each.subject.measurement.engine == "vllm"
            and fold.measured_rows.get(each.subject.gpu.key, 0) >= CALIBRATED_FROM_ROWS
        ]
        analytic = quantiles(outside["gpus"])
        if "step" not in analytic:
            raise ValueError("too few rows of TPOT or throughput are left to take intervals from")
        calibrated = quantiles(vllm)
        return {"calibrated": calibrated if "step" in calibrated else analytic, "analytic": analytic}

    def _answers(self, by: Group, group: Hashable, fold: Coefficients) -> dict[str, Predicted | Unreadable]:
        runs = [run for run in self._runs if GROUPS[by](run) == group]
        return {answer.id: answer for answer in predict_rows(runs, self._catalog, fold)}

    def _belongs(self, by: Group, group: Hashable, row: str) -> bool:
        return GROUPS[by](self._run[row]) == group
