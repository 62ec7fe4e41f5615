"""The figure that a published run would report, in its own metric and unit, with an interval and its provenance.

    e2e   = TTFT + (O − 1)·TPOT      req/s = N / mean e2e      output tok/s = O·req/s      total tok/s = (S + O)·req/s
    ITL   : its mean is TPOT's; a percentile is the bare decode step, or one with a prompt in it, as steps hold prompts
    N     : clients of a closed loop; at a rate, by Little's law, the least N for which N / e2e(N) reaches the rate
            all at once: as many as there are prompts; where that is not stated, as many as the engine holds at a time

Times come from the step simulator running the benchmark itself (`closed_loops`) on the clock of the run's deployment.
Copies of an engine share the clients and add their rates. The interval is that of held-out residuals of the fit.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from measurement.evidence.benchmarks import engine_key, stored
from measurement.evidence.predict import (
    LEAST_ROUNDS,
    MOST_REQUESTS,
    ROUNDS,
    SPREAD,
    batch_limit,
    benchmarked,
    step_tokens,
)
from measurement.evidence.published import PublishedRun, Unreadable
from measurement.evidence.words import QuotedKind
from planner.domain.catalog import Catalog
from planner.domain.models import Model
from planner.domain.offerings import Gpu
from planner.performance.coefficients import Coefficients, EngineCoefficients, Metric
from planner.performance.memory import MemoryFit, NoFit, cache_bytes, memory_fit, weights_bytes
from planner.performance.precision import Unsupported, support
from planner.performance.roofline import IdealStep, IdealTable, ideal_step
from planner.performance.step_time import StepClock
from planner.plan.parts import Provenance

if TYPE_CHECKING:
    from planner.performance.engine.closed_loops import ClosedLoopFigures


WIDENED = frozenset({"nvfp4", "mxfp4", "fp8-block", "int8"})
"""Formats that weight-only kernels run on every GPU from Ampere on, whether or not the catalog lists them for it."""
AMPERE = 8.0
NATURAL = (0.1, 1.9)
"""Lengths relative to their mean that stand for people's: as wide as an even draw with that mean can well be."""
HELD_ALL = "fixed_concurrency"
"""Regime of a run whose source says that no request waited for cache: its engine held all clients, however."""
MOST_MEMORY = 0.95
"""Of a GPU that weights may take for a run to be believed whose deployment the memory model refuses."""
NODE_GPUS = 8
"""GPUs that one engine may span: links between nodes are not modelled."""
_PERCENTILES: dict[float | None, str] = {None: "mean", 0.5: "p50", 0.9: "p90", 0.95: "p95", 0.99: "p99"}
_OF_KIND: dict[QuotedKind, Metric] = {"tpot": "tpot", "ttft": "ttft", "e2e": "tpot", "throughput": "throughput"}


@dataclass(frozen=True, slots=True)
class Predicted:
    """A figure in the metric and unit of its row. low, high: where eight of ten measured ones are expected to lie.

    provenance: `measured`, `calibrated` or `analytic`, and after a semicolon what the row does not state.
    """

    id: str
    value: float
    low: float
    high: float
    provenance: str


class Predictor(Protocol):
    """Whatever predicts published runs: one answer a row, in order."""

    def __call__(
        self, rows: Sequence[PublishedRun], catalog: Catalog, coefficients: Coefficients
    ) -> Sequence[Predicted | Unreadable]: ...


def predict_rows(
    rows: Sequence[PublishedRun], catalog: Catalog, coefficients: Coefficients
) -> tuple[Predicted | Unreadable, ...]:
    """The figure of each row, or why it has none: a format that the GPU lacks, weights that do not fit its memory, a
    wait that has no end because more is offered than the engine serves."""
    staged = [_staged(row, catalog.models[row.model], catalog.all_gpus[row.gpu]) for row in rows]
    answers = iter(_answers([stage for stage in staged if isinstance(stage, _Stage)], coefficients))
    return tuple(next(answers) if isinstance(stage, _Stage) else stage for stage in staged)


