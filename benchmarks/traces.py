"""Summarising a log on one core, against its bounds.

    python -m benchmarks.traces [--rows 1000000]

A log in the format of Azure 2024 is made, a week long, and summarised: rows a second of the processor, beside a bare
loop of Python's csv reader over the same file, and the memory of a process beside that of one with a quarter of the
rows. Processor seconds count, so that another program on the machine hardly shows. Exit code 1 when a figure is beyond
its bound.
"""

from __future__ import annotations

import argparse
import csv
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from planner.edges.traces.layouts import TraceOptions
from planner.edges.traces.summarize import summarize

LEAST_ROWS_PER_S = 200_000.0
MOST_OVER_BARE_READER = 3.0
MOST_MEMORY_RATIO = 1.2
WEEK_US = 7 * 86_400_000_000
PROCESS = """
import resource, sys
from pathlib import Path
from planner.edges.traces.layouts import TraceOptions
from planner.edges.traces.summarize import summarize
summarize([Path(sys.argv[1])], TraceOptions(), "t")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def log(path: Path, rows: int) -> Path:
    """Write a week of requests, evenly spread but for chance."""
    rng = random.Random(rows)
    with path.open("w") as file:
        file.write("TIMESTAMP,ContextTokens,GeneratedTokens\n")
        for row in range(rows):
            minutes, us = divmod(int((row + rng.random()) * WEEK_US / rows), 60_000_000)
            day, minute = divmod(minutes, 1440)
            moment = f"2024-05-{13 + day} {minute // 60:02}:{minute % 60:02}:{us / 1e6:09.6f}+00:00"
            file.write(f"{moment},{rng.randrange(1, 8000)},{rng.randrange(900)}\n")
    return path


def bare(path: Path) -> int:
    """The least that Python can do with a table: take its rows apart and turn two cells of each into numbers."""
    tokens = 0
    with path.open(newline="") as file:
        rows = csv.reader(file)
        next(rows)
        for row in rows:
            tokens += int(row[1]) + int(row[2])
    return tokens


def peak_kib(path: Path) -> int:
    """The most memory of a process that summarises a file."""
    command = [sys.executable, "-c", PROCESS, str(path)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _line(name: str, figure: float, bound: float, unit: str, detail: str, *, most: bool = False) -> bool:
    """Print a figure beside its bound; whether it keeps it."""
    kept = figure <= bound if most else figure >= bound
    number = f"{figure:,.2f}" if figure < 1e3 else f"{figure:,.0f}"
    verdict = "" if kept else "   BEYOND ITS BOUND"
    print(f"{name:27} {number:>9} {unit} of {'at most' if most else 'at least'} {bound:,g}   ({detail}){verdict}")
    return kept


def main() -> int:
    parser = argparse.ArgumentParser(description="Speed and memory of summarising a log.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        large, small = log(Path(folder) / "large.csv", rows), log(Path(folder) / "small.csv", rows // 4)
        summarize([small], TraceOptions(), "t")
        began = time.process_time()
        tokens = bare(large)
        reader_s = time.process_time() - began
        began = time.process_time()
        trace = summarize([large], TraceOptions(), "t").trace
        took_s = time.process_time() - began
        assert trace.requests == rows
        assert trace.input_tokens + trace.output_tokens == tokens
        few, many = peak_kib(small), peak_kib(large)
    kept = [
        _line("rows of CSV", rows / took_s, LEAST_ROWS_PER_S, "rows/s", f"{rows:,} rows in {took_s:.1f} s"),
        _line("time over a bare reader", took_s / reader_s, MOST_OVER_BARE_READER, "×", f"{reader_s:.1f} s", most=True),
        _line("memory, over a quarter", many / few, MOST_MEMORY_RATIO, "×", f"{many / 1024:.0f} MiB", most=True),
    ]
    return int(not all(kept))


if __name__ == "__main__":
    sys.exit(main())
