"""`perf calibrate` reads a team's own benchmark files, writes a calibration and says which runs to make next."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from measurement.calibration.next_runs import Suggestion
from measurement.files.calibrate import CalibrationResult, calibration_result, refiner
from measurement.views.calibration_tables import factors_view, runs_view
from measurement.views.run_commands import bench_command, serve_command, suggestion_lines
from planner.cli.output import note, report, show, show_json
from planner.documents.calibration import CalibrationFile, load, plain
from planner.edges.calibration_digests import CALIBRATIONS
from planner.edges.calibration_files import save
from planner.edges.files import read_text
from planner.edges.own_catalog import catalog_beside
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
    """Read and judge the files, write `calibration/NAME.yaml` beside the environments, and print what it says.

    options: facts about the deployment that the files do not state, by the name of their option.
    name: name of the calibration; if empty, it is made of its GPUs.
    folder: folder of the environments.
    as_of: day of the calibration, YYYY-MM-DD; today if empty.
    dry_run: write nothing.
    replace: forget the runs of an older file that are not given again.
    form: `text` or `json`.
    Errors: `Problems`. They have exit code 1 (CAL007) when runs would be forgotten and `replace` is not given.
    """
    if name and not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise Problems(
            [Problem("CAL006", f"{name} is no name of a calibration", hint="lower case, digits and hyphens")]
        )
    day = as_of or datetime.date.today().isoformat()
    catalog = catalog_beside(folder)
    result = calibration_result(files, options, name, day, catalog, refiner(catalog))
    report(result.reading.warnings)
    path = folder / CALIBRATIONS / f"{result.file.name}.yaml" if result.file else folder
    forgotten = _forgotten_files(result.file, path) if result.file else []
    if forgotten and not (replace or dry_run):
        raise Problems([_forgetting_problem(path, forgotten)], exit_code=1)
    if form == "json":
        show_json(_document(result))
    else:
        show(_tables(result))
        lines = suggestion_lines(result.suggestions)
        print("\n".join(["", *lines] if result.compared else lines))
    if result.file is None:
        return
    if forgotten:
        note(f"{path} held runs that are not among these files; give them too to keep them: {_few_of(forgotten)}")
    if dry_run:
        note(f"dry run: {path} is not written")
    else:
        note(f"wrote {save(result.file, folder)}; plans beside it use it")


def _tables(result: CalibrationResult) -> Iterator[RenderableType]:
    if result.compared:
        yield runs_view([(each.own, each.shipped, each.calibrated) for each in result.compared])
    if result.file is not None:
        yield from factors_view(result.file)


def _document(result: CalibrationResult) -> dict[str, Any]:
    """The calibration and the suggestions as one JSON document."""
    return {
        "calibration": None if result.file is None else plain(result.file),
        "next_runs": [_suggestion_values(each) for each in result.suggestions],
    }


def _suggestion_values(each: Suggestion) -> dict[str, Any]:
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


def _forgotten_files(file: CalibrationFile, path: Path) -> list[str]:
    """The files whose runs the calibration at `path` holds and the new one does not."""
    if not path.exists():
        return []
    try:
        old = load(read_text(path), str(path))
    except Problems:
        note(f"{path} cannot be read and is replaced")
        return []
    kept = {row.digest for row in file.runs}
    return sorted({row.file for row in old.runs if row.digest not in kept})


def _forgetting_problem(path: Path, forgotten: Sequence[str]) -> Problem:
    message = f"{path} holds runs that are not among these files and would be forgotten: {_few_of(forgotten)}"
    return Problem("CAL007", message, Span(str(path), 1), "give all files, old and new, or --replace to forget them")


def _few_of(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
