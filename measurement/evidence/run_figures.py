"""What a benchmark run would report, from step clocks: the bridge between a clock and published figures.

With N requests always in the engine (a closed loop), S tokens in and O tokens out each:

    X     = N·(S + O/2)
    ΔT    = chunks·(step(N, X, S/chunks, S/2) − step(N, X))
    TPOT  = step(N, X) + (N − 1)/O·ΔT
    TTFT  = chunks·step(N, X) + ΔT·(1 + crowding·(N − 1))
    rate  = N·O/(TTFT + (O − 1)·TPOT)

Times are in ms; the rate is in output tokens per ms and is reported per second. `crowding` is the share of the other
clients that start in the same moment: clients of a closed loop fall into step with each other. Only the simulator tells
how large that share is. So the closed form serves where thousands of clocks are tried, and `simulated_figures` serves
where a figure is given.

A saturated run holds as many requests as the KV cache or the engine's own batch limit allows:

    rate  = O·N/(O·step(N, X) + N·ΔT)

What a request spends before its first step belongs to the engine (`EngineCoefficients`) and is added to TTFT at the
end. Every value is an array over runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from measurement.evidence.benchmarks import EngineName, Subject
from planner.domain.offerings import Gpu
from planner.performance.engine.defaults import batch_defaults
from planner.performance.memory import MemoryFit, memory_fit
from planner.performance.step_time import ClockTable
from planner.words.arrays import Floats

if TYPE_CHECKING:
    from planner.performance.engine.closed_loops import ClosedLoopFigures


SPREAD = (8.0 / 9.0, 10.0 / 9.0)
"""Shortest and longest length over the mean where lengths are spread: they are drawn from 0.8 to 1 × nominal."""
FIXED_CROWDING, CROWDING = 0.5, 0.1
"""`crowding` of the closed form where lengths are fixed and where they are spread, as the simulator shows it."""
ROUNDS = 10
"""Requests that a client sends in a simulated benchmark; the largest published collection does the same."""
MOST_REQUESTS = 1500
"""Requests of one simulated benchmark. Where the clients would send more, they send fewer rounds."""
LEAST_ROUNDS = 4
"""Requests that each client sends at least, however many clients there are."""
SMALLEST_CACHE = 2.5
"""Requests of the longest length that the KV cache holds at least. A run that was measured did work somehow."""


def step_tokens(engine: EngineName, gpu: Gpu, version: str = "", date: str = "", offline: bool = False) -> float:
    """The engine's default for the tokens of one step. TensorRT-LLM, as NIM ships it, takes whole prompts together.

    version, date: version of the engine as stated and day of the run, YYYY-MM-DD; either may be empty.
    offline: whether the engine was called as a library, without its server.
    """
    limits: dict[EngineName, float] = {"trt-llm": 32768.0, "sglang": 8192.0, "tgi": 4096.0}
    if engine in limits:
        return limits[engine]
    row = batch_defaults(gpu, version, date)
    return float(row.offline_tokens if offline else row.served_tokens)


def batch_limit(engine: EngineName, gpu: Gpu, version: str = "", date: str = "") -> float:
    """The engine's default for the sequences that run at a time; arguments as in `step_tokens`."""
    limits: dict[EngineName, float] = {"trt-llm": 2048.0, "sglang": 1024.0, "tgi": 128.0}
    return limits[engine] if engine in limits else float(batch_defaults(gpu, version, date).max_num_seqs)


def memory_share(engine: EngineName) -> float:
    """The engine's default for the share of the GPU's memory that it takes, without CUDA graphs.

    vLLM's is 0.92 since 0.21, of which it reserves the graphs; it was 0.9 before, beside which they lay.
    """
    return 0.95 if engine == "trt-llm" else 0.9


@dataclass(frozen=True)
class Figures:
    """What runs report; each field has the shape (runs,).

    ttft_ms: mean time to the first token without the time before the first step, ms.
    tpot_ms: time per output token, ms.
    rate: output tokens per second.
    """

    ttft_ms: Floats
    tpot_ms: Floats
    rate: Floats

    def over(self, other: Figures) -> Figures:
        """Each figure divided by the same figure of `other`."""
        return Figures(self.ttft_ms / other.ttft_ms, self.tpot_ms / other.tpot_ms, self.rate / other.rate)

    def times(self, factor: Figures) -> Figures:
        """Each figure multiplied by the same figure of `factor`."""
        return Figures(self.ttft_ms * factor.ttft_ms, self.tpot_ms * factor.tpot_ms, self.rate * factor.rate)

    def only(self, kept: NDArray[np.bool_]) -> Figures:
        """The figures of the runs for which `kept` is true."""
        return Figures(self.ttft_ms[kept], self.tpot_ms[kept], self.rate[kept])

    def by_metric(self, metrics: NDArray[np.str_], entry_ms: Floats) -> Floats:
        """The one figure that each run reports.

        metrics: `ttft`, `tpot` or `throughput`, one for each run.
        entry_ms: time before the first step, which is part of a reported TTFT, ms.
        """
        times = np.where(metrics == "ttft", self.ttft_ms + entry_ms, self.tpot_ms)
        return np.where(metrics == "throughput", self.rate, times)


