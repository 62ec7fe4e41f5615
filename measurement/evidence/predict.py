"""What a benchmark run would report, from step clocks: the bridge between a clock and published figures.

With N requests always in the engine (a closed loop), S tokens in and O out each:

    ΔT    = chunks·(step(N, X, S/chunks, S/2) − step(N, X))        X = N·(S + O/2)
    TPOT  = step(N, X) + (N − 1)/O·ΔT
    TTFT  = chunks·step + ΔT·(1 + crowding·(N − 1))
    rate  = N·O/(TTFT + (O − 1)·TPOT)                              output tokens/s

`crowding` is the share of the others that start in the same moment: clients of a closed loop fall into step with each
other. How much, only the simulator tells, so the closed form serves where thousands of clocks are tried and `simulated`
where a figure is given. A saturated run holds as many as fit the KV cache or the engine's own batch limit, and its rate
is O·N/(O·step + N·ΔT). What a request spends before its first step is the engine's (`EngineCoefficients`) and is added
to TTFT at the end. Everything is an array over runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from measurement.evidence.benchmarks import EngineName, Subject
from planner.performance.engine.scheduler import LARGE_GPU_GB, default_batched_tokens
from planner.performance.memory import MemoryFit, memory_fit
from planner.performance.step_time import ClockTable
from planner.words.arrays import Floats

if TYPE_CHECKING:
    from planner.performance.engine.closed_loops import ClosedLoopFigures


SPREAD = (8.0 / 9.0, 10.0 / 9.0)
"""Lengths relative to their mean where they are not fixed: the usual draw from 0.8 to 1 × nominal."""
CROWDING = 0.1
"""Of the closed form: half of the others where lengths are fixed; measured by the simulator where they are spread."""
ROUNDS = 10
"""Requests a client sends in a benchmark, as the largest published collection does."""
MOST_REQUESTS = 1500
"""Fewer rounds are simulated where so many clients would send more."""
LEAST_ROUNDS = 4
"""Requests that each client sends at least, however many clients there are."""


def step_tokens(engine: EngineName, memory_gb: float) -> float:
    """Tokens that one step may hold by each engine's default; NIM's TensorRT-LLM takes whole prompts together."""
    limits: dict[EngineName, float] = {"trt-llm": 32768.0, "sglang": 8192.0, "tgi": 4096.0}
    return limits.get(engine, default_batched_tokens(memory_gb))


def batch_limit(engine: EngineName, memory_gb: float) -> float:
    """Sequences that a saturated run may hold by each engine's default."""
    limits: dict[EngineName, float] = {"trt-llm": 2048.0, "sglang": 1024.0, "tgi": 128.0}
    return limits.get(engine, 1024.0 if memory_gb >= LARGE_GPU_GB else 256.0)


@dataclass(frozen=True)
class Figures:
    """What runs report, shape (runs,): mean times in ms without the entry, output tokens/s."""

    ttft_ms: Floats
    tpot_ms: Floats
    rate: Floats

    def over(self, other: Figures) -> Figures:
        """Each figure relative to another's."""
        return Figures(self.ttft_ms / other.ttft_ms, self.tpot_ms / other.tpot_ms, self.rate / other.rate)

    def times(self, factor: Figures) -> Figures:
        """Each figure multiplied by its factor."""
        return Figures(self.ttft_ms * factor.ttft_ms, self.tpot_ms * factor.tpot_ms, self.rate * factor.rate)

    def only(self, kept: NDArray[np.bool_]) -> Figures:
        """Some of the runs."""
        return Figures(self.ttft_ms[kept], self.tpot_ms[kept], self.rate[kept])

    def of(self, metrics: NDArray[np.str_], entry_ms: Floats) -> Floats:
        """The figure that each run reports, by its metric: `ttft` with the entry before the first step, `tpot`, or
        `throughput`."""
        times = np.where(metrics == "ttft", self.ttft_ms + entry_ms, self.tpot_ms)
        return np.where(metrics == "throughput", self.rate, times)


@dataclass(frozen=True)
class Runs:
    """The conditions of runs, as arrays of shape (runs,)."""

    inputs: Floats
    outputs: Floats
    in_flight: Floats
    """Clients of a closed loop; sequences that a saturated engine holds."""
    saturated: NDArray[np.bool_]
    fixed: NDArray[np.bool_]
    kv_tokens: Floats
    places: Floats
    step_tokens: Floats

    def only(self, kept: NDArray[np.bool_]) -> Runs:
        """Some of the runs."""
        return Runs(*(getattr(self, each.name)[kept] for each in fields(self)))

    @classmethod
    def of(cls, subjects: Sequence[Subject]) -> Runs:
        """The conditions of these measurements; a saturated run's batch follows from memory."""
        rows = [subject.measurement for subject in subjects]
        both = tuple(zip(rows, subjects, strict=True))
        held = np.array([_held(subject) for subject in subjects]).reshape(-1, 2)
        places = np.array([batch_limit(s.measurement.engine, s.gpu.memory_gb) for s in subjects])
        saturated = np.array([row.concurrency is None for row in rows])
        clients = np.array([float(row.concurrency or 1) for row in rows])
        return cls(
            np.array([row.input_tokens for row in rows]),
            np.array([row.output_tokens for row in rows]),
            np.where(saturated, np.minimum(places, held[:, 0]), clients),
            saturated,
            np.array([row.lengths == "fixed" for row in rows]),
            held[:, 1],
            np.maximum(places, np.where(saturated, 1.0, clients)),
            np.array([row.max_num_batched_tokens or step_tokens(row.engine, s.gpu.memory_gb) for row, s in both]),
        )


