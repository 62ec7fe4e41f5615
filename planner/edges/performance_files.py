"""Reads and writes the performance model's own files: measured figures and the coefficients fitted to them.

    catalog/data/performance/measurements.csv          one published figure a row
    catalog/data/performance/coefficients-DAY.json     one fit; the newest is used

`refit` is the whole command: measurements in, a dated file out, written aside and renamed. Problems: PERF001 a file
that is missing or cannot be read, PERF002 a row or a value that does not fit.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from planner.domain.catalog import Catalog
from planner.domain.gaps import Gap
from planner.edges.catalog_files import package_folder
from planner.performance.benchmarks import Measurement, subjects
from planner.performance.coefficients import Coefficients
from planner.performance.fit import FitReport, fit
from planner.words.diagnostics import Problem, Problems, Span

FOLDER = "performance"
MEASUREMENTS = "measurements.csv"
PREFIX = "coefficients-"


@lru_cache(maxsize=1)
def load_coefficients() -> Coefficients:
    """The newest fit that ships with this version. Errors: `Problems` (PERF001, PERF002)."""
    return read_coefficients(_newest())


@lru_cache(maxsize=1)
def coefficients_digest() -> str:
    """SHA-256 of the newest fit's file, as `sha256:…`: a lock names it as its calibration."""
    return "sha256:" + hashlib.sha256(_newest().read_bytes()).hexdigest()


def _newest() -> Traversable:
    folder = package_folder().joinpath(FOLDER)
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.startswith(PREFIX)) if folder.is_dir() else []
    if not names:
        raise Problems([Problem("PERF001", f"no {PREFIX}DAY.json in {folder}", hint="restore it from the repository")])
    return folder.joinpath(names[-1])


def read_coefficients(file: Traversable) -> Coefficients:
    """One fit from a file. Errors: `Problems` (PERF001, PERF002)."""
    try:
        return TypeAdapter(Coefficients).validate_json(file.read_bytes())
    except OSError as error:
        raise Problems(
            [Problem("PERF001", f"cannot read {file}: {error}", hint="restore it from the repository")]
        ) from error
    except ValidationError as error:
        where = Span(str(file), 1)
        raise Problems(
            [
                Problem("PERF002", f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}", where)
                for detail in error.errors(include_url=False, include_context=False)
            ]
        ) from error


def load_measurements(file: Traversable | None = None) -> tuple[Measurement, ...]:
    """The measured figures of a CSV (the shipped one if None), all bad rows reported in one run."""
    source = file or package_folder().joinpath(FOLDER).joinpath(MEASUREMENTS)
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
            rows.append(adapter.validate_python(row | {"concurrency": row.get("concurrency") or None}))
        except ValidationError as error:
            problems.extend(
                Problem("PERF002", f"{'.'.join(map(str, d['loc']))}: {d['msg']}", Span(str(source), number))
                for d in error.errors(include_url=False, include_context=False)
            )
    if problems:
        raise Problems(problems)
    return tuple(rows)


def refit(
    catalog: Catalog, as_of: str, out: Path, tell: Callable[[str], None] = lambda _: None
) -> tuple[FitReport, tuple[Gap, ...], Path]:
    """Fit the shipped measurements and write `out/coefficients-AS_OF.json`; (report, rows left out, file written).

    `as_of` is the day of the fit, YYYY-MM-DD; the caller reads the clock. `tell` hears of progress.
    """
    found, gaps = subjects(load_measurements(), catalog.models, catalog.gpus)
    report = fit(found, as_of, tell)
    path = out / f"{PREFIX}{as_of}.json"
    text = json.dumps(asdict(_rounded(report.coefficients)), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    with tempfile.NamedTemporaryFile("w", dir=out, prefix=f".{path.name}.", delete=False, encoding="utf-8") as aside:
        aside.write(text)
    os.replace(aside.name, path)
    return report, gaps, path


def _rounded(coefficients: Coefficients) -> Coefficients:
    """Six significant digits: below that a fit says nothing, and a diff of two fits stays readable."""
    text = json.dumps(asdict(coefficients))
    values = json.loads(text, parse_float=lambda number: float(f"{float(number):.6g}"))
    return TypeAdapter(Coefficients).validate_python(values)
