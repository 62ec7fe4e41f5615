"""The profiler with a real PyTorch: on the CPU, and on a GPU of which only the kernels are not (`imitated_gpu.py`)."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from measurement.files import run_profiler
from measurement.profile.document import GpuProfile, parse
from measurement.profiler import program
from planner.cli.output import note
from tests.docs.markdown import ROOT
from tests.planner.cli.command import spillway

pytestmark = pytest.mark.torch

PROGRAM = Path(program.__file__)
IMITATED = Path(__file__).with_name("imitated_gpu.py")
PYTHON = ROOT / ".venv-torch" / "bin" / "python"


@pytest.fixture(scope="module")
def python() -> str:
    """A Python that has PyTorch."""
    if not (PYTHON.parents[1] / "complete").exists():
        pytest.skip("there is no PyTorch in .venv-torch: `make test-torch` installs it (4 GB) and runs these tests")
    return str(PYTHON)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other on a busy machine measure its scheduler."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def measured(python: str) -> GpuProfile:
    """One quick run on the CPU, as the command reads it."""
    return parse(run_profiler.profiler_output(["--device=cpu", "--quick"], python, 120.0, note), "the profiler")


def on_imitated_gpu(python: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [python, str(IMITATED), str(PROGRAM), "--quick", "--gemm=64,64", "--attention=2,1,64", *arguments]
    variables = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=variables)


def children(of: int) -> list[int]:
    """Processes whose parent is this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == of:
                found.append(int(entry.name))
    return found


def test_every_section_is_measured(measured: GpuProfile) -> None:
    assert (measured.device, measured.gpus, measured.cuda) == ("cpu", 0, None)
    assert measured.grid == "quick"
    assert {(row.kind, row.bytes) for row in measured.bandwidth} == {
        (kind, size) for kind in ("read", "copy") for size in (2**26, 2**22)
    }
    assert {(row.dtype, row.m) for row in measured.gemm} == {(d, m) for d in program.DTYPES for m in (1, 64)}
    assert {row.phase for row in measured.attention} == {"decode", "prefill"}
    assert [(row.ranks, row.bytes) for row in measured.all_reduce] == [(2, 2**13), (2, 2**14)]
    assert [row.kind for row in measured.launch] == ["stream"]
    assert [gap.what for gap in measured.gaps] == ["launch graph"], (
        "what a CPU lacks is named, and nothing else is missing"
    )


def test_times_are_believable(measured: GpuProfile) -> None:
    """Far around what a desktop does: a unit that is off is found, a busy machine is not."""
    assert all(0.05 < row.gb_per_s < 5000 for row in measured.bandwidth)
    assert all(1e-5 < row.tflops < 100 for row in measured.gemm)
    assert all(row.repeats >= program.LEAST for row in (*measured.gemm, *measured.bandwidth, *measured.attention))
    least_ms = {m: sum(row.ms_p10 for row in measured.gemm if row.m == m) for m in (1, 64)}
    assert least_ms[64] > least_ms[1]


def test_the_command_writes_a_profile(python: str, tmp_path: Path) -> None:
    out = tmp_path / "cpu.json"
    shapes = ["--model", "llama-3.2-1b-instruct", "--dtype", "bf16", "--quick", "--device", "cpu"]
    ended = spillway("perf", "profile", *shapes, "--python", python, "--out", str(out))
    assert (ended.status, ended.out) == (0, "")
    profile = parse(out.read_text(), str(out))
    assert {(row.n, row.k) for row in profile.gemm} == {
        (3072, 2048),
        (2048, 2048),
        (16384, 2048),
        (2048, 8192),
        (128256, 2048),
    }
    assert {(row.heads, row.kv_heads, row.head_dim) for row in profile.attention} == {(32, 8, 64)}
    assert f"wrote {out}" in ended.err
    assert "calibrates no GPU" in ended.err


def test_when_time_is_over_the_rest_is_named(python: str) -> None:
    profile = parse(
        run_profiler.profiler_output(["--device=cpu", "--time-limit=2"], python, 60.0, note), "the profiler"
    )
    why = {gap.what: gap.why for gap in profile.gaps}
    assert why["gemm bf16"] == why["all_reduce 2 ranks"] == program.TIME_OVER
    assert profile.bandwidth
    assert profile.seconds < 30


def test_without_a_gpu_it_says_so(python: str) -> None:
    ended = spillway("perf", "profile", "--python", python)
    assert (ended.status, ended.out) == (2, "")
    assert "error[PROF003]: PyTorch" in ended.err
    assert "hint: " in ended.err


