"""Digests of all that the performance of a plan rests on: the shipped coefficients and a workspace's calibrations.

A lock names them, and whoever judges a lock compares them. The files are not interpreted here, so that this module
loads no part of the performance model.
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
"""Folder of the catalog that holds the shipped fits."""
PREFIX = "coefficients-"
"""Start of the name of a fit; its day follows."""


def shipped_file() -> Traversable:
    """Return the file of the newest fit that ships with this version. Raises `Problems` (PERF001)."""
    folder = package_folder().joinpath(SHIPPED)
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.startswith(PREFIX)) if folder.is_dir() else []
    if not names:
        hint = "restore it, or run `spillway perf fit`"
        raise Problems([Problem("PERF001", f"no {PREFIX}DAY.json in {folder}", hint=hint)])
    return folder.joinpath(names[-1])


@lru_cache(maxsize=1)
def shipped_digest() -> str:
    """Return the SHA-256 of the newest fit's file, as `sha256:…`."""
    return "sha256:" + hashlib.sha256(shipped_file().read_bytes()).hexdigest()


def calibration_paths(environments: Path) -> tuple[Path, ...]:
    """Return the calibration files beside a folder's environments, sorted; none without such a folder."""
    return tuple(sorted((environments / CALIBRATIONS).glob("*.yaml")))


def own_digests(environments: Path) -> dict[str, str]:
    """Return the digest of each calibration by its name, that of its file. Raises `Problems` (CAL020) of all files."""
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
    """Return one digest of the shipped coefficients and the team's own calibrations.

    Without calibrations it is the digest of the coefficients alone.
    """
    return digest({"coefficients": shipped_digest(), "calibrations": dict(own)}) if own else shipped_digest()
