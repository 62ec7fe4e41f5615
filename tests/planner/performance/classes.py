"""Real deployment classes and mixes for the tests: shipped models, GPUs, coefficients and traces."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from planner.domain.workload import trace_workload
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.edges.trace_files import shipped_trace
from planner.performance.capacity import CapacityQuestion, LatencyTarget
from planner.performance.capacity_search import ReplicaTraffic
from planner.performance.lengths import lengths_of
from planner.performance.memory import MemoryFit, memory_fit
from planner.performance.roofline import ideal_step, step_clock
from tests.planner.performance.engine import Engine, Request, poisson

MAX_MODEL_LEN = 8192


@lru_cache
def mix(trace: str) -> tuple[tuple[float, float, float], ...]:
    """(input, output, weight) cells of a shipped trace that fit the context; `fixed`: 1000 in, 200 out."""
    if trace == "fixed":
        return ((1000.0, 200.0, 1.0),)
    found = trace_workload(shipped_trace(trace)).mix
    cells = zip(found.input_tokens, found.output_tokens, found.weights, strict=True)
    return tuple(cell for cell in cells if cell[0] + cell[1] < MAX_MODEL_LEN)


def question(
    model: str,
    form: str,
    gpu: str,
    ranks: int,
    trace: str,
    target: LatencyTarget,
    cap: int = 256,
    batched_tokens: int = 8192,
) -> CapacityQuestion:
    """The question for a class of shipped parts."""
    catalog, found = load_catalog(), load_catalog().models[model]
    precision = found.precision(form)
    assert precision is not None
    memory = memory_fit(
        found,
        precision,
        catalog.gpus[gpu],
        tensor_parallel_size=ranks,
        max_num_seqs=cap,
        max_model_len=MAX_MODEL_LEN,
        max_num_batched_tokens=batched_tokens,
    )
    assert isinstance(memory, MemoryFit), memory
    lengths = lengths_of(mix(trace))
    ideal = ideal_step(found.architecture, precision, catalog.gpus[gpu], ranks, context_tokens=lengths.mean_context)
    return CapacityQuestion(
        clock=step_clock(ideal, load_coefficients()),
        memory=memory,
        lengths=lengths,
        target=target,
        max_num_seqs=cap,
        max_num_batched_tokens=batched_tokens,
    )


def traffic(trace: str, minutes: tuple[float, ...] = (1.0,)) -> ReplicaTraffic:
    """The mix of a shipped trace, with arrivals of that shape."""
    inputs, outputs, weights = zip(*mix(trace), strict=True)
    return ReplicaTraffic(inputs, outputs, weights, minutes)


@lru_cache
def busiest_minutes(trace: str) -> tuple[float, ...]:
    """Requests of the busiest five whole minutes of a shipped trace."""
    found = shipped_trace(trace)
    minutes = [float(requests) for requests, _, _ in found.minutes][: int(found.duration_s // 60)]
    return tuple(max((minutes[i : i + 5] for i in range(len(minutes) - 4)), key=sum))


def served(
    asked: CapacityQuestion,
    trace: str,
    per_second: float,
    count: int,
    seed: int,
    minutes: tuple[float, ...] = (1.0,),
) -> tuple[list[Request], Engine]:
    """Requests of the mix through the reference engine, the first tenth left out as warm-up.

    Poisson, at a rate that goes up and down with the minutes, again and again, and is `per_second` on average.
    """
    cells = mix(trace)
    lengths = [(s, o) for s, o, _ in cells]
    engine = Engine(
        asked.clock,
        asked.max_num_seqs,
        asked.memory.kv_tokens(asked.lengths.mean_context),
        asked.max_num_batched_tokens,
    )
    requests = poisson(lengths, per_second, count, seed, [weight for *_, weight in cells])
    edges = np.arange(math.ceil(requests[-1].arrival_ms / 60e3 / len(minutes)) * len(minutes) + 1) * 60e3
    expected = np.concatenate([[0.0], np.cumsum(np.resize(minutes, len(edges) - 1) / np.mean(minutes))]) * 60e3
    for request in requests:
        request.arrival_ms = float(np.interp(request.arrival_ms, expected, edges))
    done = sorted(engine.run(requests), key=lambda request: request.arrival_ms)
    return done[count // 10 :], engine


def missed(
    asked: CapacityQuestion,
    trace: str,
    per_second: float,
    count: int = 2500,
    seed: int = 1,
    minutes: tuple[float, ...] = (1.0,),
) -> float:
    """Largest share of requests over one of the targets, in the reference engine."""
    done, _ = served(asked, trace, per_second, count, seed, minutes)
    target = asked.target
    late = sum(r.ttft_ms > target.ttft_ms + target.ttft_ms_per_1k_input * r.prompt / 1e3 for r in done) / len(done)
    decoding = [r for r in done if r.output > 1]
    slow = sum(r.tpot_ms > target.tpot_ms for r in decoding) / len(decoding)
    over = sum(r.last_ms - r.arrival_ms > target.e2e_ms for r in done) / len(done)
    return max(late, slow, over)
