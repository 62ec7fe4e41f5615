"""Fits the performance model anew: it reads measured figures and writes a dated file of coefficients.

    measurement/data/measurements.csv                          the figures, one published figure a row
    planner/catalog/data/performance/coefficients-DAY.json     the coefficients that ship

Problems: PERF001 for a file that is missing or cannot be read, PERF002 for a row with a value that does not fit.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from measurement.evidence.held_out import FitReport, fit_report
from measurement.evidence.published import PublishedRun, RowReader
from measurement.evidence.rows import FIGURES, deployed_runs
from planner.domain.catalog import Catalog
from planner.domain.gaps import Gap
from planner.edges.calibration_digests import PREFIX
from planner.edges.files import write_text
from planner.performance.coefficients import Coefficients
from planner.words.diagnostics import Problem, Problems, Span

MEASUREMENTS = "measurements.csv"
COLUMNS = (
    *("id", "model", "dense", "experts", "kv", "gpu"),
    *("tensor_parallel_size", "data_parallel_size", "expert_parallel_size", "attention_data_parallel"),
    *("engine", "engine_version", "input_tokens", "output_tokens", "length_low", "length_high", "lengths"),
    *("concurrency", "prompts", "max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization"),
    *("eager", "offline", "stream_interval", "metric", "value", "regime", "quality", "date"),
)
"""Columns of the table. Their words are those of `PublishedRun`; `metric` is a key of `FIGURES`."""
OPTIONAL = ("concurrency", "prompts", "max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization")


def load_measurements(catalog: Catalog, file: Traversable | None = None) -> tuple[PublishedRun, ...]:
    """The measured figures of a CSV file, as the runs that reported them; None stands for the shipped file.

    Models of one shape are one family.
    Errors: `Problems` (PERF001, PERF002), of all rows in one run.
    """
    source = file or files("measurement").joinpath("data").joinpath(MEASUREMENTS)
    try:
        text = source.read_text(encoding="utf-8")
    except OSError as error:
        raise Problems(
            [Problem("PERF001", f"cannot read {source}: {error}", hint="give a measurements CSV")]
        ) from error
    reader, adapter = RowReader(catalog), TypeAdapter(PublishedRun)
    runs: list[PublishedRun] = []
    problems: list[Problem] = []
    for number, row in enumerate(csv.DictReader(text.splitlines()), start=2):
        try:
            runs.append(adapter.validate_python(_cells(row, reader)))
        except ValidationError as error:
            problems.extend(
                Problem("PERF002", f"{'.'.join(map(str, d['loc']))}: {d['msg']}", Span(str(source), number))
                for d in error.errors(include_url=False, include_context=False)
            )
    if problems:
        raise Problems(problems)
    return tuple(runs)


def measurements_text(runs: Iterable[PublishedRun]) -> str:
    """Runs of `rows.fit_runs` as the text of a table."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(COLUMNS)
    metrics = {figure: metric for metric, figure in FIGURES.items()}
    for run in runs:
        cells = {name: metrics[run.figure] if name == "metric" else getattr(run, name) for name in COLUMNS}
        lines.writerow([_word(cells[name]) for name in COLUMNS])
    return text.getvalue()


def _word(cell: Any) -> str:
    if cell is None or isinstance(cell, bool):
        return "" if cell is None else str(cell).lower()
    return f"{cell:.6g}" if isinstance(cell, float) else str(cell)


def _cells(row: Mapping[str, str], reader: RowReader) -> dict[str, Any]:
    """The fields of the run that a row of the table describes."""
    cells: dict[str, Any] = {name: row.get(name) for name in COLUMNS if name != "metric"}
    cells |= {name: row.get(name) or None for name in OPTIONAL}
    sizes = [row.get("tensor_parallel_size") or "", row.get("data_parallel_size") or ""]
    return cells | {
        "gpus": int(sizes[0]) * int(sizes[1]) if all(size.isdigit() for size in sizes) else None,
        "rate_per_s": None,
        "figure": {str(metric): figure for metric, figure in FIGURES.items()}.get(row.get("metric") or ""),
        "family": reader.family(row["model"]) if row.get("model") in reader.models else "",
        "source": (row.get("id") or "").rpartition("-")[0],
        "assumed": (),
    }


def refit(
    catalog: Catalog, as_of: str, out: Path, tell: Callable[[str], None] = lambda _: None
) -> tuple[FitReport, tuple[Gap, ...], Path]:
    """Fit the shipped measurements and write `out/coefficients-AS_OF.json`.

    It returns (the fit, why rows were left out, the file that was written).

    as_of: day of the fit, YYYY-MM-DD; the caller reads the clock.
    tell: is called with a line for people before each group of fits.
    """
    measured, gaps = deployed_runs(load_measurements(catalog), catalog.models, catalog.all_gpus)
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
