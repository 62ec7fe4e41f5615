"""How many requests per second one replica serves within its SLO: the closed form that screens candidates.

The mean concurrency of the steady state is raised until a further step would break a target at the route's own
percentile. The targets are judged on the mixture of all lengths of the route. Real arrivals are burstier than Poisson,
so the rate is divided by the route's 60 s peak ÷ mean: every second is screened as if it lay in the busiest minute.

The closed form answers thousands of questions a second. A plan rests on the step simulator (`capacity_search`)
instead. The simulator takes three things from here: where its search starts, what gives way first, and how far the
rate moves with the residuals of the fit (`with_interval`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from planner.performance.capacity import PERCENTILE, Binding, Capacity, CapacityQuestion, NoCapacity
from planner.performance.prefix import with_reuse
from planner.performance.steady_state import Load, SteadyState, column
from planner.words.arrays import Floats
from planner.words.numbers import six_digits

LEAST_CONCURRENCY = 0.01
"""Mean concurrency that counts as idle: a class that misses its SLO here misses it on an idle replica."""
_PASSES, _POINTS = 3, 8
_BISECTIONS = 14
_BLOCK = 128
"""Questions that are computed at once: arrays of this length stay within the cache of a core."""


def capacities(questions: Sequence[CapacityQuestion]) -> list[Capacity | NoCapacity]:
    """Return the answers to many questions, in their order. A thousand take about half a second."""
    return [answer for block in _blocks(questions) for answer in block.answers()]


def rates(questions: Sequence[CapacityQuestion]) -> list[float]:
    """Return the planned rate of each question, requests/s, and 0 where it has none: a third of the work."""
    return [rate for block in _blocks(questions) for rate in block.rates()]


def are_served(questions: Sequence[CapacityQuestion]) -> list[bool]:
    """Say for each question whether a replica serves it at all: a tenth of the work."""
    return [bool(able) for block in _blocks(questions) for able in block.able]


def with_interval(answer: Capacity, question: CapacityQuestion, residual: tuple[float, float]) -> Capacity:
    """Return the same capacity with its range: what the closed form says of steps at the ends of the fit's residuals.

    residual: (p10, p90) of the step time, relative to the clock of the question. Where a margin was applied to that
    clock, the residuals of the fit must be divided by it first.
    """
    asked = replace(question, max_num_seqs=answer.max_num_seqs)
    ends = [six_digits(answer.requests_per_second * factor) for factor in rate_factors([asked, asked], residual)]
    return replace(answer, low=min(ends), high=max(ends))


def rate_factors(questions: Sequence[CapacityQuestion], slowness: Sequence[float]) -> list[float]:
    """Return the factor on the screened rate of each question when its steps take `slowness` times as long.

    It is 0 where no rate is left, and where there was none before.
    """
    slower = [replace(q, clock=q.clock.slower_by(factor)) for q, factor in zip(questions, slowness, strict=True)]
    count, found = len(questions), rates([*questions, *slower])
    return [after / before if before else 0.0 for before, after in zip(found[:count], found[count:], strict=True)]


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


class _Block:
    """Questions that are computed at once. Only what is asked of a block is computed."""

    def __init__(self, questions: Sequence[CapacityQuestion]) -> None:
        self.questions = questions
        in_cache = [q.memory.sequences(q.lengths.mean_residence, q.reuse.shared_tokens) for q in questions]
        self.places = [min(float(q.max_num_seqs), fits) for q, fits in zip(questions, in_cache, strict=True)]
        self.load = Load.stack(
            [q.clock for q in questions],
            [with_reuse(q.lengths, q.reuse) for q in questions],
            [max(each, 1.0) for each in self.places],
            [q.max_num_batched_tokens for q in questions],
        )
        self.targets = _Targets(self.load, questions)
        self.idle = SteadyState(self.load, np.full_like(self.load.places, LEAST_CONCURRENCY))

    @cached_property
    def able(self) -> NDArray[np.bool_]:
        """Say for each question whether a replica that is idle meets the targets, and holds a request."""
        return self.targets.are_met(self.idle)[:, 0] & (np.array(self.places) >= 1.0)

    def rates(self) -> list[float]:
        """Return the planned rates, requests/s; 0 where there is none."""
        found = [0.0] * len(self.questions)
        rows = [i for i, able in enumerate(self.able) if able]
        if rows:
            some = self if len(rows) == len(found) else _Block([self.questions[i] for i in rows])
            for i, rate in zip(rows, some.state.rate_per_ms[:, 0, 0], strict=True):
                found[i] = _planned(self.questions[i], float(rate))
        return found

    @cached_property
    def state(self) -> SteadyState:
        """Return the state at the highest concurrency that meets the targets."""
        return SteadyState(self.load, self._highest[0])

    @cached_property
    def _highest(self) -> tuple[Floats, Floats]:
        return _highest(self.load, self.targets)

    @cached_property
    def _bindings(self) -> list[Binding]:
        cache_is_the_limit = [p < q.max_num_seqs for p, q in zip(self.places, self.questions, strict=True)]
        return _bindings(SteadyState(self.load, self._highest[1]), self.targets, cache_is_the_limit)

    @cached_property
    def _misses(self) -> _Misses:
        return _Misses(self.idle, self.targets)

    def answers(self) -> list[Capacity | NoCapacity]:
        """Return the answers in full."""
        times = self._times() if self.able.any() else []
        return [
            self._capacity(i, [float(each[i]) for each in times]) if able else self._no_capacity(i)
            for i, able in enumerate(self.able)
        ]

    def _times(self) -> list[Floats]:
        """Return the percentiles of TTFT and of TPOT, each p50 before p95, and the p95 of E2E where one is promised."""
        tails = (self.state.ttft_tail, self.state.tpot_tail)
        times = [_percentile(tail, self.load, share) for tail in tails for share in (0.5, PERCENTILE)]
        if self.targets.are_whole:
            times.append(_percentile(partial(self.targets.e2e_tail, self.state), self.load, PERCENTILE))
        return times

    def _no_capacity(self, i: int) -> NoCapacity:
        if self.places[i] < 1.0:
            reason = "the KV cache holds less than one request of this mix"
            return NoCapacity(reason, "memory", _short_of(self.places[i]))
        return NoCapacity(self._misses.reason(i), self._bindings[i], six_digits(float(self._misses.over[i])))

    def _capacity(self, i: int, times: Sequence[float]) -> Capacity:
        question, rate = self.questions[i], float(self.state.rate_per_ms[i, 0, 0])
        most = max(float(self.load.full_rate_per_ms[i, 0, 0]), rate)
        entry, asked, planned = question.first_token_overhead_ms, question.target, _planned(question, rate)
        ttft50, ttft95, tpot50, tpot95, *whole = times
        # Only a question with a target of its own is answered: an answer does not depend on its neighbours.
        has_whole = bool(whole) and asked.e2e_ms < np.inf
        return Capacity(
            requests_per_second=planned,
            max_num_seqs=question.max_num_seqs,
            concurrency=six_digits(float(self.state.concurrency[i, 0, 0])),
            ttft_ms_p50=six_digits(ttft50 + entry),
            ttft_ms_p95=six_digits(ttft95 + entry),
            tpot_ms_p50=six_digits(tpot50),
            tpot_ms_p95=six_digits(tpot95),
            binding=self._bindings[i],
            utilisation=six_digits(rate / most),
            provenance=question.provenance,
            low=planned,
            high=planned,
            e2e_ms_p95=six_digits(whole[0] + asked.first_token * entry) if has_whole else None,
        )


def _blocks(questions: Sequence[CapacityQuestion]) -> Iterator[_Block]:
    return (_Block(questions[start : start + _BLOCK]) for start in range(0, len(questions), _BLOCK))


def _planned(question: CapacityQuestion, rate_per_ms: float) -> float:
    """Return the rate that is planned with, requests/s: bursts have lowered it."""
    return six_digits(rate_per_ms * 1e3 / max(question.burst_ratio, 1.0))


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


class _Misses:
    """How idle replicas miss their targets, for each question of a block."""

    def __init__(self, idle: SteadyState, targets: _Targets) -> None:
        self._idle, self._targets = idle, targets

    @cached_property
    def over(self) -> Floats:
        """Bisect for the factor on all targets with which an idle replica would meet them, shape (questions,)."""
        low = np.zeros((len(self._idle.load.idle_step_ms), 1, 1))
        high = np.full_like(low, np.log(1e4))
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2.0
            shares = np.stack(self._targets.miss_shares(self._idle, np.exp(middle)))
            late = shares.max(axis=0)[:, :, None] > 1.0 - PERCENTILE
            low, high = np.where(late, middle, low), np.where(late, high, middle)
        factor: Floats = np.exp(high)[:, 0, 0]
        return factor

    def reason(self, i: int) -> str:
        """Return why an idle replica is too slow for a question, as one sentence."""
        ttft, tpot, e2e = (float(share[i, 0]) for share in self._shares)
        step = float(self._idle.load.idle_step_ms[i, 0, 0])
        if tpot > 1.0 - PERCENTILE:
            asked = self._targets.tpot_ms[i, 0, 0]
            return f"an idle replica already takes {step:.1f} ms per output token, {asked:.0f} ms are asked for"
        name, p95 = ("first", self._first_ms[i]) if ttft >= e2e else ("last", self._last_ms[i])
        return (
            f"an idle replica misses the target to the {name} token for {max(ttft, e2e):.0%} of the requests; its p95 "
            f"is {p95:.0f} ms to the {name} token"
        )

    @cached_property
    def _shares(self) -> tuple[Floats, Floats, Floats]:
        return self._targets.miss_shares(self._idle)

    @cached_property
    def _first_ms(self) -> Floats:
        return _percentile(self._idle.ttft_tail, self._idle.load, PERCENTILE)

    @cached_property
    def _last_ms(self) -> Floats:
        return _percentile(partial(self._targets.e2e_tail, self._idle), self._idle.load, PERCENTILE)


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
