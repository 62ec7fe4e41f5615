"""One benchmark run in our own words, whichever tool made it, and the deployment that it measured.

A `BenchRun` is what a file says: lengths, load, latencies, how the run ended. A `Deployment` is what it ran on, which
most files cannot say. Both together are an `OwnRun`. It gives the `DeployedRun`s that a fit reads, and it is what the
model's expectations are held against. `calibration.refusals` decides whether a run may be believed.

With S tokens in, O tokens out and N requests in flight:

    L     = completed/duration · mean E2E          requests in flight by Little's law
    t     = step(N, N·(S + O/2))
    ΔT    = what one prompt adds to the steps that it shares
    ρ     = rate·ΔT

A closed loop of N clients is expected to report what the step simulator says, in which a client sends again the moment
it is answered. An open loop is expected to report, with N = L:

    TPOT  = t + (N − 1)/O · ΔT
    TTFT  = entry + t/2 + chunks·t + ΔT·(1 + ρ/(2·(1 − ρ)))
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from measurement.evidence.deployed_runs import DeployedRun, deployed_run
from measurement.evidence.engines import step_tokens
from measurement.evidence.published import PublishedRun, Unpredictable
from measurement.evidence.reports import reports
from measurement.evidence.rows import FIGURES
from measurement.evidence.run_figures import CROWDING
from planner.domain.models import Model, Quantization
from planner.domain.offerings import Gpu
from planner.performance.calibration import weights_class
from planner.performance.coefficients import Coefficients
from planner.performance.precision import KvFormat
from planner.performance.roofline import ideal_step, step_clock
from planner.performance.step_time import StepClock

BenchTool = Literal["vllm bench serve", "GuideLLM", "AIPerf", "inference-perf"]
FigureName = Literal["tpot", "ttft"]
HELD_AT_THE_CAP = 0.8
"""Share of `concurrency` in flight from which on the cap, and not the rate, ruled a run that has both."""
MOST_BUSY = 0.95
"""Largest ρ of the formula above; at 1 the wait would have no end."""


@dataclass(frozen=True, slots=True)
class Latency:
    """A latency over the completed requests of a run.

    median, mean: in ms; None where the file does not say.
    """

    median: float | None = None
    mean: float | None = None

    @property
    def typical(self) -> float | None:
        """The median, which a few slow requests do not move, or the mean where the median is not known."""
        return self.mean if self.median is None else self.median

    @property
    def average(self) -> float | None:
        """The mean, which may be added to other means, or the median where the mean is not known."""
        return self.median if self.mean is None else self.mean

    def times(self, factor: float) -> Latency:
        """Both figures multiplied by a factor."""
        return Latency(*(None if each is None else each * factor for each in (self.median, self.mean)))


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRun:
    """What a benchmark file says of one run.

    part: name of the run within the file; empty when the file holds one run.
    date: day of the run, YYYY-MM-DD, or empty.
    model_name: what the server called its model.
    stated: facts about the deployment that the file itself carries, by the name of their option.
    input_tokens, output_tokens: mean tokens of a request, as the server counted them where it did.
    concurrency: requests held in flight. None together with `rate_per_s` when everything was offered at once.
    rate_per_s: requests offered per second.
    completed, failed: number of requests.
    duration_s: duration of the whole run, seconds.
    ttft_ms, tpot_ms, e2e_ms: latencies, ms.
    in_order_ms: TTFT of the requests in the order in which they were sent, ms, or their E2E where the file has no TTFT;
        empty when the file has only totals.
    same_lengths: whether every request had exactly these lengths, so that clients of a closed loop stay in step.
    cached_tokens: mean prompt tokens of a request that came from the prefix cache; None where the file does not say.
    repeated_prompts: how prompts repeat each other, in words; empty when they do not.
    client_delay_ms: mean time by which the client sent too late, ms.
    strange: conditions that the performance model does not describe, in words.
    doubts: what the tool itself warns of.
    """

    tool: BenchTool
    part: str
    date: str
    model_name: str | None
    stated: Mapping[str, str]
    input_tokens: float
    output_tokens: float
    concurrency: int | None
    rate_per_s: float | None
    completed: int
    failed: int
    duration_s: float
    ttft_ms: Latency
    tpot_ms: Latency
    e2e_ms: Latency
    in_order_ms: tuple[float, ...] = ()
    same_lengths: bool = False
    cached_tokens: float | None = None
    repeated_prompts: str = ""
    client_delay_ms: float | None = None
    strange: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def requests_per_s(self) -> float:
        """Completed requests per second of the whole duration."""
        return self.completed / self.duration_s

    @property
    def mean_e2e_ms(self) -> float | None:
        """Mean time from sending to the last token, ms.

        Where the file leaves it out, it is put together from TTFT and TPOT.
        """
        if self.e2e_ms.average is not None:
            return self.e2e_ms.average
        first, step = self.ttft_ms.average, self.tpot_ms.average
        if first is None:
            return None
        return first + max(self.output_tokens - 1.0, 0.0) * (step or 0.0)

    @property
    def in_flight(self) -> float | None:
        """Mean requests in flight by Little's law, whatever the client says of itself."""
        e2e = self.mean_e2e_ms
        return None if e2e is None else self.requests_per_s * e2e / 1e3

    @property
    def is_closed_loop(self) -> bool:
        """Whether the client held a number of requests in flight.

        Where it had a rate too, the run is a closed loop if the rate was not reached and the places were filled.
        """
        if self.rate_per_s is None or self.concurrency is None:
            return self.rate_per_s is None
        behind = self.requests_per_s < 0.9 * self.rate_per_s
        return behind and (self.in_flight or 0.0) >= HELD_AT_THE_CAP * self.concurrency

    @property
    def load(self) -> float:
        """Number of sequences that share the engine, N; at least one."""
        if self.is_closed_loop:
            return float(self.concurrency or 1)
        return max(1.0, self.in_flight or 1.0)


