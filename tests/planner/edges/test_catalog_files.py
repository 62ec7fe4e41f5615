"""Reading catalog files: damage is told with file and line, all of it, and the shipped files are what was built."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planner.edges.catalog_files import load_catalog, package_folder, read_catalog, snapshots
from planner.words.diagnostics import Problem, Problems

ROOT = Path(__file__).resolve().parents[3]
RAW = ROOT.parent / "shared" / "data"
SHIPPED = ROOT / "planner" / "catalog" / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped catalog that a test may damage."""
    for part in ("facts", "prices"):
        shutil.copytree(SHIPPED / part, tmp_path / part)
    return tmp_path


def _problems(folder: Path, snapshot: str | None = None) -> tuple[Problem, ...]:
    with pytest.raises(Problems) as caught:
        read_catalog(folder, snapshot)
    assert caught.value.exit_code == 2
    return caught.value.problems


def _edit(path: Path, key: str, change: Callable[[dict[str, Any]], object]) -> int:
    """Change the row of `key` in place; returns its line number."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines[1:], start=2):
        row = json.loads(line)
        if row["key"] == key:
            change(row)
            lines[number - 1] = json.dumps(row)
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
            return number
    raise KeyError(key)


def test_the_shipped_catalog_is_read_once_and_newest_first() -> None:
    catalog = load_catalog()
    assert catalog is load_catalog()
    assert catalog.prices.name == snapshots(package_folder())[-1]
    assert load_catalog("2026-11-21").prices.name == "2026-11-21"


def test_no_provider_s_policy_is_from_memory() -> None:
    """What nobody can point at is unknown: neither a yes nor a no."""
    for row in load_catalog().providers.values():
        assert "remembered" not in row.source
        if row.source.startswith("no policy was found"):
            assert (row.trains_on_data, row.hipaa, row.residency) == (None, None, None), row.key
            assert (row.retention, row.zero_retention) == ("unverified", "unverified"), row.key


def test_reading_fits_the_planners_budget() -> None:
    read_catalog(package_folder())
    best = min(_seconds() for _ in range(5))
    assert best < 0.25  # some 15 ms on an idle core; the bound leaves room for a busy machine


def _seconds() -> float:
    start = time.perf_counter()
    read_catalog(package_folder())
    return time.perf_counter() - start


def test_an_unknown_snapshot_names_the_known_ones(folder: Path) -> None:
    (problem,) = _problems(folder, "2026-11-12")
    assert problem.code == "CAT001"
    assert "2026-11-21" in problem.hint


def test_an_empty_folder_has_no_snapshot(tmp_path: Path) -> None:
    assert _problems(tmp_path)[0].code == "CAT001"


def test_all_damage_of_all_files_is_told_in_one_run(folder: Path) -> None:
    price = _edit(
        folder / "prices/2026-11-21.jsonl", "ec2/us-east-1/g6e.xlarge/on-demand", lambda row: row.update(usd="0")
    )
    gpu = _edit(folder / "facts/gpus.jsonl", "L40S", lambda row: row.pop("source"))
    model = _edit(
        folder / "facts/models.jsonl", "qwen3-32b", lambda row: row["architecture"].update(layer=1, layers="64")
    )
    found = {(p.code, p.where.file, p.where.line) for p in _problems(folder) if p.where}
    assert ("CAT005", "prices/2026-11-21.jsonl", price) in found
    assert ("CAT003", "facts/gpus.jsonl", gpu) in found
    assert ("CAT003", "facts/models.jsonl", model) in found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row.update(colour="red"), "unknown key 'colour'"),
        (lambda row: row["architecture"].update(layerz=3), "did you mean layers"),
        (lambda row: row.update(source=""), "no source"),
        (lambda row: row.update(as_of="yesterday"), "is not a date"),
        (lambda row: row.update(native="int7"), "native"),
        (lambda row: row["architecture"].update(layers=True), "architecture.layers"),
    ],
)
def test_each_kind_of_bad_row_says_what_is_wrong(
    folder: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    line = _edit(folder / "facts/models.jsonl", "qwen3-32b", change)
    problems = [
        p for p in _problems(folder) if p.where and (p.where.file, p.where.line) == ("facts/models.jsonl", line)
    ]
    assert [p for p in problems if p.code == "CAT003" and message in p.message], [p.message for p in problems]


def test_a_file_that_was_cut_off_does_not_pass(folder: Path) -> None:
    path = folder / "facts/instances.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(lines[:-3]) + "\n", encoding="utf-8")
    (problem,) = _problems(folder)
    assert problem.code == "CAT002"
    assert "cut off" in problem.hint


def test_a_file_of_another_kind_or_without_header_does_not_pass(folder: Path) -> None:
    shutil.copy(folder / "facts/gpus.jsonl", folder / "facts/providers.jsonl")
    assert "CAT002" in {problem.code for problem in _problems(folder)}
    (folder / "facts/providers.jsonl").write_text("", encoding="utf-8")
    assert "CAT002" in {problem.code for problem in _problems(folder)}


def test_a_missing_file_is_told(folder: Path) -> None:
    (folder / "facts/gpus.jsonl").unlink()
    assert [p for p in _problems(folder) if p.code == "CAT001" and "gpus.jsonl" in p.message]


def test_duplicates_are_told_with_the_first_line(folder: Path) -> None:
    path = folder / "facts/gpus.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[0] = lines[0].replace('"rows": 10', '"rows": 11')
    path.write_text("\n".join([*lines, lines[1]]) + "\n", encoding="utf-8")
    (problem,) = _problems(folder)
    assert (problem.code, problem.where and problem.where.line) == ("CAT004", 12)
    assert "line 2" in problem.message


def test_rows_that_name_what_is_not_there(folder: Path) -> None:
    _edit(folder / "facts/instances.jsonl", "g6e.xlarge", lambda row: row.update(gpu="L40"))
    _edit(folder / "facts/apis.jsonl", "groq/gpt-oss-20b", lambda row: row.update(provider="grok", hosts="gpt-os-20b"))
    prices = folder / "prices/2026-11-21.jsonl"
    lines = [line for line in prices.read_text(encoding="utf-8").splitlines() if '"api/openai/o3/output"' not in line]
    prices.write_text("\n".join([lines[0].replace("484", "483"), *lines[1:]]) + "\n", encoding="utf-8")
    problems = _problems(folder)
    assert {p.code for p in problems} == {"CAT006"}
    text = " ".join(f"{p.message} {p.hint}" for p in problems)
    for word in ("did you mean L40S", "did you mean groq", "gpt-oss-20b", "openai/o3 has no output price"):
        assert word in text


@pytest.mark.parametrize("path", sorted(p.relative_to(SHIPPED).as_posix() for p in SHIPPED.glob("*/*.jsonl")))
def test_shipped_rows_are_sorted_one_a_line(path: str) -> None:
    keys = [json.loads(line)["key"] for line in (SHIPPED / path).read_text(encoding="utf-8").splitlines()[1:]]
    assert keys == sorted(set(keys))


@pytest.mark.skipif(not RAW.is_dir(), reason="the raw tables are not beside this checkout")
def test_building_from_the_raw_tables_gives_the_shipped_bytes(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tools/catalog/build.py"), str(RAW), str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    built = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(built) == 8
    assert built == {path: (SHIPPED / path).read_bytes() for path in built}
