"""The figure that a published run would report, in its own metric and unit, with an interval and its provenance.

    E2E           = TTFT + (O − 1)·TPOT
    requests/s    = N / mean E2E
    output tok/s  = O·requests/s
    total tok/s   = (S + O)·requests/s

S are the tokens in, O the tokens out, and N the requests in flight:

- In a closed loop, N is the number of clients.
- At a rate, N is the least number for which N / E2E(N) reaches the rate (Little's law).
- With everything at once, N is the number of prompts. Where that is not stated, it is what the engine holds at a time.

The time between two tokens (ITL) has the mean of TPOT. A percentile of it is a bare decode step, or a step with a
prompt in it where so many steps have one.

Times come from the step simulator, which runs the benchmark itself (`closed_loops`) on the step clock of the run's
deployment. Copies of an engine share the clients and add their rates. The interval comes from the held-out residuals of
the fit.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from measurement.evidence.benchmarks import engine_key
from measurement.evidence.deployed_runs import DeployedRun, deployed_run
from measurement.evidence.published import PublishedRun, Unpredictable
from measurement.evidence.run_figures import LEAST_ROUNDS, MOST_REQUESTS, ROUNDS, SPREAD, simulate_distinct
from measurement.evidence.words import QuotedKind
from planner.domain.catalog import Catalog
from planner.performance.coefficients import Coefficients, EngineCoefficients, Metric
from planner.performance.roofline import IdealTable
from planner.performance.step_time import StepClock
from planner.plan.parts import Provenance

if TYPE_CHECKING:
    from planner.performance.engine.closed_loops import ClosedLoopFigures

NATURAL = (0.1, 1.9)
"""Shortest and longest length over the mean that stand for people's prompts: about the widest even draw."""
_PERCENTILES: dict[float | None, str] = {None: "mean", 0.5: "p50", 0.9: "p90", 0.95: "p95", 0.99: "p99"}
_OF_KIND: dict[QuotedKind, Metric] = {"tpot": "tpot", "ttft": "ttft", "e2e": "tpot", "throughput": "throughput"}


@dataclass(frozen=True, slots=True)
class PredictedFigure:
    """The predicted figure of one row, in the row's own metric and unit.

    low, high: the interval in which eight of ten measured figures are expected.
    provenance: `measured`, `calibrated` or `analytic`, and after a semicolon what was assumed.
    """

    id: str
    value: float
    low: float
    high: float
    provenance: str


def predict_rows(
    rows: Sequence[PublishedRun], catalog: Catalog, coefficients: Coefficients
) -> tuple[PredictedFigure | Unpredictable, ...]:
    """The figure of each row, or the reason why it has none.

    Such a reason is a format that the GPU lacks, weights that do not fit its memory, or a wait that never ends because
    more is offered than the engine serves.
    """
    deployed = [
        _refusal(row) or deployed_run(row, catalog.models[row.model], catalog.all_gpus[row.gpu]) for row in rows
    ]
    answers = iter(_answers([each for each in deployed if isinstance(each, DeployedRun)], coefficients))
    return tuple(next(answers) if isinstance(each, DeployedRun) else each for each in deployed)


def _refusal(run: PublishedRun) -> Unpredictable | None:
    """Why the question of this run has no answer, whatever it ran on."""
    if run.figure.percentile not in _PERCENTILES and run.figure.quantity != "itl":
        return Unpredictable(run.id, "no such percentile is predicted", "p50, p90, p95, p99 or the mean")
    if run.is_all_at_once and run.prompts is None and run.figure.kind in ("ttft", "e2e"):
        return Unpredictable(run.id, "how long prompts wait that come all at once depends on their number", "state it")
    return None


