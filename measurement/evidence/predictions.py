"""The figure that a published run would report, in its own metric and unit, with an interval and its provenance.

The figure comes from the step simulator, which runs the benchmark itself (`reports`) on the step clock that the fit
gives to the run's engine (`run_clocks`). The interval says how far off figures of unseen sources are (`intervals`), or,
without intervals, how far off the residuals of the fit are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from measurement.evidence.deployed_runs import DeployedRun, deployed_run
from measurement.evidence.intervals import Intervals, load_class
from measurement.evidence.published import PublishedRun, Unpredictable
from measurement.evidence.reports import PERCENTILES, Report, reports
from measurement.evidence.run_clocks import RunClocks, engine_of
from measurement.evidence.words import QuotedKind
from planner.domain.catalog import Catalog
from planner.performance.coefficients import Coefficients, Metric
from planner.plan.parts import Provenance

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
    return figures(simulated(rows, catalog, coefficients), coefficients, intervals)


def simulated(
    rows: Sequence[PublishedRun], catalog: Catalog, coefficients: Coefficients
) -> tuple[Report | Unpredictable, ...]:
    """What the benchmark of each row prints by these coefficients, or the reason why nobody can tell."""
    deployed = [
        _refusal(row) or deployed_run(row, catalog.models[row.model], catalog.all_gpus[row.gpu]) for row in rows
    ]
    found = iter(run_reports([each for each in deployed if isinstance(each, DeployedRun)], coefficients))
    return tuple(next(found) if isinstance(each, DeployedRun) else each for each in deployed)


def figures(
    found: Sequence[Report | Unpredictable], coefficients: Coefficients, intervals: Intervals | None = None
) -> tuple[PredictedFigure | Unpredictable, ...]:
    """The figure that each row asks of its report, with the interval that these coefficients or intervals give."""
    return tuple(
        _answer(each, _Spread(each.deployed, coefficients, intervals)) if isinstance(each, Report) else each
        for each in found
    )


def _refusal(run: PublishedRun) -> Unpredictable | None:
    """Why the question of this run has no answer, whatever it ran on."""
    if run.figure.percentile not in PERCENTILES:
        return Unpredictable(run.id, "no such percentile is predicted", "p50, p90, p95, p99 or the mean")
    if run.is_all_at_once and run.prompts is None and run.figure.kind in ("ttft", "e2e"):
        return Unpredictable(run.id, "how long prompts wait that come all at once depends on their number", "state it")
    return None


def run_reports(runs: Sequence[DeployedRun], coefficients: Coefficients) -> list[Report]:
    """What the benchmark of each run prints by these coefficients. Each distinct run is simulated once."""
    if not runs:
        return []
    table = RunClocks(runs).clocks(coefficients)
    clocks = [table.clock(place) for place in range(len(runs))]
    return reports(runs, clocks, [engine_of(each, coefficients) for each in runs])


def _answer(report: Report, spread: _Spread) -> PredictedFigure | Unpredictable:
    """The figure that the row asks for, in its unit, with its interval."""
    deployed = report.deployed
    run, asked = deployed.run, deployed.run.figure
    least, most = spread.of(asked.kind)
    offered, served = run.rate_per_s or 0.0, report.most_requests_per_s()
    if asked.kind in ("ttft", "e2e") and run.prompts is None and served / least < offered:
        reason = "more is offered than the engine is predicted to serve, so that the wait grows without end"
        return Unpredictable(run.id, reason, "ask for a throughput, offer less, or state the number of prompts")
    if asked.kind == "e2e":
        first = report.time_ms("ttft", None) / report.time_ms("e2e", None)
        early, late = spread.of("ttft")
        least, most = first * early + (1.0 - first) * least, first * late + (1.0 - first) * most
    value = report.figure(asked)
    slower = (1.0 / most, 1.0 / least) if asked.kind == "throughput" or asked.inverse else (least, most)
    low, high = value * slower[0], value * slower[1]
    notes = f"; assumed {', '.join(deployed.assumed)}" if deployed.assumed else ""
    if served < offered:
        notes += f"; more is offered than the {served:.3g} requests/s that the engine is predicted to serve"
    return PredictedFigure(run.id, value, low, high, spread.provenance + notes)


@dataclass(frozen=True, slots=True)
class _Spread:
    """The interval of the figures of one run, relative to what is predicted."""

    deployed: DeployedRun
    coefficients: Coefficients
    intervals: Intervals | None

    @property
    def provenance(self) -> Provenance:
        """The provenance of the GPU for vLLM, and `analytic` for other engines, whose rows do not make a GPU known."""
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
