"""Calibrations beside the environments: written whole, read back, refused with their line when they do not fit."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from measurement.files.bench_files import read_benchmarks
from measurement.files.calibrate import calibration_result
from planner.documents.calibration import CalibrationFile, load, render
from planner.edges.calibration_digests import CALIBRATIONS, joined_digest, own_digests, shipped_digest
from planner.edges.calibration_files import read_calibrations, save
from planner.edges.catalog_files import load_catalog
from planner.words.diagnostics import Problems
from tests.measurement.calibration.own_runs import unrefined

SAMPLES = Path(__file__).parents[2] / "measurement" / "files" / "bench_samples"
OPTIONS = {"gpu": "L4", "tensor_parallel_size": "1", "quantization": "fp8"}


@lru_cache
def written(name: str = "", *samples: str) -> CalibrationFile:
    """The calibration of some samples."""
    paths = [SAMPLES / sample for sample in samples or ("vllm.json", "guidellm.json", "profile.json")]
    found = calibration_result(paths, OPTIONS, name, "2026-11-21", load_catalog(), unrefined).file
    assert found is not None
    return found


def spoiled(folder: Path, text: str, name: str = "l4") -> list[tuple[str, int]]:
    """Code and line of each problem of a folder with this calibration."""
    (folder / CALIBRATIONS).mkdir(exist_ok=True)
    (folder / CALIBRATIONS / f"{name}.yaml").write_text(text)
    with pytest.raises(Problems) as caught:
        read_calibrations(folder)
    assert all(problem.hint for problem in caught.value.problems)
    return [(problem.code, problem.where.line if problem.where else 0) for problem in caught.value.problems]


def test_a_file_reads_back_as_it_was_written() -> None:
    file = written()
    again = load(render(file), "l4.yaml")
    assert render(again) == render(file)
    assert again.digest == file.digest
    assert again.gpus["L4"].corrections.keys() == file.gpus["L4"].corrections.keys()
    assert again.gpus["L4"].coefficients.dense_bandwidth == pytest.approx(file.gpus["L4"].coefficients.dense_bandwidth)


def test_it_says_what_it_rests_on() -> None:
    text = yaml.safe_load(render(written()))
    assert (text["name"], text["date"], text["engine_versions"]) == ("l4", "2026-11-21", ["0.33.0", "unknown"])
    assert text["shipped"]["digest"] == shipped_digest()
    assert [each["file"] for each in text["files"]] == ["guidellm.json", "profile.json", "vllm.json"]
    assert sorted(row["file"] for row in text["runs"]) == ["guidellm.json", "vllm.json"]
    assert all(each["sha256"].startswith("sha256:") for each in text["files"])
    gpu = text["gpus"]["L4"]
    assert gpu["corrections"]["llama-3.1-8b-instruct/fp8"]["conditions"] == 1
    assert gpu["caps"]["bandwidth"] == pytest.approx(0.881667)
    assert gpu["coefficients"]["residuals"]["calibrated"]["step"]["p90"] > 1


def test_the_same_files_give_the_same_bytes_in_any_order() -> None:
    catalog = load_catalog()
    orders = [("vllm.json", "aiperf.json"), ("aiperf.json", "vllm.json")]
    texts = set()
    for order in orders:
        found = calibration_result([SAMPLES / name for name in order], OPTIONS, "", "2026-11-21", catalog, unrefined)
        assert found.file is not None
        texts.add(render(found.file))
    assert len(texts) == 1


def test_it_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(written(), tmp_path)
    before = path.read_text()
    assert path == tmp_path / CALIBRATIONS / "l4.yaml"

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(Problems, match="IO002"):
        save(written("l4", "aiperf.json"), tmp_path)
    assert path.read_text() == before
    assert [each.name for each in path.parent.iterdir()] == ["l4.yaml"]


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    with pytest.raises(Problems, match="IO002"):
        save(written(), tmp_path / "environments")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "environments").write_text("a file")
    with pytest.raises(Problems, match="IO002"):
        save(written(), tmp_path / "environments")


def test_no_folder_is_no_calibration(tmp_path: Path) -> None:
    assert read_calibrations(tmp_path) == {}
    assert own_digests(tmp_path) == {}
    assert joined_digest({}) == shipped_digest()


def test_a_calibration_is_read_by_gpu_and_digest(tmp_path: Path) -> None:
    save(written(), tmp_path)
    assert list(read_calibrations(tmp_path)) == ["L4"]
    digests = own_digests(tmp_path)
    assert digests == {"l4": written().digest}
    assert joined_digest(digests) != shipped_digest()
    path = tmp_path / CALIBRATIONS / "l4.yaml"
    path.write_text("# reviewed by a colleague\n" + path.read_text())
    assert own_digests(tmp_path) == digests  # a comment changes nothing
    path.write_text(path.read_text().replace("conditions: 1", "conditions: 2"))
    assert own_digests(tmp_path) != digests


def test_two_calibrations_of_one_gpu_contradict_each_other(tmp_path: Path) -> None:
    save(written(), tmp_path)
    assert spoiled(tmp_path, render(written("other", "vllm.json")), "other") == [("CAL021", 1)]


def test_what_does_not_fit_is_told_with_its_line(tmp_path: Path) -> None:
    text = render(written())
    lines = text.splitlines()
    bandwidth = next(n for n, line in enumerate(lines, 1) if "dense_bandwidth" in line)
    runs = next(n for n, line in enumerate(lines, 1) if "conditions: 1" in line)
    broken = text.replace(lines[bandwidth - 1], "      dense_bandwidth: fast").replace(
        "conditions: 1", "conditions: few"
    )
    assert spoiled(tmp_path, broken) == [("CAL020", bandwidth), ("CAL020", runs)]


def of_an_older_release() -> dict[str, Any]:
    """A calibration as it was before the model had terms of API servers and of eager layers."""
    values: dict[str, Any] = yaml.safe_load(render(written()))
    coefficients = values["gpus"]["L4"]["coefficients"]
    del coefficients["eager_ms_per_layer"]
    for engine in coefficients["engines"].values():
        del engine["server_ms_per_token"]
    return values


def test_a_file_of_an_older_release_has_no_time_for_newer_terms(tmp_path: Path) -> None:
    text = yaml.safe_dump(of_an_older_release())
    (tmp_path / CALIBRATIONS).mkdir()
    (tmp_path / CALIBRATIONS / "l4.yaml").write_text(text)
    found = read_calibrations(tmp_path)["L4"].coefficients
    assert found.eager_ms_per_layer == 0.0
    assert {each.server_ms_per_token for each in found.engines.values()} == {0.0}
    today = load(render(written()), "l4.yaml").gpus["L4"].coefficients
    assert today.engines["vllm"].server_ms_per_token > 0.0
    assert found.engines["vllm"] == replace(today.engines["vllm"], server_ms_per_token=0.0)


def test_only_newer_terms_may_be_missing(tmp_path: Path) -> None:
    values = of_an_older_release()
    del values["gpus"]["L4"]["coefficients"]["overhead_ms"]
    del values["gpus"]["L4"]["coefficients"]["engines"]["vllm"]["entry_ms"]
    assert {code for code, _ in spoiled(tmp_path, yaml.safe_dump(values))} == {"CAL020"}
    for broken in ("gpus: 3\n", "gpus: {L4: 3}\n", "gpus: {L4: {coefficients: []}}\n"):
        assert {code for code, _ in spoiled(tmp_path, broken)} == {"CAL020"}


@pytest.mark.parametrize(
    "text",
    ["", "nothing: here\n", "format: [spillway\n", "- a list\n", "format: spillway.calibration/2\n", "a: 1\na: 2\n"],
)
def test_what_is_no_calibration_is_refused(tmp_path: Path, text: str) -> None:
    assert {code for code, _ in spoiled(tmp_path, text)} == {"CAL020"}


def test_a_truncated_calibration_is_refused(tmp_path: Path) -> None:
    text = render(written())
    assert {code for code, _ in spoiled(tmp_path, text[: len(text) // 2])} == {"CAL020"}


def test_a_key_that_nobody_reads_is_refused(tmp_path: Path) -> None:
    assert {code for code, _ in spoiled(tmp_path, render(written()) + "stepp: 1.2\n")} == {"CAL020"}


def test_reading_needs_neither_solver_nor_simulator() -> None:
    """The infrastructure reads calibrations when it judges a lock."""
    import subprocess
    import sys

    heavy = {"scipy", "highspy", "numba"}
    script = f"import sys, planner.edges.calibration_files; print({heavy} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


def test_reading_is_what_benchmarks_gave() -> None:
    reading = read_benchmarks([SAMPLES / "vllm.json"], {}, load_catalog())
    (row,) = written("", "vllm.json").runs
    (own,) = reading.runs
    assert (row.digest, row.tpot_ms, row.ttft_ms) == (own.digest, 61.5, 742.0)
    assert (row.load, row.in_flight, row.completed) == ("closed", 8, 160)
