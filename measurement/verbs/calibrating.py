"""`perf calibrate`: a team's own benchmark files in, a calibration and the next runs to make out."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from measurement.calibration.next_runs import Suggestion
from measurement.files.calibration import Calibrated, calibration_of, refiner
from measurement.views.calibration import bench_command, factors_view, next_lines, runs_view, serve_command
from planner.cli.output import note, report, show, show_json
from planner.documents.calibration import CalibrationFile, load, plain
from planner.edges.calibration_digests import CALIBRATIONS
from planner.edges.calibration_files import save
from planner.edges.catalog_files import load_catalog
from planner.edges.files import read_text
from planner.words.diagnostics import Problem, Problems, Span


def calibrate(
    files: Sequence[Path],
    options: Mapping[str, str],
    name: str,
    folder: Path,
    as_of: str,
    dry_run: bool,
    replace: bool,
    form: str,
) -> None:
    """Read and judge the files, write `calibration/NAME.yaml` beside the environments, print what it says.

    Errors: `Problems`; with exit code 1 (CAL007) when runs of that file would be forgotten and `replace` is not given.
    """
    if name and not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise Problems(
            [Problem("CAL006", f"{name} is no name of a calibration", hint="lower case, digits and hyphens")]
        )
    day = as_of or datetime.date.today().isoformat()
    catalog = load_catalog()
    found = calibration_of(files, options, name, day, catalog, refiner(catalog))
    report(found.reading.warnings)
    path = folder / CALIBRATIONS / f"{found.file.name}.yaml" if found.file else folder
    lost = _lost(found.file, path) if found.file else []
    if lost and not (replace or dry_run):
        raise Problems([_would_forget(path, lost)], exit_code=1)
    if form == "json":
        show_json(_document(found))
    else:
        show(_tables(found))
        print("\n".join(["", *next_lines(found.suggestions)] if found.judged else next_lines(found.suggestions)))
    if found.file is None:
        return
    if lost:
        note(f"{path} held runs that are not among these files; give them too to keep them: {_few_of(lost)}")
    if dry_run:
        note(f"dry run: {path} is not written")
    else:
        note(f"wrote {save(found.file, folder)}; plans beside it use it")


def _tables(found: Calibrated) -> Iterator[RenderableType]:
    if found.judged:
        yield runs_view([(each.own, each.shipped, each.calibrated) for each in found.judged])
    if found.file is not None:
        yield from factors_view(found.file)


def _document(found: Calibrated) -> dict[str, Any]:
    """The same as one JSON document."""
    return {
        "calibration": None if found.file is None else plain(found.file),
        "next_runs": [_suggested(each) for each in found.suggestions],
    }


def _suggested(each: Suggestion) -> dict[str, Any]:
    return {
        "gpu": each.deployment.gpu.key,
        "class": each.deployment.weights,
        "tensor_parallel_size": each.deployment.tensor_parallel_size,
        "place": each.place,
        "concurrency": each.concurrency,
        "input_tokens": each.input_tokens,
        "output_tokens": each.output_tokens,
        "minutes": round(each.minutes, 1),
        "tpot_range": round(each.tpot_range, 4),
        "ttft_range": round(each.ttft_range, 4),
        "serve": serve_command(each.deployment),
        "bench": bench_command(each),
    }


def _lost(file: CalibrationFile, path: Path) -> list[str]:
    """Files of the runs of the calibration at `path` that the new one would not hold."""
    if not path.exists():
        return []
    try:
        old = load(read_text(path), str(path))
    except Problems:
        note(f"{path} cannot be read and is replaced")
        return []
    kept = {row.digest for row in file.runs}
    return sorted({row.file for row in old.runs if row.digest not in kept})


def _would_forget(path: Path, lost: Sequence[str]) -> Problem:
    message = f"{path} holds runs that are not among these files and would be forgotten: {_few_of(lost)}"
    return Problem("CAL007", message, Span(str(path), 1), "give all files, old and new, or --replace to forget them")


def _few_of(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
