"""What spot and sizes that follow the clock save on prod's demand, and what planning them takes.

    python -m benchmarks.buying [--warm]

The worked prod with a fourth route is decided four times: on demand with a fixed size, with half of the GPUs of a kind
spot, with nodes that are given back (`elastic`), and with both. Demand, SLOs, quotas and prices are the same. Each is
decided cold, without a simulated capacity; `--warm` takes all that are kept. Seconds are of the processor.
The gap is that to the program's bound.

Wanted: the last is 30 % cheaper than the first, an option never makes a plan dearer, and a cold decision takes 10 s.
Exit code 1 where one of these is missed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.greedy_planner import inputs_in
from planner.decision.candidates.known import Known
from planner.decision.decide import Refusal, decide
from planner.decision.inputs import Inputs
from planner.edges.capacity_cache import KeptCapacities
from planner.edges.workspace import Workspace

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "environments"
HELP = """
  help:
    traffic: {profile: office-hours, timezone: Europe/Berlin, requests_per_second: {mean: 2}}
    tokens: {input: {mean: 900, p95: 2500}, output: {mean: 250, p95: 600}}
    slo: {ttft_p95: 2s, tpot_p95: 80ms, availability: 99.5%}
    data: public
    quality: {accept: [gpt-oss-120b, qwen3-32b, gemini-3.5-flash-lite], source: own, date: 2026-11-01}

api:
"""
"""The fourth route, before the next key of the file."""
OPTIONS = {
    "on demand, fixed": "",
    "half spot": "purchase: {spot: {max_share: 50%}}\n",
    "elastic": "elastic: {G: true, P: true}\n",
    "elastic, half spot": "elastic: {G: true, P: true}\npurchase: {spot: {max_share: 50%}}\n",
}
WANTED_SAVING = 0.3
WANTED_S = 10.0
CENT = 0.01


@dataclass(frozen=True)
class Line:
    """A plan: its cost, USD a month, how far it may lie above the bound, and the processor's seconds."""

    usd: float
    gap: float
    seconds: float


def inputs_of(option: str) -> Inputs:
    """What the plan of prod with the fourth route and an option depends on."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "environments"
        shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("*.lock.json", "Pulumi.*"))
        text = (FOLDER / "prod.yaml").read_text()
        assert text.count("\napi:\n") == 1
        (folder / "prod.yaml").write_text(text.replace("\napi:\n", HELP) + OPTIONS[option])
        return inputs_in(Workspace(folder), "prod")


def decided(inputs: Inputs, known: Known) -> Line:
    """The decision for some inputs. Raises SystemExit where there is none."""
    begin_s = time.process_time()
    decision = decide(inputs, known)
    seconds = time.process_time() - begin_s
    if isinstance(decision, Refusal):
        raise SystemExit("prod with a fourth route has no plan")
    answer = decision.choice.answer
    return Line(answer.usd_per_month, answer.gap, seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description="What spot and elastic sizes save on prod's demand.")
    parser.add_argument("--warm", action="store_true", help="decide with the capacities of former plans")
    warm = parser.parse_args().warm
    decide(inputs_of("on demand, fixed"), Known({}))  # the simulator is compiled, and the catalog read
    lines: dict[str, Line] = {}
    print(f"{'option':20} {'$ / month':>10} {'saves':>7} {'gap':>7} {'s':>6}", flush=True)
    for option in OPTIONS:
        line = lines[option] = decided(inputs_of(option), Known(KeptCapacities() if warm else {}))
        saves = 1 - line.usd / lines["on demand, fixed"].usd
        print(f"{option:20} {line.usd:>10,.0f} {saves:>7.1%} {line.gap:>7.2%} {line.seconds:>6.1f}", flush=True)
    usd = [line.usd for line in lines.values()]
    cheap = usd[-1] <= (1 - WANTED_SAVING) * usd[0]
    never_dearer = all(each <= usd[0] + CENT for each in usd[1:]) and usd[-1] <= min(usd[1:3]) + CENT
    quick = all(line.seconds <= WANTED_S for line in lines.values())
    print(f"30 % cheaper: {cheap}; never dearer: {never_dearer}; each within {WANTED_S:.0f} s: {quick}")
    return int(not (cheap and never_dearer and quick))


if __name__ == "__main__":
    sys.exit(main())