def _held(subject: Subject) -> tuple[float, float]:
    """(sequences, tokens of context) that the KV cache holds on average; at least one sequence.

    TensorRT-LLM reserves the whole answer when it admits a request, the others take blocks as they go.
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
        gpu_memory_utilization=0.95 if whole else 0.9,
    )
    longest = row.input_tokens + row.output_tokens
    if not isinstance(fit, MemoryFit):
        return 1.0, np.inf
    context = longest if whole else row.input_tokens + row.output_tokens / 2.0
    kv_tokens = np.inf if row.regime == "fixed_concurrency" else max(2.5 * longest, fit.kv_tokens(longest))
    return max(1.0, fit.sequences(context)), kv_tokens


def closed_form(runs: Runs, clock: ClockTable) -> Figures:
    """The formulas above. The clock's fields have shape (runs,)."""
    n, s, o = runs.in_flight, runs.inputs, runs.outputs
    n = np.where(runs.saturated, n, np.minimum(n, np.maximum(runs.kv_tokens / (s + o / 2.0), 1.0)))
    context = n * (s + o / 2.0)
    chunks = np.maximum(np.ceil(s / runs.step_tokens), 1.0)
    zero = np.zeros_like(n)
    step = clock.step_ms(n, context, zero, zero)
    added = chunks * (clock.step_ms(n, context, s / chunks, s / 2.0) - step)
    tpot = step + (n - 1.0) / o * added
    ttft = chunks * step + added * (1.0 + np.where(runs.fixed, 0.5, CROWDING) * (n - 1.0))
    saturated = o * n / (o * step + n * added)
    closed = n * o / (ttft + np.maximum(o - 1.0, 0.0) * tpot)
    return Figures(ttft, tpot, 1e3 * np.where(runs.saturated, saturated, closed))


def simulated(runs: Runs, clock: ClockTable) -> Figures:
    """The same from the step simulator; saturated runs keep the closed form.

    TTFT is the mean over all requests, the first wave of clients that start at once included: published medians grow
    with the number of clients as this mean does. Identical runs are simulated once.
    """
    figures = closed_form(runs, clock)
    rows = np.flatnonzero(~runs.saturated)
    low = np.where(runs.fixed, 1.0, SPREAD[0])
    high = np.where(runs.fixed, 1.0, SPREAD[1])
    clients, outputs = runs.in_flight, runs.outputs
    requests = np.clip(np.floor(MOST_REQUESTS / clients), LEAST_ROUNDS, ROUNDS) * clients
    tokens = np.maximum(runs.step_tokens, np.minimum(runs.places, clients))
    conditions = (runs.inputs, outputs, clients, requests, low, high, runs.kv_tokens, runs.places, tokens)
    told, place = benchmarked(
        np.stack([column[rows] for column in astuple(clock)], axis=1),
        np.stack([column[rows] for column in conditions], axis=1),
    )
    clients, outputs = clients[rows], outputs[rows]
    ttft, tpot = told.ttft_ms.mean[place], told.tpot_ms.p50[place]
    tpot = np.where(np.isnan(tpot), figures.tpot_ms[rows], tpot)
    e2e = ttft + np.maximum(outputs - 1.0, 0.0) * np.nan_to_num(told.tpot_ms.mean[place])
    rate = 1e3 * clients * outputs / e2e
    for whole, part in ((figures.ttft_ms, ttft), (figures.tpot_ms, tpot), (figures.rate, rate)):
        whole[rows] = part
    return figures


def benchmarked(clocks: Floats, conditions: Floats) -> tuple[ClosedLoopFigures, NDArray[np.intp]]:
    """(what each distinct benchmark reports, the place of every row among them).

    clocks: shape (n, k), as `clock_vector`'s. conditions: shape (n, 9): input and output tokens, clients, requests,
    least and greatest length over the mean, tokens of KV cache, places in the batch, tokens of a step.
    """
    from planner.performance.engine.closed_loops import closed_loops  # loads the compiler, which a start needs none of

    distinct, place = np.unique(np.hstack([clocks, conditions]), axis=0, return_inverse=True)
    width = clocks.shape[1]
    inputs, outputs, clients, requests, low, high, kv_tokens, places, tokens = distinct[:, width:].T
    told = closed_loops(
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
    return told, place
