"""Reads the coefficients of the performance model: the newest `catalog/data/performance/coefficients-DAY.json`.

PERF001: a file that is missing or cannot be read. PERF002: a value that does not fit. `measurement.files.fit_files`
writes these files.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources.abc import Traversable

from pydantic import TypeAdapter, ValidationError

from planner.edges.calibration_digests import shipped_file
from planner.performance.coefficients import Coefficients
from planner.words.diagnostics import Problem, Problems, Span

AGAIN = "restore it, or run `spillway perf fit`"


@lru_cache(maxsize=1)
def load_coefficients() -> Coefficients:
    """Return the newest fit that ships with this version. Raises `Problems` (PERF001, PERF002)."""
    return read_coefficients(shipped_file())


def read_coefficients(file: Traversable) -> Coefficients:
    """Read one fit from a file. Raises `Problems` (PERF001, PERF002)."""
    try:
        return TypeAdapter(Coefficients).validate_json(file.read_bytes())
    except OSError as error:
        raise Problems([Problem("PERF001", f"cannot read {file}: {error}", hint=AGAIN)]) from error
    except ValidationError as error:
        where = Span(str(file), 1)
        raise Problems(
            [
                Problem("PERF002", f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}", where)
                for detail in error.errors(include_url=False, include_context=False)
            ]
        ) from error
