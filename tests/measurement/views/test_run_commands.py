"""Commands of suggested runs: they can be pasted, and their results say what they ran on."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

from measurement.calibration.next_runs import next_runs
from measurement.files.bench_files import read_benchmarks
from measurement.views.run_commands import bench_command, serve_command, suggestion_lines
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from tests.measurement.calibration.own_runs import class_of

SAMPLES = Path(__file__).parents[1] / "files" / "bench_samples"
FLAGS = json.loads((Path(__file__).parents[2] / "data" / "vllm" / "flags.json").read_text())
SUGGESTED = next_runs([class_of()], (), load_coefficients())


def options(command: str) -> dict[str, list[str]]:
    """Each option of a command with its values."""
    found: dict[str, list[str]] = {}
    for word in shlex.split(command):
        if word.startswith("--"):
            found[word] = []
        elif found:
            found[list(found)[-1]].append(word)
    return found


def test_a_bench_command_asks_for_its_run_and_states_the_deployment() -> None:
    first = SUGGESTED[0]
    asked = options(bench_command(first))
    assert asked["--max-concurrency"] == [str(first.concurrency)]
    assert asked["--random-input-len"] == [str(first.input_tokens)]
    assert asked["--model"] == ["meta-llama/Llama-3.1-8B-Instruct"]
    stated = dict(fact.split("=") for fact in asked["--metadata"])
    assert stated["gpu"] == "L4"
    assert stated["quantization"] == "fp8"
    assert stated["tensor_parallel_size"] == str(first.deployment.tensor_parallel_size)
    assert "--save-result" in asked
    assert len({options(bench_command(each))["--seed"][0] for each in SUGGESTED}) == len(SUGGESTED)
    assert len({options(bench_command(each))["--result-filename"][0] for each in SUGGESTED}) == len(SUGGESTED)


def test_what_a_command_states_is_what_calibrate_reads(tmp_path: Path) -> None:
    """The result of a suggested command needs no option: its metadata says all."""
    first = next(each for each in SUGGESTED if each.deployment.tensor_parallel_size == 1)
    stated = dict(fact.split("=") for fact in options(bench_command(first))["--metadata"])
    sample = json.loads((SAMPLES / "vllm.json").read_text())
    for known in ("gpu", "tensor_parallel_size", "quantization", "engine_version"):
        del sample[known]
    (tmp_path / "result.json").write_text(json.dumps({**sample, **stated}))
    (own,) = read_benchmarks([tmp_path / "result.json"], {}, load_catalog()).runs
    assert own.deployment == first.deployment


def test_serve_commands_use_flags_that_the_engine_has() -> None:
    d = replace(class_of("llama-3.3-70b-instruct", "H100", 4), kv="fp8", max_num_batched_tokens=4096)
    known = set(re.findall(r"--[a-z0-9-]+", json.dumps(FLAGS)))
    for command in (serve_command(d), serve_command(class_of("qwen3-32b", "L40S", 2, "awq"))):
        asked = options(command)
        assert set(asked) <= known
        assert "--disable-prefix-caching" in asked
    assert options(serve_command(d))["--kv-cache-dtype"] == ["fp8"]
    assert options(serve_command(d))["--quantization"] == ["fp8"]


def test_shown_commands_can_be_pasted() -> None:
    text = "\n".join(suggestion_lines(SUGGESTED))
    joined = re.sub(r" \\\n\s+", " ", text)
    for each in SUGGESTED:
        assert bench_command(each) in joined
        assert serve_command(each.deployment) in joined
    assert joined.count("vllm serve") == len({serve_command(each.deployment) for each in SUGGESTED})
    assert list(suggestion_lines(())) == []
