"""One replica under a stream of requests, step by step: its latencies, its rate, and what it had to refuse.

The engine is vLLM's scheduler, compiled (`engine.loop`). Time comes from the step clock of the deployment class.
Nothing is drawn at random in here: the same stream gives the same bytes. `closed_loops` runs many small benchmarks at
once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.performance.engine.compiled_step import clock_vector
from planner.performance.engine.gaps import gap_percentiles, no_gaps
from planner.performance.engine.latencies import Latencies
from planner.performance.engine.loop import DONE, FINISHED_FULL, MORE_REQUESTS, WAITING_FULL, advance, prepare
from planner.performance.engine.scheduler import KvCache, SchedulerOptions, engine_record
from planner.performance.engine.state import FINISHED, REQUEST, SLOT, WAITING
from planner.performance.engine.streams import Stream
from planner.performance.step_time import StepClock
from planner.words.arrays import Floats

CHUNK = 1 << 15
"""Number of requests that are held at once on either side of the engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What the engine counted over the whole run.

    arrived: requests.
    refused_full: requests that were refused at a limit of the queue.
    refused_long: requests that were refused because they are longer than the whole cache.
    finished: requests.
    preemptions: how often a sequence lost its cache.
    steps: steps of the engine.
    prefill_tokens: prompt tokens that were computed; those that were computed again count again.
    decode_tokens: tokens that decode steps computed, one for each sequence and step.
    recomputed_tokens: tokens whose cache a preemption took.
    duration_ms: time of the last token, ms.
    busy_ms: time in steps, ms.
    most_running: most sequences in the batch.
    most_cache_bytes: most bytes in the cache.
    mean_present: requests in the engine, averaged over time.
    mean_queued: requests that wait for a place, averaged over time.
    """

    arrived: int
    refused_full: int
    refused_long: int
    finished: int
    preemptions: int
    steps: int
    prefill_tokens: int
    decode_tokens: int
    recomputed_tokens: int
    duration_ms: float
    busy_ms: float
    most_running: int
    most_cache_bytes: float
    mean_present: float
    mean_queued: float


@dataclass(frozen=True, slots=True)
class Results:
    """The latencies of the requests after the warm-up, and the totals of all requests.

    ttft_ms: times to the first token.
    tpot_ms: (last token − first token) / (output − 1), of requests of two output tokens or more.
    e2e_ms: times from arrival to the last token.
    gaps: counts of the times between two tokens, of all requests, shape (1, BINS).
    totals: what the engine counted.
    output_tokens: tokens of all finished requests.
    """

    ttft_ms: Latencies
    tpot_ms: Latencies
    e2e_ms: Latencies
    gaps: Floats
    totals: Totals
    output_tokens: int

    def itl_ms(self, share: float) -> float:
        """Return the time between two tokens that `share` of all tokens do not exceed, ms; the warm-up counts."""
        return float(gap_percentiles(self.gaps, np.array([share]))[0, 0])

    @property
    def output_tokens_per_s(self) -> float:
        """Output tokens ÷ time of the last token, tokens/s."""
        return self.output_tokens / self.totals.duration_ms * 1e3

    @property
    def requests_per_s(self) -> float:
        """Finished requests ÷ time of the last token, requests/s."""
        return self.totals.finished / self.totals.duration_ms * 1e3


def simulate(
    clock: StepClock, stream: Stream, options: SchedulerOptions, cache: KvCache, *, warm_up: int = 0
) -> Results:
    """Serve the whole stream. The latencies of the first `warm_up` requests are not counted."""
    run = SimulatedRun(clock, stream, options, cache)
    ttft, tpot, e2e, tokens = Latencies(), Latencies(), Latencies(), 0
    for finished in run:
        tokens += int(finished["output"].sum())
        counted = finished[finished["number"] >= warm_up]
        decoding = counted[counted["output"] > 1]
        ttft.add(counted["first_ms"] - counted["arrival_ms"])
        e2e.add(counted["last_ms"] - counted["arrival_ms"])
        tpot.add((decoding["last_ms"] - decoding["first_ms"]) / (decoding["output"] - 1))
    return Results(ttft, tpot, e2e, run.gaps, run.totals(), tokens)


class SimulatedRun:
    """A run that yields its finished requests, once, in arrays of `engine.state.FINISHED` in the order of their ends.

    It serves figures that `Results` lacks, such as targets that depend on the prompt, or one route of several. Memory
    does not grow with the stream: only requests that wait are held.
    """

    def __init__(self, clock: StepClock, stream: Stream, options: SchedulerOptions, cache: KvCache) -> None:
        places = options.max_num_seqs
        self._stream = stream
        self._clock = clock_vector(clock)
        self._engine = engine_record(options, cache)
        self._waiting = np.zeros(2 * places + 1024, WAITING)
        self._slots = np.zeros(places, SLOT)
        self._events = np.zeros(4 * places + 16, np.int64)
        self._phases = np.zeros((2, options.block_size), np.int64)
        self._finished = np.zeros(CHUNK + places, FINISHED)
        self.gaps = no_gaps(1)
        self._total_finished = 0
        prepare(self._engine, self._slots, self._phases, -1 if stream.clients is None else stream.clients)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        for requests in self._stream.chunks(CHUNK):
            yield from self._serve(requests, False)
        yield from self._serve(np.zeros(0, REQUEST), True)

    def totals(self) -> Totals:
        """Return what the engine has counted until now; after the last request this is the whole stream."""
        engine = self._engine[0]
        span = max(float(engine["now_ms"]), np.finfo(float).tiny)
        return Totals(
            arrived=int(engine["arrived"]),
            refused_full=int(engine["refused_full"]),
            refused_long=int(engine["refused_long"]),
            finished=self._total_finished,
            preemptions=int(engine["preemptions"]),
            steps=int(engine["steps"]),
            prefill_tokens=int(engine["prefill_tokens"]),
            decode_tokens=int(engine["decode_tokens"]),
            recomputed_tokens=int(engine["recomputed_tokens"]),
            duration_ms=float(engine["now_ms"]),
            busy_ms=float(engine["busy_ms"]),
            most_running=int(engine["most_running"]),
            most_cache_bytes=float(engine["most_bytes"]),
            mean_present=float(engine["present_ms"]) / span,
            mean_queued=float(engine["queued_ms"]) / span,
        )

    def _serve(self, requests: NDArray[Any], last: bool) -> Iterator[NDArray[Any]]:
        """Serve a chunk as far as that is possible without the next one."""
        engine = self._engine[0]
        engine["taken"] = 0
        reason = WAITING_FULL
        while reason not in (DONE, MORE_REQUESTS):
            reason = advance(
                self._engine,
                requests,
                last,
                self._waiting,
                self._slots,
                self._events,
                self._phases,
                self._finished,
                self.gaps[0],
                self._clock,
            )
            if reason == WAITING_FULL:
                in_order = np.roll(self._waiting, -int(engine["head"]))
                self._waiting = np.concatenate([in_order, np.zeros_like(in_order)])
                engine["head"] = 0
            if reason == FINISHED_FULL or (last and reason == DONE):
                yield self._take_finished()

    def _take_finished(self) -> NDArray[Any]:
        engine = self._engine[0]
        count = int(engine["finished"])
        self._total_finished += count
        engine["finished"] = 0
        return self._finished[:count].copy()
