"""Reads the coefficients of the performance model: `catalog/data/performance/coefficients-DAY.json`, the newest.

Problems: PERF001 a file that is missing or cannot be read, PERF002 a value that does not fit. `performance_fit` makes
these files.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.resources.abc import Traversable

from pydantic import TypeAdapter, ValidationError

from planner.edges.catalog_files import package_folder
from planner.performance.coefficients import Coefficients
from planner.words.diagnostics import Problem, Problems, Span

FOLDER = "performance"
PREFIX = "coefficients-"
MAKE_IT = "restore it, or run `spillway perf fit`"


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
        raise Problems([Problem("PERF001", f"no {PREFIX}DAY.json in {folder}", hint=MAKE_IT)])
    return folder.joinpath(names[-1])


def read_coefficients(file: Traversable) -> Coefficients:
    """One fit from a file. Errors: `Problems` (PERF001, PERF002)."""
    try:
        return TypeAdapter(Coefficients).validate_json(file.read_bytes())
    except OSError as error:
        raise Problems([Problem("PERF001", f"cannot read {file}: {error}", hint=MAKE_IT)]) from error
    except ValidationError as error:
        where = Span(str(file), 1)
        raise Problems(
            [
                Problem("PERF002", f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}", where)
                for detail in error.errors(include_url=False, include_context=False)
            ]
        ) from error
