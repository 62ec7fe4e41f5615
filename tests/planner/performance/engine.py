"""A reference engine for the tests: continuous batching, step by step, as slow and as exact as it needs to be.

Each step decodes every running sequence, then fills the rest of `max_num_batched_tokens` with chunks of prompts,
first come first served. A request is admitted when a place in the batch is free and its prompt fits the KV cache;
when the cache overflows, the youngest is preempted and computed again. Time comes from a `StepClock`.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.performance.engine.state import REQUEST
from planner.performance.step_time import StepClock


def clock_of(**times: float) -> StepClock:
    """A clock with these times; all others are 0. A sequence brings one token, unless more are given."""
    none = {each.name: 0.0 for each in fields(StepClock)} | {"tokens_per_sequence": 1.0}
    return StepClock(**none | times)


@dataclass(frozen=True, eq=False)
class GivenLoop:
    """A stream of clients that all start at time 0 and send requests of given lengths, in this order."""

    clients: int
    prompts: NDArray[np.int64]
    outputs: NDArray[np.int64]

    def chunks(self, size: int) -> Iterator[NDArray[Any]]:
        for start in range(0, len(self.prompts), size):
            part = slice(start, start + size)
            chunk = np.zeros(len(self.prompts[part]), REQUEST)
            chunk["prompt"], chunk["output"] = self.prompts[part], self.outputs[part]
            yield chunk


@dataclass(slots=True, eq=False)
class Request:
    arrival_ms: float
    prompt: int
    output: int
    computed: int = 0
    made: int = 0
    """Tokens made before the current stay in the batch: a preempted request computes them again."""
    first_ms: float = math.nan
    last_ms: float = math.nan
    started_step: int = 0

    @property
    def ttft_ms(self) -> float:
        return self.first_ms - self.arrival_ms

    @property
    def tpot_ms(self) -> float:
        return (self.last_ms - self.first_ms) / (self.output - 1)


@dataclass
class Engine:
    clock: StepClock
    max_num_seqs: int
    kv_tokens: float
    max_num_batched_tokens: int = 8192
    preemptions: int = 0
    finished: list[Request] = field(default_factory=list)

    def run(self, requests: list[Request]) -> list[Request]:
        """Serve all requests, sorted by arrival; return them in order of completion."""
        return self._serve(requests, lambda _: None)

    def run_closed(self, first: list[Request], rounds: int) -> list[Request]:
        """Each of the first requests is followed by an equal one as soon as it ends, `rounds` times in all."""
        left = len(first) * (rounds - 1)

        def following(request: Request) -> Request | None:
            nonlocal left
            left -= 1
            return Request(request.last_ms, request.prompt, request.output) if left >= 0 else None

        return self._serve(first, following)

    def _serve(self, requests: list[Request], following: Callable[[Request], Request | None]) -> list[Request]:
        arriving, waiting = deque(requests), deque[Request]()
        prefilling: deque[Request] = deque()
        ends: list[tuple[int, int, Request]] = []
        now, step, decoding, context, order = 0.0, 0, 0, 0, 0
        while arriving or waiting or prefilling or decoding:
            if not (waiting or prefilling or decoding):
                now = max(now, arriving[0].arrival_ms)
            while arriving and arriving[0].arrival_ms <= now:
                waiting.append(arriving.popleft())
            while context + decoding > self.kv_tokens and decoding > 1:
                context, decoding = self._preempt(ends, waiting, context, decoding, step)
            budget = self.max_num_batched_tokens - decoding
            taken, pairs, done = 0, 0.0, []
            held = context + sum(r.computed for r in prefilling)
            while budget > 0:
                if not prefilling or prefilling[-1].computed == prefilling[-1].prompt + prefilling[-1].made:
                    if not waiting or decoding + len(prefilling) >= self.max_num_seqs:
                        break
                    if held + waiting[0].prompt + waiting[0].made > self.kv_tokens:
                        break
                    held += waiting[0].prompt + waiting[0].made
                    prefilling.append(waiting.popleft())
                request = prefilling[-1]
                chunk = min(budget, request.prompt + request.made - request.computed)
                pairs += chunk * (request.computed + chunk / 2.0)
                request.computed += chunk
                budget -= chunk
                taken += chunk
                if request.computed == request.prompt + request.made:
                    done.append(request)
                else:
                    break
            step += 1
            now += self.clock.step_ms(decoding, context, taken, pairs / taken if taken else 0.0)
            context += decoding
            while ends and ends[0][0] <= step:
                _, _, request = heapq.heappop(ends)
                decoding -= 1
                context -= request.prompt + request.output - 1
                request.last_ms = now
                self.finished.append(request)
                if (successor := following(request)) is not None:
                    arriving.appendleft(successor)
            for request in done:
                prefilling.remove(request)
                if math.isnan(request.first_ms):
                    request.first_ms = now
                request.made = max(request.made, 1)
                if request.made >= request.output:
                    request.last_ms = now
                    self.finished.append(request)
                    continue
                decoding += 1
                context += request.prompt + request.made - 1
                request.started_step = step
                order += 1
                heapq.heappush(ends, (step + request.output - request.made, order, request))
        return self.finished

    def _preempt(
        self, ends: list[tuple[int, int, Request]], waiting: deque[Request], context: int, decoding: int, step: int
    ) -> tuple[int, int]:
        entry = max(ends, key=lambda each: each[1])
        ends.remove(entry)
        heapq.heapify(ends)
        request = entry[2]
        request.made += step - request.started_step
        request.computed = 0
        waiting.appendleft(request)
        self.preemptions += 1
        return context - (request.prompt + request.made - 1), decoding - 1


def poisson(
    lengths: Sequence[tuple[float, float]],
    per_second: float,
    count: int,
    seed: int,
    weights: Sequence[float] | None = None,
) -> list[Request]:
    """`count` requests with independent arrivals, lengths drawn from the mix."""
    chance = random.Random(seed)
    now, requests = 0.0, []
    for prompt, output in chance.choices(lengths, weights, k=count):
        now += chance.expovariate(per_second / 1e3)
        requests.append(Request(now, max(1, round(prompt)), max(1, round(output))))
    return requests


def percentile(values: list[float], share: float) -> float:
    """The smallest value that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]
