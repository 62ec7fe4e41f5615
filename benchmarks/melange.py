"""Mélange's integer program beside ours, on Mélange's own problem: 60 buckets × 8 slices × 8 GPU types.

    python -m benchmarks.melange [--seeds 3] [--rates 10,40,160] [--limit 60] [--counted]

Mélange (Griggs et al., arXiv 2404.14527, github.com/tyler-griggs/melange-release) cuts a service into buckets of
requests of one size, cuts each bucket into slices, and sends each slice to one GPU type. Its program is written anew
here (`benchmarks/peers/allocation.py`, which also says how the four formulations differ) and solved as Mélange solves
it, with PuLP and CBC, in an environment of the peer's own (`benchmarks/peers/`). That is made on first use and needs a
package index. Without one, HiGHS solves Mélange's program too, and this is said in one line.

The instances are drawn by a seed: prices on demand of this catalog, and throughputs of an 8B model by a roofline with
noise. Three formulations are timed:

- shares: a GPU type serves any share of a bucket. It is what our goals are for, since a router that draws can serve
  shares. Mélange's answers are among its answers, but it is not quite Mélange's problem.
- whole: the question that our planner would make of it. A bucket has one class, because the gateway's weights are
  fixed: so this may be dearer, and it says by how much. Default limits: proven, or within 1 %.
- counted (`--counted`): exactly Mélange's problem, with a count of slices in place of a column for each slice.

Seconds are of the processor, with the making of the program. CBC stops at `--limit` seconds of them; what it has
then is its answer, and the ratio is at least what is told. Exit code 1 where shares cost more than Mélange's answer, or
where the median ratio of times is below 20.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from benchmarks.peers.allocation import Allocation, counted, draw, shares, slices, whole
from benchmarks.peers.environment import NoPeer, ask, cache_folder, python_of
from planner.decision.choice.linear import Linear
from planner.decision.choice.question import Infeasible
from planner.decision.choice.search import search
from planner.decision.choice.solve import solve
from planner.domain.offerings import Gpu
from planner.edges.catalog_files import load_catalog
from planner.words.units import HOURS_PER_MONTH

PEER = "pulp==3.3.2"
WORKER = Path(__file__).parent / "peers" / "melange_worker.py"
REGION = "us-east-1"
GPUS = ("L4", "A10G", "L40S", "RTX-PRO-6000", "A100-40GB", "A100-80GB", "H100", "H200")
FASTER = 20.0
"""How many times faster ours must be, in the median."""
SAME = 1e-6
"""Part of a cost that two solvers may differ by."""
NODES, FEW_NODES = 1_000_000, 2_000
"""Branch-and-bound nodes of our search, and of HiGHS on Mélange's own program."""


@dataclass(frozen=True)
class Solved:
    """What a program found. usd: USD an hour, infinite where nothing was found. seconds: of the processor."""

    usd: float
    proven: bool
    seconds: float


@dataclass(frozen=True)
class Line:
    """One instance: Mélange's answer, and those of our formulations by their names."""

    name: str
    peer: Solved
    ours: dict[str, Solved]

    def dearer(self, name: str) -> float:
        """By what part of Mélange's cost a formulation is dearer; below 0 where it is cheaper."""
        return self.ours[name].usd / self.peer.usd - 1.0

    def faster(self, name: str) -> float:
        """How many times faster than Mélange a formulation is."""
        return self.peer.seconds / self.ours[name].seconds


def priced() -> list[tuple[Gpu, float]]:
    """The GPU types with the least that one GPU costs on demand, USD an hour; of larger machines it is a part."""
    catalog = load_catalog()
    usd: dict[str, float] = {}
    for row in catalog.offered_in(REGION):
        if row.price is not None and row.gpu.key in GPUS:
            each = float(row.price.usd) / row.instance.gpu_count
            usd[row.gpu.key] = min(each, usd.get(row.gpu.key, each))
    return [(catalog.gpus[key], usd[key]) for key in GPUS]


def timed(run: Callable[[Allocation], tuple[float, bool]], problem: Allocation) -> Solved:
    """What a formulation finds, with its processor seconds."""
    began = time.process_time()
    usd, proven = run(problem)
    return Solved(usd, proven, time.process_time() - began)


