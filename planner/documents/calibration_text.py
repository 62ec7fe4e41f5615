"""The text of a calibration file as plain values, and their digest, which is all that a lock's judgement needs of it.

The module reads nothing of the performance model; `documents.calibration` gives the values their meaning.
"""

from __future__ import annotations

from typing import Any

from planner.documents.lock import digest
from planner.words.bounded_yaml import WRITTEN_BY_PROGRAMS
from planner.words.diagnostics import Problem, Problems
from planner.words.spans import Document, read

AGAIN = "restore it with git, or run `spillway perf calibrate` again with all its files"


def document_of(text: str, file: str) -> Document:
    """Return the values with their places in the file. Raises `Problems` with CAL020 when the text is not YAML."""
    try:
        return read(text, file, WRITTEN_BY_PROGRAMS)
    except Problems as broken:
        raise Problems(Problem("CAL020", p.message, p.where, AGAIN) for p in broken.problems) from None


def digest_of(values: Any) -> str:
    """Return the sha256 of everything that a calibration file says, whatever its form on disk."""
    return digest(rounded(values))


def rounded(value: Any) -> Any:
    """Return plain values with six significant digits. A fit says nothing below them, and a diff stays readable."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return value