@dataclass(frozen=True, slots=True)
class _Stage:
    """A run with what the simulator needs to know beside its clock."""

    run: PublishedRun
    ideal: IdealStep
    engines: int
    """Independent copies."""
    places: int
    """Sequences that one engine runs at a time, by its own limit and, without a closed loop, by its cache."""
    kv_tokens: float
    step_tokens: int
    """Tokens of one step at most."""
    assumed: tuple[str, ...]

    @property
    def offline(self) -> bool:
        """Everything was offered at once."""
        return self.run.concurrency is None and self.run.rate_per_s is None


def _staged(run: PublishedRun, model: Model, gpu: Gpu) -> _Stage | Unreadable:
    offline = run.concurrency is None and run.rate_per_s is None
    if run.figure.percentile not in _PERCENTILES and run.figure.quantity != "itl":
        return Unreadable(run.id, "no such percentile is predicted", "p50, p90, p95, p99 or the mean")
    if offline and run.prompts is None and run.figure.kind in ("ttft", "e2e"):
        return Unreadable(run.id, "how long prompts wait that come all at once depends on their number", "state it")
    longest = run.input_tokens + run.output_tokens
    if round(longest * run.length_high) > model.max_context:
        asked = f"{model.key} takes at most {model.max_context} tokens of context"
        reason = f"{asked}, {longest * run.length_high:.0f} are asked for"
        return Unreadable(run.id, reason, "check input_tokens and output_tokens")
    assumed = list(run.assumed)
    for form in dict.fromkeys((run.dense, run.experts)):
        way = support(form, gpu)
        if isinstance(way, Unsupported):
            if form not in WIDENED or float(gpu.compute_capability) < AMPERE:
                return Unreadable(run.id, way.reason, "check weight_dtype and gpu")
            gpu = replace(gpu, formats={**gpu.formats, form: "weight-only"})
            assumed.append(f"{form} widened to 16 bit")
    ranks, engines = run.tensor_parallel_size, run.data_parallel_size
    if run.expert_parallel_size > ranks:
        ranks, engines = run.gpus, 1
        assumed.append(f"TP {ranks} in place of data-parallel attention")
    elif model.architecture.heads % ranks:
        heads = f"{model.key} has {model.architecture.heads} attention heads"
        return Unreadable(run.id, f"{heads}, which TP {ranks} does not divide", "check gpus and flags")
    if ranks > NODE_GPUS:
        reason = f"one engine over {ranks} GPUs spans several nodes, which are not modelled"
        return Unreadable(run.id, reason, "check gpus and flags")
    if run.eager:
        assumed.append("CUDA graphs")
    quantization = stored(model, run.dense, run.experts)
    places = float(run.max_num_seqs or batch_limit(run.engine, gpu.memory_gb))
    utilization = run.gpu_memory_utilization or (0.95 if run.engine == "trt-llm" else 0.9)
    fit = memory_fit(
        model,
        quantization,
        gpu,
        tensor_parallel_size=ranks,
        max_num_seqs=64,
        max_model_len=1,
        kv_format=run.kv,
        gpu_memory_utilization=utilization,
    )
    weights = weights_bytes(model, quantization, ranks)
    if isinstance(fit, NoFit) and (offline or weights > MOST_MEMORY * gpu.memory_bytes):
        return Unreadable(run.id, f"by the memory model {fit.reason}", "check weight_dtype, gpu and gpus")
    context = run.input_tokens + run.output_tokens / 2.0
    kv_tokens = math.inf
    beside = (utilization * gpu.memory_bytes - weights) / sum(cache_bytes(model.architecture, ranks, run.kv))
    if run.regime != HELD_ALL:
        kv_tokens = max(2.5 * longest, fit.kv_tokens(context) if isinstance(fit, MemoryFit) else beside)
    if run.concurrency is None or (run.engine != "vllm" and kv_tokens < math.inf):
        each = longest if run.engine == "trt-llm" else context  # the former reserves whole answers
        held = fit.sequences(each) if isinstance(fit, MemoryFit) else min(kv_tokens, max(beside, 0.0)) / each
        places, kv_tokens = max(1.0, min(places, held)), math.inf  # the average is held; nobody is preempted
    ideal = ideal_step(
        model.architecture, quantization, gpu, ranks, kv_format=run.kv, context_tokens=float(round(context))
    )
    tokens = int(run.max_num_batched_tokens or step_tokens(run.engine, gpu.memory_gb))
    return _Stage(run, ideal, engines, int(places), kv_tokens, tokens, tuple(assumed))


