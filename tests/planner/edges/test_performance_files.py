"""Files of the performance model: read, checked, written whole."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from measurement.files import fit_files
from measurement.files.fit_files import load_measurements, refit
from planner.edges.catalog_files import load_catalog, package_folder
from planner.edges.performance_files import load_coefficients, read_coefficients
from planner.words.diagnostics import Problems

HEADER = (
    "id,model,dense,experts,kv,gpu,tensor_parallel_size,engine,engine_version,input_tokens,output_tokens,lengths,"
    "concurrency,max_num_batched_tokens,offline,metric,value,regime,quality,date"
)
ROW = (
    "own-1,qwen3-8b,bf16,bf16,bf16,L4,1,vllm,0.33.0,1000,200,spread,8,4096,false,tpot,80.0,fixed_concurrency,A,"
    "2026-11-20"
)


def shipped_copy(folder: Path) -> str:
    """The shipped fit as a file of its own; its name."""
    source = max(
        (e for e in package_folder().joinpath("performance").iterdir() if e.name.startswith("coefficients-")),
        key=lambda entry: entry.name,
    )
    (folder / source.name).write_text(source.read_text())
    return source.name


def test_a_refit_writes_a_file_that_reads_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a few rows, and one of a model that the catalog lacks; `test_fit` fits them all."""
    cells = {("qwen3-32b", "H100"), ("gpt-oss-120b", "H200")}
    rows = [row for row in load_measurements() if row.cell in cells][::6]
    rows.append(replace(rows[0], id="own-1", model="gpt-9"))
    monkeypatch.setattr(fit_files, "load_measurements", lambda: tuple(rows))
    heard: list[str] = []
    report, gaps, path = refit(load_catalog(), "2026-11-22", tmp_path, heard.append)
    assert path == tmp_path / "coefficients-2026-11-22.json"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    found = read_coefficients(path)
    assert found.as_of == "2026-11-22"
    assert found.dense_bandwidth == pytest.approx(report.coefficients.dense_bandwidth, rel=1e-5)
    assert found.residuals == report.coefficients.residuals
    assert found.measured_rows == report.coefficients.measured_rows
    assert len(heard) == 2  # cells, then GPUs
    assert [gap.key for gap in gaps] == ["model/gpt-9"]


def test_the_shipped_fit_reads() -> None:
    found = load_coefficients()
    assert found.sources
    assert found.residuals["calibrated"]["step"].rows > 100


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(Problems, match="PERF001"):
        read_coefficients(tmp_path / "coefficients-2026-01-01.json")
    with pytest.raises(Problems, match="PERF001"):
        load_measurements(tmp_path / "none.csv")


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


def test_all_bad_rows_are_reported_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text("\n".join([HEADER, ROW, ROW.replace("80.0", "fast"), ROW.replace("vllm", "mystery"), ""]))
    with pytest.raises(Problems) as caught:
        load_measurements(file)
    assert [problem.where.line for problem in caught.value.problems if problem.where] == [3, 4]
    assert {problem.code for problem in caught.value.problems} == {"PERF002"}


def test_an_empty_concurrency_is_saturation(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    saturated = ROW.replace(",8,4096,", ",,4096,").replace("tpot", "throughput")
    file.write_text("\n".join([HEADER, saturated.replace("fixed_concurrency", "saturation")]))
    (row,) = load_measurements(file)
    assert row.concurrency is None
    assert (row.max_num_batched_tokens, row.offline, row.lengths) == (4096, False, "spread")


def test_an_empty_step_limit_is_the_engine_s_default(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text("\n".join([HEADER, ROW.replace(",4096,false", ",,true")]))
    (row,) = load_measurements(file)
    assert row.max_num_batched_tokens is None
    assert row.offline
