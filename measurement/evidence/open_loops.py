"""Runs at a rate: requests arrive independently of each other, whatever the engine does (Poisson).

Clients that send at a rate draw the gaps between their requests from an exponential distribution. Where more is offered
than is served, the queue grows as long as the run lasts, so that latencies depend on the number of requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from measurement.evidence.words import QuotedKind
from planner.performance.step_time import StepClock

REQUESTS = 2000
"""Requests of a simulated run whose number is not stated."""
MOST_REQUESTS = 20_000
_POINTS = 64
_SHARES = (0.5, 0.9, 0.95, 0.99)
_R2 = (0.7548776662466927, 0.5698402909980532)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLoopConditions:
    """What one engine is offered.

    clock: step clock of its deployment.
    per_second: requests offered, requests/s.
    input_tokens, output_tokens: mean tokens of a request.
    length_range: shortest and longest length over the mean, for prompt and answer independently.
    prompts: requests of the whole run; None where it is not stated.
    places, step_tokens: sequences and tokens of one step at most.
    kv_tokens: tokens that the KV cache holds.
    """

    clock: StepClock
    per_second: float
    input_tokens: float
    output_tokens: float
    length_range: tuple[float, float]
    prompts: int | None
    places: int
    kv_tokens: float
    step_tokens: int


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """The latencies of a run at a rate, each (mean, p50, p90, p95, p99), ms.

    itl_ms: time between two tokens; its mean is that of TPOT.
    in_flight: requests in the engine, averaged over time.
    """

    ttft_ms: tuple[float, ...]
    tpot_ms: tuple[float, ...]
    e2e_ms: tuple[float, ...]
    itl_ms: tuple[float, ...]
    in_flight: float

    def time_ms(self, kind: QuotedKind | Literal["itl"], percentile: float | None) -> float:
        """TTFT, TPOT, E2E or ITL without the time before the first step, ms. percentile: None for the mean."""
        figures = {"ttft": self.ttft_ms, "tpot": self.tpot_ms, "e2e": self.e2e_ms, "itl": self.itl_ms}[kind]
        return figures[(None, *_SHARES).index(percentile)]


def open_loop(asked: OpenLoopConditions) -> OpenLoop:
    """The latencies of a run. The same conditions give the same figures: chance comes from a counter."""
    # It loads the compiler, which most commands do not need.
    from planner.performance.engine.latencies import Latencies
    from planner.performance.engine.scheduler import KvCache, SchedulerOptions
    from planner.performance.engine.simulator import simulate
    from planner.performance.engine.streams import Poisson, RequestMix

    low, high = asked.length_range
    places = np.arange(1, _POINTS + 1)
    u, v = ((step * places) % 1.0 for step in _R2)
    across = [low + (high - low) * np.clip(each + 0.5 - each.mean(), 0.0, 1.0) for each in (u, v)]
    mix = RequestMix.of(asked.input_tokens * across[0], asked.output_tokens * across[1])
    count = min(asked.prompts or REQUESTS, MOST_REQUESTS)
    results = simulate(
        asked.clock,
        Poisson(mix, asked.per_second, count),
        SchedulerOptions(max_num_seqs=asked.places, max_num_batched_tokens=asked.step_tokens, async_scheduling=False),
        KvCache(asked.kv_tokens),
    )

    def figures(latencies: Latencies) -> tuple[float, ...]:
        return (latencies.mean, *(latencies.percentile(share) for share in _SHARES))

    return OpenLoop(
        ttft_ms=figures(results.ttft_ms),
        tpot_ms=figures(results.tpot_ms),
        e2e_ms=figures(results.e2e_ms),
        itl_ms=(results.tpot_ms.mean, *(results.itl_ms(share) for share in _SHARES)),
        in_flight=results.totals.mean_present,
    )