def _answers(stages: Sequence[_Stage], coefficients: Coefficients) -> list[Predicted | Unreadable]:
    """Simulate each distinct run once and read every row's figure off its own."""
    if not stages:
        return []
    engines = [_engine(stage.run, coefficients) for stage in stages]
    columns = zip(*IdealTable([stage.ideal for stage in stages]).fields(coefficients), strict=True)
    clocks = [StepClock(*map(float, row)).slower_by(e.step_factor) for row, e in zip(columns, engines, strict=True)]
    clients = [_clients(stage, clock) for stage, clock in zip(stages, clocks, strict=True)]
    vectors = np.array([[getattr(clock, name) for name in StepClock.__slots__] for clock in clocks])
    rows = np.array([_conditions(stage, n) for stage, n in zip(stages, clients, strict=True)])
    told, place = benchmarked(vectors, rows)
    return [
        _answer(stage, _Reported(told, int(k), n, clock, engine), coefficients)
        for stage, k, n, clock, engine in zip(stages, place, clients, clocks, engines, strict=True)
    ]


def _conditions(stage: _Stage, clients: int) -> tuple[float, ...]:
    run = stage.run
    low, high = {"not stated": SPREAD, "natural": NATURAL}.get(run.lengths, (run.length_low, run.length_high))
    rounds = max(LEAST_ROUNDS, min(ROUNDS, MOST_REQUESTS // clients))
    requests = clients if stage.offline and run.prompts else rounds * clients
    return (
        run.input_tokens,
        run.output_tokens,
        clients,
        requests,
        low,
        high,
        stage.kv_tokens,
        stage.places,
        max(stage.step_tokens, min(stage.places, clients)),
    )


def _clients(stage: _Stage, clock: StepClock) -> int:
    """Requests in flight at one engine."""
    run = stage.run
    if run.concurrency is not None:
        return max(1, math.ceil(run.concurrency / stage.engines))
    if run.rate_per_s is None:
        return max(1, math.ceil(run.prompts / stage.engines)) if run.prompts else stage.places
    rate = run.rate_per_s / stage.engines

    def reached(n: int) -> float:
        decoding = (run.output_tokens - 1.0) * clock.tpot_ms(n, run.input_tokens, run.output_tokens)
        return 1e3 * n / (clock.prefill_ms(run.input_tokens) + decoding)

    return 1 + bisect.bisect_left(range(1, stage.places), rate, key=reached)


@dataclass(frozen=True, slots=True)
class _Reported:
    """What the benchmark of one row prints at one engine."""

    told: ClosedLoopFigures
    row: int
    clients: int
    clock: StepClock
    engine: EngineCoefficients

    @property
    def entry_ms(self) -> float:
        """What a request spends before its first step."""
        return self.engine.entry_ms + self.engine.entry_ms_per_request * (self.clients - 1)

    def time_ms(self, kind: QuotedKind, percentile: float | None) -> float:
        """TTFT, TPOT or E2E. Published medians of TTFT grow with the clients as the mean does, and are taken for it."""
        spread = {"ttft": self.told.ttft_ms, "tpot": self.told.tpot_ms, "e2e": self.told.e2e_ms}[kind]
        usual = kind == "ttft" and percentile in (None, 0.5)
        found = float((spread.mean if usual else getattr(spread, _PERCENTILES[percentile]))[self.row])
        return found if kind == "tpot" else found + self.entry_ms

    def itl_ms(self, stage: _Stage, percentile: float | None) -> float:
        """Time between two tokens: longer in the steps that compute somebody's prompt too."""
        if percentile is None:
            return self.time_ms("tpot", None)
        run = stage.run
        context = self.clients * (run.input_tokens + run.output_tokens / 2.0)
        bare = self.clock.step_ms(self.clients, context)
        chunks = max(1, math.ceil(run.input_tokens / stage.step_tokens))
        prompts = (self.clients - 1) * chunks / run.output_tokens
        added = self.clock.prefill_added_ms(self.clients, context, run.input_tokens, stage.step_tokens) / chunks
        return bare + added * max(1.0, prompts) if percentile > 1.0 - prompts else bare

    def requests_per_s(self, stage: _Stage) -> float:
        """Of all engines together."""
        if stage.offline and stage.run.prompts:
            return stage.engines * float(self.told.requests_per_s[self.row])
        rate = stage.engines * 1e3 * self.clients / self.time_ms("e2e", None)
        offered = stage.run.rate_per_s
        if offered is None:
            return rate
        return offered if self.clients < stage.places else min(rate, offered)


def _answer(stage: _Stage, seen: _Reported, coefficients: Coefficients) -> Predicted | Unreadable:
    run, asked = stage.run, stage.run.figure
    if asked.kind in ("ttft", "e2e") and seen.requests_per_s(stage) < (run.rate_per_s or 0.0):
        reason = "more is offered than the engine is predicted to serve, so that the wait grows without end"
        return Unreadable(run.id, reason, "ask for a throughput, or offer less")
    least, most = _interval(coefficients, run, _OF_KIND[asked.kind])
    if asked.kind == "throughput":
        tokens = {
            "output_rate": run.output_tokens,
            "input_rate": run.input_tokens,
            "total_rate": run.input_tokens + run.output_tokens,
        }.get(asked.quantity, 1.0)
        value = tokens * seen.requests_per_s(stage) * asked.per_ours / (run.gpus if asked.per_gpu else 1)
        low, high = value / most, value / least
    else:
        ms = (
            seen.itl_ms(stage, asked.percentile)
            if asked.quantity == "itl"
            else seen.time_ms(asked.kind, asked.percentile)
        )
        if asked.kind == "e2e":
            first = seen.time_ms("ttft", None) / seen.time_ms("e2e", None)
            early, late = _interval(coefficients, run, "ttft")
            least, most = first * early + (1.0 - first) * least, first * late + (1.0 - first) * most
        value, low, high = (ms * share * asked.per_ours for share in (1.0, least, most))
        if asked.inverse:
            value, low, high = 1e3 / value, 1e3 / high, 1e3 / low
    notes = f"; assumed {', '.join(stage.assumed)}" if stage.assumed else ""
    return Predicted(run.id, value, low, high, _provenance(coefficients, run) + notes)


def _engine(run: PublishedRun, coefficients: Coefficients) -> EngineCoefficients:
    """The coefficients of the run's engine and age; those of vLLM where the fit knows none."""
    key = engine_key(run.engine, run.engine_version, run.date, run.offline)
    return coefficients.engines.get(key) or coefficients.engines["vllm"]


def _provenance(coefficients: Coefficients, run: PublishedRun) -> Provenance:
    """That of the GPU; `analytic` for other engines than vLLM, of whose rows `calibrated` residuals know nothing."""
    return coefficients.provenance(run.gpu) if run.engine == "vllm" else "analytic"


def _interval(coefficients: Coefficients, run: PublishedRun, metric: Metric) -> tuple[float, float]:
    """(p10, p90) of actual/predicted times; of steps where the metric has no rows of its own.

    An `analytic` figure is never surer to be fast enough than a `calibrated` one, as for `Coefficients.margin`.
    """
    own, known = (
        found.get(metric) or found["step"]
        for found in (coefficients.residuals[_provenance(coefficients, run)], coefficients.residuals["calibrated"])
    )
    return own.p10, max(1.0, own.p90, known.p90)
