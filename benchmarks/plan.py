"""Whole-process time and peak memory of `spillway plan prod --dry-run` and `spillway --help`, against their bounds.

    python -m benchmarks.plan [--runs 5]

Each command runs once to warm the disk's cache, then `--runs` times; the median of the wall times counts, since another
program on the machine can only lengthen a run. Beside it stands the processor time, which such a program leaves nearly
alone. The bounds are for two cores. Exit code 1 when a median is beyond its bound.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MIB_PER_MAXRSS = 1 / (1024 * 1024) if sys.platform == "darwin" else 1 / 1024


@dataclass(frozen=True)
class Case:
    """A command line, and the seconds that it may take."""

    arguments: tuple[str, ...]
    bound_s: float

    @property
    def name(self) -> str:
        return " ".join(("spillway", *self.arguments))


@dataclass(frozen=True)
class Run:
    """One whole process: wall and processor seconds, peak resident memory in MiB."""

    wall_s: float
    processor_s: float
    peak_mib: float


CASES = (Case(("plan", "prod", "--dry-run"), 5.0), Case(("--help",), 0.3))


def run(case: Case) -> Run:
    """Run a command to its end. Raises CalledProcessError when it fails."""
    command = [str(Path(sys.executable).parent / "spillway"), *case.arguments]
    began = time.perf_counter()
    program = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(program.pid, 0)
    wall_s = time.perf_counter() - began
    program.returncode = os.waitstatus_to_exitcode(status)
    if program.returncode:
        raise subprocess.CalledProcessError(program.returncode, command)
    return Run(wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss * MIB_PER_MAXRSS)


def line(case: Case, runs: Sequence[Run]) -> str:
    """The figures of a case."""
    wall_s = statistics.median(r.wall_s for r in runs)
    processor_s = statistics.median(r.processor_s for r in runs)
    peak_mib = max(r.peak_mib for r in runs)
    return (
        f"{case.name:32} {wall_s:6.2f} s of {case.bound_s:g} s ({wall_s / case.bound_s:4.0%})   "
        f"processor {processor_s:5.2f} s   peak {peak_mib:4.0f} MiB   "
        f"{min(r.wall_s for r in runs):.2f} to {max(r.wall_s for r in runs):.2f} s in {len(runs)} runs"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Whole-process time and memory of the command line.")
    parser.add_argument("--runs", type=int, default=5)
    count = parser.parse_args().runs
    beyond = False
    for case in CASES:
        run(case)
        runs = [run(case) for _ in range(count)]
        beyond = beyond or statistics.median(r.wall_s for r in runs) > case.bound_s
        print(line(case, runs), flush=True)
    return int(beyond)


if __name__ == "__main__":
    sys.exit(main())
