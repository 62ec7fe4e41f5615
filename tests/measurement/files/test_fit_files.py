"""The table of measurements: read, checked, written; what its sources are; and a fit of it as a file."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from measurement.evidence.fit import ENGINE_KEYS
from measurement.evidence.rows import FIGURES, deployed_runs
from measurement.files import fit_files
from measurement.files.fit_files import COLUMNS, MEASUREMENTS, load_measurements, measurements_text, refit
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import read_coefficients
from planner.words.diagnostics import Problems
from tests.measurement.evidence.rows import ROW

CATALOG = load_catalog()
DATA = Path(__file__).parents[3] / "measurement" / "data"


def written(folder: Path, *texts: str) -> Path:
    """A table of these lines below the header."""
    header = measurements_text([]).strip()
    path = folder / "own.csv"
    path.write_text("\n".join([header, *texts, ""]))
    return path


def line(**changed: object) -> str:
    """The line of ROW in a table, with other words in some of its cells."""
    (cells,) = csv.reader([measurements_text([ROW]).splitlines()[1]])
    told = dict(zip(COLUMNS, cells, strict=True)) | {name: str(word) for name, word in changed.items()}
    return ",".join(told[name] for name in COLUMNS)


# The table


def test_the_shipped_table_comes_back_as_it_was_written() -> None:
    assert measurements_text(load_measurements(CATALOG)) == (DATA / MEASUREMENTS).read_text(encoding="utf-8")


def test_a_run_comes_back_as_it_was_written(tmp_path: Path) -> None:
    runs = (
        ROW,
        replace(
            ROW,
            id="own-2",
            gpus=8,
            tensor_parallel_size=2,
            data_parallel_size=4,
            expert_parallel_size=8,
            attention_data_parallel=True,
            length_low=0.5,
            length_high=1.5,
            lengths="uniform",
            prompts=100,
            max_num_seqs=64,
            max_num_batched_tokens=4096,
            gpu_memory_utilization=0.85,
            eager=True,
            offline=True,
            stream_interval=20,
            figure=FIGURES["ttft"],
        ),
        replace(ROW, id="own-3", concurrency=None, figure=FIGURES["throughput"], regime="saturation"),
    )
    path = tmp_path / "own.csv"
    path.write_text(measurements_text(runs))
    assert load_measurements(CATALOG, path) == runs


def test_empty_cells_are_what_a_source_leaves_open(tmp_path: Path) -> None:
    open_cells = ("concurrency", "prompts", "max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization")
    (run,) = load_measurements(CATALOG, written(tmp_path, line(**dict.fromkeys(open_cells, ""))))
    assert [getattr(run, name) for name in open_cells] == [None] * len(open_cells)
    assert run.is_all_at_once


def test_all_bad_rows_are_reported_with_their_line(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        line(),
        line(value="fast"),
        line(engine="mystery"),
        line(metric="e2e"),
        line(tensor_parallel_size="two"),
        line(eager="perhaps", quality=""),
    )
    with pytest.raises(Problems) as caught:
        load_measurements(CATALOG, path)
    found = [(problem.where.line, problem.message.split(":")[0]) for problem in caught.value.problems if problem.where]
    assert {problem.code for problem in caught.value.problems} == {"PERF002"}
    assert {number for number, _ in found} == {3, 4, 5, 6, 7}
    assert {(3, "value"), (4, "engine"), (6, "tensor_parallel_size"), (7, "eager")} <= set(found)


def test_a_missing_table_says_so(tmp_path: Path) -> None:
    with pytest.raises(Problems, match="PERF001"):
        load_measurements(CATALOG, tmp_path / "none.csv")


def test_the_shipped_table_is_usable() -> None:
    runs = load_measurements(CATALOG)
    usable, _ = deployed_runs(runs, CATALOG.models, CATALOG.all_gpus)
    assert len({run.id for run in runs}) == len(runs)
    assert len(usable) > 0.98 * len(runs) > 2000
    assert {run.engine for run in runs} == {"vllm", "trt-llm", "sglang", "tgi"}
    assert {run.gpu for run in runs} >= {"H100", "H200", "B200", "A100-80GB", "L40S", "L4", "A10G", "RTX-PRO-6000"}
    assert {run.lengths for run in runs} == {"fixed", "uniform", "natural", "not stated"}
    assert all((run.value or 0) > 0 and run.input_tokens > 0 and run.output_tokens > 0 for run in runs)
    assert all(run.length_low <= 1.0 <= run.length_high and run.stream_interval >= 1 for run in runs)
    assert {run.quality for run in runs} == {"A", "B"}
    assert all(re.fullmatch(r"(20\d\d(-\d\d){0,2})?", run.date) for run in runs)


def test_every_engine_of_the_table_has_coefficients_of_its_own() -> None:
    counted = Counter(run.engine_key for run in load_measurements(CATALOG))
    assert set(counted) <= set(ENGINE_KEYS)
    assert set(counted) >= {"vllm", "vllm<0.6", "trt-llm", "trt-llm<1.0", "sglang", "tgi"}


# What the README says of it


def named_in_the_readme(column: str) -> list[str]:
    """The words in the first cells of the README's tables whose first column is called so."""
    found: list[str] = []
    is_asked = False
    for text in (DATA / "README.md").read_text(encoding="utf-8").splitlines():
        first = text.split("|")[1].strip() if text.startswith("|") else ""
        is_asked = bool(first) and (is_asked or first == column)
        if is_asked:
            found += re.findall(r"`([^`]+)`", first)
    return found


def test_every_source_is_named_in_the_readme_and_has_rows() -> None:
    sources = named_in_the_readme("source")
    assert len(set(sources)) == len(sources)
    assert set(sources) == {run.source for run in load_measurements(CATALOG)}


def test_every_column_is_explained_in_the_readme() -> None:
    assert sorted(named_in_the_readme("column")) == sorted(COLUMNS)


# The fit as a file


def test_a_refit_writes_a_file_that_reads_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a few rows, and one of a model that the catalog lacks; `test_fit` fits them all."""
    cells = {("qwen3-32b", "H100"), ("gpt-oss-120b", "H200")}
    runs = [run for run in load_measurements(CATALOG) if run.cell in cells][::6]
    runs.append(replace(runs[0], id="own-1", model="gpt-9"))
    monkeypatch.setattr(fit_files, "load_measurements", lambda catalog: tuple(runs))
    heard: list[str] = []
    report, gaps, path = refit(CATALOG, "2026-11-22", tmp_path, heard.append)
    assert path == tmp_path / "coefficients-2026-11-22.json"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    found = read_coefficients(path)
    assert found.as_of == "2026-11-22"
    assert found.dense_bandwidth == pytest.approx(report.coefficients.dense_bandwidth, rel=1e-5)
    assert found.residuals == report.coefficients.residuals
    assert found.measured_rows == report.coefficients.measured_rows
    assert heard == ["without each source", "without each GPU"]
    assert [gap.key for gap in gaps] == ["model/gpt-9"]
