"""Fits the performance model anew: it reads measured figures and writes a dated file of coefficients.

    measurement/data/measurements.csv                          the figures, one published figure a row
    planner/catalog/data/performance/coefficients-DAY.json     the coefficients that ship

Problems: PERF001 for a file that is missing or cannot be read, PERF002 for a row with a value that does not fit.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import asdict
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from measurement.evidence.benchmarks import Measurement, subjects
from measurement.evidence.held_out import FitReport, fit_report
from measurement.evidence.published import PublishedRun, RowReader
from measurement.evidence.rows import published_run
from planner.domain.catalog import Catalog
from planner.domain.gaps import Gap
from planner.edges.calibration_digests import PREFIX
from planner.edges.files import write_text
from planner.performance.coefficients import Coefficients
from planner.words.diagnostics import Problem, Problems, Span

MEASUREMENTS = "measurements.csv"
OPTIONAL = ("concurrency", "max_num_batched_tokens")


def load_measurements(file: Traversable | None = None) -> tuple[Measurement, ...]:
    """The measured figures of a CSV file; None stands for the shipped file.

    Errors: `Problems` (PERF001, PERF002), of all rows in one run.
    """
    source = file or files("measurement").joinpath("data").joinpath(MEASUREMENTS)
    try:
        text = source.read_text(encoding="utf-8")
    except OSError as error:
        raise Problems(
            [Problem("PERF001", f"cannot read {source}: {error}", hint="give a measurements CSV")]
        ) from error
    adapter = TypeAdapter(Measurement)
    rows: list[Measurement] = []
    problems: list[Problem] = []
    for number, row in enumerate(csv.DictReader(text.splitlines()), start=2):
        try:
            rows.append(adapter.validate_python(row | {name: row.get(name) or None for name in OPTIONAL}))
        except ValidationError as error:
            problems.extend(
                Problem("PERF002", f"{'.'.join(map(str, d['loc']))}: {d['msg']}", Span(str(source), number))
                for d in error.errors(include_url=False, include_context=False)
            )
    if problems:
        raise Problems(problems)
    return tuple(rows)


def shipped_runs(catalog: Catalog) -> tuple[PublishedRun, ...]:
    """The rows of the shipped table as the runs that reported them. Models of one shape are one family."""
    reader = RowReader(catalog)
    return tuple(published_run(row, reader.family(row.model)) for row in load_measurements())


def refit(
    catalog: Catalog, as_of: str, out: Path, tell: Callable[[str], None] = lambda _: None
) -> tuple[FitReport, tuple[Gap, ...], Path]:
    """Fit the shipped measurements and write `out/coefficients-AS_OF.json`.

    It returns (the fit, why rows were left out, the file that was written).

    as_of: day of the fit, YYYY-MM-DD; the caller reads the clock.
    tell: is called with a line for people before each group of fits.
    """
    measured, gaps = subjects(load_measurements(), catalog.models, catalog.all_gpus)
    report = fit_report(measured, as_of, tell)
    path = out / f"{PREFIX}{as_of}.json"
    text = (
        json.dumps(asdict(written_coefficients(report.coefficients)), indent=2, sort_keys=True, ensure_ascii=False)
        + "\n"
    )
    write_text(path, text)
    return report, gaps, path


def written_coefficients(coefficients: Coefficients) -> Coefficients:
    """The coefficients as a file holds them: with six significant digits, and 0 for what is below a billionth.

    So every processor writes the same file, and the difference of two fits stays readable.
    """
    text = json.dumps(asdict(coefficients))
    values = json.loads(text, parse_float=lambda number: float(f"{float(number):.6g}") * (float(number) > 1e-9))
    return TypeAdapter(Coefficients).validate_python(values)