@pytest.fixture
def in_all_reduce(python: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run that is just adding up: its two ranks are there."""
    with (tmp_path / "out").open("wb") as out:
        running = subprocess.Popen([python, str(PROGRAM), "--device=cpu", "--quick"], stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 60
        while len(children(running.pid)) < 2 and time.monotonic() < deadline and running.poll() is None:
            time.sleep(0.02)
        yield running
    finally:
        running.kill()
        running.wait()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda how: how.name)
def test_no_rank_outlives_a_run_that_is_ended(in_all_reduce: subprocess.Popen[bytes], how: signal.Signals) -> None:
    ranks = children(in_all_reduce.pid)
    assert len(ranks) == 2
    in_all_reduce.send_signal(how)
    assert in_all_reduce.wait(30) in (128 + how, -how)
    deadline = time.monotonic() + 10
    while any(alive(rank) for rank in ranks) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not [rank for rank in ranks if alive(rank)]


def alive(process: int) -> bool:
    """Whether it runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_on_a_gpu_calls_are_captured_as_graphs(python: str, tmp_path: Path) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text(
        '#!/bin/sh\ncase "$*" in *driver_version*) echo 595.10.01;; *) echo "1530, 6250, 2040, 71.9, 72.0, 61";; esac\n'
    )
    smi.chmod(0o755)
    done = on_imitated_gpu(python, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert done.returncode == 0, done.stderr
    profile = parse(done.stdout, "the profiler")
    assert (profile.gpu, profile.gpus, profile.driver) == ("NVIDIA L4", 1, "595.10.01")
    assert (profile.compute_capability, profile.l2_bytes) == ("8.9", 2**20)
    said = {"sm_mhz": 1530.0, "memory_mhz": 6250.0, "max_sm_mhz": 2040.0, "watt": 71.9, "limit_watt": 72.0}
    assert profile.under_load == {**said, "celsius": 61.0}
    assert all(row.graph for row in (*profile.gemm, *profile.bandwidth, *profile.attention))
    assert {row.kind: row.graph for row in profile.launch} == {"stream": False, "graph": True}
    assert [(gap.what, gap.why) for gap in profile.gaps] == [("all_reduce", "it takes two GPUs")]


def test_what_a_gpu_or_its_graphs_cannot_do_is_told(python: str) -> None:
    """A GPU before Ampere, of which there are two (the ranks find neither), with a product that no graph takes."""
    done = on_imitated_gpu(python, IMITATED_GPUS="2", IMITATED_CAPABILITY="7.5", UNCAPTURABLE="_int_mm")
    profile = parse(done.stdout, "the profiler")
    assert {row.dtype: row.graph for row in profile.gemm} == {"fp8": True, "int8": False, "fp16": True}
    assert {row.dtype for row in profile.attention} == {"fp16"}
    assert profile.all_reduce == ()
    assert "2 ranks without CUDA graphs: rank" in done.stderr
    assert [gap.what for gap in profile.gaps] == ["gemm bf16", "all_reduce 2 ranks"]
    assert profile.gaps[0].why == "no bf16 below compute capability 8.0"
    assert profile.gaps[1].why.startswith("rank ")


def test_a_gpu_that_breaks_ends_the_run_without_a_profile(python: str) -> None:
    done = on_imitated_gpu(python, BROKEN="_int_mm")
    assert (done.returncode, done.stdout) == (program.BROKEN, "")
    assert "error: the GPU failed: CUDA error: unspecified launch failure" in done.stderr


@pytest.mark.parametrize(("gpus", "asked", "said"), [("1", "2", "sees 1 GPUs, not 2"), ("5", "5", "Tesla T4")])
def test_gpus_that_are_too_few_or_not_alike_are_refused(python: str, gpus: str, asked: str, said: str) -> None:
    done = on_imitated_gpu(python, f"--gpus={asked}", IMITATED_GPUS=gpus)
    assert (done.returncode, done.stdout) == (program.NO_GPU, "")
    assert said in done.stderr


def test_what_the_program_asks_of_pytorch_is_there(python: str) -> None:
    """Names that only a GPU run reaches."""
    script = (
        "import inspect, torch, torch.distributed as d\n"
        "assert torch.backends.cuda.enable_math_sdp and torch.cuda.set_device and d.is_nccl_available()\n"
        "wanted = {'init_method', 'rank', 'world_size', 'timeout'}\n"
        "assert wanted <= set(inspect.signature(d.init_process_group).parameters)\n"
        "assert 'use_fast_accum' in str(torch.ops.aten._scaled_mm.default._schema)\n"
    )
    done = subprocess.run([python, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