def of_program(form: Callable[[Allocation], Linear], problem: Allocation, nodes: int = NODES) -> tuple[float, bool]:
    """The least USD an hour of a program, and whether that is proven."""
    found = search(form(problem), 0.0, nodes)
    return found.usd, found.proven


def of_question(problem: Allocation) -> tuple[float, bool]:
    """The USD an hour of our planner's answer, and whether they are proven to be the least."""
    answer = solve(whole(problem))
    if isinstance(answer, Infeasible):
        return float("inf"), False
    return answer.usd_per_month / HOURS_PER_MONTH, answer.proven


def of_peer(python: Path | None, problem: Allocation, limit_s: float) -> Solved:
    """Mélange's own program, solved by its solver, or by HiGHS where that could not be had."""
    if python is None:
        return timed(partial(of_program, slices, nodes=FEW_NODES), problem)
    said = ask(python, [json.dumps({**asdict(problem), "limit_s": limit_s})], WORKER).answers[0]
    usd = float("inf") if said["usd"] is None else float(said["usd"])
    return Solved(usd, bool(said["proven"]), float(said["seconds"]))


def missed(lines: Sequence[Line]) -> list[str]:
    """The goals that are missed, each as a sentence."""
    dearer = [f"{line.name}: shares are {line.dearer('shares'):.2%} dearer" for line in lines if _is_dearer(line)]
    ratio = statistics.median(line.faster("shares") for line in lines)
    return [*dearer, *([f"shares are {ratio:.0f} × faster in the median, not {FASTER:g} ×"] if ratio < FASTER else [])]


def _is_dearer(line: Line) -> bool:
    return line.dearer("shares") > SAME


def row(line: Line) -> str:
    """An instance as a line of the table. A `*` stands behind what is not proven to be the least."""
    cells = [f"{line.name:18}", _cell(line.peer)]
    cells += [
        f"{_cell(each)} {line.dearer(name):+7.2%} {line.faster(name):6,.1f} ×" for name, each in line.ours.items()
    ]
    return "  ".join(cells)


def _cell(solved: Solved) -> str:
    return f"{solved.usd:9.3f}{' ' if solved.proven else '*'} {solved.seconds:7.2f} s"


def summary(lines: Sequence[Line]) -> list[str]:
    """The medians of each formulation, and its worst cost."""
    return [
        f"{name}: cost {statistics.median(x.dearer(name) for x in lines):+.2%} in the median and "
        f"{max(x.dearer(name) for x in lines):+.2%} at worst against Mélange, "
        f"{statistics.median(x.faster(name) for x in lines):,.1f} × faster in the median "
        f"({statistics.median(x.ours[name].seconds for x in lines):.2f} s)"
        for name in lines[0].ours
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description="Mélange's program beside ours.")
    parser.add_argument("--seeds", type=int, default=3, help="instances of each rate")
    parser.add_argument("--rates", default="10,40,160", help="requests/s in all")
    parser.add_argument("--limit", type=float, default=60.0, help="processor seconds of CBC for an instance")
    parser.add_argument("--counted", action="store_true", help="count slices too: exactly Mélange's problem")
    options = parser.parse_args()
    python: Path | None = None
    try:
        python = python_of(PEER, cache_folder())
    except NoPeer as missing:
        print(f"{missing}; HiGHS solves Mélange's program in its place, within {FEW_NODES:,} nodes", flush=True)
    gpus, lines = priced(), list[Line]()
    for rate in (float(text) for text in options.rates.split(",")):
        for seed in range(options.seeds):
            problem = draw(seed, rate, gpus)
            ours = {
                "shares": timed(partial(of_program, shares), problem),
                "whole": timed(of_question, problem),
            }
            if options.counted:
                ours["counted"] = timed(partial(of_program, counted), problem)
            line = Line(f"{rate:g}/s, seed {seed}", of_peer(python, problem, options.limit), ours)
            if not lines:
                names = "".join(f"  {name:>42}" for name in line.ours)
                print(f"{'instance':18}  {'Mélange, $/h, s':>20}{names}", flush=True)
            lines.append(line)
            print(row(line), flush=True)
    print("\n".join(["", *summary(lines), *missed(lines)]), flush=True)
    return int(bool(missed(lines)))


if __name__ == "__main__":
    sys.exit(main())
