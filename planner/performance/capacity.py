"""A question to the performance model and its answer: how many requests per second one replica serves within its SLO.

Two answer it. The closed form (`closed_form`) screens thousands of candidates, and the step simulator
(`capacity_search`) rates those on which a plan may rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from planner.performance.lengths import Lengths
from planner.performance.memory import MemoryFit
from planner.performance.prefix import NOTHING_CACHED, CachedPrompts
from planner.performance.step_time import StepClock
from planner.plan.parts import Provenance

Binding = Literal["ttft", "tpot", "e2e", "prefill", "memory", "max_num_seqs"]

PERCENTILE = 0.95
"""Share of the requests that must keep each target."""
LEAST_WAIT = 0.1
"""Least share of an E2E target that a request may wait for its first token before it is given up."""


@dataclass(frozen=True, slots=True)
class LatencyTarget:
    """What a route promises at its 95th percentile; a time is infinite where the route promises nothing.

    ttft_ms: time to the first token of an empty prompt, ms.
    ttft_ms_per_1k_input: what every 1,000 input tokens add to it, ms.
    tpot_ms: mean time per output token, ms.
    e2e_ms: time from arrival to the last token, ms.
    first_token: time to the first token ÷ the time that is computed for it, as it counts towards `e2e_ms`.
    """

    ttft_ms: float = np.inf
    ttft_ms_per_1k_input: float = 0.0
    tpot_ms: float = np.inf
    e2e_ms: float = np.inf
    first_token: float = 1.0

    @property
    def has_ttft(self) -> bool:
        """Say whether the time to the first token is promised."""
        return self.ttft_ms < np.inf

    def nearer(self, factor: float) -> LatencyTarget:
        """Return the target to compute with, when first tokens really take `factor` times as long as is computed."""
        if factor == 1.0:
            return self
        slope = self.ttft_ms_per_1k_input / factor
        return replace(self, ttft_ms=self.ttft_ms / factor, ttft_ms_per_1k_input=slope, first_token=factor)

    def first_token_ms(self, input_tokens: float, answer_ms: float) -> float:
        """Return how long a request may wait for its first token, ms.

        Where no TTFT is promised, this is what E2E leaves beside an answer that takes `answer_ms` after its first
        token, and a tenth of E2E at least.
        """
        if self.has_ttft:
            return self.ttft_ms + self.ttft_ms_per_1k_input * input_tokens / 1e3
        return max(self.e2e_ms - answer_ms, self.e2e_ms * LEAST_WAIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityQuestion:
    """One deployment class with one batch cap, which is asked to serve one mix of lengths within one target.

    clock: step times of the class.
    memory: what its KV cache holds.
    lengths: the mix.
    target: what is promised.
    max_num_seqs: the batch cap, sequences.
    max_num_batched_tokens: most tokens of one step.
    burst_ratio: 60 s peak ÷ mean of the route's arrivals; 1 for Poisson.
    reuse: what of the prompts the cache has already; the lengths are those of whole prompts.
    first_token_overhead_ms: time that every request takes before its first step (HTTP, tokenizing), ms; it is part of
    TTFT and E2E.
    provenance: how the coefficients of the clock are known.
    """

    clock: StepClock
    memory: MemoryFit
    lengths: Lengths
    target: LatencyTarget
    max_num_seqs: int
    max_num_batched_tokens: int = 8192
    burst_ratio: float = 1.0
    reuse: CachedPrompts = NOTHING_CACHED
    first_token_overhead_ms: float = 0.0
    provenance: Provenance = "analytic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What one replica serves. All figures have six significant digits.

    requests_per_second: the planned rate, which the route's bursts have lowered already, requests/s of the mix. All
    other fields describe the busiest minute.
    max_num_seqs: the batch cap, sequences.
    concurrency: mean number of decoding sequences.
    ttft_ms_p50, ttft_ms_p95: percentiles of the time to the first token, ms.
    tpot_ms_p50, tpot_ms_p95: percentiles of the mean time per output token, ms.
    e2e_ms_p95: percentile of the time from arrival to the last token, ms; None where the closed form was not asked.
    binding: what gives way first above this rate. `memory`: places in the KV cache. `prefill`: the queue of prompts.
    utilisation: the rate ÷ the highest rate that the replica could serve at any latency.
    provenance: how the coefficients of the clock are known.
    low, high: requests/s when steps are as slow, or as fast, as the residuals of the fit allow. Both are the planned
    rate until `with_interval` has set them.
    """

    requests_per_second: float
    max_num_seqs: int
    concurrency: float
    ttft_ms_p50: float
    ttft_ms_p95: float
    tpot_ms_p50: float
    tpot_ms_p95: float
    binding: Binding
    utilisation: float
    provenance: Provenance
    low: float
    high: float
    e2e_ms_p95: float | None = None


@dataclass(frozen=True, slots=True)
class NoCapacity:
    """A class that cannot meet its target at any rate.

    reason: why it cannot, as one sentence.
    binding: what gives way first.
    over: what it needs ÷ what it has or may take, of the target or the memory that it misses by most, on an idle
    replica; 1 where an idle replica is in time and only the least load is not. None where it is not known.
    """

    reason: str
    binding: Binding
    over: float | None = None
