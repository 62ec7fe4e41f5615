"""`perf profile`: the manifest, what is refused before anything runs, and what a run leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.measurement.profile.profiles import text, timing
from tests.planner.cli.command import Ended, spillway


def profile(*arguments: str) -> Ended:
    return spillway("perf", "profile", *arguments)


def codes(ended: Ended) -> list[str]:
    return [line.partition("[")[2].partition("]")[0] for line in ended.err.splitlines() if line.startswith("error[")]


@pytest.fixture
def python(tmp_path: Path) -> Any:
    """Makes a Python whose profiler prints what it is given."""

    def make(answer: str) -> str:
        (tmp_path / "answer").write_text(answer)
        path = tmp_path / "python"
        path.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\ncat {tmp_path}/answer\n')
        path.chmod(0o755)
        return str(path)

    return make


def test_the_manifest_is_all_that_stands_on_stdout() -> None:
    ended = profile(
        "--manifest", "--gpu", "L4", "--gpus", "4", "--node-group", "l4-a", "--namespace", "lab", "--image", "a/b:c"
    )
    config_map, policy, job = yaml.safe_load_all(ended.out)
    assert ended.status == 0
    assert [each["kind"] for each in (config_map, policy, job)] == ["ConfigMap", "NetworkPolicy", "Job"]
    assert {each["metadata"]["namespace"] for each in (config_map, policy, job)} == {"lab"}
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "a/b:c"
    assert "--gpus=4" in container["args"]
    assert f"kubectl -n lab logs job/{job['metadata']['name']} > L4.json" in ended.err


def test_a_job_has_one_gpu_unless_more_are_asked_for() -> None:
    (_, _, job) = yaml.safe_load_all(profile("--manifest", "--gpu", "H100").out)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_the_shapes_of_models_are_asked_for() -> None:
    sizes = ["--tensor-parallel-size", "4", "--tensor-parallel-size", "8"]
    ended = profile(
        "--manifest", "--gpu", "H100", "--model", "llama-3.3-70b-instruct", "--model", "deepseek-v3", *sizes
    )
    (_, _, job) = yaml.safe_load_all(ended.out)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert {"--gemm=2560,8192", "--gemm=1280,8192", "--attention=16,2,128", "--attention=8,1,128"} <= set(
        container["args"]
    )
    assert "--gemm=2112,7168" in container["args"]
    assert not [word for word in container["args"] if word.startswith("--tensor-parallel-size")]
    assert "left out: deepseek-v3: PyTorch has no fused kernel for its MLA attention" in ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--manifest"], "a manifest is for one kind of GPU"),
        (["--manifest", "--gpu", "L5"], "the catalog has no gpu 'L5'"),
        (["--manifest", "--gpu", "L4", "--gpus", "16"], "no machine has 16 L4"),
        (["--manifest", "--gpu", "L4", "--device", "cpu"], "a Job on GPUs does not measure the CPU"),
        (["--manifest", "--gpu", "L4", "--model", "llama-9"], "the catalog has no model 'llama-9'"),
        (["--model", "llama-9"], "the catalog has no model 'llama-9'"),
        (["--model", "phi-4", "--tensor-parallel-size", "3"], "3 GPUs cannot share the 40 heads of phi-4 evenly"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_a_hint(arguments: list[str], said: str) -> None:
    ended = profile(*arguments)
    assert (ended.status, ended.out, codes(ended)) == (2, "", ["PROF001"])
    assert said in ended.err
    assert "hint: " in ended.err


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert codes(
        profile("--model", "llama-9", "--model", "phi-5", "--model", "phi-4", "--tensor-parallel-size", "3")
    ) == [
        "PROF001",
        "PROF001",
        "PROF001",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--gpu", "L4"], "it is for --manifest"),
        (["--gpus", "-1"], "Invalid value for '--gpus'"),
        (["--dtype", "fp3"], "Invalid value for '--dtype'"),
        (["--time-limit", "1"], "Invalid value for '--time-limit'"),
        (["--tensor-parallel-size", "0"], "Invalid value for '--tensor-parallel-size'"),
    ],
)
def test_a_wrong_command_line_is_a_usage_error(arguments: list[str], said: str) -> None:
    ended = profile(*arguments)
    assert (ended.status, ended.out) == (2, "")
    assert said in ended.err


def test_a_folder_that_is_not_there_is_told_before_minutes_are_spent(python: Any, tmp_path: Path) -> None:
    ended = profile("--python", python(text()), "--out", str(tmp_path / "nowhere" / "L4.json"))
    assert (ended.status, codes(ended)) == (2, ["IO002"])
    assert not (tmp_path / "asked").exists()


def test_a_run_leaves_the_profile_and_tells_the_best_of_it(python: Any, tmp_path: Path) -> None:
    out = tmp_path / "L4.json"
    asked = ["--gpus", "4", "--dtype", "fp8", "--quick", "--time-limit", "60"]
    ended = profile("--python", python(text()), "--out", str(out), *asked)
    assert (ended.status, ended.out) == (0, "")
    assert out.read_text() == text()
    assert "memory read: 268.4 GB/s (89% of the datasheet)" in ended.err
    assert "warning" not in ended.err
    words = (tmp_path / "asked").read_text().split()[1:]
    assert words == ["--device=cuda", "--gpus=4", "--time-limit=60", "--dtype=fp8", "--quick"]


def test_without_a_file_the_profile_goes_to_stdout(python: Any) -> None:
    ended = profile("--python", python(text()))
    assert json.loads(ended.out) == json.loads(text())


def test_a_profile_that_cannot_be_is_not_written(python: Any, tmp_path: Path) -> None:
    out = tmp_path / "L4.json"
    ended = profile("--python", python(text()[:500]), "--out", str(out))
    assert (ended.status, codes(ended)) == (2, ["PROF005"])
    assert not out.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gpu": "NVIDIA H100 PCIe"}, "the catalog has no GPU that the driver calls 'NVIDIA H100 PCIe'"),
        ({"gemm": [{"dtype": "fp8", "m": 2048, "n": 4096, "k": 4096, **timing(0.1)}]}, "but L4 has 242"),
    ],
)
def test_what_is_doubtful_is_a_warning(changes: dict[str, Any], said: str, python: Any) -> None:
    ended = profile("--python", python(text(**changes)))
    assert ended.status == 0
    assert "warning[PROF006]: " in ended.err
    assert said in ended.err


def test_a_processor_calibrates_nothing(python: Any) -> None:
    assert "calibrates no GPU" in profile("--python", python(text(device="cpu", gpus=0))).err
