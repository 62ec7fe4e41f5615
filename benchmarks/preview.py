"""Time of `pulumi preview` of the worked prod on the twin, and whose processor time it is.

    python -m benchmarks.preview [--runs 3]

It needs the tools of `make setup`. The stack is previewed while it is empty, brought up, and previewed again, when the
engine refreshes every resource first. *Ours* is the processor time of the program (`infra/`, with its imports and
Pulumi's SDK). The rest is the engine's, the real Kubernetes provider's, and that of the twin, which stands in for the
AWS provider and AWS. The median of the runs counts. The bound is for two cores; exit code 1 when ours is beyond it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.engine import Engine, stage
from tests.examples import ENVIRONMENTS
from tests.infra.checkout import checkout, published
from twin.cluster import LocalCluster

BOUND_S = 10.0
"""Processor time of the program that a preview may take, seconds."""
OWNERS = {
    "pulumi-language-python-exec": "ours",
    "pulumi-resource-kubernetes": "Kubernetes provider",
    "twin": "twin",
    "pulumi": "engine",
}
"""A word of the command line -> whose process it is; the first that fits."""
POLL_S = 0.05


@dataclass(frozen=True)
class Preview:
    """One preview: wall time and processor time by owner, seconds; resources that it looked at."""

    wall_s: float
    processor_s: Mapping[str, float]
    resources: int


def main() -> int:
    """Measure and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="preview-") as name, LocalCluster() as cluster:
        folder = Path(name)
        root = checkout(folder / "checkout")
        for file in ("prod.yaml", "prod.lock.json"):
            shutil.copy(ENVIRONMENTS / file, root / "environments" / file)
        place = stage(folder / "stage", cluster=cluster.folder)
        engine = published(Engine(place, root, "prod", {"SPILLWAY_RUNNER": "inside"}))
        empty = [_preview(engine) for _ in range(runs)]
        up = engine.up()
        if up.status != 0:
            raise SystemExit(up.output)
        deployed = [_preview(engine) for _ in range(runs)]
        engine.destroy()
    medians = [_told("empty", empty), _told("deployed", deployed)]
    return int(max(medians) > BOUND_S)


def _told(name: str, previews: list[Preview]) -> float:
    """Print a stack's medians and return ours."""
    owners = sorted({owner for preview in previews for owner in preview.processor_s})
    parts = {owner: statistics.median(each.processor_s.get(owner, 0.0) for each in previews) for owner in owners}
    wall = statistics.median(each.wall_s for each in previews)
    spoken = ", ".join(f"{owner} {seconds:.1f} s" for owner, seconds in parts.items())
    print(f"{name:9} {previews[0].resources:4} resources  wall {wall:5.1f} s  processor: {spoken}  (ours: {BOUND_S} s)")
    return parts.get("ours", 0.0)


def _preview(engine: Engine) -> Preview:
    """Preview once, and note the processor time of every process that the engine starts."""
    found: dict[int, tuple[str, float]] = {}
    ended = threading.Event()
    watching = threading.Thread(target=_watch, args=(os.getpid(), found, ended))
    watching.start()
    began = time.monotonic()
    try:
        outcome = engine.preview()
    finally:
        wall_s = time.monotonic() - began
        ended.set()
        watching.join()
    if outcome.status != 0:
        raise SystemExit(outcome.output)
    spent: dict[str, float] = {}
    for owner, seconds in found.values():
        spent[owner] = spent.get(owner, 0.0) + seconds
    return Preview(wall_s, spent, sum(outcome.summary.values()))


def _watch(root: int, found: dict[int, tuple[str, float]], ended: threading.Event) -> None:
    """Keep the last processor time of each descendant of `root`, seconds by its number."""
    tick = os.sysconf("SC_CLK_TCK")
    while not ended.wait(POLL_S):
        for number, ancestors, ticks, command in _processes():
            if root in ancestors and (owner := next((OWNERS[word] for word in OWNERS if word in command), None)):
                found[number] = (owner, ticks / tick)


def _processes() -> list[tuple[int, set[int], int, str]]:
    """List all processes: number, numbers of its ancestors, ticks of processor time, command line."""
    parent: dict[int, int] = {}
    ticks: dict[int, int] = {}
    commands: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text().rpartition(")")[2].split()
            commands[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended meanwhile
            continue
        parent[int(entry.name)], ticks[int(entry.name)] = int(stat[1]), int(stat[11]) + int(stat[12])

    def ancestors(number: int) -> set[int]:
        seen: set[int] = set()
        while (number := parent.get(number, 0)) and number not in seen:
            seen.add(number)
        return seen

    return [(number, ancestors(number), ticks[number], commands[number]) for number in ticks if number in commands]


if __name__ == "__main__":
    sys.exit(main())
