"""Running the profiler: its progress is passed on, its end is told as a problem, and it never outlives its caller."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from measurement.files import run_profiler
from measurement.files.run_profiler import profiler_output
from measurement.profiler import program
from planner.words.diagnostics import Problem, Problems


def python(folder: Path, script: str) -> str:
    """Something that is called like a Python and does what the script says."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def problem(path: str, limit_s: float = 60.0) -> Problem:
    with pytest.raises(Problems) as raised:
        profiler_output([], path, limit_s, lambda line: None)
    (found,) = raised.value.problems
    return found


def test_the_answer_is_what_it_prints_and_progress_is_passed_on(tmp_path: Path) -> None:
    said: list[str] = []
    fake = python(tmp_path, 'echo "gemm: 3 of 3 cases" >&2; echo "$@"')
    text = profiler_output(["--device=cpu"], fake, 60.0, said.append)
    assert text.endswith("measurement/profiler/program.py --device=cpu\n")
    assert said == ["gemm: 3 of 3 cases"]


def test_a_python_without_pytorch_is_a_problem_with_a_hint() -> None:
    found = problem(sys.executable)
    assert found.code == "PROF002"
    assert "cannot load PyTorch: No module named 'torch'" in found.message
    assert "Python" in found.hint


def test_a_python_that_is_not_there_is_a_problem() -> None:
    assert problem("/nowhere/python").code == "PROF002"


def test_a_missing_gpu_is_a_problem_in_the_program_s_own_words(tmp_path: Path) -> None:
    script = 'echo "error: PyTorch 2.15 sees 0 GPUs" >&2; echo "hint: is the driver there?" >&2; exit 4'
    assert problem(python(tmp_path, script)) == Problem(
        "PROF003", "PyTorch 2.15 sees 0 GPUs", hint="is the driver there?"
    )


def test_any_other_end_is_a_failure_with_the_last_line(tmp_path: Path) -> None:
    found = problem(python(tmp_path, 'echo "ValueError: no" >&2; exit 1'))
    assert (found.code, found.message) == ("PROF004", "the profiler ended with 1: ValueError: no")
    assert found.hint == "nothing was written"
    assert problem(python(tmp_path, "kill -9 $$")).message == "the profiler was ended by signal 9"


def test_exit_codes_are_those_of_the_program() -> None:
    assert (run_profiler.NO_TORCH, run_profiler.NO_GPU) == (program.NO_TORCH, program.NO_GPU)


def test_one_that_outlives_its_limit_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_profiler, "OVERTIME_S", 0.1)
    assert problem(python(tmp_path, "exec sleep 60"), 0.1).message == "the profiler was ended by signal 15"


def test_it_is_ended_when_its_caller_leaves(tmp_path: Path) -> None:
    def leave(line: str) -> None:
        raise KeyboardInterrupt(line)

    with pytest.raises(KeyboardInterrupt) as raised:
        profiler_output([], python(tmp_path, "echo $$ >&2; exec sleep 60"), 60.0, leave)
    with pytest.raises(ProcessLookupError):
        os.kill(int(str(raised.value)), 0)
