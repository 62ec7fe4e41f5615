"""Time of one engine step of a replica, and what follows from it for one request.

    dense(C, P)  = √(read² + (compute·(C + P))²)
    expert(C, P) = √((read·(1 − (1 − k/E)^(C + P)))² + (compute·(C + P))²)
    step         = dense + expert + kv·X + attention·P·context
                 + overhead + per_sequence·C + comm_per_step + comm_per_token·(C + P)

C sequences decode one token each while holding X tokens of context in all; P prompt tokens are computed in the same
step, each attending to `context` tokens on average (half the prompt for a whole prompt). A matrix product reads its
weights and multiplies at the same time, so the slower of the two binds; near the point where they are equal it reaches
neither bound, which the root of the squares says. Products, attention and all-reduces run one after the other, so they
add up. The expert read is the expected number of distinct experts that C + P tokens visit. An all-reduce carries a
ring's volume, 2(TP − 1)/TP copies of the payload: in one hop behind an NVSwitch, in TP − 1 hops over PCIe, where more
than four GPUs also cross from one socket to the other.

A `StepClock` is this formula with its eleven numbers for one deployment class. It is what a plan is rehearsed against,
so it must not know percentiles, arrivals or memory limits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from planner.words.arrays import Floats
from planner.words.numbers import six_digits


@dataclass(frozen=True, slots=True)
class StepClock:
    """The step time of one deployment class. All times in milliseconds on one rank; ranks step together."""

    dense_read_ms: float
    """Reading what every token touches: attention and dense layers, shared experts, the head."""
    dense_compute_ms_per_token: float
    """Multiplying it, with the attention of windowed layers, which does not grow with the context."""
    expert_read_ms: float
    """Reading every routed expert once."""
    expert_compute_ms_per_token: float
    expert_hit_fraction: float
    """k/E; 0 for a dense model."""
    kv_read_ms_per_token: float
    attention_ms_per_token_pair: float
    overhead_ms: float
    overhead_ms_per_sequence: float
    """Sampling and bookkeeping of one sequence, and its row of the output head."""
    comm_ms_per_token: float
    comm_ms_per_step: float

    def step_ms(
        self, decode_sequences: float, context_tokens: float, prefill_tokens: float = 0.0, prefill_context: float = 0.0
    ) -> float:
        """One step: `decode_sequences` over `context_tokens` in all, and `prefill_tokens` of prompt."""
        tokens = decode_sequences + prefill_tokens
        visited = 1.0 - math.pow(1.0 - self.expert_hit_fraction, tokens)
        dense = math.sqrt(self.dense_read_ms**2 + (self.dense_compute_ms_per_token * tokens) ** 2)
        expert = math.sqrt((self.expert_read_ms * visited) ** 2 + (self.expert_compute_ms_per_token * tokens) ** 2)
        attention = self.kv_read_ms_per_token * context_tokens
        attention += self.attention_ms_per_token_pair * prefill_tokens * prefill_context
        fixed = self.overhead_ms + self.comm_ms_per_step
        fixed += self.overhead_ms_per_sequence * decode_sequences + self.comm_ms_per_token * tokens
        return dense + expert + attention + fixed

    def as_written(self) -> StepClock:
        """The clock with the six significant digits that a lock holds, so that what is simulated is what is locked."""
        return StepClock(*(six_digits(getattr(self, field.name)) for field in fields(self)))

    def tpot_ms(
        self, concurrency: float, input_tokens: float, output_tokens: float, max_num_batched_tokens: int = 8192
    ) -> float:
        """Mean time per output token when `concurrency` equal requests are always in the engine.

        A request of O > 1 tokens sees each of the others' prompts once in its life: T_dec + (C − 1)/O · ΔT_prefill.
        """
        context = concurrency * (input_tokens + output_tokens / 2.0)
        added = self.prefill_added_ms(concurrency, context, input_tokens, max_num_batched_tokens)
        return self.step_ms(concurrency, context) + (concurrency - 1.0) / output_tokens * added

    def prefill_ms(self, input_tokens: float, max_num_batched_tokens: int = 8192) -> float:
        """Time to the first token of one prompt on an idle replica, queue and network left out."""
        chunks = max(1, math.ceil(input_tokens / max_num_batched_tokens))
        return chunks * self.step_ms(0.0, 0.0, input_tokens / chunks, input_tokens / 2.0)

    def prefill_added_ms(
        self, decode_sequences: float, context_tokens: float, input_tokens: float, max_num_batched_tokens: int = 8192
    ) -> float:
        """What one prompt adds to the decode steps that it shares."""
        chunks = max(1, math.ceil(input_tokens / max_num_batched_tokens))
        shared = self.step_ms(decode_sequences, context_tokens, input_tokens / chunks, input_tokens / 2.0)
        return chunks * (shared - self.step_ms(decode_sequences, context_tokens))

    def slower_by(self, factor: float) -> StepClock:
        """The same class with every step `factor` times as long: a margin, or an engine slower than planned."""
        times = {f.name: getattr(self, f.name) * factor for f in fields(self) if f.name != "expert_hit_fraction"}
        return replace(self, **times)


@dataclass(frozen=True, slots=True)
class ClockTable:
    """The same eleven numbers of many classes, each an array that broadcasts against the others."""

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

    def step_ms(
        self, decode_sequences: Floats, context_tokens: Floats, prefill_tokens: Floats, prefill_context: Floats
    ) -> Floats:
        """`StepClock.step_ms`, element by element under numpy's broadcasting."""
        tokens = decode_sequences + prefill_tokens
        visited = -np.expm1(tokens * np.log1p(-self.expert_hit_fraction))
        dense = np.sqrt(self.dense_read_ms**2 + (self.dense_compute_ms_per_token * tokens) ** 2)
        expert = np.sqrt((self.expert_read_ms * visited) ** 2 + (self.expert_compute_ms_per_token * tokens) ** 2)
        attention = self.kv_read_ms_per_token * context_tokens
        attention = attention + self.attention_ms_per_token_pair * prefill_tokens * prefill_context
        fixed = self.overhead_ms + self.comm_ms_per_step + self.overhead_ms_per_sequence * decode_sequences
        result: Floats = dense + expert + attention + fixed + self.comm_ms_per_token * tokens
        return result

    def slower_by(self, factor: Floats) -> ClockTable:
        """The same classes with every step of each `factor` times as long."""
        times = {f.name: getattr(self, f.name) * factor for f in fields(self) if f.name != "expert_hit_fraction"}
        return replace(self, **times)


def clock_table(clocks: Sequence[StepClock], dimensions: int) -> ClockTable:
    """Stack clocks along the first of `dimensions` axes, the others of length 1."""
    shape = (len(clocks),) + (1,) * (dimensions - 1)
    return ClockTable(*(np.array([getattr(c, f.name) for c in clocks]).reshape(shape) for f in fields(StepClock)))