def _answers(runs: Sequence[DeployedRun], coefficients: Coefficients) -> list[PredictedFigure | Unpredictable]:
    """Simulate each distinct run once, and read the figure of every row off its simulation."""
    if not runs:
        return []
    engines = [_engine(each.run, coefficients) for each in runs]
    table = IdealTable([each.ideal for each in runs]).clocks(coefficients)
    clocks = [table.clock(place).slower_by(engine.step_factor) for place, engine in enumerate(engines)]
    clients = [_clients(each, clock) for each, clock in zip(runs, clocks, strict=True)]
    vectors = np.array([[getattr(clock, name) for name in StepClock.__slots__] for clock in clocks])
    rows = np.array([_conditions(each, n) for each, n in zip(runs, clients, strict=True)])
    loops, place = simulate_distinct(vectors, rows)
    return [
        _answer(each, _Report(loops, int(k), n, clock, engine), coefficients)
        for each, k, n, clock, engine in zip(runs, place, clients, clocks, engines, strict=True)
    ]


def _conditions(deployed: DeployedRun, clients: int) -> tuple[float, ...]:
    """One row of the conditions that `simulate_distinct` takes."""
    run = deployed.run
    low, high = {"not stated": SPREAD, "natural": NATURAL}.get(run.lengths, (run.length_low, run.length_high))
    rounds = max(LEAST_ROUNDS, min(ROUNDS, MOST_REQUESTS // clients))
    requests = clients if run.is_all_at_once and run.prompts else rounds * clients
    return (
        run.input_tokens,
        run.output_tokens,
        clients,
        requests,
        low,
        high,
        deployed.kv_tokens,
        deployed.places,
        max(deployed.step_tokens, min(deployed.places, clients)),
    )


def _clients(deployed: DeployedRun, clock: StepClock) -> int:
    """Requests in flight at one engine."""
    run = deployed.run
    if run.concurrency is not None:
        return max(1, math.ceil(run.concurrency / deployed.engines))
    if run.rate_per_s is None:
        return max(1, math.ceil(run.prompts / deployed.engines)) if run.prompts else deployed.places
    rate = run.rate_per_s / deployed.engines

    def reached_rate(n: int) -> float:
        decoding = (run.output_tokens - 1.0) * clock.tpot_ms(n, run.input_tokens, run.output_tokens)
        return 1e3 * n / (clock.prefill_ms(run.input_tokens) + decoding)

    return 1 + bisect.bisect_left(range(1, deployed.places), rate, key=reached_rate)


@dataclass(frozen=True, slots=True)
class _Report:
    """What the benchmark of one row prints at one engine.

    loops: figures of all distinct benchmarks.
    row: index of this benchmark among them.
    clients: requests in flight at one engine.
    """

    loops: ClosedLoopFigures
    row: int
    clients: int
    clock: StepClock
    engine: EngineCoefficients

    @property
    def entry_ms(self) -> float:
        """Time that a request spends before its first step, ms."""
        return self.engine.entry_ms + self.engine.entry_ms_per_request * (self.clients - 1)

    def time_ms(self, kind: QuotedKind, percentile: float | None) -> float:
        """TTFT, TPOT or E2E, ms. A median of TTFT is given by the mean, because published medians grow with the number
        of clients as the mean does."""
        spread = {"ttft": self.loops.ttft_ms, "tpot": self.loops.tpot_ms, "e2e": self.loops.e2e_ms}[kind]
        by_mean = kind == "ttft" and percentile in (None, 0.5)
        time = float((spread.mean if by_mean else getattr(spread, _PERCENTILES[percentile]))[self.row])
        return time if kind == "tpot" else time + self.entry_ms

    def itl_ms(self, deployed: DeployedRun, percentile: float | None) -> float:
        """Time between two tokens, ms. It is longer in the steps that compute a prompt of another request too."""
        if percentile is None:
            return self.time_ms("tpot", None)
        run = deployed.run
        context = self.clients * (run.input_tokens + run.output_tokens / 2.0)
        bare = self.clock.step_ms(self.clients, context)
        chunks = max(1, math.ceil(run.input_tokens / deployed.step_tokens))
        prompts = (self.clients - 1) * chunks / run.output_tokens
        added = self.clock.prefill_added_ms(self.clients, context, run.input_tokens, deployed.step_tokens) / chunks
        return bare + added * max(1.0, prompts) if percentile > 1.0 - prompts else bare

    def requests_per_s(self, deployed: DeployedRun) -> float:
        """Requests per second that all engines serve together."""
        if deployed.run.is_all_at_once and deployed.run.prompts:
            return deployed.engines * float(self.loops.requests_per_s[self.row])
        rate = deployed.engines * 1e3 * self.clients / self.time_ms("e2e", None)
        offered = deployed.run.rate_per_s
        if offered is None:
            return rate
        return offered if self.clients < deployed.places else min(rate, offered)


def _answer(deployed: DeployedRun, report: _Report, coefficients: Coefficients) -> PredictedFigure | Unpredictable:
    """The figure that the row asks for, in its unit, with its interval."""
    run, asked = deployed.run, deployed.run.figure
    if asked.kind in ("ttft", "e2e") and report.requests_per_s(deployed) < (run.rate_per_s or 0.0):
        reason = "more is offered than the engine is predicted to serve, so that the wait grows without end"
        return Unpredictable(run.id, reason, "ask for a throughput, or offer less")
    least, most = _interval(coefficients, run, _OF_KIND[asked.kind])
    if asked.kind == "throughput":
        tokens = {
            "output_rate": run.output_tokens,
            "input_rate": run.input_tokens,
            "total_rate": run.input_tokens + run.output_tokens,
        }.get(asked.quantity, 1.0)
        value = tokens * report.requests_per_s(deployed) * asked.per_ours / (run.gpus if asked.per_gpu else 1)
        low, high = value / most, value / least
    else:
        ms = (
            report.itl_ms(deployed, asked.percentile)
            if asked.quantity == "itl"
            else report.time_ms(asked.kind, asked.percentile)
        )
        if asked.kind == "e2e":
            first = report.time_ms("ttft", None) / report.time_ms("e2e", None)
            early, late = _interval(coefficients, run, "ttft")
            least, most = first * early + (1.0 - first) * least, first * late + (1.0 - first) * most
        value, low, high = (ms * share * asked.per_ours for share in (1.0, least, most))
        if asked.inverse:
            value, low, high = 1e3 / value, 1e3 / high, 1e3 / low
    notes = f"; assumed {', '.join(deployed.assumed)}" if deployed.assumed else ""
    return PredictedFigure(run.id, value, low, high, _provenance(coefficients, run) + notes)


def _engine(run: PublishedRun, coefficients: Coefficients) -> EngineCoefficients:
    """The coefficients of the run's engine and its age, or those of vLLM where the fit has none for it."""
    key = engine_key(run.engine, run.engine_version, run.date, run.offline)
    return coefficients.engines.get(key) or coefficients.engines["vllm"]


def _provenance(coefficients: Coefficients, run: PublishedRun) -> Provenance:
    """The provenance of the GPU for vLLM, and `analytic` for other engines: `calibrated` residuals hold vLLM's rows
    alone."""
    return coefficients.provenance(run.gpu) if run.engine == "vllm" else "analytic"


def _interval(coefficients: Coefficients, run: PublishedRun, metric: Metric) -> tuple[float, float]:
    """(p10, p90) of actual/predicted times. Where the metric has no rows of its own, they are those of steps.

    The interval of an `analytic` figure reaches at least as far towards slow as that of a `calibrated` one, as in
    `Coefficients.margin`.
    """
    own, calibrated = (
        quantiles.get(metric) or quantiles["step"]
        for quantiles in (coefficients.residuals[_provenance(coefficients, run)], coefficients.residuals["calibrated"])
    )
    return own.p10, max(1.0, own.p90, calibrated.p90)
