"""The figure that a published run would report, in its own metric and unit, with an interval and its provenance.

    E2E           = TTFT + (O − 1)·TPOT
    requests/s    = N / mean E2E
    output tok/s  = O·requests/s
    total tok/s   = (S + O)·requests/s

S are the tokens in, O the tokens out, and N the requests in flight:

- In a closed loop, N is the number of clients. Where the number of prompts is stated, rates are over the time from the
  first prompt to the last token, as clients report them: the last answers run with fewer and fewer others.
- At a rate, requests arrive independently of each other (`open_loops`).
- With everything at once, N is the number of prompts. Where that is not stated, it is what the engine holds at a time.

The time between two tokens (ITL) has the mean of TPOT. A percentile of it is a bare decode step, or a step with a
prompt in it where so many steps have one.

Times come from the step simulator, which runs the benchmark itself (`closed_loops`) on the step clock of the run's
deployment. Copies of an engine share the clients and add their rates. The interval comes from the held-out residuals of
the fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from measurement.evidence.benchmarks import engine_key
from measurement.evidence.deployed_runs import DeployedRun, deployed_run
from measurement.evidence.intervals import Intervals, load_class
from measurement.evidence.open_loops import OpenLoop, OpenLoopConditions, open_loop
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
    rows: Sequence[PublishedRun], catalog: Catalog, coefficients: Coefficients, intervals: Intervals | None = None
) -> tuple[PredictedFigure | Unpredictable, ...]:
    """The figure of each row, or the reason why it has none.

    intervals: how far off figures of an unseen source are; None for the residuals that the coefficients carry.

    Such a reason is a format that the GPU lacks, weights that do not fit its memory, or a wait that never ends because
    more is offered than the engine serves.
    """
    deployed = [
        _refusal(row) or deployed_run(row, catalog.models[row.model], catalog.all_gpus[row.gpu]) for row in rows
    ]
    answers = iter(_answers([each for each in deployed if isinstance(each, DeployedRun)], coefficients, intervals))
    return tuple(next(answers) if isinstance(each, DeployedRun) else each for each in deployed)


def _refusal(run: PublishedRun) -> Unpredictable | None:
    """Why the question of this run has no answer, whatever it ran on."""
    if run.figure.percentile not in _PERCENTILES and run.figure.quantity != "itl":
        return Unpredictable(run.id, "no such percentile is predicted", "p50, p90, p95, p99 or the mean")
    if run.is_all_at_once and run.prompts is None and run.figure.kind in ("ttft", "e2e"):
        return Unpredictable(run.id, "how long prompts wait that come all at once depends on their number", "state it")
    return None


def _answers(
    runs: Sequence[DeployedRun], coefficients: Coefficients, intervals: Intervals | None
) -> list[PredictedFigure | Unpredictable]:
    """Simulate each distinct run once, and read the figure of every row off its simulation."""
    if not runs:
        return []
    engines = [_engine(each.run, coefficients) for each in runs]
    table = IdealTable([each.ideal for each in runs]).clocks(coefficients)
    clocks = [table.clock(place).slower_by(engine.step_factor) for place, engine in enumerate(engines)]
    clients = [_clients(each) for each in runs]
    vectors = np.array([[getattr(clock, name) for name in StepClock.__slots__] for clock in clocks])
    rows = np.array([_conditions(each, n) for each, n in zip(runs, clients, strict=True)])
    loops, place = simulate_distinct(vectors, rows)
    opened: dict[OpenLoopConditions, OpenLoop] = {}
    reports = [
        _Report(loops, int(k), n, clock, engine, _open_loop(each, clock, opened))
        for each, k, n, clock, engine in zip(runs, place, clients, clocks, engines, strict=True)
    ]
    spreads = [_Spread(each, coefficients, intervals) for each in runs]
    return [_answer(*each) for each in zip(runs, reports, spreads, strict=True)]


def _conditions(deployed: DeployedRun, clients: int) -> tuple[float, ...]:
    """One row of the conditions that `simulate_distinct` takes."""
    run = deployed.run
    low, high = _length_range(run)
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


def _length_range(run: PublishedRun) -> tuple[float, float]:
    """Shortest and longest length over the mean."""
    return {"not stated": SPREAD, "natural": NATURAL}.get(run.lengths, (run.length_low, run.length_high))


def _clients(deployed: DeployedRun) -> int:
    """Requests in flight at one engine of a closed loop; at a rate as many as the engine holds."""
    run = deployed.run
    prompts = math.ceil(run.prompts / deployed.engines) if run.prompts else math.inf
    if run.concurrency is not None:
        return max(1, math.ceil(min(run.concurrency / deployed.engines, prompts)))
    if run.rate_per_s is None and run.prompts:
        return max(1, int(prompts))
    return deployed.places


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
        length_range=_length_range(run),
        prompts=prompts,
        places=deployed.places,
        kv_tokens=deployed.kv_tokens,
        step_tokens=max(deployed.step_tokens, deployed.places),
    )
    if asked not in known:
        known[asked] = open_loop(asked)
    return known[asked]


@dataclass(frozen=True, slots=True)
class _Report:
    """What the benchmark of one row prints at one engine.

    loops: figures of all distinct benchmarks.
    row: index of this benchmark among them.
    clients: requests in flight at one engine.
    opened: the same engine under requests that arrive at a rate; None for a run that states none.
    """

    loops: ClosedLoopFigures
    row: int
    clients: int
    clock: StepClock
    engine: EngineCoefficients
    opened: OpenLoop | None

    @property
    def entry_ms(self) -> float:
        """Time that a request spends before its first step, ms."""
        others = self.clients - 1 if self.opened is None else self.opened.in_flight
        return self.engine.entry_ms + self.engine.entry_ms_per_request * others

    def time_ms(self, kind: QuotedKind, percentile: float | None, alike: bool = True) -> float:
        """TTFT, TPOT or E2E, ms.

        alike: whether the requests of the run have nearly the same length. Clients of a closed loop then stay in step
        with each other for longer than the simulated ones, and published medians of TTFT grow with their number as the
        mean does, so that the mean stands for the median.
        """
        if self.opened is not None:
            time = self.opened.time_ms(kind, percentile)
            return time if kind == "tpot" else time + self.entry_ms
        spread = {"ttft": self.loops.ttft_ms, "tpot": self.loops.tpot_ms, "e2e": self.loops.e2e_ms}[kind]
        by_mean = kind == "ttft" and (percentile is None or (percentile == 0.5 and alike))
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
        run = deployed.run
        if self.opened is not None:
            return min(run.rate_per_s or math.inf, self.most_requests_per_s(deployed))
        over_the_run = deployed.engines * float(self.loops.requests_per_s[self.row])
        if run.is_all_at_once and run.prompts:
            return over_the_run
        with_entry = self.time_ms("e2e", None)
        if run.prompts:
            return over_the_run * (with_entry - self.entry_ms) / with_entry
        return deployed.engines * 1e3 * self.clients / with_entry

    def most_requests_per_s(self, deployed: DeployedRun) -> float:
        """Requests per second that all engines serve at most: a closed loop of as many clients as they hold."""
        e2e_ms = float(self.loops.e2e_ms.mean[self.row])
        return deployed.engines * 1e3 * self.clients / (e2e_ms + self.engine.entry_ms)


def _answer(deployed: DeployedRun, report: _Report, spread: _Spread) -> PredictedFigure | Unpredictable:
    """The figure that the row asks for, in its unit, with its interval."""
    run, asked = deployed.run, deployed.run.figure
    least, most = spread.of(asked.kind)
    offered, served = run.rate_per_s or 0.0, report.most_requests_per_s(deployed)
    if asked.kind in ("ttft", "e2e") and run.prompts is None and served / least < offered:
        reason = "more is offered than the engine is predicted to serve, so that the wait grows without end"
        return Unpredictable(run.id, reason, "ask for a throughput, offer less, or state the number of prompts")
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
            else report.time_ms(asked.kind, asked.percentile, _are_alike(run))
        )
        if asked.kind == "e2e":
            first = report.time_ms("ttft", None) / report.time_ms("e2e", None)
            early, late = spread.of("ttft")
            least, most = first * early + (1.0 - first) * least, first * late + (1.0 - first) * most
        value, low, high = (ms * share * asked.per_ours for share in (1.0, least, most))
        if asked.inverse:
            value, low, high = 1e3 / value, 1e3 / high, 1e3 / low
    notes = f"; assumed {', '.join(deployed.assumed)}" if deployed.assumed else ""
    if served < offered:
        notes += f"; more is offered than the {served:.3g} requests/s that the engine is predicted to serve"
    return PredictedFigure(run.id, value, low, high, spread.provenance + notes)


def _are_alike(run: PublishedRun) -> bool:
    """Whether the longest request of a run is less than twice as long as the shortest."""
    low, high = _length_range(run)
    return high < 2.0 * low


def _engine(run: PublishedRun, coefficients: Coefficients) -> EngineCoefficients:
    """The coefficients of the run's engine and its age, or those of vLLM where the fit has none for it."""
    key = engine_key(run.engine, run.engine_version, run.date, run.offline)
    return coefficients.engines.get(key) or coefficients.engines["vllm"]