@dataclass(frozen=True, slots=True)
class Deployment:
    """A replica that was measured.

    kv: format of the KV cache.
    engine_version: version of vLLM, or empty.
    max_num_batched_tokens: tokens of one step at most; None for vLLM's default.
    api_server_count: processes that speak HTTP and stream the tokens.
    """

    model: Model
    quantization: Quantization
    gpu: Gpu
    tensor_parallel_size: int
    kv: KvFormat = "bf16"
    engine_version: str = ""
    max_num_batched_tokens: int | None = None
    api_server_count: int = 1

    @property
    def weights(self) -> str:
        """Model, quantization and form of the KV cache as one key of a calibration."""
        return weights_class(self.model.key, self.quantization.name, self.kv)

    @property
    def batched_tokens(self) -> int:
        """Tokens of one step at most: as stated, or vLLM's default for this GPU and version."""
        return self.max_num_batched_tokens or int(step_tokens("vllm", self.gpu, self.engine_version))

    def clock(self, coefficients: Coefficients, context_tokens: float) -> StepClock:
        """The step clock of the replica. Its API servers share the sequences, as in a plan.

        context_tokens: tokens that a sequence holds on average.
        """
        shape, ranks = self.model.architecture, self.tensor_parallel_size
        ideal = ideal_step(
            shape, self.quantization, self.gpu, ranks, kv_format=self.kv, context_tokens=max(1.0, context_tokens)
        )
        clock = step_clock(ideal, coefficients)
        return replace(clock, server_ms_per_sequence=clock.server_ms_per_sequence / self.api_server_count)

    def __str__(self) -> str:
        kv = "" if self.kv == "bf16" else f", {self.kv} KV cache"
        return f"{self.model.key} ({self.quantization.name}{kv}) on {self.tensor_parallel_size} × {self.gpu.key}"


@dataclass(frozen=True, slots=True)
class OwnRun:
    """A run with its deployment.

    digest: SHA-256 of what was read of the run.
    file: name of its file.
    """

    run: BenchRun
    deployment: Deployment
    digest: str
    file: str

    @property
    def condition(self) -> tuple[int, str, int, int, str, int]:
        """What a run must differ in to be independent of another: a repetition of the same says little that is new."""
        run = self.run
        kind = "closed" if run.is_closed_loop else "open"
        lengths = round(run.input_tokens, -1), round(run.output_tokens, -1)
        ranks, kv = self.deployment.tensor_parallel_size, self.deployment.kv
        return ranks, kv, int(lengths[0]), int(lengths[1]), kind, round(run.load)

    @property
    def context_tokens(self) -> float:
        """Mean tokens that a decoding sequence holds."""
        return self.run.input_tokens + self.run.output_tokens / 2.0

    def figures(self) -> dict[FigureName, float]:
        """Measured TPOT and TTFT in ms, each where the run has it."""
        figures: dict[FigureName, float] = {}
        if self.run.tpot_ms.typical and self.run.output_tokens > 1.0:
            figures["tpot"] = self.run.tpot_ms.typical
        if self.run.ttft_ms.typical:
            figures["ttft"] = self.run.ttft_ms.typical
        return figures

    def fitted_runs(self) -> tuple[DeployedRun, ...]:
        """The rows that a fit reads, one for each figure: TPOT, and TTFT of a closed loop, which a fit simulates.

        Throughput follows from the two and does not count again.
        """
        figures = self.figures().items()
        return tuple(self._row(name, value) for name, value in figures if name == "tpot" or self.run.is_closed_loop)

    def conditions(self) -> DeployedRun:
        """A row that stands for the conditions of the run, whatever was measured."""
        return self._row("tpot", 1.0)

    def _row(self, metric: FigureName, value: float) -> DeployedRun:
        """Raises ValueError for a run that no engine could have served; `refusals` finds it before."""
        run, d = self.run, self.deployment
        clients = max(1, round(run.load))
        row = PublishedRun(
            id=f"own-{self.digest.removeprefix('sha256:')[:12]}",
            model=d.model.key,
            dense=d.quantization.dense,
            experts=d.quantization.experts,
            kv=d.kv,
            gpu=d.gpu.key,
            gpus=d.tensor_parallel_size,
            tensor_parallel_size=d.tensor_parallel_size,
            data_parallel_size=1,
            expert_parallel_size=1,
            attention_data_parallel=False,
            engine="vllm",
            engine_version=d.engine_version,
            date=run.date,
            input_tokens=run.input_tokens,
            output_tokens=run.output_tokens,
            length_low=1.0,
            length_high=1.0,
            lengths="fixed" if run.same_lengths else "not stated",
            concurrency=clients,
            rate_per_s=None,
            prompts=None,
            max_num_seqs=None,
            max_num_batched_tokens=d.max_num_batched_tokens,
            offline=False,
            gpu_memory_utilization=None,
            eager=False,
            # n servers send a token of each sequence in the time in which one server sends every n-th.
            stream_interval=d.api_server_count,
            figure=FIGURES[metric],
            value=value,
            regime="batch1" if clients == 1 else "fixed_concurrency",
            quality="A",
            family=d.model.key,
            source="own",
            assumed=(),
        )
        deployed = deployed_run(row, d.model, d.gpu)
        if isinstance(deployed, Unpredictable):
            raise ValueError(f"{self.file}: {deployed.reason}")
        return deployed


