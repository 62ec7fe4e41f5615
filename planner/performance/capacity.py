"""How many requests per second one replica serves within its SLO: the closed form that screens candidates.

The mean concurrency of the steady state is raised until a further step would break a target at the route's own
percentile. The targets are judged on the mixture of all lengths of the route. Real arrivals are burstier than Poisson,
so the rate is divided by the route's 60 s peak ÷ mean: every second is screened as if it lay in the busiest minute.

The closed form answers thousands of questions a second. A plan rests on the step simulator (`capacity_search`)
instead. The simulator takes three things from here: where its search starts, what gives way first, and how far the
rate moves with the residuals of the fit (`with_interval`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from planner.performance.lengths import Lengths
from planner.performance.memory import MemoryFit
from planner.performance.prefix import NOTHING_CACHED, CachedPrompts, with_reuse
from planner.performance.steady_state import Load, SteadyState, column
from planner.performance.step_time import StepClock
from planner.plan.parts import Provenance
from planner.words.arrays import Floats
from planner.words.numbers import six_digits

Binding = Literal["ttft", "tpot", "e2e", "prefill", "memory", "max_num_seqs"]

PERCENTILE = 0.95
"""Share of the requests that must keep each target."""
LEAST_CONCURRENCY = 0.01
"""Mean concurrency that counts as idle: a class that misses its SLO here misses it on an idle replica."""
LEAST_WAIT = 0.1
"""Least share of an E2E target that a request may wait for its first token before it is given up."""
_PASSES, _POINTS = 3, 8
_BISECTIONS = 14
_BLOCK = 128
"""Questions that are computed at once: arrays of this length stay within the cache of a core."""


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


def capacities(questions: Sequence[CapacityQuestion]) -> list[Capacity | NoCapacity]:
    """Return the answers to many questions, in their order. A few thousand are computed in a second."""
    answers: list[Capacity | NoCapacity] = []
    for start in range(0, len(questions), _BLOCK):
        answers.extend(_answers(questions[start : start + _BLOCK]))
    return answers


def with_interval(answer: Capacity, question: CapacityQuestion, residual: tuple[float, float]) -> Capacity:
    """Return the same capacity with its range: what the closed form says of steps at the ends of the fit's residuals.

    residual: (p10, p90) of the step time, relative to the clock of the question. Where a margin was applied to that
    clock, the residuals of the fit must be divided by it first.
    """
    asked = replace(question, max_num_seqs=answer.max_num_seqs)
    rates = [six_digits(answer.requests_per_second * factor) for factor in rate_factors([asked, asked], residual)]
    return replace(answer, low=min(rates), high=max(rates))


def rate_factors(questions: Sequence[CapacityQuestion], slowness: Sequence[float]) -> list[float]:
    """Return the factor on the screened rate of each question when its steps take `slowness` times as long.

    It is 0 where no rate is left, and where there was none before.
    """
    slower = [replace(q, clock=q.clock.slower_by(factor)) for q, factor in zip(questions, slowness, strict=True)]
    rates = [
        answer.requests_per_second if isinstance(answer, Capacity) else 0.0
        for answer in capacities([*questions, *slower])
    ]
    count = len(questions)
    return [after / before if before else 0.0 for before, after in zip(rates[:count], rates[count:], strict=True)]


class _Targets:
    """The targets of a block of questions, as arrays beside the `Load` of the block."""

    def __init__(self, load: Load, questions: Sequence[CapacityQuestion]) -> None:
        slope = column([q.target.ttft_ms_per_1k_input for q in questions])
        base = column([q.target.ttft_ms - q.first_token_overhead_ms for q in questions])
        self.ttft_ms = base + slope * load.inputs / 1e3
        self.tpot_ms = column([q.target.tpot_ms for q in questions])
        self.first_token = column([q.target.first_token for q in questions])
        entry = column([q.first_token_overhead_ms for q in questions])
        self.e2e_ms = column([q.target.e2e_ms for q in questions]) - self.first_token * entry

    def miss_shares(self, state: SteadyState, times: Floats | float = 1.0) -> tuple[Floats, Floats, Floats]:
        """Return the share of the requests over each target, (TTFT, TPOT, E2E) of shape (questions, concurrencies).

        times: factor on all targets.
        """
        ttft = state.ttft_tail(times * self.ttft_ms)[:, :, 0]
        e2e = self.e2e_tail(state, times * self.e2e_ms)[:, :, 0] if self.are_whole else np.zeros_like(ttft)
        return ttft, state.tpot_tail(times * self.tpot_ms)[:, :, 0], e2e

    @cached_property
    def are_whole(self) -> bool:
        """Say whether any question has a target for whole answers."""
        return bool(np.isfinite(self.e2e_ms).any())

    def e2e_tail(self, state: SteadyState, target_ms: Floats) -> Floats:
        """Return the share of the requests that take longer than this, without the entry, to their last token."""
        return state.e2e_tail(target_ms, self.first_token)

    def are_met(self, state: SteadyState) -> NDArray[np.bool_]:
        """Return whether every target holds at the percentile, shape (questions, concurrencies)."""
        ttft, tpot, e2e = self.miss_shares(state)
        return np.asarray(np.maximum(np.maximum(ttft, tpot), e2e) <= 1.0 - PERCENTILE)


def _answers(questions: Sequence[CapacityQuestion]) -> list[Capacity | NoCapacity]:
    in_cache = [q.memory.sequences(q.lengths.mean_residence, q.reuse.shared_tokens) for q in questions]
    places = [min(float(q.max_num_seqs), fits) for q, fits in zip(questions, in_cache, strict=True)]
    load = Load.stack(
        [q.clock for q in questions],
        [with_reuse(q.lengths, q.reuse) for q in questions],
        [max(each, 1.0) for each in places],
        [q.max_num_batched_tokens for q in questions],
    )
    targets = _Targets(load, questions)
    idle = SteadyState(load, np.full_like(load.places, LEAST_CONCURRENCY))
    possible = targets.are_met(idle)[:, 0]
    over = np.ones(len(questions)) if possible.all() else _times_over(idle, targets)
    highest, above = _highest(load, targets)
    state = SteadyState(load, highest)
    bindings = _bindings(
        SteadyState(load, above), targets, [p < q.max_num_seqs for p, q in zip(places, questions, strict=True)]
    )
    most = load.full_rate_per_ms[:, 0, 0]
    times = [
        _percentile(tail, load, share) for tail in (state.ttft_tail, state.tpot_tail) for share in (0.5, PERCENTILE)
    ]
    answered = _percentile(partial(targets.e2e_tail, state), load, PERCENTILE) if targets.are_whole else None
    answers: list[Capacity | NoCapacity] = []
    for i, question in enumerate(questions):
        if places[i] < 1.0:
            reason = "the KV cache holds less than one request of this mix"
            answers.append(NoCapacity(reason, "memory", _short_of(places[i])))
        elif not possible[i]:
            answers.append(NoCapacity(_idle_reason(idle, targets, i), bindings[i], six_digits(float(over[i]))))
        else:
            rate = float(state.rate_per_ms[i, 0, 0])
            planned = six_digits(rate * 1e3 / max(question.burst_ratio, 1.0))
            ttft50, ttft95, tpot50, tpot95 = (float(time[i]) for time in times)
            entry, asked = question.first_token_overhead_ms, question.target
            # Only a question with a target of its own is answered: an answer does not depend on its neighbours.
            whole = None
            if answered is not None and asked.e2e_ms < np.inf:
                whole = six_digits(float(answered[i]) + asked.first_token * entry)
            answers.append(
                Capacity(
                    requests_per_second=planned,
                    max_num_seqs=question.max_num_seqs,
                    concurrency=six_digits(float(state.concurrency[i, 0, 0])),
                    ttft_ms_p50=six_digits(ttft50 + entry),
                    ttft_ms_p95=six_digits(ttft95 + entry),
                    tpot_ms_p50=six_digits(tpot50),
                    tpot_ms_p95=six_digits(tpot95),
                    binding=bindings[i],
                    utilisation=six_digits(rate / max(float(most[i]), rate)),
                    provenance=question.provenance,
                    low=planned,
                    high=planned,
                    e2e_ms_p95=whole,
                )
            )
    return answers


def _highest(load: Load, targets: _Targets) -> tuple[Floats, Floats]:
    """Return the highest concurrency that meets every target, and one just above it, each of shape (questions, 1, 1).

    The search makes three passes over a geometric grid. It takes the side of the last bracket that meets the targets,
    so the answer errs on the low side, by less than 3 %.
    """
    low = np.full(load.places.shape[:1], LEAST_CONCURRENCY)
    high = np.maximum(load.places[:, 0, 0], 2.0 * LEAST_CONCURRENCY)
    rows = np.arange(len(low))
    for _ in range(_PASSES):
        grid = low[:, None] * (high / low)[:, None] ** np.linspace(0.0, 1.0, _POINTS)
        met = targets.are_met(SteadyState(load, grid[:, :, None]))
        first_miss = np.where(met.all(axis=1), _POINTS, np.argmin(met, axis=1))
        low = grid[rows, np.clip(first_miss - 1, 0, _POINTS - 1)]
        high = grid[rows, np.minimum(first_miss, _POINTS - 1)]
    return low.reshape(-1, 1, 1), (high * 1.01).reshape(-1, 1, 1)


def _bindings(state: SteadyState, targets: _Targets, cache_is_the_limit: Sequence[bool]) -> list[Binding]:
    """Return the target or the resource that gives way in a state just above the capacity."""
    shares = np.stack(targets.miss_shares(state))[:, :, 0]
    worst = np.argmax(shares, axis=0)
    places, prompts = state.place_wait[:, 0, 0], np.minimum(state.prompt_load[:, 0, 0], 1.0)
    bindings: list[Binding] = []
    for i, by_cache in enumerate(cache_is_the_limit):
        if worst[i] == 1:
            bindings.append("tpot")
        elif places[i] > 1.0 - PERCENTILE and places[i] >= prompts[i] / 2.0:
            bindings.append("memory" if by_cache else "max_num_seqs")
        elif prompts[i] > 0.5:
            bindings.append("prefill")
        else:
            bindings.append("ttft" if worst[i] == 0 else "e2e")
    return bindings


def _short_of(places: float) -> float | None:
    """Return one request's KV cache ÷ the cache that there is; None where there is none at all."""
    return six_digits(1.0 / places) if places > 0 else None