@dataclass(frozen=True, slots=True)
class _Spread:
    """The interval of the figures of one run, relative to what is predicted."""

    deployed: DeployedRun
    coefficients: Coefficients
    intervals: Intervals | None

    @property
    def provenance(self) -> Provenance:
        """The provenance of the GPU for vLLM, and `analytic` for other engines: `calibrated` residuals hold vLLM's rows
        alone."""
        return provenance(self.coefficients, self.deployed.run)

    def of(self, kind: QuotedKind) -> tuple[float, float]:
        """(p10, p90) of actual ÷ predicted times."""
        if self.intervals is None:
            return _interval(self.coefficients, self.deployed.run, _OF_KIND[kind])
        load = load_class(self.deployed.run)
        return self.intervals.of("tpot" if kind == "e2e" else kind, load, self.provenance)


def provenance(coefficients: Coefficients, run: PublishedRun) -> Provenance:
    """What a fit knows of the GPU of a run: for other engines than vLLM it is always `analytic`."""
    return coefficients.provenance(run.gpu) if run.engine == "vllm" else "analytic"


def _interval(coefficients: Coefficients, run: PublishedRun, metric: Metric) -> tuple[float, float]:
    """(p10, p90) of actual/predicted times. Where the metric has no rows of its own, they are those of steps.

    The interval of an `analytic` figure reaches at least as far towards slow as that of a `calibrated` one, as in
    `Coefficients.margin`.
    """
    own, calibrated = (
        quantiles.get(metric) or quantiles["step"]
        for quantiles in (coefficients.residuals[provenance(coefficients, run)], coefficients.residuals["calibrated"])
    )
    return own.p10, max(1.0, own.p90, calibrated.p90)
