"""Whole-process time and peak memory of `spillway plan prod --dry-run` and `spillway --help`, against their bounds.

    python -m benchmarks.plan [--runs 5]

A plan is timed twice: cold, where each run starts without a simulated capacity, and warm, where all are kept from the
run before. Each command runs once to warm the disk's cache and to compile the simulator, then `--runs` times; the
median of the wall times counts, since another program on the machine can only lengthen a run. Beside it stands the
processor time, which such a program leaves nearly alone. The bounds are for two cores. Exit code 1 when a median is
beyond its bound.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = ROOT / "examples" / "environments"
"""The worked environments: their size is what the bounds are for."""
MIB_PER_MAXRSS = 1 / (1024 * 1024) if sys.platform == "darwin" else 1 / 1024


@dataclass(frozen=True)
class Case:
    """A command line, and the seconds that it may take. capacities: those of the run before, or none."""

    arguments: tuple[str, ...]
    bound_s: float
    capacities: Literal["", "kept", "none"] = ""

    @property
    def name(self) -> str:
        temperature = {"": "", "kept": ", warm", "none": ", cold"}[self.capacities]
        return " ".join(("spillway", *self.arguments)) + temperature


@dataclass(frozen=True)
class Run:
    """One whole process: wall and processor seconds, peak resident memory in MiB."""

    wall_s: float
    processor_s: float
    peak_mib: float


PLAN = ("plan", "prod", "--dry-run")
CASES = (Case(PLAN, 12.0, "none"), Case(PLAN, 6.0, "kept"), Case(("--help",), 0.3))


def run(case: Case, cache: Path) -> Run:
    """Run a command to its end, with the user's cache in that folder. Raises CalledProcessError when it fails."""
    command = [str(Path(sys.executable).parent / "spillway"), *case.arguments]
    if case.capacities == "none":
        shutil.rmtree(cache / "spillway", ignore_errors=True)
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "SPILLWAY_ENVIRONMENTS": str(ENVIRONMENTS)}
    began = time.perf_counter()
    program = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
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
        f"{case.name:36} {wall_s:6.2f} s of {case.bound_s:g} s ({wall_s / case.bound_s:4.0%})   "
        f"processor {processor_s:5.2f} s   peak {peak_mib:4.0f} MiB   "
        f"{min(r.wall_s for r in runs):.2f} to {max(r.wall_s for r in runs):.2f} s in {len(runs)} runs"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Whole-process time and memory of the command line.")
    parser.add_argument("--runs", type=int, default=5)
    count = parser.parse_args().runs
    beyond = False
    with tempfile.TemporaryDirectory() as cache:
        for case in CASES:
            run(case, Path(cache))
            runs = [run(case, Path(cache)) for _ in range(count)]
            beyond = beyond or statistics.median(r.wall_s for r in runs) > case.bound_s
            print(line(case, runs), flush=True)
    return int(beyond)


if __name__ == "__main__":
    sys.exit(main())
