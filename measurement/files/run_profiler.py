"""Runs the profiler under a Python that has PyTorch, and gives back the text that it printed.

The profiler (`measurement/profiler/program.py`) is a program of its own, because nothing here imports PyTorch. It is
ended when its caller leaves by an exception or Ctrl-C, and when it runs far beyond its time limit.

    PROF002  there is no PyTorch
    PROF003  there are not the GPUs that were asked for
    PROF004  the profiler failed
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from importlib.resources import files

from planner.words.diagnostics import Problem, Problems

PACKAGE, FILE = "measurement.profiler", "program.py"
NO_TORCH, NO_GPU = 3, 4
"""Exit codes of the program."""
OVERTIME_S, GRACE_S = 180.0, 5.0
"""Seconds beyond the time limit, to load PyTorch and to finish a last case; then seconds between asking the program to
end and forcing it to."""
CODES = {NO_TORCH: "PROF002", NO_GPU: "PROF003"}
_LAST_WORDS = ("error: ", "hint: ")


def program_text() -> str:
    """The source of the profiler."""
    return files(PACKAGE).joinpath(FILE).read_text(encoding="utf-8")


def profiler_output(arguments: Sequence[str], python: str, time_limit_s: float, report: Callable[[str], None]) -> str:
    """What the profiler prints on stdout.

    python: path of the Python that runs it.
    report: is called with each line of its progress.
    Errors: `Problems` (PROF002 to PROF004).
    """
    command = [python, str(files(PACKAGE).joinpath(FILE)), *arguments]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as answer:
        try:
            program = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=answer, stderr=subprocess.PIPE, text=True, errors="replace"
            )
        except OSError as error:
            hint = "name a Python with PyTorch: --python PATH"
            raise Problems([Problem("PROF002", f"{python} cannot be started: {error.strerror}", hint=hint)]) from error
        overtime = threading.Timer(time_limit_s + OVERTIME_S, program.terminate)
        overtime.start()
        try:
            lines = _follow(program, report)
            code = program.wait()
        finally:
            overtime.cancel()
            _end(program)
        if code:
            raise Problems([_problem(code, lines)])
        answer.seek(0)
        return answer.read()


def _follow(program: subprocess.Popen[str], report: Callable[[str], None]) -> list[str]:
    """Pass the program's progress on until it closes stderr, and return all lines that it wrote there."""
    assert program.stderr is not None
    lines = []
    for line in program.stderr:
        lines.append(line.rstrip())
        if not line.startswith(_LAST_WORDS):
            report(line.rstrip())
    return lines


def _problem(code: int, lines: Sequence[str]) -> Problem:
    """Why the program ended, as a problem. lines: what it wrote on stderr."""
    words = dict(line.split(": ", 1) for line in lines if line.startswith(_LAST_WORDS))
    message, hint = words.get("error", ""), words.get("hint", "")
    if not message:
        end = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
        message = f"the profiler {end}" + (f": {lines[-1]}" if lines else "")
    return Problem(CODES.get(code, "PROF004"), message, hint=hint or "nothing was written")


def _end(program: subprocess.Popen[str]) -> None:
    if program.poll() is None:
        program.terminate()
        try:
            program.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()
    if program.stderr is not None:
        program.stderr.close()
