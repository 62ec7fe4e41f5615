"""One replica in the steady state: rate, latencies and their tails at a given mean number of decoding sequences.

Little's law on both sides gives the rate without iteration. With D = O − 1 decode steps a request, C sequences
decoding:

    t     = step(C, X)            X = C·E[D·(S + O/2)]/E[D]
    ΔT(S) = chunks·(step(C, X, S/chunks, S/2) − t)            what one prompt adds to the steps that it shares
    λ(C)  = C / (E[D]·t + C·E[ΔT])          and           TPOT = C/(λ·E[D]) = t/(1 − φ),  φ = λ·E[ΔT]

Requests differ from the mean by three chances:

    TPOT  the prompts that hit a request while it decodes, and the batch around it. Hits in a life of D steps are
    compound
          Poisson and prolong that life: variance λ·TPOT·E[ΔT²]/(D·(1 − φ)²). The batch varies by C/ε, ε = d ln μ/d ln
          n of its departures, averaged over a life. Their sum is lognormal above the idle step; for short answers one
          long prompt is enough: 1 − exp(−λ·D·TPOT·P(ΔT > room)). Either makes it late.
    TTFT  the rest of the running step, the queue of prompts (M/G/1), and the wait for a place in the batch (M/M/c:
    Erlang C
          with hold T_pre + D·TPOT and c places), then its own chunks
    E2E   TTFT + D·TPOT

Arrays have the shape (classes, concurrencies, points), each axis of length 1 where it does not matter. Arrivals are
Poisson here; what bursts cost is `capacity`'s matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtr

from planner.performance.lengths import Lengths
from planner.performance.queueing import erlang_c_table
from planner.performance.step_time import ClockTable, StepClock, clock_table
from planner.words.arrays import Floats

_ZERO = np.zeros((1, 1, 1))


@dataclass(frozen=True)
class Load:
    """Many classes, each with the lengths that it serves. places: sequences that can be in the batch, shape (n, 1,
    1)."""

    clock: ClockTable
    inputs: Floats
    input_weights: Floats
    decode_steps: Floats
    decode_weights: Floats
    decode_inputs: Floats
    mean_decode_steps: Floats
    """At least one, so that a route of one-token answers still has a rate for each concurrency."""
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
        """One row per class; shorter mixes are padded with points of weight 0."""
        return cls(
            clock_table(clocks, 3),
            _padded([each.inputs for each in lengths]),
            _padded([each.input_weights for each in lengths]),
            np.maximum(_padded([each.decode_steps for each in lengths]), 1.0),
            _padded([each.decode_weights for each in lengths]),
            _padded([each.decode_inputs for each in lengths]),
            np.maximum(column([each.mean_decode_steps for each in lengths]), 1.0),
            column([each.mean_context for each in lengths]),
            column(places),
            column(max_num_batched_tokens),
        )

    @cached_property
    def idle_step_ms(self) -> Floats:
        """The decode step of a sequence that is alone."""
        return self.decode_step_ms(np.ones_like(self.places))

    @cached_property
    def full_rate_per_ms(self) -> Floats:
        """Rate with every place decoding: the most that goes through at any latency."""
        return SteadyState(self, self.places).rate_per_ms

    def decode_step_ms(self, concurrency: Floats) -> Floats:
        """A step without prompts."""
        return self.clock.step_ms(concurrency, concurrency * self.mean_context, _ZERO, _ZERO)

    def chunks(self, inputs: Floats) -> Floats:
        """Steps that a prompt is spread over."""
        return np.maximum(np.ceil(inputs / self.max_num_batched_tokens), 1.0)

    def over_inputs(self, values: Floats) -> Floats:
        """Mean over requests of a function of the input; the last axis is kept with length 1."""
        mean: Floats = np.sum(self.input_weights * values, axis=2, keepdims=True)
        return mean

    def over_decodes(self, values: Floats) -> Floats:
        """Mean over the requests that decode at all."""
        mean: Floats = np.sum(self.decode_weights * values, axis=2, keepdims=True)
        return mean


class SteadyState:
    """A `Load` at mean concurrencies of shape (n, m, 1) with m of its own choosing."""

    def __init__(self, load: Load, concurrency: Floats) -> None:
        self.load, self.concurrency = load, concurrency
        self.decode_step_ms = load.decode_step_ms(concurrency)
        arriving = concurrency / load.mean_decode_steps
        self.company = arriving / -np.expm1(-arriving)
        self.added_ms = self._added_ms(load.inputs)
        alone = self._alone_ms(load.inputs)
        self.mean_work_ms = load.over_inputs(self._work_ms(load.inputs))
        self.own_ms = load.chunks(load.inputs) * self.decode_step_ms + alone
        self.mean_added_ms = load.over_inputs(self.added_ms)
        at_rest = load.mean_decode_steps * self.decode_step_ms + concurrency * self.mean_added_ms
        self.entry_ms = load.over_inputs(self.own_ms) + self._company_ms(concurrency / at_rest)
        cycle = (at_rest + np.sqrt(at_rest**2 + 4.0 * concurrency * self.entry_ms * self.mean_added_ms)) / 2.0
        self.rate_per_ms = concurrency / cycle
        self.tpot_ms = cycle / load.mean_decode_steps

    def _company_ms(self, rate_per_ms: Floats) -> Floats:
        """What the other prompts add to the step of one that arrived at random.

        They are those that came during the step before; a random arrival meets a step in proportion to its length, so
        that one is E[L²]/E[L] long, L = t or t + n·ΔT.
        """
        t, n, added = self.decode_step_ms, self.company, self.mean_added_ms
        square = self.load.over_inputs(self.added_ms**2)
        mixed = rate_per_ms / n
        busy = np.minimum(mixed * (t + n * added), 1.0)
        met = mixed * (t**2 + 2.0 * t * n * added + n * square + n * (n - 1.0) * added**2) + (1.0 - busy) * t
        return rate_per_ms * met * self.mean_work_ms

    def _work_ms(self, inputs: Floats) -> Floats:
        """Arithmetic and communication of a prompt, when nothing of it hides behind reading memory."""
        clock = self.load.clock
        attention = clock.attention_ms_per_token_pair * inputs / 2.0
        products = clock.dense_compute_ms_per_token + clock.expert_compute_ms_per_token
        return (products + clock.comm_ms_per_token + attention) * inputs

    def _alone_ms(self, inputs: Floats) -> Floats:
        """What a prompt adds to its steps when it is the only one in them."""
        chunks = self.load.chunks(inputs)
        context = self.concurrency * self.load.mean_context
        mixed = self.load.clock.step_ms(self.concurrency, context, inputs / chunks, inputs / 2.0)
        return chunks * (mixed - self.decode_step_ms)

    def _added_ms(self, inputs: Floats) -> Floats:
        """What a prompt adds to its steps in the company that it has on average: what is shared is paid once a step."""
        work = self._work_ms(inputs)
        return work + (self._alone_ms(inputs) - work) / self.company

    @cached_property
    def elasticity(self) -> Floats:
        """ε of the departures: 1 while the batch is free, towards 0 as one more sequence only slows the others."""
        slower = self.load.decode_step_ms(self.concurrency * 1.02) - self.decode_step_ms
        share: Floats = np.clip(1.0 - slower / 0.02 / self.decode_step_ms, 1e-3, 1.0)
        return share

    @cached_property
    def decode_share(self) -> Floats:
        """1 − φ: the share of time that is left to decode steps."""
        share: Floats = np.maximum(1.0 - self.rate_per_ms * self.mean_added_ms, 1e-3)
        return share

    @cached_property
    def prompt_service_ms(self) -> Floats:
        """Time that the engine spends on one prompt when prompts queue, its share of the decode steps included."""
        return self.added_ms + self.decode_step_ms * self.load.inputs / self.load.max_num_batched_tokens

    @cached_property
    def prompt_load(self) -> Floats:
        """Share of time with prompts at work; at 1 their queue grows without end."""
        return self.rate_per_ms * self.load.over_inputs(self.prompt_service_ms)

    @cached_property
    def place_wait(self) -> Floats:
        """Share of the arrivals that find no place in the batch; hold times are those of the full batch."""
        return erlang_c_table(self.load.places, self.load.places * self.rate_per_ms / self.load.full_rate_per_ms)

    @cached_property
    def _decays(self) -> tuple[Floats, Floats]:
        """Rates per ms at which the queue of prompts and the queue for places fade."""
        mean, square = (self.load.over_inputs(self.prompt_service_ms**power) for power in (1, 2))
        prompts = 2.0 * np.maximum(1.0 - self.prompt_load, 1e-9) * mean / np.maximum(square, 1e-12)
        places = np.maximum(self.load.full_rate_per_ms - self.rate_per_ms, 1e-12)
        return prompts, places

    def wait_tail(self, budget_ms: Floats) -> Floats:
        """Share of requests whose time before their own first chunk exceeds `budget_ms`."""
        prompts, places = self._decays
        step = self.decode_step_ms
        beyond = np.maximum(budget_ms - step / 2.0, 0.0)
        queued = np.minimum(self.prompt_load, 1.0) * np.exp(-prompts * beyond)
        queued = queued + self.place_wait * np.exp(-places * beyond)
        running = np.minimum(self.concurrency, 1.0) * np.clip((step - budget_ms) / step, 0.0, 1.0)
        tail: Floats = np.where(budget_ms < 0.0, 1.0, np.minimum(running + queued, 1.0))
        return tail

    def ttft_tail(self, target_ms: Floats) -> Floats:
        """Share of all requests whose TTFT exceeds the target, which may differ by input length."""
        return self.load.over_inputs(self.wait_tail(target_ms - self.own_ms))

    def e2e_tail(self, target_ms: Floats) -> Floats:
        """Share of the requests that take longer than the target from arrival to last token."""
        load = self.load
        own = load.chunks(load.decode_inputs) * self.decode_step_ms + self._alone_ms(load.decode_inputs)
        return load.over_decodes(self.wait_tail(target_ms - own - load.decode_steps * self.tpot_ms))

    def tpot_tail(self, target_ms: Floats) -> Floats:
        """Share of the requests with two tokens or more whose mean time per output token exceeds the target."""
        in_time = (1.0 - self._many_hits(target_ms)) * (1.0 - self._one_hit(target_ms))
        return self.load.over_decodes(1.0 - in_time)

    def _many_hits(self, target_ms: Floats) -> Floats:
        """The mean over a life is too long: its prompts and its batch, as a lognormal above the idle step."""
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
        """One prompt is enough when it is longer than all the spare time, in steps that are each too long."""
        load, steps = self.load, self.load.decode_steps
        spare = np.maximum(target_ms - self.decode_step_ms, 0.0)
        slow_chunk = self.added_ms / load.chunks(load.inputs) > spare
        slow = (self.added_ms[:, :, None, :] > (spare * steps)[:, :, :, None]) & slow_chunk[:, :, None, :]
        longer = slow * load.input_weights[:, :, None, :]
        certain = target_ms < self.decode_step_ms
        alive = self.rate_per_ms * (steps * self.tpot_ms + self.entry_ms)
        return np.where(certain, 1.0, -np.expm1(-alive * longer.sum(axis=3)))


def column(values: Sequence[float]) -> Floats:
    """One number per class, as shape (n, 1, 1)."""
    return np.array(values, dtype=np.float64).reshape(-1, 1, 1)


def _padded(rows: Sequence[Floats]) -> Floats:
    table = np.zeros((len(rows), 1, max(len(row) for row in rows)))
    for line, values in zip(table, rows, strict=True):
        line[0, : len(values)] = values
    return table
