"""`python -m twin.replay` replays a workload file against a gateway and writes the report.

    python -m twin.replay --workload FILE --target http://127.0.0.1:8080 --out REPORT [--speed 10] [--drain 120]

One line of JSON on stdout marks the start of the schedule (`{"started": true, …}`). The report is whole or absent.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import uvloop

from twin.replay.generator import Target, replay
from twin.replay.report import document, write
from twin.replay.workload import ReplayWorkload, WorkloadFileError, read_workload


def main(arguments: list[str] | None = None) -> int:
    """Replay the workload.

    The exit code is 0 when the report is written, and 2 for a file or URL that cannot be used.
    """
    parser = argparse.ArgumentParser(prog="python -m twin.replay", description="An open-loop load generator.")
    parser.add_argument("--workload", type=Path, required=True, metavar="FILE", help="routes and arrivals")
    parser.add_argument("--target", required=True, metavar="URL", help="the gateway, http://HOST:PORT")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the report goes")
    parser.add_argument("--speed", type=float, default=1.0, help="times faster than real time")
    parser.add_argument("--drain", type=float, default=120.0, metavar="S", help="real seconds for the last answers")

    options = parser.parse_args(arguments)
    if not 0 < options.speed < float("inf"):
        parser.error("--speed must be above 0")
    target = Target(options.target)
    try:
        target.address  # noqa: B018  a bad URL is a usage error, told before anything starts
        workload = read_workload(options.workload)
    except (WorkloadFileError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    _allow_many_connections()
    started: list[float] = []

    def on_start() -> None:
        _announce(workload, options.speed)
        started.append(time.monotonic())

    outcomes = uvloop.run(replay(workload, target, options.speed, options.drain, on_start))
    wall_s = time.monotonic() - started[0]
    usage = resource.getrusage(resource.RUSAGE_SELF)
    write(options.out, document(outcomes, options.speed, wall_s, usage.ru_utime + usage.ru_stime))
    return 0


def _announce(workload: ReplayWorkload, speed: float) -> None:
    last_ms = workload.arrivals[-1][0]
    print(
        json.dumps({"started": True, "requests": len(workload.arrivals), "wall_s": round(last_ms / 1000 / speed, 3)}),
        flush=True,
    )


def _allow_many_connections() -> None:
    """Raise the limit on open files. One open answer is one descriptor, and the soft limit of many shells is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


if __name__ == "__main__":
    sys.exit(main())