@dataclass(frozen=True, kw_only=True)
class RunConditions:
    """The conditions of runs; each field has the shape (runs,).

    inputs, outputs: tokens of a request.
    in_flight: clients of a closed loop, or sequences that a saturated engine holds.
    saturated: whether everything was offered at once.
    fixed: whether all requests have the same lengths.
    kv_tokens: tokens that the KV cache holds.
    places: sequences that the engine runs at a time.
    step_tokens: tokens of one step at most.
    """

    inputs: Floats
    outputs: Floats
    in_flight: Floats
    saturated: NDArray[np.bool_]
    fixed: NDArray[np.bool_]
    kv_tokens: Floats
    places: Floats
    step_tokens: Floats

    def only(self, kept: NDArray[np.bool_]) -> RunConditions:
        """The conditions of the runs for which `kept` is true."""
        return RunConditions(**{each.name: getattr(self, each.name)[kept] for each in fields(self)})

    @classmethod
    def of(cls, subjects: Sequence[Subject]) -> RunConditions:
        """The conditions of these measurements. How many sequences a saturated run holds follows from the memory."""
        rows = [subject.measurement for subject in subjects]
        both = tuple(zip(rows, subjects, strict=True))
        cache = np.array([_cache_of(subject) for subject in subjects]).reshape(-1, 2)
        places = np.array([batch_limit(row.engine, s.gpu, row.engine_version, row.date) for row, s in both])
        saturated = np.array([row.concurrency is None for row in rows])
        clients = np.array([float(row.concurrency or 1) for row in rows])
        return cls(
            inputs=np.array([row.input_tokens for row in rows]),
            outputs=np.array([row.output_tokens for row in rows]),
            in_flight=np.where(saturated, np.minimum(places, cache[:, 0]), clients),
            saturated=saturated,
            fixed=np.array([row.lengths == "fixed" for row in rows]),
            kv_tokens=cache[:, 1],
            places=np.maximum(places, np.where(saturated, 1.0, clients)),
            step_tokens=np.array(
                [
                    row.max_num_batched_tokens
                    or step_tokens(row.engine, s.gpu, row.engine_version, row.date, row.offline)
                    for row, s in both
                ]
            ),
        )


def _cache_of(subject: Subject) -> tuple[float, float]:
    """(sequences, tokens) that the KV cache holds on average; at least one sequence.

    TensorRT-LLM reserves the whole answer when it admits a request; the other engines take blocks as they go.
    """
    row = subject.measurement
    whole = row.engine == "trt-llm"
    fit = memory_fit(
        subject.model,
        subject.quantization,
        subject.gpu,
        tensor_parallel_size=row.tensor_parallel_size,
        max_num_seqs=64,
        max_model_len=1,
        kv_format=row.kv,
        gpu_memory_utilization=memory_share(row.engine),
    )
    longest = row.input_tokens + row.output_tokens
    if not isinstance(fit, MemoryFit):
        return 1.0, np.inf
    context = longest if whole else row.input_tokens + row.output_tokens / 2.0
    kv_tokens = np.inf if row.regime == "fixed_concurrency" else max(SMALLEST_CACHE * longest, fit.kv_tokens(longest))
    return max(1.0, fit.sequences(context)), kv_tokens


def closed_form(runs: RunConditions, clock: ClockTable) -> Figures:
    """The figures by the formulas above. The clock's fields have the shape (runs,)."""
    n, s, o = runs.in_flight, runs.inputs, runs.outputs
    n = np.where(runs.saturated, n, np.minimum(n, np.maximum(runs.kv_tokens / (s + o / 2.0), 1.0)))
    context = n * (s + o / 2.0)
    chunks = np.maximum(np.ceil(s / runs.step_tokens), 1.0)
    zero = np.zeros_like(n)
    step = clock.step_ms(n, context, zero, zero)
    added = chunks * (clock.step_ms(n, context, s / chunks, s / 2.0) - step)
    tpot = step + (n - 1.0) / o * added
    ttft = chunks * step + added * (1.0 + np.where(runs.fixed, FIXED_CROWDING, CROWDING) * (n - 1.0))
    saturated = o * n / (o * step + n * added)
    closed = n * o / (ttft + np.maximum(o - 1.0, 0.0) * tpot)
    return Figures(ttft, tpot, 1e3 * np.where(runs.saturated, saturated, closed))


def simulated_figures(runs: RunConditions, clock: ClockTable) -> Figures:
    """The figures by the step simulator; saturated runs keep the closed form.

    TTFT is the mean over all requests, and the first wave of clients, who start at once, counts too: published medians
    grow with the number of clients as this mean does. Identical runs are simulated once.
    """
    figures = closed_form(runs, clock)
    rows = np.flatnonzero(~runs.saturated)
    low = np.where(runs.fixed, 1.0, SPREAD[0])
    high = np.where(runs.fixed, 1.0, SPREAD[1])
    clients, outputs = runs.in_flight, runs.outputs
    requests = np.clip(np.floor(MOST_REQUESTS / clients), LEAST_ROUNDS, ROUNDS) * clients
    tokens = np.maximum(runs.step_tokens, np.minimum(runs.places, clients))
    conditions = (runs.inputs, outputs, clients, requests, low, high, runs.kv_tokens, runs.places, tokens)
    loops, place = simulate_distinct(
        np.stack([column[rows] for column in astuple(clock)], axis=1),
        np.stack([column[rows] for column in conditions], axis=1),
    )
    clients, outputs = clients[rows], outputs[rows]
    ttft, tpot = loops.ttft_ms.mean[place], loops.tpot_ms.p50[place]
    tpot = np.where(np.isnan(tpot), figures.tpot_ms[rows], tpot)
    e2e = ttft + np.maximum(outputs - 1.0, 0.0) * np.nan_to_num(loops.tpot_ms.mean[place])
    rate = 1e3 * clients * outputs / e2e
    for whole, part in ((figures.ttft_ms, ttft), (figures.tpot_ms, tpot), (figures.rate, rate)):
        whole[rows] = part
    return figures


def simulate_distinct(clocks: Floats, conditions: Floats) -> tuple[ClosedLoopFigures, NDArray[np.intp]]:
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
