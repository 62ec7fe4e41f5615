"""The calibrations of a workspace: `calibration/*.yaml` in the folder of its environments, which every plan reads.

CAL020: a file that cannot be read or does not fit this version. CAL021: two files that calibrate the same GPU.
"""

from __future__ import annotations

from pathlib import Path

from planner.documents import calibration as documents
from planner.documents.calibration import CalibrationFile
from planner.edges.calibration_digests import CALIBRATIONS, calibration_paths
from planner.edges.files import read_text, write_text
from planner.performance.calibration import Calibration
from planner.words.diagnostics import Problem, Problems, Span


def read_calibrations(environments: Path) -> dict[str, Calibration]:
    """Return the team's own calibrations by GPU; none without such a folder.

    Raises `Problems` (CAL020, CAL021) of all files.
    """
    problems: list[Problem] = []
    files: dict[Path, CalibrationFile] = {}
    for path in calibration_paths(environments):
        try:
            files[path] = documents.load(read_text(path), str(path))
        except Problems as broken:
            problems += broken.problems
    by_gpu: dict[str, Calibration] = {}
    origin: dict[str, Path] = {}
    for path, file in files.items():
        for gpu, calibration in file.gpus.items():
            if gpu in origin:
                message = f"{gpu} is calibrated by {origin[gpu].name} too"
                hint = "calibrate both sets of runs together, in one `spillway perf calibrate`, and remove one file"
                problems.append(Problem("CAL021", message, Span(str(path), 1), hint))
            by_gpu[gpu], origin[gpu] = calibration, path
    if problems:
        raise Problems(problems)
    return by_gpu


def save(file: CalibrationFile, environments: Path) -> Path:
    """Write `calibration/NAME.yaml`, whole or not at all, and return its path. Raises `Problems` with IO002."""
    folder = environments / CALIBRATIONS
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        hint = "nothing was written; name the folder of your environments with --environments"
        raise Problems([Problem("IO002", f"{folder} cannot be made: {error.strerror}", hint=hint)]) from error
    path = folder / f"{file.name}.yaml"
    write_text(path, documents.render(file))
    return path