@dataclass(frozen=True, slots=True)
class ExpectedFigures:
    """What the model expects a run to report, ms."""

    tpot_ms: float
    ttft_ms: float


def expected_figures(
    own: Sequence[OwnRun], coefficients: Coefficients, step_factors: Sequence[float]
) -> tuple[ExpectedFigures, ...]:
    """What these coefficients expect measured runs to report, in the order of the runs.

    step_factors: factor on the step times of each run.
    """
    if not own:
        return ()
    clocks = [
        each.deployment.clock(coefficients, each.context_tokens).slower_by(factor)
        for each, factor in zip(own, step_factors, strict=True)
    ]
    vllm = coefficients.engines["vllm"]
    simulated = reports([each.conditions() for each in own], clocks, [vllm] * len(own))
    expected = []
    for each, clock, report in zip(own, clocks, simulated, strict=True):
        tpot, ttft = report.time_ms("tpot", 0.5), report.time_ms("ttft", None)
        if not each.run.is_closed_loop:
            tpot, first = _open_loop(each, clock)
            ttft = first + vllm.entry_ms + vllm.entry_ms_per_request * each.run.load
        expected.append(ExpectedFigures(tpot, ttft))
    return tuple(expected)


def closed_form_figures(
    deployment: Deployment, in_flight: float, input_tokens: float, output_tokens: float, coefficients: Coefficients
) -> ExpectedFigures:
    """What a closed loop would report by the closed form. It is quick, and exact enough to choose runs by."""
    n, s, o = float(in_flight), float(input_tokens), max(float(output_tokens), 1.0)
    clock = deployment.clock(coefficients, s + o / 2.0)
    step, added = _step_and_prompt(deployment, clock, n, s, o)
    vllm = coefficients.engines["vllm"]
    entry = vllm.entry_ms + vllm.entry_ms_per_request * n
    first = _chunks(deployment, s) * step + added * (1.0 + CROWDING * (n - 1.0))
    return ExpectedFigures(step + (n - 1.0) / o * added, first + entry)


def _open_loop(own: OwnRun, clock: StepClock) -> tuple[float, float]:
    """(TPOT, TTFT without the time before the first step) of a run that offered a rate, ms, by the formulas above."""
    n, s, o = own.run.load, own.run.input_tokens, max(own.run.output_tokens, 1.0)
    step, added = _step_and_prompt(own.deployment, clock, n, s, o)
    busy = min(own.run.requests_per_s * added / 1e3, MOST_BUSY)
    first = step * (0.5 + _chunks(own.deployment, s)) + added * (1.0 + busy / (2.0 * (1.0 - busy)))
    return step + (n - 1.0) / o * added, first


def _step_and_prompt(d: Deployment, clock: StepClock, n: float, s: float, o: float) -> tuple[float, float]:
    """(a step of n sequences, what one prompt adds to the steps that it shares), ms."""
    held, chunks = n * (s + o / 2.0), _chunks(d, s)
    step = clock.step_ms(n, held)
    return step, chunks * (clock.step_ms(n, held, s / chunks, s / 2.0) - step)


def _chunks(d: Deployment, input_tokens: float) -> int:
    """Number of steps that a prompt is spread over."""
    return max(1, math.ceil(input_tokens / d.batched_tokens))
