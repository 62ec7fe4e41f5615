"""What a benchmark prints at the end: the figures of a run, simulated on the step clock of its engine.

    E2E           = TTFT + (O − 1)·TPOT
    requests/s    = N / mean E2E
    output tok/s  = O·requests/s
    total tok/s   = (S + O)·requests/s

S are the tokens in, O the tokens out, and N the requests in flight:

- In a closed loop, N is the number of clients. Where the number of prompts is stated, rates are over the time from the
  first prompt to the last token, as clients report them: the last answers run with fewer and fewer others.
- At a rate, requests arrive independently of each other (`open_loops`).
- With everything at once, N is the number of prompts. Where that is not stated, it is what the engine holds at a time.

The time between two tokens (ITL) has the mean of TPOT. Its percentiles are those of the simulated steps: near capacity
many steps hold a prompt of another request, and only a percentile of ITL shows them one by one.

Copies of an engine share the clients and add their rates. Runs under the same conditions are simulated once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from measurement.evidence.deployed_runs import DeployedRun
from measurement.evidence.open_loops import OpenLoop, OpenLoopConditions, open_loop
from measurement.evidence.published import PublishedRun
from measurement.evidence.words import QuotedFigure, QuotedKind
from planner.performance.coefficients import EngineCoefficients
from planner.performance.step_time import StepClock
from planner.words.arrays import Floats

if TYPE_CHECKING:
    from planner.performance.engine.closed_loops import ClosedLoopFigures

SPREAD = (8.0 / 9.0, 10.0 / 9.0)
"""Shortest and longest length over the mean where nothing is stated: those of a draw from 0.8 to 1 × nominal."""
NATURAL = (0.1, 1.9)
"""Shortest and longest length over the mean that stand for people's prompts: about the widest even draw."""
ROUNDS = 10
"""Requests that a client sends in a simulated benchmark; the largest published collection does the same."""
MOST_REQUESTS = 1500
"""Requests of one simulated benchmark. Where the clients would send more, they send fewer rounds."""
LEAST_ROUNDS = 4
"""Requests that each client sends at least, however many clients there are."""
PERCENTILES: dict[float | None, str] = {None: "mean", 0.5: "p50", 0.9: "p90", 0.95: "p95", 0.99: "p99"}


