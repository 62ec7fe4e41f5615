"""`perf fit` fits the coefficients to the shipped measurements and shows the held-out residuals."""

from __future__ import annotations

import datetime
import statistics
from collections.abc import Sequence
from pathlib import Path

from measurement.evidence.held_out import Residual
from measurement.files.fit_files import refit
from planner.cli.output import note, show
from planner.edges.catalog_files import load_catalog
from planner.faces.layout import above, figures, names
from planner.faces.tables import FoldingTable


def fit(out: Path, as_of: str) -> None:
    """Write `out/coefficients-DAY.json`, and print how far off predictions are on rows that a fit did not see.

    as_of: day of the fit, YYYY-MM-DD; today if empty.
    """
    day = as_of or datetime.date.today().isoformat()
    report, gaps, path = refit(load_catalog(), day, out, note)
    held_out = {"whole sources": report.without_source, "whole GPUs": report.without_gpu}
    show([_table(f"Held out: {what}", residuals) for what, residuals in held_out.items()])
    for gap in gaps:
        note(f"left out: {gap.message}")
    note(f"wrote {path}")


def _table(title: str, residuals: Sequence[Residual]) -> FoldingTable:
    """The median of actual/predicted and of the error, by metric and GPU. Throughput is inverted."""
    groups: dict[tuple[str, str], list[float]] = {}
    for residual in residuals:
        groups.setdefault((residual.run.figure.kind, residual.run.gpu), []).append(residual.slowness)
    rows = []
    for (metric, gpu), values in sorted(groups.items()):
        error = statistics.median(abs(value - 1) for value in values)
        rows.append((metric, gpu, str(len(values)), f"{statistics.median(values):.2f}", f"{error:.0%}"))
    columns = (*names("metric", "GPU"), *figures("rows", "actual/predicted", "median error"))
    return FoldingTable(title, columns, rows, (above("metric"),))
