"""`spillway perf calibrate`: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.planner.cli.command import Ended, spillway

SAMPLES = Path(__file__).parents[1] / "files" / "bench_samples"
WRITTEN = Path("environments/calibration/l4.yaml")
DAY = ("--as-of", "2026-11-21")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the samples, and one for environments."""
    monkeypatch.chdir(tmp_path)
    for sample in ("vllm.json", "aiperf.json", "profile.json"):
        shutil.copy(SAMPLES / sample, tmp_path)
    (tmp_path / "environments").mkdir()


def calibrate(*arguments: str) -> Ended:
    return spillway("perf", "calibrate", *arguments, *DAY)


def test_a_benchmark_becomes_a_calibration_and_advice() -> None:
    ended = calibrate("vllm.json")
    assert ended.status == 0
    assert "61.5 ms" in ended.out
    assert ended.out.count("vllm bench serve") == 6
    assert f"wrote {WRITTEN}" in ended.err
    assert yaml.safe_load(WRITTEN.read_text())["gpus"]["L4"]["corrections"]


def test_the_same_command_gives_the_same_bytes() -> None:
    calibrate("vllm.json", "profile.json")
    first = WRITTEN.read_bytes()
    ended = calibrate("profile.json", "vllm.json")
    assert ended.status == 0
    assert WRITTEN.read_bytes() == first
    assert "held runs" not in ended.err


def test_options_complete_what_a_file_does_not_say() -> None:
    ended = calibrate("aiperf.json")
    assert (ended.status, ended.out) == (2, "")
    for option in ("--gpu", "--tensor-parallel-size", "--quantization"):
        assert f"give {option}" in ended.err
    assert not WRITTEN.exists()
    said = ("--gpu", "L4", "--tensor-parallel-size", "1", "--quantization", "fp8", "--engine-version", "0.33.0")
    assert calibrate("aiperf.json", *said).status == 0
    assert yaml.safe_load(WRITTEN.read_text())["engine_versions"] == ["0.33.0"]


def test_one_bad_file_writes_nothing_and_leaves_the_old_calibration() -> None:
    calibrate("vllm.json")
    before = WRITTEN.read_bytes()
    Path("cut.json").write_text(Path("vllm.json").read_text()[:500])
    report = json.loads(Path("vllm.json").read_text())
    Path("failed.json").write_text(json.dumps({**report, "failed": 30}))
    ended = calibrate("vllm.json", "cut.json", "failed.json")
    assert (ended.status, ended.out) == (2, "")
    assert "error[CAL001]" in ended.err
    assert "error[CAL011]" in ended.err
    assert "--> cut.json:1:" in ended.err
    assert WRITTEN.read_bytes() == before


def test_runs_that_would_be_forgotten_are_named() -> None:
    said = ("--gpu", "L4", "--tensor-parallel-size", "1", "--quantization", "fp8")
    calibrate("vllm.json", "aiperf.json", *said)
    ended = calibrate("vllm.json", "--dry-run")
    assert "give them too to keep them: aiperf.json" in ended.err
    assert "is not written" in ended.err
    assert len(yaml.safe_load(WRITTEN.read_text())["runs"]) == 2


def test_runs_are_forgotten_only_when_that_is_said() -> None:
    said = ("--gpu", "L4", "--tensor-parallel-size", "1", "--quantization", "fp8")
    calibrate("vllm.json", "aiperf.json", *said)
    before = WRITTEN.read_bytes()
    ended = calibrate("vllm.json")
    assert (ended.status, ended.out) == (1, "")
    assert "error[CAL007]" in ended.err
    assert "forgotten: aiperf.json" in ended.err
    assert "hint: give all files, old and new, or --replace" in ended.err
    assert WRITTEN.read_bytes() == before
    ended = calibrate("vllm.json", "--format", "json")
    assert (ended.status, ended.codes) == (1, ["CAL007"])
    assert calibrate("vllm.json", "aiperf.json", "profile.json", *said).status == 0
    ended = calibrate("vllm.json", "--replace")
    assert ended.status == 0
    assert "give them too to keep them: aiperf.json" in ended.err
    assert [row["file"] for row in yaml.safe_load(WRITTEN.read_text())["runs"]] == ["vllm.json"]
    assert calibrate("vllm.json").status == 0


def test_a_quick_profile_calibrates_nothing() -> None:
    profile = json.loads(Path("profile.json").read_text())
    Path("quick.json").write_text(json.dumps({**profile, "grid": "quick"}))
    for files in (["quick.json"], ["vllm.json", "quick.json"]):
        ended = calibrate(*files)
        assert (ended.status, ended.out) == (2, "")
        assert "error[CAL017]" in ended.err
        assert not WRITTEN.exists()


def test_without_files_it_says_what_to_run_first() -> None:
    deployment = ("--model", "qwen3-8b", "--gpu", "L4", "--tensor-parallel-size", "1", "--quantization", "fp8")
    ended = calibrate(*deployment)
    assert ended.status == 0
    assert ended.out.count("vllm bench serve") == 6
    assert "wrote" not in ended.err
    assert list(Path("environments").iterdir()) == []
    ended = calibrate("--model", "qwen3-8b")
    assert ended.status == 2
    assert "give --gpu" in ended.err


def test_a_program_gets_one_document() -> None:
    ended = calibrate("vllm.json", "--format", "json", "--dry-run")
    document = ended.document
    assert document["calibration"]["name"] == "l4"
    assert len(document["next_runs"]) == 6
    assert document["next_runs"][0]["bench"].startswith("vllm bench serve ")
    assert calibrate("none.json", "--format", "json").codes == ["IO001"]


def test_a_name_is_that_of_a_file() -> None:
    ended = calibrate("vllm.json", "--name", "../l4")
    assert ended.status == 2
    assert "error[CAL006]" in ended.err
    assert calibrate("vllm.json", "--name", "team-a").status == 0
    assert WRITTEN.with_name("team-a.yaml").exists()