def reports(
    runs: Sequence[DeployedRun], clocks: Sequence[StepClock], engines: Sequence[EngineCoefficients]
) -> list[Report]:
    """The reports of runs, each with the step clock and the entry times of its engine."""
    if not runs:
        return []
    clients = [clients_of(each) for each in runs]
    vectors = np.array([[getattr(clock, name) for name in StepClock.__slots__] for clock in clocks])
    rows = np.array([_conditions(each, n) for each, n in zip(runs, clients, strict=True)])
    loops, place = _simulate_distinct(vectors, rows)
    opened: dict[OpenLoopConditions, OpenLoop] = {}
    return [
        Report(run, loops, int(k), n, clock, engine, _open_loop(run, clock, opened))
        for run, k, n, clock, engine in zip(runs, place, clients, clocks, engines, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Report:
    """What the benchmark of one run prints at one engine.

    loops: figures of all distinct benchmarks.
    row: index of this benchmark among them.
    clients: requests in flight at one engine.
    opened: the same engine under requests that arrive at a rate; None for a run that states none.
    """

    deployed: DeployedRun
    loops: ClosedLoopFigures
    row: int
    clients: int
    clock: StepClock
    engine: EngineCoefficients
    opened: OpenLoop | None

    def figure(self, asked: QuotedFigure) -> float:
        """The figure that is asked for, in its own unit."""
        run = self.deployed.run
        if asked.kind == "throughput":
            tokens = {
                "output_rate": run.output_tokens,
                "input_rate": run.input_tokens,
                "total_rate": run.input_tokens + run.output_tokens,
            }.get(asked.quantity, 1.0)
            return tokens * self.requests_per_s() * asked.per_ours / (run.gpus if asked.per_gpu else 1)
        ms = self.itl_ms(asked.percentile) if asked.quantity == "itl" else self.time_ms(asked.kind, asked.percentile)
        return 1e3 / (ms * asked.per_ours) if asked.inverse else ms * asked.per_ours

    @property
    def entry_ms(self) -> float:
        """Time that a request spends before its first step, ms."""
        others = self.clients - 1 if self.opened is None else self.opened.in_flight
        return self.engine.entry_ms + self.engine.entry_ms_per_request * others

    def time_ms(self, kind: QuotedKind, percentile: float | None) -> float:
        """TTFT, TPOT or E2E, ms.

        Where the requests of a closed loop have nearly the same length, its clients stay in step with each other for
        longer than the simulated ones, and published medians of TTFT grow with their number as the mean does. So the
        mean stands for the median there.
        """
        if self.opened is not None:
            time = self.opened.time_ms(kind, percentile)
            return time if kind == "tpot" else time + self.entry_ms
        spread = {"ttft": self.loops.ttft_ms, "tpot": self.loops.tpot_ms, "e2e": self.loops.e2e_ms}[kind]
        by_mean = kind == "ttft" and (percentile is None or (percentile == 0.5 and _are_alike(self.deployed.run)))
        time = float((spread.mean if by_mean else getattr(spread, PERCENTILES[percentile]))[self.row])
        return time if kind == "tpot" else time + self.entry_ms

    def itl_ms(self, percentile: float | None) -> float:
        """Time between two tokens, ms, from the simulated steps. Its mean is that of TPOT."""
        if percentile is None:
            return self.time_ms("tpot", None)
        if self.opened is not None:
            return self.opened.time_ms("itl", percentile)
        return float(getattr(self.loops.itl_ms, PERCENTILES[percentile])[self.row])

    def requests_per_s(self) -> float:
        """Requests per second that all engines serve together."""
        run, engines = self.deployed.run, self.deployed.engines
        if self.opened is not None:
            return min(run.rate_per_s or math.inf, self.most_requests_per_s())
        over_the_run = engines * float(self.loops.requests_per_s[self.row])
        if run.is_all_at_once and run.prompts:
            return over_the_run
        with_entry = self.time_ms("e2e", None)
        if run.prompts:
            return over_the_run * (with_entry - self.entry_ms) / with_entry
        return engines * 1e3 * self.clients / with_entry

    def most_requests_per_s(self) -> float:
        """Requests per second that all engines serve at most: a closed loop of as many clients as they hold."""
        e2e_ms = float(self.loops.e2e_ms.mean[self.row])
        return self.deployed.engines * 1e3 * self.clients / (e2e_ms + self.engine.entry_ms)


def clients_of(deployed: DeployedRun) -> int:
    """Requests in flight at one engine of a closed loop; at a rate as many as the engine holds."""
    run = deployed.run
    prompts = math.ceil(run.prompts / deployed.engines) if run.prompts else math.inf
    if run.concurrency is not None:
        return max(1, math.ceil(min(run.concurrency / deployed.engines, prompts)))
    if run.rate_per_s is None and run.prompts:
        return max(1, int(prompts))
    return deployed.places


def length_range(run: PublishedRun) -> tuple[float, float]:
    """Shortest and longest length over the mean."""
    return {"not stated": SPREAD, "natural": NATURAL}.get(run.lengths, (run.length_low, run.length_high))


def _are_alike(run: PublishedRun) -> bool:
    """Whether the longest request of a run is less than twice as long as the shortest."""
    low, high = length_range(run)
    return high < 2.0 * low


def _conditions(deployed: DeployedRun, clients: int) -> tuple[float, ...]:
    """One row of the conditions that `_simulate_distinct` takes."""
    run = deployed.run
    low, high = length_range(run)
    return (
        run.input_tokens,
        run.output_tokens,
        clients,
        _requests(deployed, clients),
        low,
        high,
        deployed.kv_tokens,
        deployed.places,
        max(deployed.step_tokens, min(deployed.places, clients)),
    )


def _requests(deployed: DeployedRun, clients: int) -> int:
    """Requests of the run at one engine: as many as it states, up to a bound, else some rounds of all clients."""
    run, rounds = deployed.run, max(LEAST_ROUNDS, min(ROUNDS, MOST_REQUESTS // clients))
    if run.prompts is None:
        return rounds * clients
    if run.is_all_at_once:
        return clients
    stated = math.ceil(run.prompts / deployed.engines)
    return max(clients, min(stated, max(rounds * clients, MOST_REQUESTS)))


def _open_loop(deployed: DeployedRun, clock: StepClock, known: dict[OpenLoopConditions, OpenLoop]) -> OpenLoop | None:
    """The run at its rate; None for a run that states none. known: those that were simulated already."""
    run = deployed.run
    if run.rate_per_s is None:
        return None
    prompts = None if run.prompts is None else math.ceil(run.prompts / deployed.engines)
    asked = OpenLoopConditions(
        clock=clock,
        per_second=run.rate_per_s / deployed.engines,
        input_tokens=run.input_tokens,
        output_tokens=run.output_tokens,
        length_range=length_range(run),
        prompts=prompts,
        places=deployed.places,
        kv_tokens=deployed.kv_tokens,
        step_tokens=max(deployed.step_tokens, deployed.places),
    )
    if asked not in known:
        known[asked] = open_loop(asked)
    return known[asked]


def _simulate_distinct(clocks: Floats, conditions: Floats) -> tuple[ClosedLoopFigures, NDArray[np.intp]]:
    """(figures of each distinct benchmark, index into them for every row).

    clocks: shape (n, k), each row as `clock_vector` gives it.
    conditions: shape (n, 9). The columns are input tokens, output tokens, clients, requests, shortest and longest
        length over the mean, tokens of the KV cache, sequences that run at a time, tokens of a step.
    """
    # It loads the compiler, which most commands do not need.
    from planner.performance.engine.closed_loops import closed_loops

    distinct, place = np.unique(np.hstack([clocks, conditions]), axis=0, return_inverse=True)
    width = clocks.shape[1]
    inputs, outputs, clients, requests, low, high, kv_tokens, places, tokens = distinct[:, width:].T
    figures = closed_loops(
        np.ascontiguousarray(distinct[:, :width]),
        inputs,
        outputs,
        clients,
        requests,
        low=low,
        high=high,
        kv_tokens=kv_tokens,
        max_num_seqs=places,
        max_num_batched_tokens=tokens,
    )
    return figures, place
