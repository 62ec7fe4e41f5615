"""One replica in the steady state: its rate, its latencies and their tails, when C sequences decode on average.

Little's law on both sides gives the rate without iteration. A request has S input and O output tokens and D = O − 1
decode steps. Of its input N tokens are computed, and H = S − N are in the cache already; N = S without prefix reuse.

    t     = step(C, X)            X = C·E[D·(S + O/2)]/E[D]
    ΔT(S) = chunks·(step(C, X, N/chunks, H + N/2) − t)        what one prompt adds to the steps that it shares
    λ(C)  = C / (E[D]·t + C·E[ΔT])
    TPOT  = C/(λ·E[D]) = t/(1 − φ)                            φ = λ·E[ΔT]

Chance makes requests differ from the mean:

- **TPOT** depends on the prompts that hit a request while it decodes, and on the batch around it. The hits in a life of
  D steps are compound Poisson, and they prolong that life. The batch varies by C/ε, averaged over a life, where ε is
  the elasticity d ln μ/d ln n of its departures. The sum of the two is lognormal above the idle step. For a short
  answer, one long prompt that is longer than all spare time is enough. Either of the two makes a request late.

      variance of the hits    λ·TPOT·E[ΔT²]/(D·(1 − φ)²)
      chance of one long hit  1 − exp(−λ·D·TPOT·P(ΔT > room))

- **TTFT** is the rest of the running step, the queue of prompts (M/G/1), the wait for a place in the batch (M/M/c:
  Erlang C with the hold T_pre + D·TPOT and c places), and the chunks of the request's own prompt.
- **E2E** is TTFT + D·TPOT.

Arrays have the shape (classes, concurrencies, points); an axis has length 1 where it does not matter. Arrivals are
Poisson here; what bursts cost is the matter of `capacity`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtr

from planner.performance.lengths import Lengths
from planner.performance.queueing import erlang_c
from planner.performance.step_time import ClockTable, StepClock, clock_table
from planner.words.arrays import Floats

_ZERO = np.zeros((1, 1, 1))


@dataclass(frozen=True, kw_only=True)
class Load:
    """Many classes, each with the lengths that it serves. `Lengths` says what the fields of the same name are.

    clock: the clocks, shape (n, 1, 1).
    inputs, input_weights: shape (n, 1, points).
    decode_steps, decode_weights, decode_inputs: shape (n, 1, points).
    cached, decode_cached: shapes of `inputs` and `decode_inputs`.
    mean_decode_steps: shape (n, 1, 1). It is at least one, so that a route of one-token answers still has a rate for
    each concurrency.
    mean_context: tokens, shape (n, 1, 1).
    places: sequences that can be in the batch, shape (n, 1, 1).
    max_num_batched_tokens: tokens of one step, shape (n, 1, 1).
    """

    clock: ClockTable
    inputs: Floats
    input_weights: Floats
    decode_steps: Floats
    decode_weights: Floats
    decode_inputs: Floats
    cached: Floats
    decode_cached: Floats
    mean_decode_steps: Floats
    mean_context: Floats
    places: Floats
    max_num_batched_tokens: Floats

    @classmethod
    def stack(
        cls,
        clocks: Sequence[StepClock],
        lengths: Sequence[Lengths],
        places: Sequence[float],
        max_num_batched_tokens: Sequence[int],
    ) -> Load:
        """Return one row for each class; a mix with fewer points than another is filled up with points of weight 0."""
        return cls(
            clock=clock_table(clocks, 3),
            inputs=_rows([each.inputs for each in lengths]),
            input_weights=_rows([each.input_weights for each in lengths]),
            decode_steps=np.maximum(_rows([each.decode_steps for each in lengths]), 1.0),
            decode_weights=_rows([each.decode_weights for each in lengths]),
            decode_inputs=_rows([each.decode_inputs for each in lengths]),
            cached=_rows([each.cached for each in lengths]),
            decode_cached=_rows([each.decode_cached for each in lengths]),
            mean_decode_steps=np.maximum(column([each.mean_decode_steps for each in lengths]), 1.0),
            mean_context=column([each.mean_context for each in lengths]),
            places=column(places),
            max_num_batched_tokens=column(max_num_batched_tokens),
        )

    @cached_property
    def idle_step_ms(self) -> Floats:
        """Decode step of a sequence that is alone, ms."""
        return self.decode_step_ms(np.ones_like(self.places))

    @cached_property
    def full_rate_per_ms(self) -> Floats:
        """Rate while every place decodes, requests/ms: the most that goes through at any latency."""
        return SteadyState(self, self.places).rate_per_ms

    def decode_step_ms(self, concurrency: Floats) -> Floats:
        """Return the time of a step without prompts, ms."""
        return self.clock.step_ms(concurrency, concurrency * self.mean_context, _ZERO, _ZERO)

    @cached_property
    def computed(self) -> Floats:
        """Tokens of a prompt that are computed, at each point of the inputs; the others are in the cache."""
        return self.inputs - self.cached

    def chunks(self, computed: Floats) -> Floats:
        """Return the number of steps over which the computed part of a prompt is spread."""
        return np.maximum(np.ceil(computed / self.max_num_batched_tokens), 1.0)

    def over_inputs(self, values: Floats) -> Floats:
        """Return the mean over all requests of a function of the input; the last axis stays, with length 1."""
        mean: Floats = np.sum(self.input_weights * values, axis=2, keepdims=True)
        return mean

    def over_decodes(self, values: Floats) -> Floats:
        """Return the mean over the requests that decode at all; the last axis stays, with length 1."""
        mean: Floats = np.sum(self.decode_weights * values, axis=2, keepdims=True)
        return mean


class SteadyState:
    """A `Load` at mean concurrencies of shape (n, m, 1): m concurrencies for each of the n classes.

    decode_step_ms: step without prompts, ms.
    company: prompts that enter in one step, on average over the steps that any prompt enters.
    added_ms: what a prompt adds to its steps in this company, at each point of the inputs, ms.
    mean_work_ms: arithmetic and communication of a mean prompt, ms.
    own_ms: the steps of a prompt's own chunks, at each point of the inputs, ms.
    mean_added_ms: mean of `added_ms`, ms.
    entry_ms: mean time from the first own chunk to the first token, other prompts in the same step included, ms.
    rate_per_ms: λ, requests/ms.
    tpot_ms: mean time per output token, ms.
    """

    def __init__(self, load: Load, concurrency: Floats) -> None:
        self.load, self.concurrency = load, concurrency
        self.decode_step_ms = load.decode_step_ms(concurrency)
        arriving = concurrency / load.mean_decode_steps
        self.company = arriving / -np.expm1(-arriving)
        alone = self._alone_ms(load.computed, load.cached)
        work = self._work_ms(load.computed, load.cached)
        self.added_ms = work + (alone - work) / self.company  # what the prompts of one step share is paid once
        self.mean_work_ms = load.over_inputs(work)
        self.own_ms = load.chunks(load.computed) * self.decode_step_ms + alone
        self.mean_added_ms = load.over_inputs(self.added_ms)
        at_rest = load.mean_decode_steps * self.decode_step_ms + concurrency * self.mean_added_ms
        self.entry_ms = load.over_inputs(self.own_ms) + self._company_ms(concurrency / at_rest)
        cycle = (at_rest + np.sqrt(at_rest**2 + 4.0 * concurrency * self.entry_ms * self.mean_added_ms)) / 2.0
        self.rate_per_ms = concurrency / cycle
        self.tpot_ms = cycle / load.mean_decode_steps

    def _company_ms(self, rate_per_ms: Floats) -> Floats:
        """Return what the other prompts add to the step of a prompt that arrived at random, ms.

        The others are those that came during the step before. A random arrival meets a step in proportion to its length
        L, which is t or t + n·ΔT, so that the step which it meets is E[L²]/E[L] long.
        """
        t, n, added = self.decode_step_ms, self.company, self.mean_added_ms
        square = self.load.over_inputs(self.added_ms**2)
        mixed = rate_per_ms / n
        busy = np.minimum(mixed * (t + n * added), 1.0)
        met = mixed * (t**2 + 2.0 * t * n * added + n * square + n * (n - 1.0) * added**2) + (1.0 - busy) * t
        return rate_per_ms * met * self.mean_work_ms

    def _work_ms(self, computed: Floats, cached: Floats) -> Floats:
        """Return the arithmetic and communication of a prompt when nothing of it hides behind reading memory, ms."""
        clock = self.load.clock
        attention = clock.attention_ms_per_token_pair * (cached + computed / 2.0)
        products = clock.dense_compute_ms_per_token + clock.expert_compute_ms_per_token
        return (products + clock.comm_ms_per_token + attention) * computed

    def _alone_ms(self, computed: Floats, cached: Floats) -> Floats:
        """Return what a prompt adds to its steps when it is the only prompt in them, ms."""
        chunks = self.load.chunks(computed)
        context = self.concurrency * self.load.mean_context
        mixed = self.load.clock.step_ms(self.concurrency, context, computed / chunks, cached + computed / 2.0)
        return chunks * (mixed - self.decode_step_ms)

    @cached_property
    def elasticity(self) -> Floats:
        """ε of the departures: 1 while there is room in the batch; it falls towards 0 as one more sequence only slows
        the others."""
        slower = self.load.decode_step_ms(self.concurrency * 1.02) - self.decode_step_ms
        share: Floats = np.clip(1.0 - slower / 0.02 / self.decode_step_ms, 1e-3, 1.0)
        return share

    @cached_property
    def decode_share(self) -> Floats:
        """1 − φ: share of the time that is left to decode steps."""
        share: Floats = np.maximum(1.0 - self.rate_per_ms * self.mean_added_ms, 1e-3)
        return share

    @cached_property
    def prompt_service_ms(self) -> Floats:
        """Time that the engine spends on one prompt while prompts queue, with its share of the decode steps, ms."""
        return self.added_ms + self.decode_step_ms * self.load.computed / self.load.max_num_batched_tokens

    @cached_property
    def prompt_load(self) -> Floats:
        """Share of the time in which a prompt is computed; at 1 the queue of prompts grows without end."""
        return self.rate_per_ms * self.load.over_inputs(self.prompt_service_ms)

    @cached_property
    def place_wait(self) -> Floats:
        """Share of the arrivals that find no place in the batch; a place is held as long as in the full batch."""
        return erlang_c(self.load.places, self.load.places * self.rate_per_ms / self.load.full_rate_per_ms)

    @cached_property
    def _decays(self) -> tuple[Floats, Floats]:
        """Rates at which the queue of prompts and the queue for places fade, 1/ms."""
        mean, square = (self.load.over_inputs(self.prompt_service_ms**power) for power in (1, 2))
        prompts = 2.0 * np.maximum(1.0 - self.prompt_load, 1e-9) * mean / np.maximum(square, 1e-12)
        places = np.maximum(self.load.full_rate_per_ms - self.rate_per_ms, 1e-12)
        return prompts, places

    def wait_tail(self, budget_ms: Floats) -> Floats:
        """Return the share of the requests whose wait before their own first chunk exceeds `budget_ms`."""
        prompts, places = self._decays
        step = self.decode_step_ms
        beyond = np.maximum(budget_ms - step / 2.0, 0.0)
        queued = np.minimum(self.prompt_load, 1.0) * np.exp(-prompts * beyond)
        queued = queued + self.place_wait * np.exp(-places * beyond)
        running = np.minimum(self.concurrency, 1.0) * np.clip((step - budget_ms) / step, 0.0, 1.0)
        tail: Floats = np.where(budget_ms < 0.0, 1.0, np.minimum(running + queued, 1.0))
        return tail

    def ttft_tail(self, target_ms: Floats) -> Floats:
        """Return the share of all requests whose TTFT exceeds the target. The target may differ by input length."""
        return self.load.over_inputs(self.wait_tail(target_ms - self.own_ms))

    def e2e_tail(self, target_ms: Floats, first_token: Floats | float = 1.0) -> Floats:
        """Return the share of the requests that take longer than the target from arrival to the last token.

        first_token: factor on the time to the first token.
        """
        load = self.load
        computed = load.decode_inputs - load.decode_cached
        own = load.chunks(computed) * self.decode_step_ms + self._alone_ms(computed, load.decode_cached)
        return load.over_decodes(self.wait_tail((target_ms - load.decode_steps * self.tpot_ms) / first_token - own))

    def tpot_tail(self, target_ms: Floats) -> Floats:
        """Return the share of the requests of two tokens or more whose time per output token exceeds the target."""
        in_time = (1.0 - self._many_hits(target_ms)) * (1.0 - self._one_hit(target_ms))
        return self.load.over_decodes(1.0 - in_time)

    def _many_hits(self, target_ms: Floats) -> Floats:
        """Return the share of the requests whose mean step is too long because of the prompts and the batch of a life.

        The mean over a life is lognormal above the idle step.
        """
        load, steps = self.load, self.load.decode_steps
        square = load.over_inputs(self.added_ms**2)
        seen = self.tpot_ms + self.entry_ms / steps
        hits = self.rate_per_ms * seen * square / (steps * self.decode_share**2)
        batch = (self.tpot_ms * (1.0 - self.elasticity)) ** 2 / (self.elasticity * np.maximum(self.concurrency, 0.1))
        life = np.maximum(steps / load.mean_decode_steps * self.elasticity, 1e-6)
        averaged = 2.0 * (np.expm1(-life) + life) / life**2
        idle = load.idle_step_ms
        mean = (self.decode_step_ms + self.rate_per_ms * (seen - self.tpot_ms) * self.mean_added_ms) / self.decode_share
        excess = np.maximum(mean - idle, 1e-3 * idle)
        spread = np.sqrt(np.log1p((hits + batch * averaged) / excess**2))
        room = np.log(np.maximum(target_ms - idle, 1e-9))
        return np.asarray(ndtr((np.log(excess) - spread**2 / 2.0 - room) / np.maximum(spread, 1e-6)))

    def _one_hit(self, target_ms: Floats) -> Floats:
        """Return the share of the requests that one long prompt makes late.

        One prompt is enough when it adds more than all the spare time of a life, in steps that are each too long.
        """
        load, steps = self.load, self.load.decode_steps
        spare = np.maximum(target_ms - self.decode_step_ms, 0.0)
        slow_chunk = self.added_ms / load.chunks(load.computed) > spare
        slow = (self.added_ms[:, :, None, :] > (spare * steps)[:, :, :, None]) & slow_chunk[:, :, None, :]
        longer = slow * load.input_weights[:, :, None, :]
        certain = target_ms < self.decode_step_ms
        alive = self.rate_per_ms * (steps * self.tpot_ms + self.entry_ms)
        return np.where(certain, 1.0, -np.expm1(-alive * longer.sum(axis=3)))


def column(values: Sequence[float]) -> Floats:
    """Return one number for each class, shape (n, 1, 1)."""
    return np.array(values, dtype=np.float64).reshape(-1, 1, 1)


def _rows(rows: Sequence[Floats]) -> Floats:
    """Return one row for each class, shape (n, 1, points); short rows end with zeros."""
    table = np.zeros((len(rows), 1, max(len(row) for row in rows)))
    for line, values in zip(table, rows, strict=True):
        line[0, : len(values)] = values
    return table
