"""The profiler without PyTorch: how it spends its time, what it says of gaps, and that its ranks never stay behind."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from measurement.profiler import program
from measurement.profiler.program import Failed, Run, Unavailable
from planner.edges.catalog_files import load_catalog
from planner.performance.projections import projections

FILE = Path(program.__file__)
SOURCE = FILE.read_text(encoding="utf-8")


def run(ends_in_s: float = 60.0, **changes: Any) -> Run:
    return Run(torch=None, device="cpu", graphs=False, cache_bytes=0, ends_at=time.monotonic() + ends_in_s, **changes)


def test_the_file_runs_alone_on_python_3_10() -> None:
    tree = ast.parse(SOURCE, feature_version=(3, 10))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names
    assert {path.name for path in FILE.parent.iterdir() if path.name != "__pycache__"} == {"__init__.py", FILE.name}


def test_without_pytorch_it_says_so_and_ends_with_3() -> None:
    done = subprocess.run(
        [sys.executable, str(FILE), "--quick"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (program.NO_TORCH, "")
    assert done.stderr.startswith("error: ")
    assert "cannot load PyTorch" in done.stderr
    assert "\nhint: " in done.stderr


def test_errors_go_to_the_log_that_was_named(tmp_path: Path) -> None:
    command = [sys.executable, str(FILE), "--log", str(tmp_path / "log")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (program.NO_TORCH, "", "")
    assert (tmp_path / "log").read_text().startswith("error: ")


@pytest.mark.parametrize(
    "given",
    [
        ["--gemm", "8"],
        ["--gemm", "8,0"],
        ["--gemm", "a,b"],
        ["--attention", "8,8"],
        ["--dtype", "fp3"],
        ["--device", "tpu"],
        ["--gpus", "-1"],
        ["--time-limit", "0"],
        ["--tensor-parallel-size", "0"],
        ["--quik"],
    ],
    ids=" ".join,
)
def test_arguments_that_cannot_be_are_refused(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        program.arguments(given)
    assert ended.value.code == 2
    assert given[0].removesuffix("k") in capsys.readouterr().err


def test_the_standard_shapes_are_those_of_the_models_they_stand_for() -> None:
    models = load_catalog().models
    for sizes in ((1,), (1, 4), (8,)):
        weights: set[tuple[int, int]] = set()
        heads: set[tuple[int, int, int]] = set()
        for key in ("llama-3.1-8b-instruct", "llama-3.3-70b-instruct", "qwen3-32b"):
            for size in sizes:
                found = projections(models[key], size)
                shape = models[key].architecture
                weights |= set(found.weights) - {(shape.vocab // size, shape.hidden)}
                heads |= set(found.heads)
        assert (set(program.dense_shapes(sizes)[0]), set(program.dense_shapes(sizes)[1])) == (weights, heads)


def test_a_time_is_the_median_of_repeats_with_their_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([1e-3, *[1e-3 * n for n in (7, 1, 3, 5, 4, 2, 6, 8, 10, 9)]])
    monkeypatch.setattr(program, "_cpu_seconds", lambda run, play, repeats: [next(seconds) for _ in range(repeats)])
    calls: list[int] = []
    times = program.timing(run(), [lambda: calls.append(1), lambda: calls.append(2)], fixed=(5, 10))
    assert times == {"ms": 0.5, "ms_p10": 0.1, "ms_p90": 0.9, "repeats": 10, "graph": False}
    assert set(calls) == {1, 2}


@pytest.mark.parametrize(("call_s", "repeats"), [(1e-5, program.MOST), (5e-3, 12), (1.0, program.LEAST)])
def test_short_calls_are_repeated_more_often(call_s: float, repeats: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    lengths: list[float] = []

    def clock(run: Run, play: Any, times: int) -> list[float]:
        before = len(made)
        play()
        lengths.append((len(made) - before) * call_s)
        return [lengths[-1]] * times

    monkeypatch.setattr(program, "_cpu_seconds", clock)
    times = program.timing(run(), [lambda: made.append(1)])
    assert times["repeats"] == repeats
    assert times["ms"] == pytest.approx(1000 * call_s)
    assert lengths[-1] >= min(call_s, program.REPEAT_MS / 1000) * 0.999


def test_a_case_that_fails_is_a_gap_and_the_others_go_on() -> None:
    def prepare(case: dict[str, Any]) -> list[Any]:
        if case["m"] == 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB\nand more")
        if case["m"] == 3:
            raise Unavailable("no such kernel")
        return [lambda: None]

    found = run()
    found.measure("gemm", [{"dtype": "fp8", "m": m} for m in (1, 2, 3, 3, 4)], prepare)
    assert [row["m"] for row in found.rows["gemm"]] == [1, 4]
    assert list(found.gaps.values()) == [
        {"what": "gemm fp8", "why": "CUDA out of memory", "cases": 1, "example": {"dtype": "fp8", "m": 2}},
        {"what": "gemm fp8", "why": "no such kernel", "cases": 2, "example": {"dtype": "fp8", "m": 3}},
    ]


def test_when_its_time_is_over_a_section_ends_and_names_what_is_missing() -> None:
    found = run(ends_in_s=-1.0)
    found.measure("gemm", [{"dtype": "bf16", "m": m} for m in (1, 8)], lambda case: [lambda: None])
    assert found.rows["gemm"] == []
    assert [(gap["why"], gap["cases"]) for gap in found.gaps.values()] == [(program.TIME_OVER, 2)]


def test_every_section_leaves_time_to_those_after_it() -> None:
    found, now = run(ends_in_s=107.0), time.monotonic()
    assert list(program.WEIGHTS) == ["bandwidth", "launch", "gemm", "attention", "all_reduce"]
    assert found.until("bandwidth") - now == pytest.approx(5, abs=0.1)
    assert found.until("gemm") - now == pytest.approx(107 * 55 / 100, abs=0.1)
    assert found.until("all_reduce") - now == pytest.approx(107, abs=0.1)


def test_a_grid_that_is_cut_short_has_the_ends_and_the_middle() -> None:
    assert sorted(program.TOKENS) == [1, 8, 32, 64, 128, 256, 512, 2048, 8192]
    assert sorted(program.TOKENS[:4]) == [1, 64, 512, 2048]


def test_operands_take_turns_until_no_cache_holds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "free_bytes", lambda self: 10**9)
    found = run()
    assert found.copies(10**6) == 1, "no cache is known"
    found.cache_bytes = 48 * 2**20
    assert found.copies(32 * 2**20) * 32 * 2**20 >= 4 * found.cache_bytes
    assert found.copies(9 * 10**8) == 1
    assert found.copies(10) == program.MOST_CALLS
    with pytest.raises(Unavailable, match=r"needs 1.1 GB of memory"):
        found.copies(11 * 10**8)


def test_a_gpu_that_fails_ends_the_run() -> None:
    def fault() -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    found = run()
    found.device, found.torch = "cuda", SimpleNamespace(cuda=SimpleNamespace(synchronize=fault))
    with pytest.raises(Failed, match="illegal memory access") as raised:
        found.measure("gemm", [{"m": 1}], lambda case: [fault])
    assert raised.value.code == program.BROKEN


def test_the_document_has_a_row_a_line() -> None:
    values = {"schema": program.SCHEMA, "cuda": None, "gemm": [{"m": 1, "ms": 0.1}, {"m": 8, "ms": 0.2}], "gaps": []}
    text = program.document(values)
    assert json.loads(text) == values
    assert [line for line in text.splitlines() if '"m": ' in line] == [
        '  {"m": 1, "ms": 0.1},',
        '  {"m": 8, "ms": 0.2}',
    ]


def test_a_rank_that_fails_is_a_gap_with_its_last_line() -> None:
    """None of them has PyTorch here."""
    found = run()
    program.all_reduce(found, [2], [8192])
    (gap,) = found.gaps.values()
    assert gap["what"] == "all_reduce 2 ranks"
    assert "No module named 'torch'" in gap["why"]
    assert found.rows["all_reduce"] == []


def test_one_gpu_has_nothing_to_add_up_with() -> None:
    found = run()
    program.all_reduce(found, [], [8192])
    assert [gap["why"] for gap in found.gaps.values()] == ["it takes two GPUs"]


@pytest.mark.parametrize("wait_s", [-1.0, 0.3])
def test_ranks_that_do_not_end_in_time_are_ended(wait_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def sleeper(command: list[str], **streams: Any) -> subprocess.Popen[bytes]:
        script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
        started.append(real([sys.executable, "-c", script], **streams))
        return started[-1]

    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", sleeper)
    monkeypatch.setattr(program, "GRACE_S", 0.1)
    with pytest.raises(Unavailable, match=program.TIME_OVER):
        program.all_reduce_rows("cpu", "stream", 2, [8192], time.monotonic() + wait_s)
    assert len(started) == 2
    assert all(child.returncode is not None for child in started)


def test_a_rank_does_not_outlive_its_parent() -> None:
    """It asks to die with it, and leaves at once when it is orphaned already."""
    script = f"import sys; sys.path.insert(0, {str(FILE.parent)!r}); import program; program.die_with(1)"
    done = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
    assert done.returncode == 1


def test_the_driver_is_asked_for_one_gpu_while_it_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "nvidia-smi"
    fake.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nsleep 0.2\necho "1530, 71.88, [N/A]"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    worked: list[int] = []

    def work() -> None:
        worked.append(1)
        time.sleep(0.01)

    assert program.driver_values("clocks.sm,power.draw,other", SimpleNamespace(uuid="12-34"), work) == [
        "1530",
        "71.88",
        "",
    ]
    assert "--id=GPU-12-34" in (tmp_path / "asked").read_text()
    assert len(worked) > 3
    assert program.driver_values("clocks.sm", SimpleNamespace(), work) == [""], "an answer of another length is none"


def test_without_a_driver_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert program.driver_values("a,b", None, lambda: None) == ["", ""]