def _times_over(idle: SteadyState, targets: _Targets) -> Floats:
    """Bisect for the factor on all targets with which an idle replica would meet them, shape (questions,)."""
    low = np.zeros((len(idle.load.idle_step_ms), 1, 1))
    high = np.full_like(low, np.log(1e4))
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        late = np.stack(targets.miss_shares(idle, np.exp(middle))).max(axis=0)[:, :, None] > 1.0 - PERCENTILE
        low, high = np.where(late, middle, low), np.where(late, high, middle)
    factor: Floats = np.exp(high)[:, 0, 0]
    return factor


def _idle_reason(idle: SteadyState, targets: _Targets, i: int) -> str:
    ttft, tpot, e2e = (float(share[i, 0]) for share in targets.miss_shares(idle))
    step = float(idle.load.idle_step_ms[i, 0, 0])
    if tpot > 1.0 - PERCENTILE:
        asked = targets.tpot_ms[i, 0, 0]
        return f"an idle replica already takes {step:.1f} ms per output token, {asked:.0f} ms are asked for"
    name, tail = ("first", idle.ttft_tail) if ttft >= e2e else ("last", partial(targets.e2e_tail, idle))
    p95 = float(_percentile(tail, idle.load, PERCENTILE)[i])
    return (
        f"an idle replica misses the target to the {name} token for {max(ttft, e2e):.0%} of the requests; its p95 is "
        f"{p95:.0f} ms to the {name} token"
    )


def _percentile(tail: Callable[[Floats], Floats], load: Load, share: float) -> Floats:
    """Bisect for the time that `share` of the requests do not exceed, ms, shape (questions,)."""
    low = np.log(load.idle_step_ms / 2.0)
    high = low + np.log(1e5)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        late = tail(np.exp(middle)) > 1.0 - share
        low, high = np.where(late, middle, low), np.where(late, high, middle)
    answer: Floats = np.exp(high)[:, 0, 0]
    return answer
