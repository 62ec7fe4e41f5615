"""Files of fitted coefficients: read and checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner.edges.catalog_files import package_folder
from planner.edges.performance_files import load_coefficients, read_coefficients
from planner.words.diagnostics import Problems


def shipped_copy(folder: Path) -> str:
    """The shipped fit as a file of its own; its name."""
    source = max(
        (e for e in package_folder().joinpath("performance").iterdir() if e.name.startswith("coefficients-")),
        key=lambda entry: entry.name,
    )
    (folder / source.name).write_text(source.read_text())
    return source.name


def test_the_shipped_fit_reads() -> None:
    found = load_coefficients()
    assert found.sources
    assert found.residuals["calibrated"]["step"].rows > 100


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(Problems, match="PERF001"):
        read_coefficients(tmp_path / "coefficients-2026-01-01.json")


def test_a_damaged_fit_is_refused(tmp_path: Path) -> None:
    shipped = json.loads((tmp_path / shipped_copy(tmp_path)).read_text())
    del shipped["dense_bandwidth"]
    shipped["attention"] = "fast"
    damaged = tmp_path / "coefficients-2026-01-02.json"
    damaged.write_text(json.dumps(shipped))
    with pytest.raises(Problems) as caught:
        read_coefficients(damaged)
    assert {problem.code for problem in caught.value.problems} == {"PERF002"}
    assert len(caught.value.problems) == 2
