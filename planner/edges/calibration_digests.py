"""Digests of all that the performance of a plan rests on: the shipped coefficients and a workspace's calibrations.

A lock names them, and whoever judges a lock compares them. The files are not given a meaning here, so that this loads
no part of the performance model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources.abc import Traversable
from pathlib import Path

from planner.documents.calibration_text import digest_of, document_of
from planner.documents.lock import digest
from planner.edges.catalog_files import package_folder
from planner.edges.files import read_text
from planner.words.diagnostics import Problem, Problems

CALIBRATIONS = "calibration"
"""Folder beside the environments that holds the team's own calibrations."""
SHIPPED = "performance"
PREFIX = "coefficients-"


def shipped_file() -> Traversable:
    """The newest fit that ships with this version. Errors: `Problems` (PERF001)."""
    folder = package_folder().joinpath(SHIPPED)
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.startswith(PREFIX)) if folder.is_dir() else []
    if not names:
        hint = "restore it, or run `spillway perf fit`"
        raise Problems([Problem("PERF001", f"no {PREFIX}DAY.json in {folder}", hint=hint)])
    return folder.joinpath(names[-1])


@lru_cache(maxsize=1)
def shipped_digest() -> str:
    """SHA-256 of the newest fit's file, as `sha256:…`."""
    return "sha256:" + hashlib.sha256(shipped_file().read_bytes()).hexdigest()


def calibration_paths(environments: Path) -> tuple[Path, ...]:
    """The calibration files of a folder of environments, sorted; none when it has no such folder."""
    return tuple(sorted((environments / CALIBRATIONS).glob("*.yaml")))


def own_digests(environments: Path) -> dict[str, str]:
    """Digest of each calibration by its file's name without the ending. Errors: `Problems` (CAL020), of all files."""
    problems: list[Problem] = []
    digests: dict[str, str] = {}
    for path in calibration_paths(environments):
        try:
            digests[path.stem] = digest_of(document_of(read_text(path), str(path)).value)
        except Problems as broken:
            problems += broken.problems
    if problems:
        raise Problems(problems)
    return digests


def joined_digest(own: Mapping[str, str]) -> str:
    """One digest of the shipped coefficients and the team's own calibrations; that of the former without any."""
    return digest({"coefficients": shipped_digest(), "calibrations": dict(own)}) if own else shipped_digest()
