"""The time of one engine step of a replica, and what follows from it for one request.

    T            = tokens_per_sequence·C + P
    dense(T)     = √(read² + (compute·T)²)
    expert(T)    = √((read·(1 − (1 − k/E)^T))² + (compute·T)²)
    engine       = dense + expert + kv·X + attention·P·context
                 + overhead + per_sequence·C + comm_per_step + comm_per_token·T
    step         = max(engine, server·C)

In such a step C sequences decode one token each while they hold X tokens of context in all, and P prompt tokens are
computed, each of which attends to `context` tokens on average (half the prompt for a whole prompt).

- A matrix product reads its weights and multiplies at the same time, so the slower of the two binds. Near the point
  where both take equally long, the product reaches neither bound. The root of the squares says this.
- Products, attention and all-reduces run one after the other, so their times add up.
- A sequence brings one token, and more only with speculative decoding (`speculation` says what such a clock means).
- The expert read is the expected number of distinct experts that T tokens visit, k of E each.
- An all-reduce carries the volume of a ring, 2(TP − 1)/TP copies of the payload. It takes one hop behind an NVSwitch,
  and TP − 1 hops over PCIe, where more than four GPUs also cross from one socket to the other.
- The server process sends the tokens of a step while the engine computes the next one. Where it takes longer than the
  engine, the engine's tokens wait for it, and the server says how many go out in a second.

A `StepClock` is this formula with its thirteen numbers for one deployment class. A plan is rehearsed against it, so it
must not know percentiles, arrivals or memory limits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from planner.words.arrays import Floats
from planner.words.numbers import six_digits

STEP_TOKENS = 8192
"""Tokens of a step (`max_num_batched_tokens`) where nothing else is said: vLLM's default on large GPUs."""
_NO_TIMES = ("expert_hit_fraction", "tokens_per_sequence")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepClock:
    """The step time of one deployment class. All times are milliseconds on one rank; all ranks step together.

    dense_read_ms: reading the weights that every token uses: attention, dense layers, shared experts and the head.
    dense_compute_ms_per_token: multiplying one token with these weights; the attention of windowed layers is in it,
    because it does not grow with the context.
    expert_read_ms: reading every routed expert once.
    expert_compute_ms_per_token: multiplying one token with the experts that it visits.
    expert_hit_fraction: share of the experts that one token visits, k/E; 0 for a dense model.
    kv_read_ms_per_token: reading the KV cache of one token of context.
    attention_ms_per_token_pair: attention of one prompt token to one token before it.
    overhead_ms: launches and scheduling, once a step.
    overhead_ms_per_sequence: sampling and bookkeeping of one sequence, and its row of the output head.
    comm_ms_per_token: volume of the all-reduces, for one token.
    comm_ms_per_step: latency of the all-reduces, once a step.
    server_ms_per_sequence: sending the token of one sequence to its client; the server works beside the engine.
    tokens_per_sequence: tokens that are computed for each token that a sequence receives; 1 without speculation.
    """

    dense_read_ms: float
    dense_compute_ms_per_token: float
    expert_read_ms: float
    expert_compute_ms_per_token: float
    expert_hit_fraction: float
    kv_read_ms_per_token: float
    attention_ms_per_token_pair: float
    overhead_ms: float
    overhead_ms_per_sequence: float
    comm_ms_per_token: float
    comm_ms_per_step: float
    server_ms_per_sequence: float = 0.0
    tokens_per_sequence: float = 1.0

    def step_ms(
        self, decode_sequences: float, context_tokens: float, prefill_tokens: float = 0.0, prefill_context: float = 0.0
    ) -> float:
        """Return the time of one step, ms.

        decode_sequences: sequences that decode one token each. context_tokens: tokens that they hold in all.
        prefill_tokens: prompt tokens that are computed. prefill_context: tokens to which each of these attends.
        """
        tokens = self.tokens_per_sequence * decode_sequences + prefill_tokens
        visited = 1.0 - math.pow(1.0 - self.expert_hit_fraction, tokens)
        dense = math.sqrt(self.dense_read_ms**2 + (self.dense_compute_ms_per_token * tokens) ** 2)
        expert = math.sqrt((self.expert_read_ms * visited) ** 2 + (self.expert_compute_ms_per_token * tokens) ** 2)
        attention = self.kv_read_ms_per_token * context_tokens
        attention += self.attention_ms_per_token_pair * prefill_tokens * prefill_context
        fixed = self.overhead_ms + self.comm_ms_per_step
        fixed += self.overhead_ms_per_sequence * decode_sequences + self.comm_ms_per_token * tokens
        return max(dense + expert + attention + fixed, self.server_ms_per_sequence * decode_sequences)

    def as_written(self) -> StepClock:
        """Return the clock with the six significant digits that a lock holds.

        So what is simulated is what is locked.
        """
        return StepClock(**{field.name: six_digits(getattr(self, field.name)) for field in fields(self)})

    def tpot_ms(self, concurrency: float, input_tokens: float, output_tokens: float) -> float:
        """Return the mean time per output token when `concurrency` equal requests are always in the engine, ms.

        A request of O > 1 tokens sees the prompt of each other request once in its life:

            TPOT = T_dec + (C − 1)/O · ΔT_prefill
        """
        context = concurrency * (input_tokens + output_tokens / 2.0)
        added = self.prefill_added_ms(concurrency, context, input_tokens)
        return self.step_ms(concurrency, context) + (concurrency - 1.0) / output_tokens * added

    def prefill_ms(self, input_tokens: float, max_num_batched_tokens: int = STEP_TOKENS) -> float:
        """Return the time to the first token of one prompt on an idle replica, ms; queue and network are left out."""
        chunks = max(1, math.ceil(input_tokens / max_num_batched_tokens))
        return chunks * self.step_ms(0.0, 0.0, input_tokens / chunks, input_tokens / 2.0)

    def prefill_added_ms(
        self,
        decode_sequences: float,
        context_tokens: float,
        input_tokens: float,
        max_num_batched_tokens: int = STEP_TOKENS,
    ) -> float:
        """Return what one prompt adds to the decode steps that it shares, ms."""
        chunks = max(1, math.ceil(input_tokens / max_num_batched_tokens))
        shared = self.step_ms(decode_sequences, context_tokens, input_tokens / chunks, input_tokens / 2.0)
        return chunks * (shared - self.step_ms(decode_sequences, context_tokens))

    def slower_by(self, factor: float) -> StepClock:
        """Return the same class with every step `factor` times as long: with a margin, or on a slower engine."""
        times = {f.name: getattr(self, f.name) * factor for f in fields(self) if f.name not in _NO_TIMES}
        return replace(self, **times)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockTable:
    """The clocks of many classes: each field of `StepClock` as an array that broadcasts against the others."""

    dense_read_ms: Floats
    dense_compute_ms_per_token: Floats
    expert_read_ms: Floats
    expert_compute_ms_per_token: Floats
    expert_hit_fraction: Floats
    kv_read_ms_per_token: Floats
    attention_ms_per_token_pair: Floats
    overhead_ms: Floats
    overhead_ms_per_sequence: Floats
    comm_ms_per_token: Floats
    comm_ms_per_step: Floats
    server_ms_per_sequence: Floats
    tokens_per_sequence: Floats

    def step_ms(
        self, decode_sequences: Floats, context_tokens: Floats, prefill_tokens: Floats, prefill_context: Floats
    ) -> Floats:
        """Return `StepClock.step_ms` of every class; all arguments broadcast."""
        tokens = self.tokens_per_sequence * decode_sequences + prefill_tokens
        visited = -np.expm1(tokens * np.log1p(-self.expert_hit_fraction))
        dense = np.sqrt(self.dense_read_ms**2 + (self.dense_compute_ms_per_token * tokens) ** 2)
        expert = np.sqrt((self.expert_read_ms * visited) ** 2 + (self.expert_compute_ms_per_token * tokens) ** 2)
        attention = self.kv_read_ms_per_token * context_tokens
        attention = attention + self.attention_ms_per_token_pair * prefill_tokens * prefill_context
        fixed = self.overhead_ms + self.comm_ms_per_step + self.overhead_ms_per_sequence * decode_sequences
        engine: Floats = dense + expert + attention + fixed + self.comm_ms_per_token * tokens
        return np.maximum(engine, self.server_ms_per_sequence * decode_sequences)

    def slower_by(self, factor: Floats) -> ClockTable:
        """Return the same classes, each with every step `factor` times as long."""
        times = {f.name: getattr(self, f.name) * factor for f in fields(self) if f.name not in _NO_TIMES}
        return replace(self, **times)

    def clock(self, place: int) -> StepClock:
        """Return the clock of one class of a table whose fields have shape (n,)."""
        return StepClock(**{field.name: float(getattr(self, field.name)[place]) for field in fields(self)})


def clock_table(clocks: Sequence[StepClock], dimensions: int) -> ClockTable:
    """Return the clocks as a table that varies along the first of `dimensions` axes; the other axes have length 1."""
    shape = (len(clocks),) + (1,) * (dimensions - 1)
    names = [field.name for field in fields(StepClock)]
    return ClockTable(**{name: np.array([getattr(c, name) for c in clocks]).reshape(shape) for name in names})
