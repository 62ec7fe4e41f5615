"""How many requests in flight a replica may hold while it is offered more than it can serve.

A pool that spills stands at its gate for hours. The concurrency of its busiest minute (`admission.gate`) is then its
concurrency all the time, and more of its requests miss their targets than in the ups and downs of ordinary traffic. So
the replica is simulated under `OVERLOAD` times its capacity, where arrivals above the gate are refused. The gate is
lowered by eighths until few of the requests that it let in miss a target, but not so far that less gets through than is
planned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.performance.capacity import PERCENTILE, CapacityQuestion
from planner.performance.capacity_search import WARM_UP, ReplicaTraffic, misses
from planner.performance.engine.scheduler import KvCache, SchedulerOptions
from planner.performance.engine.streams import Arrivals, RequestMix, uniform

OVERLOAD = 1.25
"""Offered rate ÷ capacity. Under more the gate is full without a break, which is calmer; under less it seldom is."""
ALLOWED = 0.5
"""Share of the misses that a target allows which may happen in overload. Some minutes of a trace have harder lengths
than the whole of it, and a full gate has no calm minutes to make up for them: the five minutes that a rehearsal of the
worked prod replays have three times as many misses as the trace's mix."""
REQUESTS = 10_000
"""Number of requests that are offered."""
LEAST_EIGHTHS = 4
"""Eighths of the first gate below which it is not lowered."""


@dataclass(frozen=True)
class GatePart:
    """A part is the requests of one band of a route that come to a replica.

    question: what they are promised, and by what engine.
    traffic: their lengths.
    requests_per_second: how many of them are planned for one replica at its busiest level.
    capacity: how many a replica could serve alone, requests/s.
    """

    question: CapacityQuestion
    traffic: ReplicaTraffic
    requests_per_second: float
    capacity: float


def full_gate(parts: Sequence[GatePart], most: int) -> int:
    """Return the requests in flight up to which a replica in overload keeps the targets of all its parts.

    parts: what the replica serves; all have the same engine. most: the gate from which it is lowered.
    """
    planned = math.fsum(part.requests_per_second for part in parts)
    overload = _Overload(parts)
    allowed = most
    for eighths in range(8, LEAST_EIGHTHS - 1, -1):
        gate = max(1, most * eighths // 8)
        served, keeps = overload.behind(gate)
        if served < planned:
            break
        allowed = gate
        if keeps:
            break
    return allowed


class _Overload:
    """The requests that are offered to the replica, which are the same at every gate."""

    def __init__(self, parts: Sequence[GatePart]) -> None:
        self._parts, first = parts, parts[0].question
        rates = np.array([part.requests_per_second for part in parts])
        busy = math.fsum(part.requests_per_second / part.capacity for part in parts)
        weights = [
            rate * weight / math.fsum(part.traffic.weights)
            for part, rate in zip(parts, rates.tolist(), strict=True)
            for weight in part.traffic.weights
        ]
        inputs = [tokens for part in parts for tokens in part.traffic.inputs]
        outputs = [tokens for part in parts for tokens in part.traffic.outputs]
        number = np.arange(REQUESTS, dtype=np.uint64)
        chance = uniform(0, 0, number)
        mix = RequestMix.of(inputs, outputs, weights)
        prompts, answers = mix.draw(chance)
        part_of_kind = np.repeat(np.arange(len(parts)), [len(part.traffic.weights) for part in parts])
        self._part_of = part_of_kind[mix.kinds(chance)]
        again, cached = uniform(0, 2, number), np.zeros(REQUESTS, dtype=np.int64)
        for index, part in enumerate(parts):
            own = self._part_of == index
            cached[own] = part.question.reuse.cached_tokens(prompts[own], again[own])
        per_ms = OVERLOAD * float(rates.sum()) / busy / 1e3
        arrivals = np.cumsum(-np.log1p(-uniform(0, 1, number))) / per_ms
        self._stream = Arrivals(arrivals, prompts, answers, cached)
        self._cache = KvCache.of(first.memory, min(part.question.reuse.shared_tokens for part in parts))

    def behind(self, gate: int) -> tuple[float, bool]:
        """Return (requests/s that are served behind a gate, whether few enough of them miss each of their targets)."""
        # This import loads the compiler, which plans without a pool that spills do not need.
        from planner.performance.engine.simulator import SimulatedRun

        first = self._parts[0].question
        options = SchedulerOptions(first.max_num_seqs, first.max_num_batched_tokens, max_num_queued_reqs=gate)
        run = SimulatedRun(first.clock, self._stream, options, self._cache)
        finished = np.concatenate(list(run))
        counted = finished[finished["number"] >= WARM_UP * REQUESTS]
        of_part = self._part_of[counted["number"]]
        late = [
            _share_late(part.question, counted[of_part == index])
            for index, part in enumerate(self._parts)
            if np.any(of_part == index)
        ]
        return len(finished) / run.totals().duration_ms * 1e3, max(late) <= ALLOWED * (1.0 - PERCENTILE)


def _share_late(question: CapacityQuestion, finished: NDArray[np.void]) -> float:
    """Return the share of the requests that miss the target which most of them miss."""
    return max(float(late.mean()) for late in misses(question, finished) if len(late))
